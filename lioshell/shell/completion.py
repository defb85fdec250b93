# SPDX-License-Identifier: Apache-2.0
"""Completion: what can stand at the cursor, with a line of description each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.completion import Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from lioshell.errors import LioshellError
from lioshell.shell import grammar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prompt_toolkit.completion import CompleteEvent

    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

_TREE_PARAMETERS = frozenset(("path", "storage_object", "tpg_lun_or_backstore"))
_FILE_PARAMETERS = frozenset(("file_or_dev", "dev", "cfgstring", "savefile"))
_BOOLEAN_PARAMETERS = frozenset(
    ("write_back", "sparse", "nullio", "readonly", "add_mapped_luns", "write_protect",
     "clear_existing")
)  # fmt: skip
_MAX_DESCRIBED = 50
"""Children of a longer list are offered without their summaries, which have to be read."""


class ShellCompleter(Completer):
    """Completes paths, commands, parameters and values."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files = PathCompleter(expanduser=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Yield what fits at the cursor; nothing where the line cannot be read."""
        text = document.text_before_cursor
        try:
            words = grammar.split_words(text)
            begins_word = not text or text[-1].isspace()
            current = "" if begins_word or not words else words[-1].text
            before = words if begins_word else words[:-1]
            yield from self._complete(before, current, complete_event)
        except LioshellError:
            # An open quote, or a place that has gone: there is nothing to offer.
            return

    def _complete(
        self, before: list[grammar.Word], current: str, event: CompleteEvent
    ) -> Iterator[Completion]:
        if not before:
            yield from self._paths(self._session.node, current, commands=True)
            return
        node, command, rest = self._session.resolve(before)
        if command == "cd" and not rest and grammar.looks_like_path(before[0]):
            yield from self._commands(node, current)
            return
        if command not in node.list_commands():
            return
        yield from self._arguments(node, command, rest, current, event)

    def _paths(self, here: Node, current: str, *, commands: bool) -> Iterator[Completion]:
        folder, slash, part = current.rpartition("/")
        node = here if not slash else self._session.node_at(folder or "/", here)
        names = [name for name in node.child_names() if name.startswith(part)]
        for name in names:
            child = node.child(name) if len(names) <= _MAX_DESCRIBED else None
            summary = child.summary()[0] if child is not None else ""
            leads_on = child is not None and bool(child.child_names())
            text = f"{folder}{slash}{name}" + ("/" if leads_on else "")
            yield Completion(text, -len(current), display=name, display_meta=summary)
        if commands and not slash:
            yield from self._commands(node, part)

    @staticmethod
    def _commands(node: Node, part: str) -> Iterator[Completion]:
        for name in sorted(node.list_commands()):
            if name.startswith(part):
                yield Completion(name, -len(part), display_meta=_first_line(node, name))

    def _arguments(
        self,
        node: Node,
        command: str,
        rest: list[grammar.Word],
        current: str,
        event: CompleteEvent,
    ) -> Iterator[Completion]:
        positional, named = grammar.arguments(rest, "")
        if command in ("get", "set"):
            yield from self._group_words(node, command, positional, current)
            return
        if command == "help":
            yield from self._commands(node, current)
            return
        parameters = node.get_command_signature(command)[0]
        name, equals, value = current.partition("=")
        if equals and name in parameters:
            yield from self._values(node, command, name, value, event)
            return
        free = [p for p in parameters[len(positional) :] if p not in named]
        if free:
            yield from self._values(node, command, free[0], current, event)
        known = {p.name: p.help for p in node.parameters_of(command)}
        for parameter in free:
            if parameter.startswith(current):
                help_line = known.get(parameter, "")
                yield Completion(f"{parameter}=", -len(current), display_meta=help_line)

    def _values(
        self, node: Node, command: str, parameter: str, part: str, event: CompleteEvent
    ) -> Iterable[Completion]:
        if parameter in _TREE_PARAMETERS:
            # A storage object is wanted from anywhere: begin at the backstores.
            if not part and parameter == "storage_object":
                return self._paths(self._session.root, "/backstores/", commands=False)
            return self._paths(node, part, commands=False)
        if parameter in _FILE_PARAMETERS:
            return self._files.get_completions(Document(part), event)
        if parameter in _BOOLEAN_PARAMETERS:
            return _words(("true", "false"), part)
        if command == "delete":
            return _words(node.child_names(), part)
        declared = {p.name: p.values for p in node.parameters_of(command)}
        return _words(declared.get(parameter, ()), part)

    def _group_words(
        self, node: Node, command: str, positional: list[str], current: str
    ) -> Iterable[Completion]:
        if not positional:
            return _words(["global", *node.group_names()], current)
        end = "=" if command == "set" else ""
        if positional[0] == "global":
            return _words([n + end for n in self._session.prefs.shown([])], current)
        if positional[0] not in node.group_names():
            return []
        group = node.group(positional[0])
        return [
            Completion(
                name + end,
                -len(current),
                display_meta=group.declared[name].help if name in group.declared else "",
            )
            for name in group.names()
            if name.startswith(current) and (command == "get" or group.is_writable(name))
        ]


def _words(words: Iterable[str], part: str) -> Iterator[Completion]:
    for word in words:
        if word.startswith(part):
            yield Completion(word, -len(part))


def _first_line(node: Node, command: str) -> str:
    doc: str = (node.get_command_method(command).__doc__ or "").strip()
    return doc.splitlines()[0] if doc else ""
