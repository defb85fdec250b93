# SPDX-License-Identifier: Apache-2.0
"""What can stand at the cursor: paths, commands, parameters and values, with a line on each.

Nothing here changes anything: a candidate is found by listing and by what the specs say. Children
of a long list are offered without their summaries, each of which would have to be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lioshell.errors import LioshellError
from lioshell.shell import command_help, grammar
from lioshell.shell.common_commands import GLOBAL, REVEAL
from lioshell.shell.node import NO_SUMMARY
from lioshell.shell.preferences import PREFERENCES
from lioshell.specs import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

MAX_DESCRIBED = 50
"""Children of a longer list are offered without their summaries."""

_TREE_PARAMETERS = frozenset(("path", "storage_object", "tpg_lun_or_backstore"))
_FILE_PARAMETERS = frozenset(("cfgstring",))
_BACKSTORES = "/backstores/"


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
    if not before:
        yield from _first_words(session, current.text)
        return
    node, command, rest = session.resolve(before)
    if not command:
        yield from _commands(node, current.text)
    elif command in node.list_commands():
        yield from _arguments(node, command, rest, current)


def _first_words(session: Session, typed: str) -> Iterator[Candidate]:
    node = session.node
    commands = node.list_commands()
    for candidate in _paths(session, node, typed):
        # A child that is called like a command is named by its path.
        hidden = candidate.text in commands
        yield candidate._replace(text=f"./{candidate.text}") if hidden else candidate
    if "/" not in typed:
        yield from _commands(node, typed)
    elif typed.count("/") == 1 and typed[0] == "/" and len(typed) > 1:
        for candidate in _commands(session.root, typed[1:]):
            yield candidate._replace(text=f"/{candidate.text}")


def _paths(session: Session, here: Node, typed: str) -> Iterator[Candidate]:
    folder, slash, part = typed.rpartition("/")
    if part == "..":
        yield Candidate(f"{typed}/", "one level up", goes_on=True)
        return
    node = session.node_at(folder or "/", here) if slash else here
    names = [name for name in node.child_names() if name.startswith(part)]
    aliases = {} if names else node.aliases()
    names += [alias for alias in aliases if part and alias.startswith(part)]
    describe = len(names) <= MAX_DESCRIBED
    for name in names:
        meaning, leads_on = _described(node, name) if describe else ("", False)
        # "@name" would be a bookmark.
        start = f"{folder}{slash}" or ("./" if name.startswith("@") else "")
        text = start + name + ("/" if leads_on else "")
        yield Candidate(text, meaning, shown=name, goes_on=leads_on)


def _described(node: Node, name: str) -> tuple[str, bool]:
    """Return a child's summary and whether it has children."""
    try:
        child = node.child(name)
        if child is None:
            return "", False
        summary = child.summary()[0]
        return "" if summary == NO_SUMMARY else summary, bool(child.child_names())
    except LioshellError as error:
        return f"unreadable: {error}", False


def _commands(node: Node, typed: str) -> Iterator[Candidate]:
    for name in sorted(node.list_commands()):
        if name.startswith(typed):
            yield Candidate(name, command_help.of(node, name).summary)


def _arguments(
    node: Node, command: str, rest: list[grammar.Word], current: grammar.Word
) -> Iterator[Candidate]:
    positional, named = grammar.arguments(rest, "")
    pair = grammar.named_value(current)
    if command in ("get", "set"):
        yield from _group_words(node, command, positional, named, current)
        return
    parameters = node.get_command_signature(command)[0]
    if pair is not None:
        if pair[0] in parameters and pair[0] not in named:
            for candidate in _values(node, command, pair[0], pair[1]):
                yield candidate._replace(name=f"{pair[0]}=")
        return
    free = [name for name in parameters[len(positional) :] if name not in named]
    values = list(_values(node, command, free[0], current.text)) if free else []
    yield from values
    described = {p.name: p.help for p in node.parameters_of(command)}
    for name in free[1:] if values and not current.text else free:
        if name.startswith(current.text):
            yield Candidate("", described.get(name, ""), name=f"{name}=", goes_on=True)


def _values(node: Node, command: str, parameter: str, typed: str) -> Iterable[Candidate]:
    """Yield the values of one parameter."""
    if parameter == "topic":
        return _commands(node, typed)
    if parameter in _TREE_PARAMETERS:
        return _objects(node, parameter, typed)
    if command == "delete" and parameter == node.get_command_signature(command)[0][0]:
        return _children(node, typed)
    declared = next((p for p in node.parameters_of(command) if p.name == parameter), None)
    if parameter in _FILE_PARAMETERS or (declared is not None and declared.type == "path"):
        return (Candidate(typed, is_file=True),)
    return _declared_values(declared, typed)


def _declared_values(declared: Parameter | None, typed: str) -> Iterator[Candidate]:
    if declared is None:
        return
    words = ("true", "false") if declared.type == "bool" else declared.values
    for word in words:
        if word.startswith(typed):
            yield Candidate(word, "the default" if word == declared.default else "")


def _children(node: Node, typed: str) -> Iterator[Candidate]:
    names = [name for name in node.child_names() if name.startswith(typed)]
    for name in names:
        yield Candidate(name, _described(node, name)[0] if len(names) <= MAX_DESCRIBED else "")


def _objects(node: Node, parameter: str, typed: str) -> Iterator[Candidate]:
    """Yield paths; where an object is wanted and none is begun yet, the objects themselves."""
    session = node.session
    if parameter == "tpg_lun_or_backstore" and "/" not in typed:
        luns = session.node_at("../../luns", node)
        yield from _children(luns, typed)
    elif parameter == "path" or not _BACKSTORES.startswith(typed):
        yield from _paths(session, node, typed)
    else:
        found = _storage_objects(session)
        yield from _paths(session, session.root, _BACKSTORES) if found is None else found


def _storage_objects(session: Session) -> list[Candidate] | None:
    """Return all storage objects, or None where there are too many for a menu."""
    found: list[Candidate] = []
    kinds = session.node_at(_BACKSTORES, session.root)
    for kind in kinds.children:
        names = kind.child_names()
        if len(found) + len(names) > MAX_DESCRIBED:
            return None
        prefix = f"{_BACKSTORES}{kind.name}/"
        found += [Candidate(prefix + name, _described(kind, name)[0]) for name in names]
    return found


def _group_words(
    node: Node, command: str, positional: list[str], named: dict[str, str], current: grammar.Word
) -> Iterator[Candidate]:
    """Yield the words of get and set: a group, its parameters, their values."""
    pair = grammar.named_value(current)
    if not positional:
        for name in [GLOBAL, *node.group_names()]:
            if name.startswith(current.text):
                yield Candidate(name, "preferences" if name == GLOBAL else "")
        return
    known = _group_parameters(node, positional[0])
    if pair is not None:
        if command == "set" and pair[0] in known and pair[0] not in named:
            present = _present_value(node, positional[0], known[pair[0]])
            for candidate in _new_values(known[pair[0]], present, pair[1]):
                yield candidate._replace(name=f"{pair[0]}=")
        return
    for name, parameter in known.items():
        if not name.startswith(current.text) or name in named or name in positional[1:]:
            continue
        if command == "get":
            yield Candidate(name, parameter.help)
        elif parameter.writable:
            yield Candidate("", parameter.help, name=f"{name}=", goes_on=True)
    if command == "set" or REVEAL in positional or not REVEAL.startswith(current.text):
        return
    if any(parameter.type == "secret" for parameter in known.values()):
        yield Candidate(REVEAL, "show the passwords")


def _group_parameters(node: Node, name: str) -> dict[str, Parameter]:
    """Return the parameters of a group, those included that the spec does not know."""
    if name == GLOBAL:
        return {n: Parameter(n, p.kind, p.help, values=p.values) for n, p in PREFERENCES.items()}
    if name not in node.group_names():
        return {}
    group = node.group(name)
    found = {}
    for each in group.names():
        # Today's name, or that of its file.
        in_file = group.file_of(each).rpartition("/")[2]
        declared = group.declared.get(each) or group.declared.get(in_file)
        kind = "secret" if group.is_secret(each) else declared.type if declared else "string"
        values = declared.values if declared else ()
        writable = group.is_writable(each)
        found[each] = Parameter(each, kind, group.help_of(each), None, writable, False, values)
    return found


def _present_value(node: Node, group: str, parameter: Parameter) -> str:
    """Return what a parameter is set to now; "" for a password."""
    if parameter.type == "secret":
        return ""
    if group == GLOBAL:
        return node.session.prefs.shown([parameter.name])[parameter.name]
    return node.group(group).get(parameter.name)


def _new_values(parameter: Parameter, present: str, typed: str) -> Iterator[Candidate]:
    """Yield the values that a parameter of a group can be set to, and the one that it has.

    Booleans are the kernel's 1 and 0.
    """
    words: tuple[str, ...] = parameter.values
    if parameter.type == "bool":
        words = ("true", "false") if parameter.name in PREFERENCES else ("1", "0")
    for word in words if present in words or not present else (*words, present):
        if word.startswith(typed):
            yield Candidate(word, "as it is now" if word == present else "")
