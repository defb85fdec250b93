# SPDX-License-Identifier: Apache-2.0
"""Specs: what a fabric or a backstore is, read from specs/*.yaml and drop-ins.

A spec is data without code: a new fabric appears in the tree, with completion, help, save and
restore, from its file alone (design.md, section 4). `kind:` and `name:` stand first in a file (and
`aliases:` third), so that names are known without parsing: yaml is imported, and a file parsed,
only when a spec is first asked for and no parsed copy is in the cache.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lioshell.errors import NotFoundError, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

_HEAD_BYTES = 4096
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Parameter:
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


@dataclass(frozen=True, slots=True)
class BackstoreSpec:
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


@dataclass(frozen=True, slots=True)
class WwnSource:
    """Where the WWNs of this machine's ports are found.

    `files` is a path below /sys or /proc with `*` for any name; the only group of the regular
    expression `pattern` is the WWN, without its type. A file counts where every condition of
    `where` holds: (kind, path, text), kind "link" (relative to the file's folder, the last name of
    what it points to) or "file" (in the same folder, its text).
    """

    files: str
    pattern: str
    where: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FabricSpec:
    """A fabric: <group>/<wwn>/tpgt_<tag>/ in configfs."""

    name: str
    group: str
    module: str
    help: str
    wwn_types: tuple[str, ...]
    features: frozenset[str] = frozenset()
    """tpgts, luns, acls, acls_auth, tpg_auth, discovery_auth, nps, nexus, enable"""
    default_port: int | None = None
    attributes: dict[str, tuple[Parameter, ...]] = field(default_factory=dict)
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

    Of two files with one name the first counts (folders in their order, files by name), and the
    other is a problem. A broken file is an error only for who asks for it.
    """

    def __init__(
        self, folders: Sequence[str] | None = None, *, cache_folder: str | None = None
    ) -> None:
        """Use `folders`, by default `default_folders()`.

        `cache_folder` holds parsed copies; None means the user's own, "" none at all.
        """
        self._folders = default_folders() if folders is None else tuple(folders)
        self._cache_folder = cache_folder
        self._files: dict[str, dict[str, str]] | None = None
        self._aliases: dict[str, dict[str, str]] = {"fabric": {}, "backstore": {}}
        self._problems: list[SpecError] = []
        self._fabrics: dict[str, FabricSpec] = {}
        self._backstores: dict[str, BackstoreSpec] = {}

    def fabric_names(self) -> list[str]:
        """Return the names of all fabrics, sorted; costs a look at each file's head."""
        return sorted(self._index()["fabric"])

    def fabric_words(self) -> dict[str, str]:
        """Return every name and alias of a fabric with the name that it stands for."""
        names = self.fabric_names()
        return {**dict(zip(names, names, strict=True)), **self._aliases["fabric"]}

    def backstore_names(self) -> list[str]:
        """Return the names of all backstores, sorted, without their aliases."""
        return sorted(self._index()["backstore"])

    def fabric(self, name: str) -> FabricSpec:
        """Return a fabric by name or alias.

        Raises NotFoundError, or SpecError with file, line and key.
        """
        name = self._name("fabric", name)
        if name not in self._fabrics:
            self._fabrics[name] = _fabric(self._plain("fabric", name))
        return self._fabrics[name]

    def backstore(self, name: str) -> BackstoreSpec:
        """Return a backstore by name or alias; raises NotFoundError or SpecError."""
        name = self._name("backstore", name)
        if name not in self._backstores:
            self._backstores[name] = _backstore(self._plain("backstore", name))
        return self._backstores[name]

    def problems(self) -> list[SpecError]:
        """Parse every file and return what is wrong with some of them."""
        broken = []
        for kind, get in (("fabric", self.fabric), ("backstore", self.backstore)):
            for name in sorted(self._index()[kind]):
                try:
                    get(name)
                except SpecError as error:
                    broken.append(error)
        return [*self._problems, *broken]

    def _name(self, kind: str, word: str) -> str:
        """Return the name that a name or an alias stands for."""
        return word if word in self._index()[kind] else self._aliases[kind].get(word, word)

    def _plain(self, kind: str, name: str) -> dict[str, object]:
        path = self._index()[kind].get(name)
        if path is None:
            known = ", ".join(sorted(self._index()[kind]))
            raise NotFoundError(f"There is no {kind} {name}", hint=f"Known are: {known}")
        from lioshell import spec_cache

        folder = spec_cache.default_folder() if self._cache_folder is None else self._cache_folder
        plain = spec_cache.load(folder, path) if folder else None
        if plain is None:
            from lioshell.spec_loader import parse

            plain = parse(path)
            if folder:
                spec_cache.store(folder, path, plain)
        return plain

    def _index(self) -> dict[str, dict[str, str]]:
        """Return kind -> name -> file; built once."""
        if self._files is None:
            self._files = {"fabric": {}, "backstore": {}}
            for folder in self._folders:
                try:
                    names = sorted(os.listdir(folder))
                except OSError:
                    # A drop-in folder that does not exist or may not be read holds nothing.
                    continue
                for name in names:
                    if name.endswith(_SUFFIXES) and not name.startswith("."):
                        self._add(f"{folder}/{name}")
        return self._files

    def _add(self, path: str) -> None:
        assert self._files is not None
        try:
            kind, name, aliases, line = _read_head(path)
            for word in (name, *aliases):
                other = self._files[kind].get(self._aliases[kind].get(word, word))
                if other is not None:
                    raise SpecError(
                        f"{path}:{line}: name: {kind} {word} is described by {other} already",
                        hint="Give it another name, or remove one of the two files.",
                        path=path,
                        line=line,
                        key="name",
                    )
        except SpecError as error:
            self._problems.append(error)
            return
        self._files[kind][name] = path
        self._aliases[kind].update(dict.fromkeys(aliases, name))


def default_folders() -> tuple[str, ...]:
    """Return the folder of the specs that come along, and the one of the administrator's own."""
    package = os.path.dirname(os.path.abspath(__file__))
    installed = f"{package}/data/specs"
    own = installed if os.path.isdir(installed) else f"{os.path.dirname(package)}/specs"
    return (own, "/etc/lioshell/specs.d")


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


def _read_head(path: str) -> tuple[str, str, tuple[str, ...], int]:
    """Return kind, name, aliases and the name's line from a file's first keys, as plain text."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read(_HEAD_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise SpecError(f"{path} cannot be read: {reason}", path=path) from error
    head: dict[str, tuple[str, int]] = {}
    first = 1
    for number, line in enumerate(lines, 1):
        key, colon, value = line.partition(":")
        if not line.strip() or line.startswith(("#", "---")):
            continue
        first = number if not head else first
        if not colon or key not in ("kind", "name", "aliases") or key in head:
            break
        head[key] = (value.partition(" #")[0].strip().strip("'\""), number)
    if list(head)[:2] != ["kind", "name"] or head["kind"][0] not in ("fabric", "backstore"):
        raise SpecError(
            f'{path}:{first}: kind: a spec begins with "kind: fabric" or "kind: backstore" and '
            'then "name: ..."',
            path=path,
            line=first,
            key="kind",
        )
    words = head.get("aliases", ("", 0))[0].strip("[]").split(",")
    aliases = tuple(w.strip().strip("'\"") for w in words if w.strip())
    return head["kind"][0], head["name"][0], aliases, head["name"][1]
