# SPDX-License-Identifier: Apache-2.0
"""Whether somebody answers for a user: device while the disk that loopback made of it goes.

The kernel's disk driver flushes the write cache of a disk that is removed (drivers/scsi/sd.c,
sd_shutdown): the unlink of the LUN waits, unkillably, for the answer. Where nobody serves the
device that takes many minutes, or for ever with cmd_time_out=0.
"""

from __future__ import annotations

from lioshell.errors import ConflictError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.luns import Lun
    from lioshell.lio.root import Lio

NOBODY = "no runner"


def prepare_removal(lio: Lio, lun: Lun) -> None:
    """See to it that the removal of a LUN waits for nobody.

    Its device is served first where that is possible (`Lio.have_served`). Where it is not, nothing
    is flushed any more, unless somebody uses the disk: raises ConflictError then.
    """
    address = None if lio.dry_run else lun.scsi_address
    path = None if address is None else lun.storage_object_path
    if address is None or path is None or not _is_user(lio, path):
        return
    problem = lio.have_served(path)
    if not problem:
        return
    system = lio.kernel.system
    by = [use for disk in system.disks_at(address, lun.index) for use in system.holders(disk)]
    if by:
        raise ConflictError(
            f"The disk of {lun.path} is in use ({', '.join(by)}), and nobody serves "
            f"{path.rpartition('/')[2]} ({problem}): its removal would hang",
            hint="Have it served first: lioshell serve",
            path=lun.path,
        )
    system.skip_flush(address, lun.index)


def problem_of(lio: Lio, path: str) -> str:
    """Return what keeps a device from answering, "" where some process has it open."""
    uio = lio.kernel.uio
    found = [device for device in uio.devices() if device.configfs_path == path]
    return "" if found and uio.is_open(found[0]) else NOBODY


def _is_user(lio: Lio, path: str) -> bool:
    hba = path.split("/")[1]
    return hba.rpartition("_")[0] == lio.specs.backstore("user").hba_prefix
