# SPDX-License-Identifier: Apache-2.0
"""What a command can do with a terminal; without one, what happens instead.

A one-liner and a script are never paged or repeated. The interactive session puts its own
kind of screen in the place of this one.
"""

from __future__ import annotations

import contextlib

from lioshell.errors import UsageError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.shell.node import Node


class Screen:
    """Nobody is there."""

    def pick(self, root: Node, here: Node) -> Node | None:  # noqa: ARG002  # where there is a list
        """Let a place of the tree be picked; None: none was."""
        return root

    def paged(self) -> contextlib.AbstractContextManager[object]:
        """Show what is printed inside in a pager, where it is longer than the screen."""
        return contextlib.nullcontext()

    def watch(self, interval_s: float, title: str, show: Callable[[], None]) -> None:  # noqa: ARG002  # refused
        """Call `show` every `interval_s` seconds on a cleared screen, until Ctrl-C."""
        raise UsageError(
            "watch needs a terminal",
            hint="Run the command itself; repeat it with watch(1), as in: watch lioshell ls",
        )
