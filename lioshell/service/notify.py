# SPDX-License-Identifier: Apache-2.0
"""What systemd is told of a service: ready, reloading, stopping, a line of status, signs of life.

The protocol is one datagram of KEY=value lines to the socket that $NOTIFY_SOCKET names
(sd_notify(3)); a socket of the standard library is all that it needs.
"""

from __future__ import annotations

import contextlib
import os
import socket

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Tells the service manager; without one it tells nobody.

    `watchdog_s` is how often `alive()` has to be called, 0.0 where nobody watches: half of what
    the unit's WatchdogSec= says (sd_watchdog_enabled(3)).
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        process = environment.get("WATCHDOG_PID", "")
        mine = process in ("", str(os.getpid()))
        self.watchdog_s = (
            int(usec) / 2_000_000 if self._address and mine and usec.isdigit() else 0.0
        )

    def ready(self, status: str) -> None:
        """Say that the service does what it is there for."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`."""
        self._send(f"STATUS={_line(text)}")

    def more_time(self, timeout_s: float) -> None:
        """Ask for more time to start or to stop than the unit allows, from now on."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(timeout_s * 1_000_000)}")

    def alive(self) -> None:
        """Tell the watchdog that devices are answered."""
        self._send("WATCHDOG=1")

    def stopping(self, status: str) -> None:
        """Say that the service ends."""
        self._send(f"STOPPING=1\nSTATUS={_line(status)}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        # A manager that is restarting or gone is no reason to stop the disks.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.settimeout(1.0)
            sender.sendto(message.encode("utf-8", "replace"), address)


def _line(text: str) -> str:
    return " ".join(text.split())
