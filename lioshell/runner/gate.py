# SPDX-License-Identifier: Apache-2.0
"""The gate in front of a device: action/block_dev and action/reset_ring of its storage object.

A blocked device answers every new command BUSY, which initiators send again: that is how a device
changes hands without a failed command (drivers/target/target_core_user.c, tcmu_block_dev,
tcmu_reset_ring).
"""

from __future__ import annotations

import time

from lioshell.errors import LioshellError, RunnerError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.kernel.ports import ConfigfsPort, UioDevice

ENABLE_TIMEOUT_S: Final = 5.0
_ENABLE_INTERVAL_S: Final = 0.005


class Gate:
    """Opens and closes devices; refusals raise KernelError unless said otherwise."""

    def __init__(self, configfs: ConfigfsPort, report: Callable[[str], None]) -> None:
        self._configfs = configfs
        self._report = report

    def await_enabled(self, device: UioDevice) -> None:
        """Wait for the end of the write to `enable` that made the device.

        The uio device appears in the middle of it, and action/ answers EINVAL until its end
        (target_configure_device). Raises RunnerError when it does not end.
        """
        deadline = time.monotonic() + ENABLE_TIMEOUT_S
        while self._configfs.read(f"{device.configfs_path}/enable") != "1":
            if time.monotonic() > deadline:
                raise RunnerError("the kernel has not finished enabling it")
            time.sleep(_ENABLE_INTERVAL_S)

    def is_open(self, device: UioDevice) -> bool:
        """Tell whether commands reach the ring."""
        return self._configfs.read(_block_path(device)) == "unblocked"

    def close(self, device: UioDevice) -> None:
        """Block a device; what the runner has answered until now is completed."""
        self._configfs.write(_block_path(device), "1")

    def open(self, device: UioDevice) -> None:
        """Let commands through to the ring."""
        self._configfs.write(_block_path(device), "0")

    def retry_in_flight(self, device: UioDevice) -> None:
        """Empty the ring: commands in flight are answered BUSY, so that initiators retry them."""
        self._configfs.write(f"{device.configfs_path}/action/reset_ring", "1")

    def set_size(self, device: UioDevice, size_bytes: int) -> None:
        """Tell the kernel the size, without netlink (tcmu_set_configfs_dev_params)."""
        self._configfs.write(f"{device.configfs_path}/control", f"dev_size={size_bytes}")

    def set_medium(self, device: UioDevice, dev_config: str, size_bytes: int) -> None:
        """Tell the kernel what a device stands on now, without netlink; uio keeps the old name."""
        text = f"dev_config={dev_config},dev_size={size_bytes}"
        self._configfs.write(f"{device.configfs_path}/control", text)

    def time_out_s(self, device: UioDevice) -> float:
        """Return how long the kernel waits for a command, 0 for ever (attrib/cmd_time_out)."""
        try:
            return float(self._configfs.read(f"{device.configfs_path}/attrib/cmd_time_out"))
        except (LioshellError, ValueError):
            # The device is going: the kernel waits for nothing any more.
            return 0.0

    def try_close(self, device: UioDevice) -> None:
        """Block a device; a refusal is reported, unless the device has gone."""
        self._try(device, self.close)

    def try_open(self, device: UioDevice) -> None:
        """Unblock a device; a refusal is reported, unless the device has gone."""
        self._try(device, self.open)

    def _try(self, device: UioDevice, action: Callable[[UioDevice], None]) -> None:
        try:
            action(device)
        except LioshellError as error:
            if self._configfs.exists(device.configfs_path):
                self._report(f"{device.configfs_path}: {error}")


def _block_path(device: UioDevice) -> str:
    return f"{device.configfs_path}/action/block_dev"
