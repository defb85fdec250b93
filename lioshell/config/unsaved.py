# SPDX-License-Identifier: Apache-2.0
"""What runs but cannot be described in a saved configuration: told, so that nobody relies on it."""

from __future__ import annotations

from lioshell.lio.backstores import list_hbas, list_storage_objects
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.root import Lio


def unsaved(lio: Lio) -> list[str]:
    """Return one line for each object that a save leaves out, with the reason."""
    configfs = lio.configfs
    left_out = []
    prefixes = {lio.specs.backstore(name).hba_prefix for name in lio.specs.backstore_names()}
    for hba in list_hbas(lio):
        if hba.rpartition("_")[0] not in prefixes:
            left_out += [f"core/{hba}/{name}: no spec" for name in configfs.folders(f"core/{hba}")]
    for plugin in lio.specs.backstore_names():
        for storage_object in list_storage_objects(lio, plugin):
            if not storage_object.enabled:
                left_out.append(f"{storage_object.path}: not enabled")
    groups = {lio.specs.fabric(name).group for name in lio.specs.fabric_names()}
    for folder in configfs.folders(""):
        if folder != "core" and folder not in groups:
            targets = [n for n in configfs.folders(folder) if n != "discovery_auth"]
            left_out += [f"{folder}/{target}: no spec describes {folder}" for target in targets]
    return sorted(left_out)
