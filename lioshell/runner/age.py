# SPDX-License-Identifier: Apache-2.0
"""How old the commands of a ring may be, against the kernel's cmd_time_out.

An initiator that was told of the time-out may have written elsewhere since: a write that is older
must not be started. The ring does not say when a command came, so what is known is a time before
which it was not there.
"""

from __future__ import annotations

import time

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.ring import Ring

OLD_S: Final = 1.0
"""The kernel's time-out is in seconds: younger commands need not be compared with it."""


class Age:
    """The ages of one ring's commands; times are those of time.monotonic().

    `time_out_s()` is the kernel's cmd_time_out, 0 for none.
    """

    __slots__ = ("_mark_bytes", "_mark_time", "_ring", "_time_out_s", "not_before")

    def __init__(self, ring: Ring, time_out_s: Callable[[], float]) -> None:
        self._ring = ring
        self._time_out_s = time_out_s
        self.not_before = time.monotonic()
        """A time before which no command that is popped next was in the ring."""
        self._mark_bytes = 0
        self._mark_time = self.not_before

    def is_over(self, not_before: float, now: float) -> bool:
        """Tell whether the kernel may have given up what came after `not_before`; any thread."""
        age_s = now - not_before
        return age_s > OLD_S and 0 < self._time_out_s() <= age_s

    def emptied(self, now: float) -> None:
        """Note that nothing was left in the ring."""
        self._mark_bytes = 0
        self._mark_time = now

    def moved(self, popped_bytes: int, now: float) -> None:
        """Learn how old the next command may be, where the ring was not emptied.

        What was in the ring at the mark's time is `_mark_bytes` from here; once that is popped, the
        rest came later.
        """
        self._mark_bytes -= popped_bytes
        if self._mark_bytes <= 0:
            self.not_before = max(self.not_before, self._mark_time)
            self._mark_time = now
            self._mark_bytes = self._ring.filled_bytes(self._ring.cursor)
