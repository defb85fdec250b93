# SPDX-License-Identifier: Apache-2.0
"""Waiting for what must happen, on a machine that may itself stand still for a while.

A virtual host can stop for half a minute: what a test waits for has then had no time either. So
patience is what passes between two looks, and of that no more than a second each.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_A_LOOK_S = 1.0


class Patience:
    """So many seconds of looking; ask `lasts` at every look, at least once a second."""

    def __init__(self, seconds: float) -> None:
        self._left_s = seconds
        self._looked = time.monotonic()

    def lasts(self) -> bool:
        """Tell whether to look again."""
        now = time.monotonic()
        self._left_s -= min(now - self._looked, _MOST_A_LOOK_S)
        self._looked = now
        return self._left_s > 0


def eventually(
    condition: Callable[[], object],
    *,
    seconds: float = 20.0,
    pause_s: float = 0.01,
    what: str = "it did not happen",
) -> None:
    """Wait until a condition holds; fails with `what` where it does not."""
    patience = Patience(seconds)
    while not condition():
        assert patience.lasts(), what
        time.sleep(pause_s)
