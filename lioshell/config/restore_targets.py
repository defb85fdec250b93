# SPDX-License-Identifier: Apache-2.0
"""Restore one target with its TPGs; each LUN, portal and ACL in it is an attempt of its own."""

from __future__ import annotations

import contextlib

from lioshell.config.document import IDENTITY, OWN_FILES
from lioshell.config.pending import Place, path_below
from lioshell.config.restore_values import credentials, restore_values
from lioshell.errors import (
    ConflictError,
    DocumentError,
    KernelError,
    LioshellError,
    NotFoundError,
)
from lioshell.lio.acls import MappedLun, NodeAcl
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.fabrics import Fabric
from lioshell.lio.luns import Lun
from lioshell.lio.portals import Portal, configfs_name
from lioshell.lio.tpgs import Tpg
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from lioshell.config.attempts import Attempts
    from lioshell.config.document import Item
    from lioshell.lio.fabrics import Target
    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.root import Lio
    from lioshell.specs import Parameter

_MAX_LUN = 65535
_GROUPS = (("attributes", "attrib"), ("parameters", "param"))
"""Section of a TPG or an ACL -> the folder in configfs."""

_DEFAULT_ALUA_GROUP = "default_tg_pt_gp"

LUN_ALUA = ("alua_tg_pt_offline", "alua_tg_pt_status", "alua_tg_pt_write_md")
"""Files of a LUN, in the order in which they have to be written: a change of `offline` sets
`status` (drivers/target/target_core_alua.c, core_alua_set_tg_pt_secondary_state)."""


class TargetRestore:
    """The steps for one target; `existing` brings what is there already in line.

    `may_link(path)` says what keeps a LUN on a user: device from being made, "" where nothing does:
    the kernel would wait for an answer that nobody gives.
    """

    def __init__(
        self,
        lio: Lio,
        attempts: Attempts,
        *,
        may_link: Callable[[str, str], str],
        existing: bool = False,
    ) -> None:
        self._lio = lio
        self._attempts = attempts
        self._may_link = may_link
        self._existing = existing

    def run(self, item: Item) -> None:
        """Make a target; raises LioshellError where it cannot be made at all."""
        fabric_name = item["fabric"]
        if fabric_name not in self._lio.specs.fabric_words():
            raise DocumentError(f"There is no fabric {fabric_name}", hint="Add a spec for it.")
        fabric = Fabric(self._lio, self._lio.specs.fabric(fabric_name))
        target = self._there(fabric, item["wwn"])
        if target is None:
            target = fabric.create_target(item["wwn"], exact=True)
        place = Place().inside("targets", item)
        with self._settings(item, target.tree_path, place, existed=True):
            for key, folder in _GROUPS:
                self._values(f"{target.path}/{folder}", key, item, target.tree_path, place)
        for tpg in item.get("tpgs", []):
            where = target.tree_path
            if fabric.spec.has("tpgts"):
                where += path_below("tpgs", tpg)
            with self._attempts.attempt(where, place.holding("tpgs", tpg)):
                self._tpg(target, tpg, where, place.inside("tpgs", tpg))

    def _there(self, fabric: Fabric, wwn: str) -> Target | None:
        try:
            return fabric.target(wwn) if self._existing else None
        except NotFoundError:
            return None

    def _tpg(self, target: Target, item: Item, where: str, place: Place) -> None:
        """Restore a TPG and what is in it; it is switched on last, its credentials in place."""
        lio, attempts = self._lio, self._attempts
        tag = int(item["tag"])
        tpg = Tpg(lio, target.spec, target.wwn, tag)
        is_there = tag in target.tpg_tags()
        existed = self._existing and is_there
        with self._settings(item, where, place, existed=existed), lio.transaction():
            if not is_there:
                target.create_tpg(tag)
            if tpg.spec.has("nexus") and item.get("nexus") and item["nexus"] != tpg.nexus:
                self._nexus(tpg, str(item["nexus"]))
            for key, folder in _GROUPS:
                self._values(f"{tpg.path}/{folder}", key, item, where, place)
            self._own_files(tpg.path, tpg.spec.attributes.get("tpg", ()), item, where, place)
            _restore_auth(tpg.group("auth") if tpg.spec.has("tpg_auth") else None, item)
        for lun in item.get("luns", []):
            holding = place.holding("luns", lun)
            with attempts.attempt(where + path_below("luns", lun), holding), lio.transaction():
                self._lun(tpg, lun)
        for portal in item.get("portals", []):
            holding = place.holding("portals", portal)
            with (
                attempts.attempt(where + path_below("portals", portal), holding),
                lio.transaction(),
            ):
                self._portal(tpg, portal)
        for acl in item.get("node_acls", []):
            at = where + path_below("node_acls", acl)
            with attempts.attempt(at, place.holding("node_acls", acl)):
                self._acl(tpg, acl, at, place.inside("node_acls", acl))
        if item.get("enable"):
            try:
                tpg.set_enabled(True)
            except LioshellError as error:
                attempts.fail(f"{where} enable", error, place.document({"enable": True}))

    @contextlib.contextmanager
    def _settings(self, item: Item, where: str, place: Place, *, existed: bool) -> Iterator[None]:
        """Let the settings of an object that `existed` fail alone, and not what is in it."""
        if not existed:
            yield
            return
        settings = {k: v for k, v in item.items() if k not in IDENTITY}
        with self._attempts.attempt(f"{where} settings", place.document(settings), counted=False):
            yield

    def _nexus(self, tpg: Tpg, nexus: str) -> None:
        if tpg.nexus is not None:
            self._lio.configfs.write(f"{tpg.path}/nexus", "NULL")
        self._lio.configfs.write(f"{tpg.path}/nexus", nexus)

    def _lun(self, tpg: Tpg, item: Item) -> None:
        _, _, plugin, name = item["storage_object"].split("/", 3)
        # targetcli and the tree name the subtype of a user: object in its folder.
        try:
            storage_object = find_storage_object(self._lio, plugin.partition(":")[0], name)
        except NotFoundError as error:
            error.hint = "Restore that first, then: restoreconfig --retry"
            raise
        index = int(item["index"])
        if not 0 <= index <= _MAX_LUN:
            raise DocumentError(f"A LUN is a number from 0 to {_MAX_LUN}, not {index}")
        lun = Lun(self._lio, tpg.path, index)
        is_there = self._half_made_removed(lun.path, storage_object.path)
        if not is_there:
            if storage_object.plugin == "user":
                problem = self._may_link(storage_object.path, tpg.spec.name)
                if problem:
                    raise NotFoundError(
                        f"Nobody serves {storage_object.tree_path} ({problem}): "
                        "a LUN on it would hang whoever opens it",
                        hint="Start what serves it, then: restoreconfig --retry",
                    )
            with self._lio.transaction() as steps:
                lun.make(steps, storage_object.path, _alias(item))
        group = item.get("alua_tg_pt_gp_name")
        # A new LUN is in the default group (target_core_alua.c, target_attach_tg_pt_gp).
        now = lun.alua_group if is_there else None
        if group and group != (now or _DEFAULT_ALUA_GROUP):
            self._lio.configfs.write(f"{lun.path}/alua_tg_pt_gp", str(group))
        for name in LUN_ALUA:
            value = item.get(name)
            if value and self._lio.configfs.read(f"{lun.path}/{name}") != str(value):
                self._lio.configfs.write(f"{lun.path}/{name}", str(value))

    def _half_made_removed(self, path: str, target: str) -> bool:
        """Tell whether a LUN is there already, linked to what it should be.

        The folder of one that was interrupted is removed; raises ConflictError for another link.
        """
        configfs = self._lio.configfs
        if not self._existing or not configfs.is_dir(path):
            return False
        for link in configfs.links(path):
            found = configfs.readlink(f"{path}/{link}")
            if found == target:
                return True
            raise ConflictError(
                f"There is another LUN of this number already, linked to {found}",
                hint="Delete it, then: restoreconfig --retry",
            )
        configfs.rmdir(path)
        return False

    def _portal(self, tpg: Tpg, item: Item) -> None:
        address, port = item["ip_address"], int(item["port"])
        made = Portal(self._lio, tpg.path, configfs_name(address, port))
        with self._lio.transaction() as steps:
            if not (self._existing and self._lio.configfs.is_dir(made.path)):
                steps.mkdir(made.path)
            for key, file in (("iser", "iser"), ("offload", "cxgbit")):
                if item.get(key) and not made.flag(file):
                    steps.write(f"{made.path}/{file}", "1")

    def _acl(self, tpg: Tpg, item: Item, where: str, place: Place) -> None:
        lio = self._lio
        acl = NodeAcl(lio, tpg.spec, tpg.path, item["node_wwn"])
        existed = self._existing and lio.configfs.is_dir(acl.path)
        with self._settings(item, where, place, existed=existed), lio.transaction():
            if not existed:
                acl, _ = tpg.create_acl(item["node_wwn"], add_mapped=False, exact=True)
            for key, folder in _GROUPS:
                self._values(f"{acl.path}/{folder}", key, item, where, place)
            self._own_files(acl.path, acl.spec.attributes.get("acl", ()), item, where, place)
            for name in ("cmdsn_depth", "tag"):
                value = item.get(name)
                path = f"{acl.path}/{name}"
                if value and lio.configfs.exists(path) and lio.configfs.read(path) != str(value):
                    lio.configfs.write(path, str(value))
            _restore_auth(acl.group("auth") if acl.spec.has("acls_auth") else None, item)
        for mapped in item.get("mapped_luns", []):
            holding = place.holding("mapped_luns", mapped)
            with self._attempts.attempt(where + path_below("mapped_luns", mapped), holding):
                self._mapped_lun(tpg, acl, mapped)

    def _mapped_lun(self, tpg: Tpg, acl: NodeAcl, item: Item) -> None:
        index, lun = int(item["index"]), Lun(self._lio, tpg.path, int(item["tpg_lun"]))
        if not self._lio.configfs.is_dir(lun.path):
            raise NotFoundError(
                f"There is no LUN {lun.index} in {tpg.tree_path}",
                hint="Restore that first, then: restoreconfig --retry",
            )
        write_protect = bool(item.get("write_protect", False))
        mapped = MappedLun(self._lio, acl.path, index)
        if self._half_made_removed(mapped.path, lun.path):
            if mapped.write_protect != write_protect:
                self._lio.configfs.write(f"{mapped.path}/write_protect", str(int(write_protect)))
            return
        with self._lio.transaction() as steps:
            acl.make_mapped_lun(steps, index, lun, write_protect=write_protect, alias=_alias(item))

    def _own_files(
        self, path: str, described: Iterable[Parameter], item: Item, where: str, place: Place
    ) -> None:
        """Write the files of an object itself, of which only those of the spec are settings."""
        settings = {parameter.name for parameter in described}
        unknown = sorted(set(item.get(OWN_FILES) or {}) - settings)
        if unknown:
            raise DocumentError(
                f"No spec describes the files {', '.join(unknown)}",
                hint="Remove them, or describe them in a spec (docs/specs.md).",
            )
        self._values(path, OWN_FILES, item, where, place)

    def _values(self, folder: str, key: str, item: Item, where: str, place: Place) -> None:
        """Write a table of an entry; what this kernel does not have fails by itself."""
        values: dict[str, Any] = item.get(key) or {}
        restore_values(
            self._lio,
            folder,
            values,
            lambda name, error: self._attempts.fail(
                f"{where} {name}", error, place.document({key: {name: values[name]}})
            ),
        )


def _alias(item: Item) -> str | None:
    """Return the name of a link, None to have one made up; raises ValueError for no name."""
    alias = item.get("alias")
    if alias is None or (isinstance(alias, str) and alias and "/" not in alias):
        return alias
    raise ValueError(f"{alias!r} is no alias")


def _restore_auth(group: ParameterGroup | None, item: Item) -> None:
    values = credentials(item)
    if not values:
        return
    if group is None:
        raise DocumentError("Credentials for a fabric that has none", hint="Remove them.")
    differing = {}
    for name, value in values.items():
        try:
            if group.get(name, reveal=True) != value:
                differing[name] = value
        except KernelError:
            # Shown to nobody: it is written.
            differing[name] = value
    if differing:
        group.set_all(differing)
