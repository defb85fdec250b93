# SPDX-License-Identifier: Apache-2.0
"""What the pscsi backstore does: it takes a SCSI device of the machine by its address.

drivers/target/target_core_pscsi.c (pscsi_set_configfs_dev_params, pscsi_configure_device,
pscsi_show_configfs_dev_params, pscsi_get_inquiry_vpd_serial).
"""

from __future__ import annotations

import errno

from lioshell.kernel.sim.disks import BLOCK_SIZE_BYTES
from lioshell.kernel.sim.rules_backstores import Backstore, find_disk
from lioshell.kernel.sim.values import Refused, option_int, options
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.simulation import Simulation

_QUEUE_DEPTH = 128
_UINT_MAX = 2**32 - 1


class Pscsi(Backstore):
    """A SCSI device, passed through."""

    revision = ""
    passthrough = True
    _keys = ("scsi_host_id", "scsi_channel_id", "scsi_target_id", "scsi_lun_id")

    def control(self, sim: Simulation, device: str, text: str) -> None:
        for key, value in options(text, self._keys):
            number = option_int(value)
            if number is not None:
                sim.tree.change_state(device, **{key: number})

    def configure(self, sim: Simulation, device: str) -> dict[str, int]:
        state = sim.tree.state(device)
        path = sim.tree.value(f"{device}/udev_path")
        if any(key not in state for key in self._keys[1:]) or not path:
            raise Refused(errno.EINVAL)
        address = ":".join(str(state.get(key, "")) for key in self._keys)
        known = sim.disks.addresses()
        if not any(other.split(":")[0] == address.split(":")[0] for other in known):
            raise Refused(errno.EINVAL)
        if address not in known:
            raise Refused(errno.ENODEV)
        disk = find_disk(sim, path)
        if disk.read_only:
            raise Refused(errno.EACCES)
        if not sim.disks.claim(disk, device):
            raise Refused(errno.EBUSY)
        sim.tree.change_state(device, dev=path, firmware_serial=True)
        for name, text in (("vendor_id", "LIOSIM  "), ("product_id", f"{'simulated disk':16}")):
            sim.tree.put(f"{device}/wwn/{name}", f"{text}\n")
        sim.tree.put(f"{device}/wwn/revision", "1.0 \n")
        serial = f"T10 VPD Unit Serial Number: {disk.name}\n"
        sim.tree.put(f"{device}/wwn/vpd_unit_serial", serial)
        return {
            "hw_block_size": BLOCK_SIZE_BYTES,
            "hw_max_sectors": _UINT_MAX,
            "hw_queue_depth": _QUEUE_DEPTH,
        }

    def destroy(self, sim: Simulation, device: str) -> None:
        sim.disks.release(sim.tree.state(device)["dev"], device)

    def info(self, sim: Simulation, device: str) -> str:
        state = sim.tree.state(device)
        host, channel, target, lun = (state.get(key, 0) for key in self._keys)
        text = (
            f"SCSI Device Bus Location: Channel ID: {channel} Target ID: {target}"
            f" LUN: {lun} Host ID: {host}\n"
        )
        if "dev" in state:
            text += "        Vendor: LIOSIM   Model: simulated disk   Rev: 1.0 \n"
        return text
