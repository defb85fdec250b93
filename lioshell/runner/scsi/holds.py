# SPDX-License-Identifier: Apache-2.0
"""Which blocks the deferred commands of a unit work on, so that some of them exclude others.

COMPARE AND WRITE and its kind are one uninterrupted action to every other write (SBC-3 4.21). A
command takes its hold in the loop's thread, in the order of the ring, and waits in the worker's
until nothing in front of it is in its way; so nothing waits in a circle.
"""

from __future__ import annotations

import threading

from lioshell.runner.command import Deferred
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lioshell.runner.command import Response

    Extent = tuple[int, int]
    Submit = Callable[[Callable[[Response], None]], None]


class Hold:
    """The blocks [first, end) of each extent; an exclusive hold lets no other hold in."""

    __slots__ = ("exclusive", "extents")

    def __init__(self, extents: Sequence[Extent], exclusive: bool) -> None:
        self.extents = extents
        self.exclusive = exclusive

    def conflicts(self, other: Hold) -> bool:
        """Tell whether two holds may not be worked on at the same time."""
        if not (self.exclusive or other.exclusive):
            return False
        return any(
            first < other_end and other_first < end
            for first, end in self.extents
            for other_first, other_end in other.extents
        )


class Holds:
    """The holds of one unit, in the order in which they were taken.

    `active` is empty most of the time; a WRITE that finds it so, or none in it that excludes it,
    goes on without a hold, in the loop's thread, where no hold can be taken meanwhile.
    """

    __slots__ = ("_changed", "_exclusive", "active")

    def __init__(self) -> None:
        self.active: list[Hold] = []
        # How many of them let no other in: where there is none, nothing excludes a write.
        self._exclusive = 0
        self._changed = threading.Condition()

    def defer(
        self,
        job: Callable[[], Response],
        extents: Sequence[Extent],
        exclusive: bool,
        submit: Submit | None = None,
    ) -> Deferred:
        """Take a hold now and return the deferred command that waits for it and runs `job`.

        Where the hold is free at once, `submit` is used instead if there is one.
        """
        hold = Hold(extents, exclusive)
        with self._changed:
            self.active.append(hold)
            self._exclusive += exclusive
            free = self._first(hold)

        def run() -> Response:
            try:
                with self._changed:
                    self._changed.wait_for(lambda: self._first(hold))
                return job()
            finally:
                self._leave(hold)

        if submit is None or not free:
            return Deferred(run, lambda: self._leave(hold))

        def held_submit(finish: Callable[[Response], None]) -> None:
            def leave_and_finish(response: Response) -> None:
                self._leave(hold)
                finish(response)

            submit(leave_and_finish)

        return Deferred(run, lambda: self._leave(hold), held_submit)

    def exclude(self, first: int, end: int) -> bool:
        """Tell whether a write of the blocks [first, end) has to wait for a hold.

        Asked in the loop's thread, where holds are taken: what is free stays free until it returns.
        """
        if not self._exclusive:
            return False
        write = Hold(((first, end),), exclusive=False)
        with self._changed:
            return any(hold.conflicts(write) for hold in self.active)

    def _first(self, hold: Hold) -> bool:
        if not self._exclusive:
            return True
        for earlier in self.active:
            if earlier is hold:
                return True
            if earlier.conflicts(hold):
                return False
        return True

    def _leave(self, hold: Hold) -> None:
        with self._changed:
            if hold in self.active:
                self.active.remove(hold)
                self._exclusive -= hold.exclusive
                self._changed.notify_all()
