# SPDX-License-Identifier: Apache-2.0
"""A saved configuration as data: what its lists hold, which of two entries are the same object.

The shape is targetcli's (saveconfig.json(5)). What targetcli has no place for stands in the section
`lioshell`; see `lioshell.config.additions`.
"""

from __future__ import annotations

import copy
from typing import Any

from lioshell.errors import DocumentError
from lioshell.model.names import sort_key
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Document = dict[str, Any]
Item = dict[str, Any]

VERSION = 1
"""Of the section `lioshell`; a change that an older lioshell would misread raises it."""

OWN_SECTION = "lioshell"
SECTIONS = ("storage_objects", "fabric_modules", "targets")

IDENTITY: dict[str, tuple[str, ...]] = {
    "storage_objects": ("plugin", "name"),
    "alua_tpgs": ("name",),
    "fabric_modules": ("name",),
    "targets": ("fabric", "wwn"),
    "tpgs": ("tag",),
    "luns": ("index",),
    "portals": ("ip_address", "port"),
    "node_acls": ("node_wwn",),
    "mapped_luns": ("index",),
}
"""List -> the keys that say which object an entry is; no name of a list stands at two levels."""

OWN_FILES = "files"
"""Key of the files in the folder of a TPG or an ACL itself, as far as a spec describes them."""

MAPS = frozenset(("attributes", "parameters", OWN_FILES))
"""Keys whose value is a table of names and values of configfs."""


def identity(list_name: str, item: Item) -> tuple[str, ...]:
    """Return what tells an entry from the others of its list, as text: 3 and "3" are one tag."""
    return tuple(str(item.get(key)) for key in IDENTITY[list_name])


def entries(item: Item, list_name: str) -> list[Item]:
    """Return the entries of a list, and none where it is missing or malformed."""
    found = item.get(list_name, [])
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def empty() -> Document:
    """Return a document of nothing."""
    return {section: [] for section in SECTIONS}


def in_order(document: Item) -> Item:
    """Return a document whose lists are sorted as people count; portals stay in their order."""
    result: Item = {}
    for key, value in document.items():
        if key in IDENTITY and isinstance(value, list) and all(isinstance(v, dict) for v in value):
            result[key] = [in_order(item) for item in value]
            if key != "portals":
                result[key].sort(key=lambda item, k=key: [sort_key(t) for t in identity(k, item)])
        else:
            result[key] = value
    return result


def is_empty(document: Document) -> bool:
    """Tell whether a document describes no object."""
    return not any(document.get(section) for section in SECTIONS)


def merged(base: Item, more: Item) -> Item:
    """Return `base` with what only `more` has: keys, values of tables, entries of lists.

    Where both have a value, `base` has its way.
    """
    result = copy.deepcopy(base)
    for key, value in more.items():
        mine = result.get(key)
        if key not in result:
            result[key] = copy.deepcopy(value)
        elif key in MAPS and isinstance(mine, dict) and isinstance(value, dict):
            result[key] = {**copy.deepcopy(value), **mine}
        elif key in IDENTITY and isinstance(mine, list) and isinstance(value, list):
            result[key] = _merged_lists(key, mine, value)
    return result


def _merged_lists(name: str, base: list[Any], more: list[Any]) -> list[Any]:
    result = list(base)
    places = {identity(name, e): n for n, e in enumerate(base) if isinstance(e, dict)}
    for entry in more:
        if not isinstance(entry, dict):
            continue
        place = places.get(identity(name, entry))
        if place is None:
            places[identity(name, entry)] = len(result)
            result.append(copy.deepcopy(entry))
        else:
            result[place] = merged(result[place], entry)
    return result


def merged_all(documents: Iterable[Item]) -> Item:
    """Return what `merged`, of one document after the other, returns; entries are not copied.

    In one pass: each `merged` looks at all that there is so far, which thousands cannot afford.
    """
    result: Item = {}
    lists: dict[str, list[Any]] = {}
    for document in documents:
        for key, value in document.items():
            if key not in result:
                result[key] = value
                if key in IDENTITY and isinstance(value, list):
                    lists[key] = list(value)
            elif key in lists and isinstance(value, list):
                lists[key] += value
            elif key in MAPS and isinstance(value, dict) and isinstance(result[key], dict):
                result[key] = {**value, **result[key]}
    return result | {key: one_of_each(key, found)[0] for key, found in lists.items()}


def one_of_each(name: str, items: Iterable[Any]) -> tuple[list[Any], list[Item]]:
    """Return the entries of a list, those of the same object as one, and those that came again.

    The first counts, and what only a later one has is added to it.
    """
    same: dict[tuple[str, ...], list[Any]] = {}
    found: list[list[Any]] = []
    again = []
    for item in items:
        key = identity(name, item) if isinstance(item, dict) else None
        if key in same:
            same[key].append(item)
            again.append(item)
            continue
        found.append([item])
        if key is not None:
            same[key] = found[-1]
    return [one[0] if len(one) == 1 else merged_all(one) for one in found], again


def without_duplicates(document: Document) -> tuple[Document, list[str]]:
    """Return a document in which no top object stands twice, and the names of those that did.

    Other tools' merges append a target again (rtslib-fb, `_get_saveconf`): the first entry counts,
    and what only a later one has is added to it.
    """
    result, twice = dict(document), []
    for section in SECTIONS:
        if section in document:
            result[section], again = one_of_each(section, document[section])
            twice += [tree_path(section, item) for item in again]
    return result, twice


def tree_path(section: str, item: Item) -> str:
    """Return the path in the tree of an entry of a section, for people to read."""
    if section == "storage_objects":
        return f"/backstores/{item.get('plugin')}/{item.get('name')}"
    if section == "fabric_modules":
        return f"/{item.get('name')} discovery_auth"
    return f"/{item.get('fabric')}/{item.get('wwn')}"


def exported(target: Item) -> set[str]:
    """Return the paths of the storage objects that a target's LUNs export."""
    luns = (lun for tpg in entries(target, "tpgs") for lun in entries(tpg, "luns"))
    return {str(lun.get("storage_object")) for lun in luns}


def objects(document: Document) -> Iterator[tuple[str, Item]]:
    """Yield section and entry of every object at the top of a document, in their order."""
    for section in SECTIONS:
        for item in entries(document, section):
            yield section, item


def names(found: Iterable[str], limit: int = 5) -> str:
    """Return some names in one line, the rest counted."""
    listed = list(found)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def check(document: object, path: str) -> Document:
    """Return a document that has the shape of a saved configuration; raises DocumentError."""
    if not isinstance(document, dict):
        raise DocumentError(
            f"{path} is no saved configuration: it holds no table of sections",
            hint="Restore another file.",
            path=path,
        )
    for section in SECTIONS:
        found = document.get(section, [])
        if not isinstance(found, list):
            raise _malformed(path, section, "is no list")
        for number, item in enumerate(found):
            if not isinstance(item, dict):
                raise _malformed(path, f"{section}, entry {number + 1}", "is no object")
    if document and not any(key in document for key in (*SECTIONS, OWN_SECTION)):
        known = ", ".join(SECTIONS)
        raise DocumentError(
            f"{path} is no saved configuration: it has none of {known}",
            hint="Restore another file.",
            path=path,
        )
    own = document.get(OWN_SECTION, {})
    if not isinstance(own, dict):
        raise _malformed(path, OWN_SECTION, "is no object")
    version = own.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise DocumentError(
            f"{path} was written by a newer lioshell (format {version}, this one reads {VERSION})",
            hint="Install that version, or restore another file; the file is left as it is.",
            path=path,
        )
    return document


def _malformed(path: str, where: str, what: str) -> DocumentError:
    return DocumentError(f"{path}: {where} {what}", hint="Mend it, or restore another file.")
