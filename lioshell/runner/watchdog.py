# SPDX-License-Identifier: Apache-2.0
"""Looks after a loop: replaces a leader that hangs, and tells of commands that do not end.

A hang is the absence of any event, so this is the one place that looks at a clock now and then:
twenty times a second while there is work, five times in two seconds while there is none.
"""

from __future__ import annotations

import threading
import time

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.device import ServedDevice
    from lioshell.runner.loop import Loop

STUCK_S: Final = 0.1
"""A leader that is in one device's turn for longer is replaced."""
HANGS_S: Final = 10.0
"""A command that takes longer is told of; again at twice the time, and so on."""
_BUSY_TICK_S: Final = 0.05
_IDLE_TICK_S: Final = 0.4
_TELL_S: Final = 1.0
_SLACK_S: Final = 0.6
"""A tick that came later than this shows that the process was stopped."""


class Watchdog:
    """A daemon thread beside a loop, from `start` to `stop`."""

    def __init__(self, loop: Loop, hangs_s: float = HANGS_S) -> None:
        self._loop = loop
        self.hangs_s = hangs_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # Device -> the age at which its oldest command is told of next.
        self._told: dict[str, float] = {}
        self._last = self._told_at = time.monotonic()
        self._turns = 0

    def start(self) -> None:
        """Begin to look; nothing happens when it does already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lioshell-watch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        tick_s = _IDLE_TICK_S
        self._last = self._told_at = time.monotonic()
        while not self._stop.wait(tick_s):
            try:
                tick_s = self._tick(tick_s)
            except Exception as error:  # noqa: BLE001 - nobody would look after the watchdog
                if self._loop.report is not None:
                    self._loop.report(f"The watchdog failed: {type(error).__name__}: {error}")

    def _tick(self, tick_s: float) -> float:
        """Look once; return after how many seconds to look again."""
        loop = self._loop
        now = time.monotonic()
        if loop.waits and now - self._last < tick_s + _SLACK_S:
            # Neither the loop nor, by this clock, the whole process has been stopped: a command
            # that comes now has not waited.
            loop.alive_at = now
        self._last = now
        self._depose()
        if now - self._told_at >= min(_TELL_S, self.hangs_s):
            self._told_at = now
            for device in loop.devices():
                self._tell(device, now)
        busy = loop.turns != self._turns or not loop.waits
        self._turns = loop.turns
        return _BUSY_TICK_S if busy else _IDLE_TICK_S

    def _depose(self) -> None:
        loop = self._loop
        try:
            device = loop.depose(STUCK_S)
        except RuntimeError:
            # No thread to be had now; it is tried again at the next tick.
            return
        if device is not None:
            device.statistics.hangs += 1

    def _tell(self, device: ServedDevice, now: float) -> None:
        in_flight = device.in_flight()
        if not in_flight and not self._told:
            # A hundred idle devices are looked at once a second: nothing more is done for them.
            return
        path = device.device.configfs_path
        started = [(cdb, at) for cdb, at in in_flight if at is not None]
        cdb, at = min(started, key=lambda item: item[1], default=(b"", now))
        age_s = now - at
        limit_s = self._told.get(path, self.hangs_s)
        if age_s < limit_s:
            if age_s < self.hangs_s:
                self._told.pop(path, None)
            return
        self._told[path] = limit_s * 2
        report = self._loop.report
        if report is not None:
            report(
                f"{path}: command {cdb.hex(' ')} has been executed for {age_s:.0f} s and has not"
                f" ended ({len(started)} in its handler); its storage hangs"
            )
