# SPDX-License-Identifier: Apache-2.0
"""From a device of the kernel to the logical unit that answers for it."""

from __future__ import annotations

from lioshell.runner.handlers import registry
from lioshell.service.modes import KeptModes, KeptTray
from lioshell.service.port_groups import PortGroups
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.ports import Kernel, UioDevice
    from lioshell.runner.command import LogicalUnit


_DEFAULT_BLOCK_SIZE_BYTES = 512
_DEFAULT_MAX_SECTORS = 128


def is_ours(kernel: Kernel, dev_config: str) -> bool:
    """Tell whether a device is for us to serve: there is a handler, and tcmu-runner has none."""
    subtype = dev_config.partition("/")[0]
    return registry.serves(dev_config) and subtype not in kernel.system.foreign_subtypes()


def unit_maker(kernel: Kernel) -> Callable[[UioDevice], LogicalUnit | None]:
    """Return what opens a device's storage; None for subtypes that are not ours."""

    def make(device: UioDevice) -> LogicalUnit | None:
        if not is_ours(kernel, device.dev_config):
            return None
        from lioshell.runner.scsi.optical import OpticalDrive
        from lioshell.runner.scsi.unit import LIO_COMPANY_ID, Identity

        base = device.configfs_path

        def identity() -> Identity:
            text = kernel.configfs.read(f"{base}/wwn/vpd_unit_serial")
            company_id = LIO_COMPANY_ID
            if kernel.configfs.exists(f"{base}/wwn/company_id"):
                company_id = int(kernel.configfs.read(f"{base}/wwn/company_id"), 16)
            serial = text.rpartition(": ")[2].strip()
            return Identity(serial, device.name, company_id=company_id)

        def attribute(name: str) -> int:
            return int(kernel.configfs.read(f"{base}/attrib/{name}"))

        dev_config = device.dev_config
        if registry.has_tray(dev_config.partition("/")[0]):
            # The uio device keeps the name of the disc that the drive was made with.
            dev_config = kernel.configfs.read(f"{base}/attrib/dev_config")
        # The uio device appears before the kernel has set the default of what was not given
        # (drivers/target/target_core_user.c, tcmu_configure_device).
        unit = registry.make_unit(
            dev_config,
            size_bytes=attribute("dev_size"),
            block_size_bytes=attribute("hw_block_size") or _DEFAULT_BLOCK_SIZE_BYTES,
            hw_max_sectors=attribute("hw_max_sectors") or _DEFAULT_MAX_SECTORS,
            identity=identity,
        )
        unit.port_groups = PortGroups(kernel.configfs, base)
        try:
            KeptModes(kernel.run_dir, base, identity).attach(unit)
            if isinstance(unit, OpticalDrive):
                KeptTray(kernel.run_dir, base, identity).attach(unit)
        except BaseException:
            unit.close()
            raise
        return unit

    return make
