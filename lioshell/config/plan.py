# SPDX-License-Identifier: Apache-2.0
"""Plan: what has to be done to make what runs equal to a saved configuration.

A comparison of two documents, without any input or output. What exists in the kernel only is left
alone, unless the document that was applied last had it: then somebody removed it on purpose. So
objects that scripts or other tools made are never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lioshell.config.document import IDENTITY, SECTIONS, entries, identity, tree_path
from lioshell.config.pending import path_below
from lioshell.model.names import sort_key
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.config.document import Document, Item

CREATE, SET, DELETE, REPLACE = "create", "set", "delete", "replace"

_FIXED: dict[str, tuple[str, ...]] = {
    "storage_objects": (
        *("dev", "size", "wwn", "config", "nullio", "readonly", "write_back", "aio"),
        *("control", "hw_max_sectors"),
    ),
    "luns": ("storage_object",),
    "mapped_luns": ("tpg_lun",),
}
"""What the kernel takes only when an object is made."""

_NOT_COMPARED = frozenset(("alias", "exclusive"))
"""Names of links, which are made up anew, and what only targetcli's file says."""

_CREDENTIALS = ("userid", "password", "mutual_userid", "mutual_password")
_WITH_CREDENTIALS = frozenset(("tpgs", "node_acls"))

_CREATION = ("storage_objects", "alua_tpgs", "fabric_modules", "targets", "tpgs", "luns")
_ORDER = (*_CREATION, "portals", "node_acls", "mapped_luns")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: `action` on the object at `path` of the tree.

    `kind` is the name of the document's list that the object is in; `item` its entry, the running
    one for a deletion; `fields` names the values that differ.
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
    steps = [s for name in SECTIONS for s in _compared(name, running, wanted, applied, "")]

    def rank(step: Step) -> int:
        # LUNs go before the storage objects behind them; storage objects come before LUNs.
        place = _ORDER.index(step.kind)
        return -place if step.action == DELETE else 1 + place

    return sorted(steps, key=rank)


def _compared(name: str, running: Item, wanted: Item, applied: Item, above: str) -> Iterator[Step]:
    """Yield the steps for the entries of one list, and for what is in them."""
    old = {identity(name, item): item for item in entries(running, name)}
    new = {identity(name, item): item for item in entries(wanted, name)}
    known = {identity(name, item): item for item in entries(applied, name)}
    for key, item in new.items():
        path = _path(name, item, above)
        if key not in old:
            # Not in configfs yet: what is in it comes along.
            yield Step(CREATE, name, path, item)
            continue
        before = old[key]
        fixed = tuple(k for k in _FIXED.get(name, ()) if k in item and k in before)
        fixed = tuple(k for k in fixed if before[k] != item[k])
        if fixed:
            yield Step(REPLACE, name, path, item, fixed)
            continue
        fields = tuple(_fields(name, before, item))
        if fields:
            yield Step(SET, name, path, item, fields)
        for inner in (k for k in item if k in IDENTITY):
            yield from _compared(inner, before, item, known.get(key, {}), path)
    for key in sorted((known.keys() - new.keys()) & old.keys(), key=_sorted_by):
        yield Step(DELETE, name, _path(name, old[key], above), old[key])


def _path(name: str, item: Item, above: str) -> str:
    return above + path_below(name, item) if above else tree_path(name, item)


def _sorted_by(key: tuple[str, ...]) -> list[tuple[tuple[int, int, str], ...]]:
    return [sort_key(text) for text in key]


def _fields(name: str, old: Item, new: Item) -> Iterator[str]:
    """Yield the names of the values that differ; a value that `new` does not name is left alone."""
    for key, value in new.items():
        if key in IDENTITY or key in IDENTITY[name] or key in _NOT_COMPARED:
            continue
        if key in _FIXED.get(name, ()) or _is_credential(name, key):
            continue
        if isinstance(value, dict):
            before = old.get(key, {})
            yield from (k for k in value if str(before.get(k)) != str(value[k]))
        elif _text(old.get(key)) != _text(value):
            yield key
    if name in _WITH_CREDENTIALS:
        # A credential that is not there is to be empty: nobody keeps a password by accident.
        for key in _CREDENTIALS:
            wanted = new.get(f"chap_{key}", new.get(key, ""))
            if old.get(f"chap_{key}", "") != wanted:
                yield f"chap_{key}"


def _is_credential(name: str, key: str) -> bool:
    return name in _WITH_CREDENTIALS and key.removeprefix("chap_") in _CREDENTIALS


def _text(value: object) -> str:
    """Return a value for comparison: a flag that is not saved is off."""
    return "" if value is None or value is False else str(value)
