# SPDX-License-Identifier: Apache-2.0
"""What can stand at the cursor: paths, commands, parameters and values, with a line on each.

Nothing here changes anything: a candidate is found by listing and by what the specs say. Children
of a long list are offered without their summaries, each of which would have to be read, and not
all of them: a tree of thousands must not stall the keyboard.
"""

from __future__ import annotations

from lioshell.errors import LioshellError
from lioshell.shell import command_help, grammar
from lioshell.shell.matching import fitting
from lioshell.shell.node import NO_SUMMARY
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

MAX_DESCRIBED = 50
"""Children of a longer list are offered without their summaries."""

MAX_OFFERED = 300
"""Of a longer list only so many are offered; nobody reads more."""


class Candidate(NamedTuple):
    """A word that could stand at the cursor, unquoted, instead of what has been typed of it.

    `name` is in front of the value of a NAME=VALUE, "" elsewhere. `shown` stands in the menu,
    `meaning` beside it. Where `goes_on`, the word is not at its end. `is_file` asks for the files
    that begin with `text`.
    """

    text: str
    meaning: str = ""
    shown: str = ""
    name: str = ""
    goes_on: bool = False
    is_file: bool = False


def candidates(
    session: Session, before: list[grammar.Word], current: grammar.Word
) -> Iterator[Candidate]:
    """Yield what can stand behind the words `before`, where `current` has been typed already.

    Raises LioshellError where the words before make no sense.
    """
    from lioshell.shell.candidate_values import arguments

    if not before:
        yield from _first_words(session, current.text)
        return
    node, command, rest = session.resolve(before)
    if not command:
        yield from commands(node, current.text)
    elif command == "watch" and rest:
        if node.path == session.node.path:
            yield from candidates(session, rest[1:], current)
    elif command in node.list_commands():
        yield from arguments(node, command, rest, current)


def _first_words(session: Session, typed: str) -> Iterator[Candidate]:
    node = session.node
    known = node.list_commands()
    if "/" in typed:
        yield from paths(session, node, typed)
        if typed.count("/") == 1 and typed[0] == "/" and len(typed) > 1:
            for candidate in commands(session.root, typed[1:]):
                yield candidate._replace(text=f"/{candidate.text}")
        return
    best = set(fitting(typed, [*node.child_names(), *known, *node.aliases()]))
    for candidate in paths(session, node, typed):
        if candidate.shown in best or typed in (".", ".."):
            # A child that is called like a command is named by its path.
            hidden = candidate.text in known
            yield candidate._replace(text=f"./{candidate.text}") if hidden else candidate
    for candidate in commands(node, typed):
        if candidate.text in best:
            yield candidate


def paths(session: Session, here: Node, typed: str) -> Iterator[Candidate]:
    """Yield the paths that what is typed of one can become, one component further."""
    folder, slash, part = typed.rpartition("/")
    if part == "..":
        yield Candidate(f"{typed}/", "one level up", goes_on=True)
        return
    node = session.node_at(folder or "/", here) if slash else here
    # An older name is offered to who has begun to type it, and not instead of today's.
    names = [name for name in node.child_names() if name.startswith(part)]
    if part and not names:
        names = [alias for alias in node.aliases() if alias.startswith(part)]
    names = names or fitting(part, node.child_names())
    offered = some_of(names)
    describe = len(names) <= MAX_DESCRIBED
    for name in offered:
        meaning, leads_on = described(node, name) if describe else ("", False)
        # "@name" would be a bookmark.
        start = f"{folder}{slash}" or ("./" if name.startswith("@") else "")
        text = start + name + ("/" if leads_on else "")
        yield Candidate(text, meaning or left_out(names, name), shown=name, goes_on=leads_on)


def some_of(names: Sequence[str]) -> list[str]:
    """Return names for a menu: all, or of a long list the first ones, its smallest and largest.

    What all of a list begin with is what its smallest and largest begin with: Tab completes that.
    """
    if len(names) <= MAX_OFFERED:
        return list(names)
    return list(dict.fromkeys([*names[: MAX_OFFERED - 2], min(names), max(names)]))


def left_out(names: Sequence[str], name: str) -> str:
    """Return a word on those that a menu leaves out, for the first one in it."""
    if len(names) <= MAX_OFFERED or name != names[0]:
        return ""
    return f"one of {len(names):,}: type on to see the others"


def described(node: Node, name: str) -> tuple[str, bool]:
    """Return a child's summary and whether it has children."""
    try:
        child = node.child(name)
        if child is None:
            return "", False
        summary = child.summary()[0]
        return "" if summary == NO_SUMMARY else summary, bool(child.child_names())
    except LioshellError as error:
        return f"unreadable: {error}", False


def commands(node: Node, typed: str) -> Iterator[Candidate]:
    """Yield a node's commands with what they do."""
    for name in fitting(typed, sorted(node.list_commands())):
        yield Candidate(name, command_help.of(node, name).first_sentence)


def children(node: Node, typed: str) -> Iterable[Candidate]:
    """Yield the names of a node's children."""
    names = fitting(typed, node.child_names())
    describe = len(names) <= MAX_DESCRIBED
    for name in some_of(names):
        meaning = described(node, name)[0] if describe else left_out(names, name)
        yield Candidate(name, meaning)
