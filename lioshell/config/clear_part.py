# SPDX-License-Identifier: Apache-2.0
"""Remove a part of what runs: what a selection names."""

from __future__ import annotations

from lioshell.lio.backstores import find_storage_object
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.config.selection import Selection
    from lioshell.lio.root import Lio


def clear_part(lio: Lio, selection: Selection) -> None:
    """Remove the target and the storage object of a selection, the LUNs on it with it."""
    for fabric, wwn in selection.running_targets(lio):
        fabric.target(wwn).delete()
    for storage_object in selection.running_storage_objects(lio):
        for tpg, index in selection.exporting(lio, storage_object):
            tpg.delete_lun(index)
        find_storage_object(lio, storage_object.plugin, storage_object.name).delete()
