# SPDX-License-Identifier: Apache-2.0
"""Did you mean: what comes close to a word that does not exist, and where a command does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lioshell.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.shell.node import Node

_MAX_COMPARED = 2000
"""More names than this are not compared: an error must not cost more than the command."""


def close_to(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like `word`, None where none is."""
    import difflib
    import itertools

    candidates = list(itertools.islice(known, _MAX_COMPARED))
    found = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return found[0] if found else None


def no_such_path(node: Node, name: str) -> NotFoundError:
    """Return the error for a child that does not exist."""
    base = node.path.rstrip("/")
    close = close_to(name, node.child_names())
    return NotFoundError(
        f"There is no {base}/{name}",
        hint=f"Did you mean {base}/{close}?" if close else f"See what there is with: ls {base}/",
        path=f"{base}/{name}",
    )


def no_such_command(node: Node, command: str) -> UsageError:
    """Return the error for a command that the node does not have."""
    commands = node.list_commands()
    close = close_to(command, commands)
    above = node.parent
    if close:
        hint = f"Did you mean {close}?"
    elif above is not None and command in above.list_commands():
        hint = f"It exists one level up: {above.path} {command}"
    else:
        hint = f"See what can be done here with: {node.path} help"
    return UsageError(f"There is no command {command!r} at {node.path}", hint=hint, path=node.path)


def no_such_parameter(node: Node, command: str, name: str) -> UsageError:
    """Return the error for a parameter that a command does not take."""
    parameters = node.get_command_signature(command)[0]
    close = close_to(name, parameters)
    syntax = node.get_command_syntax(command)[0].strip()
    return UsageError(
        f"{command}: there is no parameter {name!r}",
        hint=f"Did you mean {close}=?" if close else f"The syntax is: {syntax}",
        path=node.path,
    )
