# SPDX-License-Identifier: Apache-2.0
"""watch: one command again and again, until Ctrl-C."""

from __future__ import annotations

import math

from lioshell.errors import UsageError
from lioshell.shell import grammar
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

_SHORTEST_S = 0.1
_LONGEST_S = 86400.0
_NOT_REPEATED = frozenset(("cd", "exit", "set", "watch"))
"""Commands that may change nothing of the target, but of which once is enough."""


def watch(session: Session, node: Node, interval_s: str, line: str) -> None:
    """Run a line at a node every `interval_s` seconds, on a cleared screen.

    Raises UsageError: no interval, no terminal, or a command that changes something; errors of the
    line itself end the watch.
    """
    pause_s = _seconds(interval_s)
    with session.standing_at(node):
        words = grammar.split_words(line)
        if not words:
            raise UsageError("watch: the command is empty", hint="As in: watch 2 ls")
        target, command, rest = session.resolve(words)
        if not command or command in _NOT_REPEATED or not session.only_reads(command, rest):
            raise UsageError(
                f"watch repeats commands that show something, not {command or line.strip()!r}",
                hint=f"As in: watch {interval_s} ls {target.path}",
            )
        title = f"Every {pause_s:g} s at {node.path}: {line.strip()}"
        session.screen.watch(pause_s, title, lambda: session.show_again(words, line))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise UsageError(
            f"watch: {text!r} is no number of seconds from {_SHORTEST_S:g} to {_LONGEST_S:g}",
            hint="As in: watch 2 ls",
        )
    return seconds
