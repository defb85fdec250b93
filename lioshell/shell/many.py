# SPDX-License-Identifier: Apache-2.0
"""One command at several nodes or on several children, which a * stands for."""

from __future__ import annotations

import contextlib
from functools import partial

from lioshell.errors import NotFoundError
from lioshell.shell.grammar import Pattern
from lioshell.shell.paths import matching_names
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

    Run = tuple[Node, list[str], dict[str, str]]

_SHOWN = 5
_REMOVING = frozenset(("delete", "disable"))
"""Commands that say what they take away before their first step."""


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

    Returns what the command returns, where it is run once. A person at a terminal is asked once
    for all of them.
    """
    runs = [each for node in nodes for each in _runs(node, command, positional, named)]
    if len(runs) == 1:
        node, words, values = runs[0]
        return node.run(command, words, values)
    for node, words, values in runs:
        node.check(command, words, values)
    deed = f"{command} {len(runs)} times: {_what(runs, command)}"
    if command in _REMOVING and changes:
        removals = [partial(node.run, command, words, values) for node, words, values in runs]
        session.consent.require_all(deed, removals)
    elif changes:
        session.consent.require_word(deed)
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
