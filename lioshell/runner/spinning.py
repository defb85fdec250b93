# SPDX-License-Identifier: Apache-2.0
"""Looking at the rings for a while before the loop's thread sleeps.

To be woken costs more than a command: an initiator with one command in flight sends the next one
some microseconds after its answer, and a thread that sleeps by then pays for the scheduler twice.
For how long it looks is learned, as KVM's halt polling does it (Documentation/virt/kvm/
halt-polling.rst): as long as commands have lately been apart, not at all where they mostly come
later than the limit. So a disk that is idle, or slow, costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import time

from lioshell.runner.abi import MAILBOX_HEAD_WORD
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.device import ServedDevice
    from lioshell.runner.ring import Ring

    Serve = Callable[[int, ServedDevice, float], float]

SPIN_US: Final = 1000
"""The longest look, in microseconds, where nobody says otherwise and there are CPUs for it."""
_FIRST_S: Final = 20e-6
_TIMES: Final = 4
_FADES: Final = 0.9
"""It looks for so many times the longest pause of late; what that was fades with every poll."""
_MOST_LATE: Final = 3
"""After so many sleeps beyond the limit it is not done until there is a shorter one."""
_MOST_DEVICES: Final = 16
"""With more devices at work one look takes longer than a wake-up does."""
_SHORT_OF_CPU_S: Final = 0.0003
"""A yield that took so long went to others: who sleeps is woken sooner than who yields."""
_HOGGED_S: Final = 0.001
"""A yield that took so long went to who has much to do: a CPU, or the interpreter, is short."""
_RESPITE_S: Final = 0.1
"""The second one within this time: it is left to them for so long."""
_REST: Final = 0.5
_REST_MOST_S: Final = 0.0005
"""After several commands at once further ones are left to gather for this part of the time which
those have taken: one notification of many costs less than many, and who sends them needs CPUs."""
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
        "_hogged_at",
        "_late",
        "_limit_s",
        "_longest_s",
        "_not_until",
        "_polled_at",
        "_polled_won",
        "_slept_won",
        "_unread",
        "_window_s",
        "won",
    )

    def __init__(self, limit_us: int) -> None:
        self._limit_s = limit_us / 1e6
        self._window_s = 0.0
        # The longest of the last pauses that were shorter than the limit.
        self._longest_s = 0.0
        # How many sleeps in a row were longer, without a find between them.
        self._late = 0
        self._slept_won = 0
        self._hogged_at = 0.0
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

    def watches(self, fd: int) -> bool:
        """Tell whether the ring of this device is looked at."""
        return fd in self._busy

    def look(
        self, called: Callable[[float], bool], answer_one: Serve, serve: Serve
    ) -> list[tuple[int, ServedDevice]] | None:
        """Look for commands until it is time to sleep, and return the devices that got some then.

        `answer_one` has a device answer a plain command that is alone in its ring, `serve` whatever
        is there; both return the time, or 0.0: the command is for the other, there is other work.
        None: there is, or `called(now)`, asked now and then, has told so.
        """
        if not self._limit_s:
            return []
        self._began = began = now = time.monotonic()
        busy = self._busy
        window_s = self._window_s
        if not busy or not window_s or now < self._not_until or len(busy) > _MOST_DEVICES:
            return self._before_sleep()
        rings: list[tuple[int, ServedDevice, Ring, memoryview]] = []
        for fd, device in busy.items():
            if device.works_beside:
                # Workers need the interpreter, and wake the loop when they have finished.
                return self._before_sleep()
            rings.append((fd, device, device.ring, device.ring.words))
        poll_at = self._polled_at + _POLL_S
        end = now + window_s
        rest_until = 0.0
        while now < end:
            if now > poll_at and self._is_poll_due(now):
                if called(now):
                    return None
                poll_at = now + _POLL_S
                window_s = self._window_s
            if now > rest_until:
                for fd, device, ring, words in rings:
                    if words[MAILBOX_HEAD_WORD] == ring.cursor:
                        continue
                    self.won += 1
                    self._unread = True
                    if now - began > self._longest_s:
                        self._longest_s = now - began
                    before = now
                    now = answer_one(fd, device, before)
                    if not now:
                        now = serve(fd, device, before)
                        if not now:
                            return None
                        rest_until = now + min(_REST * (now - before), _REST_MOST_S)
                    self._began = began = now
                    end = now + window_s
            # To other threads too: this lets go of the interpreter.
            os.sched_yield()
            before, now = now, time.monotonic()
            if now - before > _SHORT_OF_CPU_S:
                self._yielded(before, now)
                break
        return self._before_sleep()

    def _yielded(self, before: float, now: float) -> None:
        """Note a yield that took long."""
        if now - before > _HOGGED_S:
            if before - self._hogged_at < _RESPITE_S:
                self._not_until = now + _RESPITE_S
            self._hogged_at = now

    def _is_poll_due(self, now: float) -> bool:
        if self.won - self._polled_won < _POLL_COMMANDS and now - self._polled_at < _POLL_MOST_S:
            return False
        self._polled_at = now
        self._polled_won = self.won
        self._longest_s *= _FADES
        self._set_window()
        return True

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
        if not by_device:
            return
        pause_s = now - self._began
        if pause_s <= self._limit_s:
            self._late = 0
            self._longest_s = max(self._longest_s, pause_s)
        else:
            self._late = self._late + 1 if self.won == self._slept_won else 1
        self._slept_won = self.won
        self._set_window()

    def _set_window(self) -> None:
        if self._late < _MOST_LATE and self._longest_s:
            self._window_s = min(self._limit_s, max(_FIRST_S, _TIMES * self._longest_s))
        else:
            self._window_s = 0.0
