# SPDX-License-Identifier: Apache-2.0
"""What the SCSI layer waits for: an answer of who serves the disk that loopback makes or removes.

A link scans the disk, and its removal flushes the write cache (drivers/scsi/scsi_scan.c, sd.c).
Unlike the real one, the wait ends with Ctrl-C; it has no end of its own either way, since commands
to a blocked device are retried for many minutes.
"""

from __future__ import annotations

import contextlib
import os
import time

from lioshell.kernel.sim.scsi_hosts import ScsiHosts
from lioshell.kernel.sim.uio_state import DeviceState, is_owned, region_path
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.tree import Tree

_LOOK_AGAIN_S = 0.02
_OBJECTS = "core/user_"


def wait_for_answer(sim_root: str, tree: Tree, link: str, device: str) -> None:
    """Wait until whoever serves `device` answers, if that is a user: object with a disk.

    `link` is the link of a LUN, which may be about to be made or to be removed. Nothing may be
    locked: who is to serve changes configfs first.
    """
    if not device.startswith(_OBJECTS):
        return
    while _is_waiting(sim_root, tree, link, device):
        time.sleep(_LOOK_AGAIN_S)


def _is_waiting(sim_root: str, tree: Tree, link: str, device: str) -> bool:
    tpg, _, rest = link.partition("/lun/")
    lun = rest.partition("/")[0]
    try:
        uio = tree.state(device).get("uio")
        address = f"{tree.value(f'{tpg}/address')}:{lun.removeprefix('lun_')}"
        if uio is None or not tree.value(f"{tpg}/nexus"):
            return False
        if os.path.lexists(tree.full(link)) and not ScsiHosts(sim_root).flushes(address):
            return False
        with contextlib.closing(DeviceState(sim_root, str(uio))) as state:
            return state.blocked or not _is_served(region_path(sim_root, str(uio)))
    except OSError:
        # Something of it has gone, and with it the reason to wait.
        return False


def _is_served(region: str) -> bool:
    descriptor = os.open(region, os.O_RDWR | os.O_CLOEXEC)
    try:
        return is_owned(descriptor)
    finally:
        os.close(descriptor)
