# SPDX-License-Identifier: Apache-2.0
"""Did you mean: what comes close to a word that does not exist, and where a command does."""

from __future__ import annotations

from lioshell.errors import NotFoundError, UsageError
from lioshell.shell.redaction import redacted
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.shell.node import Node

_MAX_COMPARED = 2000
"""More names than this are not compared: an error must not cost more than the command."""


_WORDS_OF_OTHERS = {
    "quit": "exit", "q": "exit", "bye": "exit", "logout": "exit", "dir": "ls", "list": "ls",
    "tree": "ls", "rm": "delete", "remove": "delete", "del": "delete", "add": "create",
    "new": "create", "mk": "create", "mkdir": "create", "show": "info", "man": "help", "?": "help",
    "write": "saveconfig", "load": "restoreconfig",
}  # fmt: skip
"""Commands of other shells, and ours that do the same."""

_MAX_CHILDREN = 20
"""A command is not looked for in more children than these."""


def close_to(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` begins or is most like, None where none is."""
    import difflib
    import itertools

    candidates = list(itertools.islice(known, _MAX_COMPARED))
    begun = [name for name in candidates if word and name.startswith(word)]
    if len(begun) == 1:
        return begun[0]
    # In a word of two or three letters, one wrong letter is much.
    cutoff = 0.5 if len(word) <= 3 else 0.6
    found = difflib.get_close_matches(word, candidates, n=1, cutoff=cutoff)
    return found[0] if found else None


def no_such_path(node: Node, name: str) -> NotFoundError:
    """Return the error for a child that does not exist; perhaps a command was meant."""
    base = node.path.rstrip("/")
    close = close_to(name, node.child_names())
    command = None if close else close_to(name, node.list_commands())
    if close:
        hint = f"Did you mean {base}/{close}?"
    elif command:
        hint = f"Did you mean {base or '/'} {command}?"
    else:
        hint = f"See what there is with: ls {base or '/'}"
    path = f"{base}/{redacted(name)}"
    return NotFoundError(f"There is no {path}", hint=hint, path=path)


def no_such_command(node: Node, command: str) -> UsageError:
    """Return the error for a command that the node does not have."""
    here = node.path == node.session.node.path
    commands = node.list_commands()
    ours = _WORDS_OF_OTHERS.get(command, command)
    close = ours if ours in commands else None
    elsewhere = None if close else _elsewhere(node, ours)
    close = close or (None if elsewhere else close_to(command, [*commands, *_few_children(node)]))
    if close:
        hint = f"Did you mean {close}?"
    elif elsewhere:
        hint = elsewhere
    else:
        hint = f"See what can be done with: {'' if here else node.path + ' '}help"
    message = f"There is no command {redacted(command)!r} at {node.path}"
    return UsageError(message, hint=hint, path=node.path)


def _elsewhere(node: Node, command: str) -> str:
    """Return where above or right below a node a command exists, as a hint; "" where nowhere."""
    above, levels = node.parent, 1
    while above is not None:
        if command in above.list_commands():
            distance = "one level" if levels == 1 else f"{levels} levels"
            return f"It exists {distance} up: {above.path} {command}"
        above, levels = above.parent, levels + 1
    children = node.children if _few_children(node) else []
    below = [child for child in children if command in child.list_commands()]
    found = ", ".join(f"{child.name}/ {command}" for child in below)
    return f"It exists one level down: {found}" if found else ""


def _few_children(node: Node) -> list[str]:
    names = node.child_names()
    return names if len(names) <= _MAX_CHILDREN else []


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
