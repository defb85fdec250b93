# SPDX-License-Identifier: Apache-2.0
"""Save a part of what runs: one storage object, with the targets that export it.

All else in the file stays as it was saved, whatever runs now. targetcli appends such a target a
second time (rtslib-fb, `_get_saveconf`), and its next restore dies of it.
"""

from __future__ import annotations

import os

from lioshell.config import backups, saved_file
from lioshell.config.document import empty, entries, identity, in_order
from lioshell.config.save import dump, kept
from lioshell.errors import NotFoundError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.config.document import Document, Item
    from lioshell.lio.root import Lio


def save_storage_object(
    lio: Lio, plugin: str, name: str, path: str, *, max_backups: int | None = None
) -> bool:
    """Save one storage object and its targets into a file; False where nothing has changed.

    What else these targets export goes along where the file does not have it yet: a LUN without its
    storage object could not be restored. Raises NotFoundError for one that cannot be saved.
    """
    running, before = dump(lio), _before(path)
    objects = {_path(item): item for item in entries(running, "storage_objects")}
    wanted = f"/backstores/{plugin}/{name}"
    if wanted not in objects:
        raise NotFoundError(f"{wanted} is not enabled, and is not saved", hint="Delete it.")
    targets = [item for item in entries(running, "targets") if wanted in _exported(item)]
    saved = {_path(item) for item in entries(before, "storage_objects")}
    needed = {exported for item in targets for exported in _exported(item)} - saved
    with_them = [item for key, item in objects.items() if key == wanted or key in needed]
    document = {
        **before,
        "storage_objects": _replaced("storage_objects", before, with_them),
        "targets": _replaced("targets", before, targets),
    }
    return _write(path, kept(document, before), before, max_backups)


def forget_storage_object(
    plugin: str, name: str, path: str, *, max_backups: int | None = None
) -> bool:
    """Take one storage object, its LUNs and what is mapped to them out of a saved file."""
    before = _before(path)
    wanted = f"/backstores/{plugin}/{name}"
    document = {
        **before,
        "storage_objects": [
            item for item in entries(before, "storage_objects") if _path(item) != wanted
        ],
        "targets": [_without(item, wanted) for item in entries(before, "targets")],
    }
    return _write(path, document, before, max_backups)


def _before(path: str) -> Document:
    try:
        return empty() | saved_file.read(path)
    except NotFoundError:
        # The first save.
        return empty()


def _write(path: str, document: Document, before: Document, max_backups: int | None) -> bool:
    if in_order(document) == in_order(before):
        return False
    if max_backups is not None and os.path.exists(path):
        backups.keep(path, max_backups)
    saved_file.write(path, in_order(document))
    return True


def _path(item: Item) -> str:
    return f"/backstores/{item.get('plugin')}/{item.get('name')}"


def _exported(target: Item) -> set[str]:
    """Return the storage objects that a target exports."""
    tpgs = entries(target, "tpgs")
    return {str(lun.get("storage_object")) for tpg in tpgs for lun in entries(tpg, "luns")}


def _replaced(name: str, before: Document, items: Iterable[Item]) -> list[Item]:
    """Return a list of the file with some entries as they are now, once each."""
    new = {identity(name, item): item for item in items}
    old = {identity(name, item): item for item in reversed(entries(before, name))}
    return list({**dict(reversed(old.items())), **new}.values())


def _without(target: Item, wanted: str) -> Item:
    tpgs = []
    for tpg in entries(target, "tpgs"):
        luns = entries(tpg, "luns")
        gone = {str(lun.get("index")) for lun in luns if lun.get("storage_object") == wanted}
        acls = [
            {
                **acl,
                "mapped_luns": [
                    mapped
                    for mapped in entries(acl, "mapped_luns")
                    if str(mapped.get("tpg_lun")) not in gone
                ],
            }
            for acl in entries(tpg, "node_acls")
        ]
        left = [lun for lun in luns if str(lun.get("index")) not in gone]
        tpgs.append({**tpg, "luns": left, "node_acls": acls} if gone else tpg)
    return {**target, "tpgs": tpgs}
