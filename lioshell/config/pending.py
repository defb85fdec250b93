# SPDX-License-Identifier: Apache-2.0
"""Of a journal's head and events: what is pending; and where in a document an entry stands."""

from __future__ import annotations

import copy

from lioshell.config.document import (
    IDENTITY,
    MAPS,
    Document,
    Item,
    empty,
    identity,
    merged,
    merged_all,
    objects,
    tree_path,
)
from lioshell.config.unrestored import ENDED, INTERRUPTED, Pending, Unrestored
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from typing import Any


class Place(NamedTuple):
    """Where an entry stands: the lists and entries above it, outermost first."""

    above: tuple[tuple[str, Item], ...] = ()

    def inside(self, list_name: str, item: Item) -> Place:
        """Return the place in an entry of a list."""
        keys = IDENTITY[list_name]
        return Place((*self.above, (list_name, {k: item[k] for k in keys if k in item})))

    def document(self, found: Item) -> Document:
        """Return a document of nothing but `found`, keys of the entry at this place."""
        for list_name, item in reversed(self.above):
            found = {list_name: [{**item, **found}]}
        return found

    def holding(self, list_name: str, item: Item) -> Document:
        """Return a document of nothing but one entry of a list at this place."""
        return self.document({list_name: [item]})


def pending_of(head: dict[str, Any], events: Sequence[dict[str, Any]]) -> Pending:
    """Return what a journal says is pending.

    Of a restore that came to its end that is what its head holds. Of one that did not, it is every
    object that is not `done`, whole, and what failed in the others.
    """
    phase, whole = str(head["phase"]), head["document"]
    phase = next((str(e["phase"]) for e in reversed(events) if "phase" in e), phase)
    failed = [(_failure(event), "document" in event) for event in events if "failed" in event]
    if phase == ENDED:
        return Pending(str(head["source"]), phase, whole, tuple(one for one, _ in failed))
    done = {e["done"] for e in events if "done" in e}
    left = empty()
    told = [one for one, now in failed if now]
    # What failed in an earlier restore stays for its reason, until it was tried again.
    told += [one for one, now in failed if not now and not _is_at(one.path, done)]
    above = {place for one in told for place in _places(one.path)}
    for section, item in objects(whole):
        path = tree_path(section, item)
        if path in done:
            continue
        left[section].append(item)
        if path not in above:
            told.append(Unrestored(path, INTERRUPTED, "Type: restoreconfig --retry"))
    left = merged_all([left, *(event["document"] for event in events if "document" in event)])
    begun = [tree_path(section, item) for section, item in objects(whole)]
    return Pending(str(head["source"]), phase, left, tuple(told), (*head.get("begun", ()), *begun))


def _failure(event: dict[str, Any]) -> Unrestored:
    texts = (event[key] for key in ("failed", "reason", "hint", "missing"))
    return Unrestored(*(str(text) for text in texts))


def _is_at(path: str, places: Collection[str]) -> bool:
    """Tell whether a path of the tree is one of some places, or below one."""
    return any(place in places for place in _places(path))


def _places(path: str) -> Iterator[str]:
    """Yield a path and all that it is below of; of "/a/b attribute" that is /a/b too."""
    yield path
    for number, character in enumerate(path):
        if character in "/ ":
            yield path[:number]


def laid_over(running: Item, missing: Item, whole: Collection[str], path: str = "") -> Item:
    """Return what runs with what is missing of it: keys, values of tables, entries of lists.

    What is missing counts, but for objects that are missing as a `whole` (their paths): one of
    them that runs was made by somebody since, and stays as it is.
    """
    result = copy.deepcopy(running)
    for key, value in missing.items():
        mine = result.get(key)
        if key in IDENTITY and isinstance(mine, list):
            result[key] = _lists_laid_over(key, mine, value, whole, path)
        elif key in MAPS and isinstance(mine, dict) and isinstance(value, dict):
            result[key] = {**mine, **copy.deepcopy(value)}
        else:
            result[key] = copy.deepcopy(value)
    return result


def _lists_laid_over(
    name: str, running: list[Item], missing: list[Item], whole: Collection[str], path: str
) -> list[Item]:
    result = list(running)
    places = {identity(name, entry): number for number, entry in enumerate(running)}
    for entry in missing:
        place = places.get(identity(name, entry))
        if place is None:
            result.append(copy.deepcopy(entry))
            continue
        here = path + path_below(name, entry)
        if here in whole:
            result[place] = merged(result[place], entry)
        else:
            result[place] = laid_over(result[place], entry, whole, here)
    return result


def without(pending: Pending, paths: Sequence[str]) -> Pending:
    """Return what is pending without what is at, or below, some paths of the tree."""
    gone = frozenset(paths)
    left = tuple(one for one in pending.objects if not _is_at(one.path, gone))
    document: Document = {}
    for key, value in pending.document.items():
        document[key] = _pruned(key, value, [""], gone) if key in IDENTITY else value
    return pending._replace(document=document, objects=left)


def _pruned(name: str, items: list[Item], above: list[str], gone: Collection[str]) -> list[Item]:
    result = []
    for item in items:
        here = [path + path_below(name, item) for path in above]
        if name == "tpgs":
            # The tree shows the only TPG of some fabrics as the target itself.
            here += above
        if any(_is_at(path, gone) for path in here):
            continue
        kept = dict(item)
        for key, value in item.items():
            if key in IDENTITY and key != "alua_tpgs" and isinstance(value, list):
                kept[key] = _pruned(key, value, here, gone)
        # An entry that only stood for what was in it goes along with that.
        is_empty = set(kept) == {*IDENTITY[name], *(k for k in kept if kept[k] == [])}
        if kept != item and is_empty and not any(kept.get(k) for k in kept if k in IDENTITY):
            continue
        result.append(kept)
    return result


def path_below(name: str, item: Item) -> str:
    """Return what an entry of a list adds to the path of the entry above it in the tree."""
    if name in ("storage_objects", "fabric_modules", "targets"):
        return tree_path(name, item)
    if name == "tpgs":
        return f"/tpg{item.get('tag')}"
    if name == "luns":
        return f"/luns/lun{item.get('index')}"
    if name == "portals":
        return f"/portals/{item.get('ip_address')}:{item.get('port')}"
    if name == "alua_tpgs":
        return f"/alua/{item.get('name')}"
    if name == "node_acls":
        return f"/acls/{item.get('node_wwn')}"
    return f"/mapped_lun{item.get('index')}"
