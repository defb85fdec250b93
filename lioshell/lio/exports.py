# SPDX-License-Identifier: Apache-2.0
"""Which LUNs export a storage object: asked of the object itself, where the kernel says it there.

Every LUN of an object is in one of its ALUA groups, and a group's `members` names its LUNs
(target_core_configfs.c, target_tg_pt_gp_members_show). Only where that list is cut (it is one page)
or there is none (pscsi passes ALUA through) are the LUNs of all targets looked at.
"""

from __future__ import annotations

from lioshell.errors import KernelError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio

_PAGE_BYTES = 4096
_LINE_BYTES = 256
"""TG_PT_GROUP_NAME_BUF: a line that might not fit any more is left out with all behind it."""

_NO_TARGETS = ("core", "discovery_auth")


def exports_of(lio: Lio, storage_object: StorageObject) -> list[str]:
    """Return the configfs paths of the LUNs that export an object."""
    # What the kernel says does not know what a dry run would have changed.
    found = None if lio.dry_run else _members(lio, storage_object.path)
    if found is not None and (found or not _is_activated(lio, storage_object.path)):
        return found
    return [lun for lun in _all_luns(lio) if _exports(lio, lun, storage_object.path)]


def _members(lio: Lio, path: str) -> list[str] | None:
    """Return the LUNs that an object's ALUA groups name; None where they cannot all be told."""
    configfs = lio.configfs
    found: list[str] = []
    try:
        fabrics = [name for name in configfs.folders("") if name not in _NO_TARGETS]
        for group in configfs.folders(f"{path}/alua"):
            text = configfs.read(f"{path}/alua/{group}/members")
            lines = text.splitlines()
            # A NUL behind each line is counted there.
            if len(text) + len(lines) + _LINE_BYTES > _PAGE_BYTES:
                return None
            for line in lines:
                lun = _lun_path(lio, fabrics, line, path)
                if lun is None:
                    return None
                found.append(lun)
    except KernelError:
        return None
    return found


def _lun_path(lio: Lio, fabrics: list[str], line: str, path: str) -> str | None:
    """Return the LUN that a line such as iSCSI/IQN/tpgt_1/lun_0 means, if it exports the object.

    The fabric's name there is not its folder's (iscsi_target_configfs.c: fabric_alias).
    """
    words = line.split("/")
    if len(words) != 4:
        return None
    _, wwn, tpg, lun = words
    paths = [f"{fabric}/{wwn}/{tpg}/lun/{lun}" for fabric in fabrics]
    return next((p for p in paths if lio.configfs.is_dir(p) and _exports(lio, p, path)), None)


def _is_activated(lio: Lio, path: str) -> bool:
    try:
        return "Status: ACTIVATED" in lio.configfs.read(f"{path}/info")
    except KernelError:
        # pscsi shows nothing before its device is there.
        return True


def _exports(lio: Lio, lun: str, path: str) -> bool:
    configfs = lio.configfs
    return any(configfs.readlink(f"{lun}/{link}") == path for link in configfs.links(lun))


def _all_luns(lio: Lio) -> Iterator[str]:
    configfs = lio.configfs
    for fabric in configfs.folders(""):
        if fabric in _NO_TARGETS:
            continue
        for wwn in configfs.folders(fabric):
            if wwn in _NO_TARGETS:
                continue
            for tpg in configfs.folders(f"{fabric}/{wwn}"):
                if tpg.startswith("tpgt_"):
                    luns = f"{fabric}/{wwn}/{tpg}/lun"
                    for lun in configfs.folders(luns):
                        yield f"{luns}/{lun}"
