# SPDX-License-Identifier: Apache-2.0
"""One command at several nodes or on several children, which a * stands for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lioshell.errors import DeclinedError, NotFoundError
from lioshell.shell.grammar import Pattern
from lioshell.shell.paths import matching_names

if TYPE_CHECKING:
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

    Run = tuple[Node, list[str], dict[str, str]]

_SHOWN = 5


def run(
    session: Session,
    nodes: list[Node],
    command: str,
    positional: list[str],
    named: dict[str, str],
    *,
    changes: bool,
) -> Any:
    """Run a command at each node; where it changes something, at all of them or at none.

    Returns what the command returns, where it is run once. Raises DeclinedError where a person at
    a terminal does not want it done so often.
    """
    runs = [each for node in nodes for each in _runs(node, command, positional, named)]
    if len(runs) == 1:
        node, words, values = runs[0]
        return node.run(command, words, values)
    for node, words, values in runs:
        node.check(command, words, values)
    if changes and not session.assume_yes:
        what = _what(runs, command)
        if not session.screen.confirm(f"{command} {len(runs)} times: {what}?"):
            raise DeclinedError(f"Nothing was changed: {command} was declined", hint="Name one.")
    with session.lio.transaction() if changes else contextlib.nullcontext():
        for node, words, values in runs:
            node.run(command, words, values)
            session.out.one_of_many(" ".join([node.path, *words[: len(words) * changes]]))
    return None


def _runs(node: Node, command: str, positional: list[str], named: dict[str, str]) -> list[Run]:
    """Return what is to be run at one node: `delete` is run for each child that matches."""
    if command != "delete" or not positional or not isinstance(positional[0], Pattern):
        return [(node, positional, named)]
    pattern = positional[0]
    components = pattern.components()
    regex = components[0][1]
    names = [] if regex is None or len(components) > 1 else matching_names(node, regex)
    if not names:
        raise NotFoundError(
            f"Nothing at {node.path} matches {pattern}",
            hint=f"See what there is with: ls {node.path}",
        )
    return [(node, [name, *positional[1:]], named) for name in names]


def _what(runs: list[Run], command: str) -> str:
    shown = [
        " ".join([node.path, *([words[0]] if command == "delete" else [])])
        for node, words, _ in runs[:_SHOWN]
    ]
    return ", ".join([*shown, *(["..."] if len(runs) > _SHOWN else [])])
