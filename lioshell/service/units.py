# SPDX-License-Identifier: Apache-2.0
"""From a device of the kernel to the logical unit that answers for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lioshell.runner.handlers import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.ports import Kernel, UioDevice
    from lioshell.runner.command import LogicalUnit


def unit_maker(kernel: Kernel) -> Callable[[UioDevice], LogicalUnit | None]:
    """Return what opens a device's storage; None for subtypes that are not ours."""

    def make(device: UioDevice) -> LogicalUnit | None:
        if not registry.serves(device.dev_config):
            return None
        from lioshell.runner.scsi.unit import LIO_COMPANY_ID, Identity

        base = device.configfs_path

        def identity() -> Identity:
            text = kernel.configfs.read(f"{base}/wwn/vpd_unit_serial")
            company_id = LIO_COMPANY_ID
            if kernel.configfs.exists(f"{base}/wwn/company_id"):
                company_id = int(kernel.configfs.read(f"{base}/wwn/company_id"), 16)
            serial = text.rpartition(": ")[2].strip()
            return Identity(serial, device.name, company_id=company_id)

        return registry.make_unit(
            device.dev_config,
            size_bytes=int(kernel.configfs.read(f"{base}/attrib/dev_size")),
            block_size_bytes=int(kernel.configfs.read(f"{base}/attrib/hw_block_size")),
            hw_max_sectors=int(kernel.configfs.read(f"{base}/attrib/hw_max_sectors")),
            identity=identity,
        )

    return make
