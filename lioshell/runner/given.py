# SPDX-License-Identifier: Apache-2.0
"""Devices that were given to another process, and are taken back when it ends or does not come."""

from __future__ import annotations

import threading
import time

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.kernel.ports import UioDevice

GIVEN_S: Final = 5.0
"""How long a device is left to the process that wanted it before it is tried again."""
_OWN_CLOSE_S: Final = 0.3


class Given:
    """The devices that are not to be tried now; `retry()` is called when that has changed."""

    def __init__(self, retry: Callable[[], None]) -> None:
        self._retry = retry
        self._devices: set[UioDevice] = set()
        self._at = 0.0

    def __contains__(self, device: object) -> bool:
        return device in self._devices

    def add(self, device: UioDevice) -> None:
        """Leave a device to another process for a moment, or until that one closes it."""
        self._devices.add(device)
        self._at = time.monotonic()
        timer = threading.Timer(GIVEN_S, self._over)
        timer.daemon = True
        timer.start()

    def _over(self) -> None:
        self._devices.clear()
        self._retry()

    def closed(self) -> None:
        """Note that somebody has closed a device."""
        # An old watch tells of the close of the giver as well.
        if time.monotonic() - self._at > _OWN_CLOSE_S:
            self._devices.clear()
        self._retry()
