# SPDX-License-Identifier: Apache-2.0
"""Fabrics and targets: <group>/<wwn>/ in configfs."""

from __future__ import annotations

import contextlib
import os

from lioshell.errors import ConflictError, KernelError, NotFoundError, UsageError
from lioshell.lio.groups import ParameterGroup
from lioshell.lio.tpgs import Tpg
from lioshell.lio.wwns import configfs_wwn, found_wwns, is_listed, tree_wwn
from lioshell.model.names import (
    check_folder_name,
    generate_wwn,
    lowest_free,
    normalise_wwn,
    numbered,
)
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction
    from lioshell.specs import FabricSpec

_NEXUS_TYPES = ("iqn", "naa", "eui", "ib")
"""Types of which a name can be made up for the only initiator."""


def _generate(kind: str) -> str:
    system = os.uname()
    return generate_wwn(kind, system.nodename, system.machine)


class Fabric:
    """One fabric of the kernel; its folder may not exist yet."""

    def __init__(self, lio: Lio, spec: FabricSpec) -> None:
        self._lio = lio
        self.spec = spec
        self.path = spec.group

    @property
    def exists(self) -> bool:
        """Whether the fabric's folder is there; listing never makes it."""
        return self._lio.configfs.is_dir(self.path)

    @property
    def is_listed(self) -> bool:
        """Whether this machine has what the fabric runs on, or targets of it all the same."""
        return is_listed(self.spec, self._lio.kernel.system) or bool(self.targets())

    def targets(self) -> list[str]:
        """Return the WWNs of all targets, unsorted."""
        if not self.exists:
            return []
        names = self._lio.configfs.folders(self.path)
        return [tree_wwn(self.spec, name) for name in names if name != "discovery_auth"]

    def target(self, wwn: str) -> Target:
        """Return a target, or raise NotFoundError."""
        target = Target(self._lio, self.spec, wwn)
        if not self._lio.configfs.is_dir(target.path):
            raise NotFoundError(
                f"There is no target {wwn} in /{self.spec.name}",
                hint=f"See what there is with: ls /{self.spec.name}",
            )
        return target

    def attributes(self) -> FabricAttributes:
        """Return the group of the fabric's own attributes, as cpus_allowed_list."""
        return FabricAttributes(
            self._lio, "attribute", self.path, self.spec.attributes.get("fabric_attribute", ())
        )

    @property
    def version(self) -> str | None:
        """What the fabric's module says of itself; None where it does not, or is not loaded."""
        for name in ("version", "lio_version"):
            path = f"{self.path}/{name}"
            if self._lio.configfs.exists(path):
                return self._lio.configfs.read(path)
        return None

    def discovery_auth(self) -> ParameterGroup:
        """Return the group of the discovery credentials; a change makes the fabric's folder."""
        return ParameterGroup(
            self._lio,
            "discovery_auth",
            f"{self.path}/discovery_auth",
            self.spec.attributes.get("discovery_auth", ()),
            require=lambda: self._lio.require_fabric(self.spec),
        )

    @property
    def enforces_discovery_auth(self) -> bool:
        """Whether discovery wants credentials; False where the fabric's folder is not there."""
        path = f"{self.path}/discovery_auth/enforce_discovery_auth"
        return (
            self.spec.has("discovery_auth")
            and self._lio.configfs.exists(path)
            and self._lio.configfs.read(path) == "1"
        )

    def create_target(self, wwn: str | None = None, *, exact: bool = False) -> Target:
        """Create a target; a WWN is made up where none is given.

        `exact` (restore) takes any name that a folder can have: scripts make such targets too.

        Fabrics without the feature `tpgts` get their only TPG with it, and fabrics with `nexus`
        its nexus. Raises UsageError for a WWN of another type, ConflictError for one in use.
        """
        if exact:
            wwn = check_folder_name(wwn)
        else:
            given = self._new_wwn() if wwn is None else wwn
            wwn = normalise_wwn(given, self.spec.wwn_types)
        target = Target(self._lio, self.spec, wwn)
        with self._lio.transaction() as steps:
            self._lio.require_fabric(self.spec)
            if self._lio.configfs.is_dir(target.path):
                raise ConflictError(
                    f"The target {wwn} exists already",
                    hint="Choose another name, or delete that one first.",
                    path=target.path,
                )
            try:
                steps.mkdir(target.path)
            except KernelError as error:
                if not self.has_port(wwn):
                    error.hint = self._ports_hint()
                raise
            if not self.spec.has("tpgts"):
                target.make_tpg(steps, 1)
        return target

    def ports(self) -> list[str]:
        """Return the WWNs of this machine's ports, where the fabric has such."""
        return found_wwns(self.spec, self._lio.kernel.system)

    def has_port(self, wwn: str) -> bool:
        """Tell whether this machine has a port of that WWN; True where the fabric needs none."""
        return not self.spec.wwn_sources or wwn in self.ports()

    def _ports_hint(self) -> str:
        ports = self.ports()
        if not ports:
            return (
                f"This machine shows no port for {self.spec.name}; the adapter has to be there, "
                "and in target mode."
            )
        return f"The ports of this machine are: {', '.join(ports)}"

    def _new_wwn(self) -> str:
        """Return a WWN for a new target: the only port that is free, or one that is made up.

        Raises NotFoundError without a free port, UsageError where several are.
        """
        if not self.spec.wwn_sources:
            return _generate(self.spec.wwn_types[0])
        used = self.targets()
        free = [wwn for wwn in self.ports() if wwn not in used]
        if not free:
            raise NotFoundError(
                f"There is no port left for a target of {self.spec.name}", hint=self._ports_hint()
            )
        if len(free) > 1:
            raise UsageError(
                f"A target of {self.spec.name} is one of this machine's ports",
                hint=f"Give one of them: {', '.join(free)}",
            )
        return free[0]

    def release(self) -> None:
        """Remove the fabric's folder where it holds nothing, so that the module is not held."""
        configfs = self._lio.configfs
        if not self.exists or self.targets() or self.enforces_discovery_auth:
            return
        group = ParameterGroup(self._lio, "discovery_auth", f"{self.path}/discovery_auth")
        if configfs.is_dir(group.folder):
            values = (group.get(name) for name in group.names() if group.is_writable(name))
            if any(value not in ("", "0") for value in values):
                return
        configfs.rmdir(self.path)


class FabricAttributes(ParameterGroup):
    """The files of a fabric's folder, beside which its targets are."""

    def names(self) -> list[str]:
        """Return the files' names, sorted."""
        configfs = self.lio.configfs
        if not configfs.is_dir(self.folder):
            return []
        return sorted(set(configfs.listdir(self.folder)) - set(configfs.folders(self.folder)))

    def has(self, name: str) -> bool:
        """Tell whether there is such a file: a target is none."""
        return name in self.names()


class Target:
    """One target: <group>/<wwn>/, with its TPGs."""

    def __init__(self, lio: Lio, spec: FabricSpec, wwn: str) -> None:
        self._lio = lio
        self.spec = spec
        self.wwn = wwn
        self.path = f"{spec.group}/{configfs_wwn(spec, wwn)}"
        self.tree_path = f"/{spec.name}/{wwn}"

    def group(self, name: str) -> ParameterGroup:
        """Return a group of the target: parameter."""
        declared = self.spec.attributes.get(f"target_{name}", ())
        return ParameterGroup(self._lio, name, f"{self.path}/param", declared)

    def tpg_tags(self) -> list[int]:
        """Return the tags of all TPGs, sorted."""
        names = self._lio.configfs.folders(self.path)
        return sorted(tag for name in names if (tag := numbered(name, "tpgt_")) is not None)

    def tpgs(self) -> list[Tpg]:
        """Return all TPGs, by tag."""
        return [Tpg(self._lio, self.spec, self.wwn, tag) for tag in self.tpg_tags()]

    def tpg(self, tag: int) -> Tpg:
        """Return a TPG, or raise NotFoundError."""
        tpg = Tpg(self._lio, self.spec, self.wwn, tag)
        if not self._lio.configfs.is_dir(tpg.path):
            raise NotFoundError(
                f"There is no TPG {tag} in {self.tree_path}", hint=f"Try: ls {self.tree_path}"
            )
        return tpg

    def create_tpg(self, tag: int | None = None) -> Tpg:
        """Create a TPG with a tag, or with the lowest free one."""
        used = self.tpg_tags()
        if tag is None:
            tag = lowest_free(used, 1)
        elif tag in used:
            raise ConflictError(
                f"TPG {tag} of {self.wwn} exists already", hint="Choose another tag."
            )
        with self._lio.transaction() as steps:
            return self.make_tpg(steps, tag)

    def make_tpg(self, steps: Transaction, tag: int) -> Tpg:
        """Make a TPG as a part of a running transaction."""
        tpg = Tpg(self._lio, self.spec, self.wwn, tag)
        steps.mkdir(tpg.path)
        if self.spec.has("nexus"):
            # vhost_scsi_tpg_nexus_store and others: a name of the target's own type.
            kind = self.wwn.partition(".")[0]
            nexus = _generate(kind if kind in _NEXUS_TYPES else self.spec.wwn_types[0])
            steps.write(f"{tpg.path}/nexus", nexus)
            steps.on_failure(
                "clear the nexus", lambda: self._lio.configfs.write(f"{tpg.path}/nexus", "NULL")
            )
        return tpg

    def delete(self) -> None:
        """Remove the target with everything in it, or leave all as it is."""
        with self._lio.transaction() as steps:
            self.remove(steps)

    def remove(self, steps: Transaction) -> None:
        """Remove the target as a part of a running transaction."""
        steps.keep(f"{self.path}/param")
        for tag in self.tpg_tags():
            self.tpg(tag).remove(steps)
        steps.rmdir(self.path)
        steps.at_the_end(self._release_fabric)

    def _release_fabric(self) -> None:
        # The target is gone, which is what was asked for; an empty folder harms nobody.
        with contextlib.suppress(KernelError):
            Fabric(self._lio, self.spec).release()
