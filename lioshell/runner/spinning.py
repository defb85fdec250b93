# SPDX-License-Identifier: Apache-2.0
"""Looking at the rings for a while before the loop's thread sleeps.

To be woken costs more than a command: an initiator with one command in flight sends the next one
some microseconds after its answer, and a thread that sleeps by then pays for the scheduler twice.
For how long it looks is learned, as KVM's halt polling does it (Documentation/virt/kvm/
halt-polling.rst): as long as commands have lately been apart, not at all where they come later
than the limit. So a disk that is idle, or slow, costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from lioshell.runner.abi import MAILBOX_HEAD_WORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.device import ServedDevice

SPIN_US: Final = 1000
"""The longest look, in microseconds, where nobody says otherwise and there are CPUs for it."""
_FIRST_S: Final = 20e-6
_TIMES: Final = 4
"""It looks for so many times the last pause: pauses are not all the same."""
_MOST_DEVICES: Final = 16
"""With more devices at work one look takes longer than a wake-up does."""
_HOGGED_S: Final = 0.001
"""A yield that took so long went to who has much to do: a CPU, or the interpreter, is short."""
_RESPITE_S: Final = 0.1
"""For so long it is left to them then."""
_POLL_S: Final = 0.001
_POLL_COMMANDS: Final = 16
_POLL_MOST_S: Final = 0.005
"""What else the loop waits for is looked at while commands keep it from sleeping: after the first
and so many finds, or after the last."""


def usual_spin_us(limit_us: int = SPIN_US) -> int:
    """Return a limit in microseconds: 0 where this process has one CPU, which others need."""
    return limit_us if len(os.sched_getaffinity(0)) > 1 else 0


class Spinning:
    """What one loop has learned of the pauses between commands; used by its leader.

    `forget` may be called by any thread while the leader does not look. Times are seconds.
    """

    __slots__ = (
        "_began",
        "_busy",
        "_limit_s",
        "_not_until",
        "_polled_at",
        "_polled_won",
        "_unread",
        "_window_s",
        "won",
    )

    def __init__(self, limit_us: int) -> None:
        self._limit_s = limit_us / 1e6
        self._window_s = 0.0
        self._polled_at = 0.0
        self._polled_won = 0
        self._not_until = 0.0
        # When the present pause began.
        self._began = 0.0
        self._busy: dict[int, ServedDevice] = {}
        # Whether commands were found whose events nobody has read.
        self._unread = False
        self.won = 0
        """How often commands came while it looked."""

    def noticed(self, fd: int, device: ServedDevice) -> None:
        """Note that an event has told of a device's commands: it is looked at from now on."""
        if self._limit_s:
            self._busy[fd] = device

    def forget(self, fd: int) -> None:
        """Look at a device no more, before it is closed or another thread's."""
        self._busy.pop(fd, None)

    def look(self, interrupted: Callable[[], object]) -> list[tuple[int, ServedDevice]] | None:
        """Return the devices that have commands, or nothing when it is time to sleep.

        None: the loop's events are to be looked at, without a wait.
        """
        if not self._limit_s:
            return []
        self._began = now = time.monotonic()
        busy = self._busy
        if not busy or not self._window_s or len(busy) > _MOST_DEVICES:
            return self._before_sleep()
        unpolled_s = now - self._polled_at
        if unpolled_s > _POLL_S and (
            self.won - self._polled_won >= _POLL_COMMANDS or unpolled_s > _POLL_MOST_S
        ):
            self._polled_at = now
            self._polled_won = self.won
            return None
        rings: list[tuple[memoryview, int]] = []
        for device in busy.values():
            if device.works_beside:
                # Workers need the interpreter, and wake the loop when they have finished.
                return self._before_sleep()
            rings.append(device.position())
        end = now + self._window_s
        while now < end:
            for words, cursor in rings:
                if words[MAILBOX_HEAD_WORD] != cursor:
                    self._learn(now)
                    self._unread = True
                    self.won += 1
                    return self._with_commands()
            if interrupted():
                return None
            # To other threads too: this lets go of the interpreter.
            os.sched_yield()
            before, now = now, time.monotonic()
            if now - before > _HOGGED_S:
                self._not_until = now + _RESPITE_S
                break
        return self._before_sleep()

    def _before_sleep(self) -> list[tuple[int, ServedDevice]]:
        """Read the events of commands that are answered; return devices that got others by then."""
        if not self._unread:
            return []
        self._unread = False
        for device in self._busy.values():
            # One that was removed tells so again, by an event that is not read here.
            with contextlib.suppress(OSError):
                device.read_event()
        return self._with_commands()

    def _with_commands(self) -> list[tuple[int, ServedDevice]]:
        return [(fd, device) for fd, device in self._busy.items() if device.has_commands]

    def slept(self, now: float, by_device: bool) -> None:
        """Learn from a sleep that has ended, with the event of a device or another."""
        if not self._limit_s:
            return
        self._polled_at = now
        self._polled_won = self.won
        self._busy.clear()
        if by_device:
            self._learn(now)

    def _learn(self, now: float) -> None:
        pause = now - self._began
        if pause > self._limit_s or now < self._not_until:
            self._window_s = 0.0
        else:
            self._window_s = min(self._limit_s, max(_FIRST_S, _TIMES * pause))
