# SPDX-License-Identifier: Apache-2.0
"""Disks that programs attach (lioshell.tcmu) are theirs, and no part of a saved configuration.

Only the program can answer for such a disk, and it makes object and LUN anew each time: restored
without it, they would be in its way, and told as not restored after each boot.
"""

from __future__ import annotations

from lioshell.config.document import Document, entries, tree_path
from lioshell.lio.backstores import ATTACHED
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.config.document import Item

_LOOPBACK = "loopback"
"""The fabric by which a program's own machine sees its disk; other LUNs on it are users'."""


def without_attached(document: Document) -> tuple[Document, list[str]]:
    """Return a document without the disks of programs, and the paths of these."""
    disks = [item for item in entries(document, "storage_objects") if _is_attached(item)]
    if not disks:
        return document, []
    paths = [tree_path("storage_objects", item) for item in disks]
    left = [item for item in entries(document, "storage_objects") if item not in disks]
    targets = [
        kept
        for target in entries(document, "targets")
        if (kept := _without_luns(target, set(paths))) is not None
    ]
    return {**document, "storage_objects": left, "targets": targets}, paths


def _is_attached(item: Item) -> bool:
    config = str(item.get("config") or "")
    return item.get("plugin") == "user" and config.partition("/")[0] == ATTACHED


def _without_luns(target: Item, paths: set[str]) -> Item | None:
    """Return a target without the LUNs that programs made; None for one that had no others."""
    if target.get("fabric") != _LOOPBACK:
        return target
    tpgs = []
    for tpg in entries(target, "tpgs"):
        luns = entries(tpg, "luns")
        left = [lun for lun in luns if lun.get("storage_object") not in paths]
        if left == luns:
            tpgs.append(tpg)
        elif left:
            tpgs.append({**tpg, "luns": left})
    if tpgs == entries(target, "tpgs"):
        return target
    return {**target, "tpgs": tpgs} if tpgs else None
