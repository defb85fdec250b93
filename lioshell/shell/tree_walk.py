# SPDX-License-Identifier: Apache-2.0
"""The rows of a tree to pick a place from, found by a thread while they are shown already."""

from __future__ import annotations

import threading
import time

from lioshell.errors import LioshellError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.shell.node import Node

MAX_ROWS = 20000
"""A larger tree is shown so far; whoever wants a place behind types its path."""

_REDRAW_S = 0.1


class Row(NamedTuple):
    """One place: its guides as `ls` draws them, its name, path and state."""

    guides: str
    name: str
    path: str
    summary: str
    healthy: bool | None
    state: str


class TreeWalk:
    """Finds the rows in the order that `ls` shows them; `rows` grows at its end only."""

    def __init__(self, root: Node, redraw: Callable[[], None]) -> None:
        self.rows: list[Row] = []
        self.is_over = False
        self._root = root
        self._redraw = redraw
        self._is_stopped = False
        self._drawn_s = 0.0
        self._thread = threading.Thread(target=self._run, name="tree walk", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Look no further."""
        self._is_stopped = True

    @property
    def is_full(self) -> bool:
        """Whether there is more than is shown."""
        return len(self.rows) >= MAX_ROWS

    def _run(self) -> None:
        try:
            self._visit(self._root, "", "  ")
        except Exception:  # noqa: BLE001
            # A defect of ours in one node: what was found so far can be picked.
            self.is_over = True
        self.is_over = True
        self._redraw()

    def _visit(self, node: Node, guides: str, below: str) -> None:
        if self._is_stopped or self.is_full:
            return
        try:
            summary, healthy = node.summary()
            children = node.children
        except LioshellError as error:
            # It has gone meanwhile, or cannot be read: its neighbours can.
            summary, healthy, children = f"unreadable: {error}", False, []
        self.rows.append(Row(guides, node.name, node.path, summary, healthy, node.state))
        if time.monotonic() - self._drawn_s > _REDRAW_S:
            self._drawn_s = time.monotonic()
            self._redraw()
        for child in children:
            is_last = child is children[-1]
            self._visit(child, below, below + ("  " if is_last else "| "))
