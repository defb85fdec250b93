# SPDX-License-Identifier: Apache-2.0
"""Specs: what a fabric or a backstore is, read from specs/*.yaml and drop-ins.

A spec is data without code: a new fabric appears in the tree, with completion, help, save and
restore, from its file alone (design.md, section 4). `kind:` and `name:` stand first in a file (and
`aliases:` third), so that names are known without parsing: yaml is imported, and a file parsed,
only when a spec is first asked for and no parsed copy is in the cache.
"""

from __future__ import annotations

import os

from lioshell.errors import SpecError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from lioshell.spec_index import SpecIndex

DROP_INS = "/etc/lioshell/specs.d"
"""The folder of the administrator's own specs."""


class Parameter(NamedTuple):
    """One attribute, kernel parameter or create parameter.

    `type` is one of: string, int, bool, size, path, enum, secret. `default` is the text that the
    kernel shows (attributes) or that is assumed (create parameters), None where there is none.
    `values` are the words of an enum, or those that the comma-separated list of a string may hold.
    `minimum` and `maximum` bound an int; without them it is 0 to 2**32-1.
    """

    name: str
    type: str
    help: str
    default: str | None = None
    writable: bool = True
    required: bool = False
    values: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    saved: bool = True
    """False for a state that belongs to the running kernel, and not to a saved configuration."""


class BackstoreSpec(NamedTuple):
    """A kind of backstore: core/<hba_prefix>_<N>/<name>/ in configfs.

    `create` are the parameters of the shell's create command after the name.
    """

    name: str
    hba_prefix: str
    module: str
    help: str
    aliases: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()
    """alua, serial (wwn/vpd_unit_serial is written), model_alias"""
    create: tuple[Parameter, ...] = ()
    control: tuple[Parameter, ...] = ()
    attributes: tuple[Parameter, ...] = ()


class WwnSource(NamedTuple):
    """Where the WWNs of this machine's ports are found.

    `files` is a path below /sys or /proc with `*` for any name; the only group of the regular
    expression `pattern` is the WWN, without its type. A file counts where every condition of
    `where` holds: (kind, path, text), kind "link" (relative to the file's folder, the last name of
    what it points to) or "file" (in the same folder, its text).
    """

    files: str
    pattern: str
    where: tuple[tuple[str, str, str], ...] = ()


class FabricSpec(NamedTuple):
    """A fabric: <group>/<wwn>/tpgt_<tag>/ in configfs."""

    name: str
    group: str
    module: str
    help: str
    wwn_types: tuple[str, ...]
    features: frozenset[str] = frozenset()
    """tpgts, luns, acls, acls_auth, tpg_auth, discovery_auth, nps, nexus, enable"""
    default_port: int | None = None
    attributes: Mapping[str, tuple[Parameter, ...]] = {}
    """Group name -> parameters. Files in the folder of an object itself: fabric, tpg, portal, acl;
    in a folder of it: discovery_auth, target_parameter, tpg_attribute, tpg_parameter, tpg_auth,
    acl_attribute, acl_parameter, acl_auth."""
    aliases: tuple[str, ...] = ()
    wwn_form: str = "plain"
    """How configfs writes a WWN: plain (naa.5001...), bare (5001...), colons (50:01:...) or hex
    (0x5001...)."""
    wwn_sources: tuple[WwnSource, ...] = ()
    wwn_fixed: bool = False
    """The kernel has targets only for the ports that the sources find."""
    enable_needs_luns: bool = False
    """The kernel refuses to enable a TPG without LUNs."""
    hardware: str = ""
    """A path below /sys or /proc, `*` for any name: the fabric is listed where it is there, or
    where a target of it is; "" for everywhere."""

    def has(self, feature: str) -> bool:
        """Tell whether the fabric has a feature."""
        return feature in self.features


class Specs:
    """All specs of some folders, each file parsed when its name is first asked for.

    Those of an administrator's own folders are parsed before any of their names is told: one that
    is broken, or describes what another one does, is left out, and harms nothing else.
    """

    def __init__(
        self, folders: Sequence[str] | None = None, *, cache_folder: str | None = None
    ) -> None:
        """Use `folders`, by default `default_folders()`.

        `cache_folder` holds parsed copies; None means the user's own, "" none at all.
        """
        self._folders = default_folders() if folders is None else tuple(folders)
        self._cache_folder = cache_folder
        self._found: SpecIndex | None = None
        self._fabrics: dict[str, FabricSpec] = {}
        self._backstores: dict[str, BackstoreSpec] = {}

    def fabric_names(self) -> list[str]:
        """Return the names of all fabrics, sorted; costs a look at each file's head."""
        return self._index().names("fabric")

    def fabric_words(self) -> dict[str, str]:
        """Return every name and alias of a fabric with the name that it stands for."""
        return self._index().words("fabric")

    def backstore_names(self) -> list[str]:
        """Return the names of all backstores, sorted, without their aliases."""
        return self._index().names("backstore")

    def fabric(self, name: str) -> FabricSpec:
        """Return a fabric by name or alias.

        Raises NotFoundError, or SpecError with file, line and key.
        """
        name = self._index().name("fabric", name)
        if name not in self._fabrics:
            self._fabrics[name] = _fabric(self._index().plain("fabric", name))
        return self._fabrics[name]

    def backstore_words(self) -> dict[str, str]:
        """Return every name and alias of a backstore with the name that it stands for."""
        return self._index().words("backstore")

    def backstore(self, name: str) -> BackstoreSpec:
        """Return a backstore by name or alias; raises NotFoundError or SpecError."""
        name = self._index().name("backstore", name)
        if name not in self._backstores:
            self._backstores[name] = _backstore(self._index().plain("backstore", name))
        return self._backstores[name]

    def problems(self) -> list[SpecError]:
        """Parse every file and return what is wrong with some of them."""
        broken = []
        for kind, get in (("fabric", self.fabric), ("backstore", self.backstore)):
            for name in self._index().names(kind):
                try:
                    get(name)
                except SpecError as error:
                    broken.append(error)
        return [*self._index().problems, *broken]

    def refused(self) -> list[SpecError]:
        """Return what is wrong with files of the administrator's own; costs no look at others."""
        folders = [folder for folder in self._folders if folder != own_folder()]
        if not any(os.path.isdir(folder) and os.listdir(folder) for folder in folders):
            return []
        return list(self._index().problems)

    def check(self, path: str) -> tuple[str, str, int]:
        """Check one file as if it were among these; returns kind, name and number of parameters.

        Raises SpecError with file, line and key.
        """
        from lioshell.spec_index import SpecIndex

        others = SpecIndex(self._folders, own_folder(), self._cache_folder, without=path)
        plain = others.check(path)
        if plain["kind"] == "fabric":
            count = sum(len(group) for group in plain.get("attributes", {}).values())
        else:
            count = sum(len(plain.get(g, ())) for g in ("create", "control", "attributes"))
        return plain["kind"], plain["name"], count

    def path(self, kind: str, name: str) -> str:
        """Return the file that describes a fabric or a backstore; raises as `fabric` does."""
        return self._index().path(kind, name)

    def _index(self) -> SpecIndex:
        if self._found is None:
            from lioshell.spec_index import SpecIndex

            self._found = SpecIndex(self._folders, own_folder(), self._cache_folder)
        return self._found


def own_folder() -> str:
    """Return the folder of the specs that come along."""
    package = os.path.dirname(os.path.abspath(__file__))
    installed = f"{package}/data/specs"
    return installed if os.path.isdir(installed) else f"{os.path.dirname(package)}/specs"


def default_folders() -> tuple[str, ...]:
    """Return the folder of the specs that come along, and the one of the administrator's own."""
    return (own_folder(), DROP_INS)


def _parameters(plain: Iterable[Sequence[Any]]) -> tuple[Parameter, ...]:
    return tuple(Parameter(*values) for values in plain)


def _fabric(plain: Mapping[str, Any]) -> FabricSpec:
    """Make a fabric of what `spec_loader.parse` returned."""
    groups = plain.get("attributes", {})
    return FabricSpec(
        name=plain["name"],
        group=plain["group"],
        module=plain["module"],
        help=plain["help"],
        wwn_types=plain["wwn_types"],
        features=frozenset(plain.get("features", ())),
        default_port=plain.get("default_port"),
        attributes={group: _parameters(values) for group, values in groups.items()},
        aliases=plain.get("aliases", ()),
        wwn_form=plain.get("wwn_form", "plain"),
        wwn_sources=tuple(_wwn_source(source) for source in plain.get("wwn_sources", ())),
        wwn_fixed=plain.get("wwn_fixed", False),
        enable_needs_luns=plain.get("enable_needs_luns", False),
        hardware=plain.get("hardware", ""),
    )


def _wwn_source(plain: Mapping[str, Any]) -> WwnSource:
    where = tuple(
        (kind, condition[kind], condition["is"])
        for condition in plain.get("where", ())
        for kind in ("link", "file")
        if kind in condition
    )
    return WwnSource(plain["files"], plain["pattern"], where)


def _backstore(plain: Mapping[str, Any]) -> BackstoreSpec:
    """Make a backstore of what `spec_loader.parse` returned."""
    return BackstoreSpec(
        name=plain["name"],
        hba_prefix=plain["hba_prefix"],
        module=plain["module"],
        help=plain["help"],
        aliases=plain.get("aliases", ()),
        features=frozenset(plain.get("features", ())),
        create=_parameters(plain.get("create", ())),
        control=_parameters(plain.get("control", ())),
        attributes=_parameters(plain.get("attributes", ())),
    )
