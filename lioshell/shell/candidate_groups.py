# SPDX-License-Identifier: Apache-2.0
"""The words that can stand behind get and set: a group, its parameters, their values."""

from __future__ import annotations

from lioshell.shell import grammar
from lioshell.shell.candidates import Candidate
from lioshell.shell.common_commands import GLOBAL, REVEAL
from lioshell.shell.matching import fitting
from lioshell.shell.preferences import PREFERENCES
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.shell.node import Node


def group_words(
    node: Node, command: str, positional: list[str], named: dict[str, str], current: grammar.Word
) -> Iterator[Candidate]:
    """Yield the words of get and set: a group, its parameters, their values."""
    pair = grammar.named_value(current)
    if not positional:
        for name in fitting(current.text, [GLOBAL, *node.group_names()]):
            yield Candidate(name, "preferences" if name == GLOBAL else "")
        return
    known = group_parameters(node, positional[0])
    if pair is not None:
        if command == "set" and pair[0] in known and pair[0] not in named:
            present = _present_value(node, positional[0], known[pair[0]])
            for candidate in _new_values(known[pair[0]], present, pair[1]):
                yield candidate._replace(name=f"{pair[0]}=")
        return
    for name in fitting(current.text, known):
        parameter = known[name]
        if name in named or name in positional[1:]:
            continue
        if command == "get":
            yield Candidate(name, parameter.help)
        elif parameter.writable:
            yield Candidate("", parameter.help, name=f"{name}=", goes_on=True)
    if command == "set" or REVEAL in positional or not REVEAL.startswith(current.text):
        return
    if any(parameter.type == "secret" for parameter in known.values()):
        yield Candidate(REVEAL, "show the passwords")


def group_parameters(node: Node, name: str) -> dict[str, Parameter]:
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
    for word in fitting(typed, words if present in words or not present else (*words, present)):
        yield Candidate(word, "as it is now" if word == present else "")
