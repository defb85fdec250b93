# SPDX-License-Identifier: Apache-2.0
"""What targetcli's format has no place for: kept in the file's section `lioshell`.

targetcli takes a storage object with an unknown key for an error and does not restore it, and
stumbles over a TPG's `nexus` (rtslib-fb, root.py `restore` and target.py `TPG.setup`). So these
keys stand apart in JSON, in lists of the same shape; within this program, and in YAML, they stand
in the objects they belong to.
"""

from __future__ import annotations

from lioshell.config.document import (
    IDENTITY,
    OWN_SECTION,
    SECTIONS,
    VERSION,
    Document,
    Item,
    merged,
)
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ADDITIONS = {
    "storage_objects": ("vendor_id", "product_id", "revision", "company_id"),
    # A property of rtslib-fb's that cannot be set (alua.py): its restore ends there.
    "alua_tpgs": ("alua_support_lba_dependent",),
    "tpgs": ("nexus",),
}
"""List -> the keys of its entries that stand apart."""

_CHILDREN = {"targets": "tpgs", "storage_objects": "alua_tpgs"}
"""Lists to be walked through on the way to those of ADDITIONS."""


def apart(document: Document) -> Document:
    """Return a document as it is written to JSON: what is ours in the section `lioshell`."""
    result: Document = {k: v for k, v in document.items() if k not in (*SECTIONS, OWN_SECTION)}
    own: dict[str, Any] = dict(document.get(OWN_SECTION, {}))
    for section in SECTIONS:
        result[section], additions = _split(section, document.get(section, []))
        if additions:
            own[section] = additions
    own.pop("version", None)
    if own:
        result[OWN_SECTION] = {"version": VERSION, **own}
    return result


def together(document: Document) -> Document:
    """Return a document as the program uses it: `apart` undone.

    What is said of an object that is not there any more, because another program deleted it, is
    left out.
    """
    own = dict(document.get(OWN_SECTION, {}))
    result = {k: v for k, v in document.items() if k != OWN_SECTION}
    for section in SECTIONS:
        additions = own.pop(section, None)
        if isinstance(additions, list) and isinstance(result.get(section), list):
            result[section] = _joined(section, result[section], additions)
    own.pop("version", None)
    if own:
        result[OWN_SECTION] = own
    return result


def _split(name: str, items: list[Any]) -> tuple[list[Any], list[Item]]:
    keys = ADDITIONS.get(name, ())
    child = _CHILDREN.get(name)
    plain, additions = [], []
    for item in items:
        if not isinstance(item, dict):
            plain.append(item)
            continue
        found = {key: item[key] for key in keys if key in item}
        rest = {key: value for key, value in item.items() if key not in keys}
        if child is not None and isinstance(item.get(child), list):
            rest[child], below = _split(child, item[child])
            if below:
                found[child] = below
        plain.append(rest)
        if found:
            additions.append({**{key: item.get(key) for key in IDENTITY[name]}, **found})
    return plain, additions


def _joined(name: str, items: list[Any], additions: list[Any]) -> list[Any]:
    by_name = {_identity(name, a): a for a in additions if isinstance(a, dict)}
    result = []
    for item in items:
        found = by_name.get(_identity(name, item)) if isinstance(item, dict) else None
        if found is None:
            result.append(item)
            continue
        child = _CHILDREN.get(name)
        plain = {k: v for k, v in found.items() if k != child}
        item = merged(item, plain)
        if (
            child is not None
            and isinstance(item.get(child), list)
            and isinstance(found.get(child), list)
        ):
            item[child] = _joined(child, item[child], found[child])
        result.append(item)
    return result


def _identity(name: str, item: Item) -> tuple[str, ...]:
    return tuple(str(item.get(key)) for key in IDENTITY[name])
