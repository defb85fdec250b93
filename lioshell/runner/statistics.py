# SPDX-License-Identifier: Apache-2.0
"""What a served device counts and remembers of its commands, for who asks how it does."""

from __future__ import annotations

import time
from collections import deque

from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

SLOW_S: Final = 1.0
"""A command that took longer is remembered, unless the service was told another time."""
WAITED_S: Final = 0.02
"""A command that took longer in the loop's thread has waited for something."""
_REMEMBERED: Final = 32


class SlowCommand(NamedTuple):
    """A command that took long: when it ended (time.time()), its CDB, how long it took."""

    at: float
    cdb: bytes
    took_s: float


class Statistics:
    """Counters of one device; written by the thread that serves it, read by any."""

    __slots__ = ("commands", "failures", "hangs", "log_slow_s", "slow", "slow_s")

    def __init__(self, log_slow_s: float = SLOW_S) -> None:
        self.commands = 0
        self.failures = 0
        self.hangs = 0
        """How often a command kept the loop's thread so long that another one took over."""
        self.log_slow_s = log_slow_s
        """From here on a command is remembered."""
        self.slow_s = min(WAITED_S, log_slow_s)
        """From here on a command is worth a look."""
        self.slow: deque[SlowCommand] = deque(maxlen=_REMEMBERED)

    def set_slow(self, log_slow_s: float) -> None:
        """Remember commands from this time on."""
        self.log_slow_s = log_slow_s
        self.slow_s = min(WAITED_S, log_slow_s)

    def note_slow(self, cdb: bytes, took_s: float) -> None:
        """Remember a command if it took as long as the slow log wants it."""
        if took_s >= self.log_slow_s:
            self.slow.append(SlowCommand(time.time(), cdb, took_s))
