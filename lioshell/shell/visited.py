# SPDX-License-Identifier: Apache-2.0
"""The places that a session has been to, for `cd <` and `cd >`."""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Visited:
    """Paths in the order of their visits, and which of them one is at."""

    def __init__(self, path: str) -> None:
        self._paths = [path]
        self._index = 0

    def add(self, path: str) -> None:
        """Note that one has gone to a path; what was ahead is forgotten, unless one was there."""
        if self._paths[self._index] != path:
            self._index += 1
            self._paths = [*self._paths[: self._index], path]

    def step(self, step: int) -> Iterator[str]:
        """Yield the paths before (-1) or after (1) this one, nearest first.

        One is at the path that is taken last; at the old one again where all are refused.
        """
        start = self._index
        while 0 <= self._index + step < len(self._paths):
            self._index += step
            yield self._paths[self._index]
        self._index = start
