# SPDX-License-Identifier: Apache-2.0
"""Devices that another process serves: noticing that it has given one up, or has ended.

No uevent tells of that. The close of the device's node does, but the kernel tells it before the
device is free (fs/file_table.c, __fput): whoever looks then looks again for a moment.
"""

from __future__ import annotations

import time

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.kernel.ports import UioCloseWatch, UioDevice, UioPort
    from lioshell.runner.loop import Loop

_RETRIES: Final = 20
_INTERVAL_S: Final = 0.05


class ForeignWatch:
    """Calls `closed()` in the loop's thread after one of the devices was closed by somebody."""

    def __init__(
        self,
        uio: UioPort,
        loop: Loop,
        closed: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        self._uio = uio
        self._loop = loop
        self._closed = closed
        self._report = report
        self._watch: UioCloseWatch | None = None
        self._retries = 0

    def add(self, device: UioDevice) -> None:
        """Watch a device too."""
        if self._watch is None:
            try:
                self._watch = self._uio.watch_close()
            except OSError as error:
                self._report(
                    f"{device.configfs_path}: it is not noticed when its server ends: {error}"
                )
                return
            self._loop.add_reader(self._watch.fileno(), self._on_close)
        self._watch.add(device)

    def _on_close(self) -> None:
        watch = self._watch
        if watch is not None and watch.drain():
            self._retries = _RETRIES
            self._closed()

    def wait_again(self) -> bool:
        """Wait a moment and tell whether to look again for a device that was closed just now."""
        if self._retries <= 0:
            return False
        self._retries -= 1
        time.sleep(_INTERVAL_S)
        return True

    def close(self) -> None:
        """Stop watching."""
        watch, self._watch = self._watch, None
        if watch is not None:
            self._loop.remove_reader(watch.fileno())
            watch.close()
