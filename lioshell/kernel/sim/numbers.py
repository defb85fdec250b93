# SPDX-License-Identifier: Apache-2.0
"""Numbers and names that the kernel gives: the lowest that is free, found without a look at all."""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def free_number(is_taken: Callable[[int], bool]) -> int:
    """Return a number that is free, in few looks; the lowest, where there are no holes."""
    if not is_taken(0):
        return 0
    taken, step = 0, 1
    while is_taken(taken + step):
        taken += step
        step *= 2
    while step > 1:
        step //= 2
        if is_taken(taken + step):
            taken += step
    return taken + 1
