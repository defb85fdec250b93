# SPDX-License-Identifier: Apache-2.0
"""Plan: what has to be done to make what runs equal to a saved configuration.

A comparison of two documents, without any input or output. What exists in the kernel only is left
alone, unless the document that was applied last had it: then somebody removed it on purpose. So
objects that scripts or other tools made are never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lioshell.model.names import sort_key

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from lioshell.config.saved_file import Document

    Item = dict[str, Any]
    Key = Callable[[Item], Hashable]

CREATE, SET, DELETE, REPLACE = "create", "set", "delete", "replace"

_FIXED = (
    *("dev", "size", "wwn", "config", "nullio", "readonly", "write_back", "aio"),
    *("control", "hw_max_sectors"),
)
"""What a storage object is made with; the kernel changes none of it afterwards."""

_CREDENTIALS = ("userid", "password", "mutual_userid", "mutual_password")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: `action` on the object at `path` of the tree.

    `kind` is storage_object, discovery, target, tpg, lun, portal, acl or mapped_lun; `item` is the
    part of the document, the old one for a deletion; `fields` names the values that differ.
    """

    action: str
    kind: str
    path: str
    item: Item = field(repr=False)
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        values = f": {', '.join(self.fields)}" if self.fields else ""
        return f"{self.action} {self.path}{values}"


def plan(running: Document, wanted: Document, applied: Document) -> list[Step]:
    """Return the steps from `running` to `wanted`, deletions first, in an order that works.

    `applied` is the document that was applied last: what it had and `wanted` has not is deleted.
    """
    steps = [
        *_targets(running, wanted, applied),
        *_storage_objects(running, wanted, applied),
        *_discovery(running, wanted),
    ]
    # LUNs go before the storage objects behind them; storage objects come before LUNs.
    order = (
        *((DELETE, kind) for kind in ("mapped_lun", "acl", "lun", "portal", "tpg", "target")),
        (DELETE, "storage_object"),
        *((CREATE, "storage_object"), (REPLACE, "storage_object"), (SET, "storage_object")),
        (SET, "discovery"),
        *((CREATE, kind) for kind in ("target", "tpg")),
        *((SET, "tpg"), (REPLACE, "lun"), (CREATE, "lun"), (SET, "lun")),
        *((CREATE, "portal"), (SET, "portal"), (CREATE, "acl"), (SET, "acl")),
        *((REPLACE, "mapped_lun"), (CREATE, "mapped_lun"), (SET, "mapped_lun")),
        (SET, "enable"),
    )
    rank = {place: number for number, place in enumerate(order)}
    return sorted(steps, key=lambda step: rank[step.action, step.kind])


def _storage_objects(running: Document, wanted: Document, applied: Document) -> Iterator[Step]:
    def key(item: Item) -> Hashable:
        return item.get("plugin"), item.get("name")

    def path(item: Item) -> str:
        return f"/backstores/{item.get('plugin')}/{item.get('name')}"

    for old, new, item in _pairs("storage_objects", running, wanted, applied, key):
        if old is None:
            yield Step(CREATE, "storage_object", path(item), item)
        elif new is None:
            yield Step(DELETE, "storage_object", path(item), item)
        else:
            fixed = tuple(k for k in _FIXED if k in old and k in new and old[k] != new[k])
            if fixed:
                yield Step(REPLACE, "storage_object", path(item), item, fixed)
                continue
            fields = [*_differing(old, new, "attributes")]
            groups = {group.get("name"): group for group in old.get("alua_tpgs", [])}
            fields += [
                f"alua {group.get('name')}"
                for group in new.get("alua_tpgs", [])
                if _changes(groups.get(group.get("name"), {}), group)
            ]
            if fields:
                yield Step(SET, "storage_object", path(item), item, tuple(fields))


def _discovery(running: Document, wanted: Document) -> Iterator[Step]:
    old = {item.get("name"): item for item in running.get("fabric_modules", [])}
    for item in wanted.get("fabric_modules", []):
        before = old.get(item.get("name"), {})
        fields = tuple(k for k in sorted(item) if k != "name" and before.get(k) != item[k])
        if fields:
            yield Step(SET, "discovery", f"/{item.get('name')} discovery_auth", item, fields)


def _targets(running: Document, wanted: Document, applied: Document) -> Iterator[Step]:
    def key(item: Item) -> Hashable:
        return item.get("fabric"), item.get("wwn")

    before = {key(item): item for item in applied.get("targets", [])}
    for old, new, item in _pairs("targets", running, wanted, applied, key):
        path = f"/{item.get('fabric')}/{item.get('wwn')}"
        if old is None:
            yield Step(CREATE, "target", path, item)
        elif new is None:
            yield Step(DELETE, "target", path, item)
        else:
            known = before.get(key(item), {})
            for a, b, tpg in _pairs("tpgs", old, new, known, lambda t: int(t.get("tag", 1))):
                yield from _tpg(f"{path}/tpg{tpg.get('tag')}", a, b, tpg, known)


def _tpg(path: str, old: Item | None, new: Item | None, tpg: Item, known: Item) -> Iterator[Step]:
    if old is None:
        yield Step(CREATE, "tpg", path, tpg)
    elif new is None:
        yield Step(DELETE, "tpg", path, tpg)
    else:
        tag = tpg.get("tag")
        applied: Item = next((t for t in known.get("tpgs", []) if t.get("tag") == tag), {})
        fields = (*_differing(old, new, "attributes"), *_differing(old, new, "parameters"))
        fields += _credentials(old, new)
        if fields:
            yield Step(SET, "tpg", path, new, fields)
        yield from _parts("lun", f"{path}/luns/lun{{index}}", old, new, applied)
        yield from _parts("portal", f"{path}/portals/{{ip_address}}:{{port}}", old, new, applied)
        yield from _acls(path, old, new, applied)
        if "enable" in new and bool(new["enable"]) != bool(old.get("enable")):
            yield Step(SET, "enable", path, new, ("enable",))


_PARTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "lun": ("luns", ("index",), ("storage_object",), ("alua_tg_pt_gp_name",)),
    "portal": ("portals", ("ip_address", "port"), (), ("iser", "offload")),
    "mapped_lun": ("mapped_luns", ("index",), ("tpg_lun",), ("write_protect",)),
}
"""Kind -> section, what names one, what cannot change, what can."""


def _parts(kind: str, path: str, old: Item, new: Item, applied: Item) -> Iterator[Step]:
    section, names, fixed, free = _PARTS[kind]

    def key(item: Item) -> Hashable:
        return tuple(str(item.get(name)) for name in names)

    for a, b, item in _pairs(section, old, new, applied, key):
        where = path.format(**{name: item.get(name) for name in names})
        if a is None:
            yield Step(CREATE, kind, where, item)
        elif b is None:
            yield Step(DELETE, kind, where, item)
        elif any(a.get(k) != b.get(k) for k in fixed):
            yield Step(REPLACE, kind, where, item, fixed)
        else:
            fields = tuple(k for k in free if k in b and a.get(k) != b[k])
            if fields:
                yield Step(SET, kind, where, item, fields)


def _acls(path: str, old: Item, new: Item, applied: Item) -> Iterator[Step]:
    known = {item.get("node_wwn"): item for item in applied.get("node_acls", [])}
    for a, b, item in _pairs("node_acls", old, new, applied, lambda acl: acl.get("node_wwn")):
        where = f"{path}/acls/{item.get('node_wwn')}"
        if a is None:
            yield Step(CREATE, "acl", where, item)
        elif b is None:
            yield Step(DELETE, "acl", where, item)
        else:
            fields = (*_differing(a, b, "attributes"), *_differing(a, b, "parameters"))
            fields += _credentials(a, b)
            if fields:
                yield Step(SET, "acl", where, b, fields)
            mapped = f"{where}/mapped_lun{{index}}"
            yield from _parts("mapped_lun", mapped, a, b, known.get(item.get("node_wwn"), {}))


def _pairs(
    section: str, running: Item, wanted: Item, applied: Item, key: Key
) -> Iterator[tuple[Item | None, Item | None, Item]]:
    """Yield (running, wanted, either) of each object that is wanted, or no longer wanted."""
    old = {key(item): item for item in running.get(section, [])}
    new = {key(item): item for item in wanted.get(section, [])}
    for name, item in new.items():
        yield old.get(name), item, item
    gone = {key(item) for item in applied.get(section, [])} - new.keys()
    for name in sorted(gone & old.keys(), key=lambda name: sort_key(str(name))):
        yield old[name], None, old[name]


def _differing(old: Item, new: Item, section: str) -> tuple[str, ...]:
    before, after = old.get(section, {}), new.get(section, {})
    return tuple(name for name in after if str(before.get(name)) != str(after[name]))


def _changes(old: Item, new: Item) -> bool:
    return any(str(old.get(name)) != str(value) for name, value in new.items())


def _credentials(old: Item, new: Item) -> tuple[str, ...]:
    """Name the credentials that differ; one that the document does not have is to be empty."""
    return tuple(
        f"chap_{name}"
        for name in _CREDENTIALS
        if old.get(f"chap_{name}", "") != new.get(f"chap_{name}", new.get(name, ""))
    )
