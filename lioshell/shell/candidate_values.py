# SPDX-License-Identifier: Apache-2.0
"""The arguments that can stand at the cursor: parameters of a command, and their values."""

from __future__ import annotations

from lioshell.shell import candidate_sources, grammar
from lioshell.shell.candidate_groups import group_words
from lioshell.shell.candidates import (
    MAX_DESCRIBED,
    Candidate,
    children,
    commands,
    described,
    paths,
)
from lioshell.shell.matching import fitting
from lioshell.shell.nodes.backstores import BackstoreNode
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lioshell.shell.node import Node
    from lioshell.shell.session import Session
    from lioshell.specs import Parameter

_TREE_PARAMETERS = frozenset(("path", "storage_object", "tpg_lun_or_backstore"))
_FILE_PARAMETERS = frozenset(("cfgstring",))
_BACKSTORES = "/backstores/"


def arguments(
    node: Node, command: str, rest: list[grammar.Word], current: grammar.Word
) -> Iterator[Candidate]:
    """Yield what can stand behind a command and the words `rest`."""
    if rest and rest[-1].text == "-o":
        for form in fitting(current.text, grammar.FORMS):
            yield Candidate(form, "form of the answer")
        return
    rest = grammar.output_form(rest)[0]
    positional, named = grammar.arguments(rest, "")
    pair = grammar.named_value(current)
    if command in ("get", "set"):
        yield from group_words(node, command, positional, named, current)
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
    meanings = {p.name: p.help for p in node.parameters_of(command)}
    names = free[1:] if values and not current.text else free
    begun = [name for name in names if name.startswith(current.text)]
    for name in begun if begun or values else fitting(current.text, names):
        yield Candidate("", meanings.get(name, ""), name=f"{name}=", goes_on=True)


def _values(node: Node, command: str, parameter: str, typed: str) -> Iterable[Candidate]:
    """Yield the values of one parameter."""
    if parameter == "topic":
        return commands(node, typed)
    if parameter in _TREE_PARAMETERS:
        return _objects(node, parameter, typed)
    if command == "delete" and parameter == node.get_command_signature(command)[0][0]:
        return children(node, typed)
    known = candidate_sources.known_values(node, command, parameter)
    if known is not None:
        found = [value for value in known if value.text in set(fitting(typed, _texts(known)))]
        if found or "/" not in typed:
            return found
    declared = next((p for p in node.parameters_of(command) if p.name == parameter), None)
    if parameter in _FILE_PARAMETERS or (declared is not None and declared.type == "path"):
        return (Candidate(typed, is_file=True),)
    return _declared_values(declared, typed)


def _texts(values: Iterable[Candidate]) -> list[str]:
    return [value.text for value in values]


def _declared_values(declared: Parameter | None, typed: str) -> Iterator[Candidate]:
    if declared is None:
        return
    words = ("true", "false") if declared.type == "bool" else declared.values
    for word in fitting(typed, words):
        yield Candidate(word, "the default" if word == declared.default else "")


def _objects(node: Node, parameter: str, typed: str) -> Iterator[Candidate]:
    """Yield paths; where an object is wanted and none is begun yet, the objects themselves."""
    session = node.session
    if parameter == "tpg_lun_or_backstore" and "/" not in typed:
        luns = session.node_at("../../luns", node)
        yield from children(luns, typed)
    elif parameter == "path" or not _BACKSTORES.startswith(typed):
        folder, slash, _ = typed.rpartition("/")
        above = session.node_at(folder or "/", node) if slash else node
        is_end = parameter != "path" and isinstance(above, BackstoreNode)
        for candidate in paths(session, node, typed):
            # What is below a storage object is not wanted here.
            whole = candidate.text.rstrip("/") if is_end else candidate.text
            yield candidate._replace(text=whole, goes_on=candidate.goes_on and not is_end)
    else:
        found = _storage_objects(session)
        yield from paths(session, session.root, _BACKSTORES) if found is None else found


def _storage_objects(session: Session) -> list[Candidate] | None:
    """Return all storage objects, or None where there are too many for a menu."""
    found: list[Candidate] = []
    kinds = session.node_at(_BACKSTORES, session.root)
    for kind in kinds.children:
        names = kind.child_names()
        if len(found) + len(names) > MAX_DESCRIBED:
            return None
        prefix = f"{_BACKSTORES}{kind.name}/"
        found += [Candidate(prefix + name, described(kind, name)[0]) for name in names]
    return found
