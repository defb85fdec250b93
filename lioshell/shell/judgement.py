# SPDX-License-Identifier: Apache-2.0
"""What each part of a line is, and whether it exists: for the colours while one types.

The word at the cursor counts as unknown only once nothing begins like it. Listings are kept as
long as one line is being typed, so that a keystroke costs no more than a few look-ups.
"""

from __future__ import annotations

from lioshell.errors import LioshellError
from lioshell.shell import grammar, values
from lioshell.shell.common_commands import GLOBAL
from lioshell.shell.node import is_component
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session
    from lioshell.specs import Parameter

_PATHS = frozenset(("path", "storage_object"))
"""Parameters whose value is a place of the tree."""

_STEPS = frozenset(("<", ">"))


class Part(NamedTuple):
    """A part of a line; `kind` is path, command, name, value, quoted, comment or unknown."""

    start: int
    end: int
    kind: str


class Judge:
    """Judges lines; `forget` what was listed when another line begins."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: dict[str, list[str]] = {}
        self._line = ""
        self._typing = True

    def forget(self) -> None:
        """Look at the tree again, which may have changed."""
        self._names = {}

    def judge(self, line: str, *, typing: bool = True) -> list[Part]:
        """Return the parts of a line; with `typing` its end is the word that is being typed."""
        self._line, self._typing = line, typing
        try:
            words, comment = grammar.words_so_far(line)
        except LioshellError:
            # A NUL: nothing in such a line can be run.
            return [Part(0, len(line), "unknown")]
        parts = self.parts(words)
        if comment < len(line):
            parts.append(Part(comment, len(line), "comment"))
        return parts

    def _below(self, node: Node) -> list[str]:
        """Return the names below a node, listed once a line."""
        if node.path not in self._names:
            self._names[node.path] = [*node.child_names(), *node.aliases()]
        return self._names[node.path]

    def parts(self, words: list[grammar.Word]) -> list[Part]:
        """Return a part for each word, or two for a NAME=VALUE."""
        if not words:
            return []
        try:
            if not self._leads_somewhere(words[0]):
                return [self._first(words[0]), *map(self._plain, words[1:])]
            node, command, rest = self._session.resolve(words)
        except LioshellError:
            return [self._first(words[0]), *map(self._plain, words[1:])]
        before = words[: len(words) - len(rest)]
        parts = []
        if len(before) == 2 or not command or "/" in before[0].text:
            parts.append(Part(before[0].start, before[0].end, "path"))
        if command and not parts:
            parts.append(self._command(node, before[0]))
        elif command and len(before) == 2:
            parts.append(self._command(node, before[1]))
        if not command or command not in node.list_commands():
            return [*parts, *map(self._plain, rest)]
        return [*parts, *self._arguments(node, command, rest)]

    def _find(self, path: str, here: Node) -> Node | None:
        """Return the node at a path; unlike `node_at`, without what comes close to it."""
        if path.startswith("@"):
            return self._session.node_at(path, here)
        node: Node | None = self._session.root if path.startswith("/") else here
        for name in path.split("/"):
            if node is None or name in ("", "."):
                continue
            if name == "..":
                node = node.parent or node
            else:
                node = node.child(name) if is_component(name) else None
        return node

    def _leads_somewhere(self, word: grammar.Word) -> bool:
        """Tell whether a first word that looks like a path is one, or `PATH/command`."""
        here = self._session.node
        if not grammar.looks_like_path(word) or self._find(word.text, here) is not None:
            return True
        folder, _, name = word.text.rpartition("/")
        above = self._find(folder or "/", here)
        return above is not None and name in above.list_commands()

    def _is_typed(self, word: grammar.Word) -> bool:
        return self._typing and word.end == len(self._line)

    def _plain(self, word: grammar.Word) -> Part:
        is_quoted = word.plain < len(word.text)
        return Part(word.start, word.end, "quoted" if is_quoted else "value")

    def _known(self, word: grammar.Word, known: bool, kind: str, begun: list[str]) -> Part:
        """Return a word as `kind`, or as unknown; what something begins with is neither yet."""
        if known:
            return Part(word.start, word.end, kind)
        if self._is_typed(word) and any(name.startswith(word.text) for name in begun):
            return Part(word.start, word.end, "value")
        return Part(word.start, word.end, "unknown")

    def _first(self, word: grammar.Word) -> Part:
        """Judge a first word that leads nowhere: a path or a command that is being typed."""
        folder, slash, name = word.text.rpartition("/")
        here = self._session.node
        try:
            node = self._find(folder or "/", here) if slash else here
        except LioshellError:
            node = None
        if node is None:
            return Part(word.start, word.end, "unknown")
        begun = [*self._below(node), *node.list_commands(), "..", "."]
        typed = word._replace(text=name)
        return self._known(typed, known=False, kind="path", begun=begun)

    def _command(self, node: Node, word: grammar.Word) -> Part:
        commands = node.list_commands()
        begun = list(commands)
        if node is self._session.node:
            begun += self._below(node)
        return self._known(word, word.text in commands, "command", begun)

    def _arguments(self, node: Node, command: str, rest: list[grammar.Word]) -> list[Part]:
        if command == "watch":
            inner = self.parts(rest[1:]) if node is self._session.node else []
            return [*map(self._plain, rest[:1]), *(inner or map(self._plain, rest[1:]))]
        plain, form = grammar.output_form(rest)
        if form is not None:
            option = [word for word in rest if word not in plain]
            found = [*self._arguments(node, command, plain), *map(self._plain, option)]
            return sorted(found, key=lambda part: part.start)
        if command in ("get", "set"):
            return self._group_words(node, command, rest)
        parameters, takes_more, takes_any = node.get_command_signature(command)
        declared = {p.name: p for p in node.parameters_of(command)}
        parts = []
        position = 0
        for word in rest:
            pair = grammar.named_value(word)
            if pair is not None:
                is_known = bool(takes_any) or pair[0] in parameters
                parts += self._named(word, pair, is_known, declared.get(pair[0]))
                continue
            name = parameters[position] if position < len(parameters) else None
            position += 1
            if name is None:
                kept = takes_more or (self._is_typed(word) and self._begins(word, parameters))
                parts.append(self._plain(word) if kept else Part(word.start, word.end, "unknown"))
            else:
                parts.append(self._value(node, command, name, word, declared.get(name)))
        return parts

    @staticmethod
    def _begins(word: grammar.Word, names: list[str]) -> bool:
        return any(name.startswith(word.text) for name in names)

    def _named(
        self, word: grammar.Word, pair: tuple[str, str], is_known: bool, declared: Parameter | None
    ) -> list[Part]:
        """Return the two parts of a NAME=VALUE."""
        middle = word.start + len(pair[0]) + 1
        name = Part(word.start, middle, "name" if is_known else "unknown")
        value = word._replace(text=pair[1], start=middle, plain=max(word.plain - len(pair[0]), 0))
        if middle == word.end:
            return [name]
        return [name, self._declared(value, declared)]

    def _value(
        self, node: Node, command: str, name: str, word: grammar.Word, declared: Parameter | None
    ) -> Part:
        if name == "topic":
            return self._command(node, word)
        is_step = command == "cd" and word.text in _STEPS
        if name not in _PATHS or is_step:
            return self._declared(word, declared)
        try:
            if self._find(word.text, node) is not None:
                return Part(word.start, word.end, "path")
            if self._is_typed(word):
                return self._begun_path(node, word)
        except LioshellError:
            # It cannot be looked at.
            return Part(word.start, word.end, "unknown")
        return Part(word.start, word.end, "unknown")

    def _begun_path(self, node: Node, word: grammar.Word) -> Part:
        folder, slash, name = word.text.rpartition("/")
        above = self._find(folder or "/", node) if slash else node
        if above is None:
            return Part(word.start, word.end, "unknown")
        typed = word._replace(text=name)
        return self._known(typed, known=False, kind="path", begun=self._below(above))

    def _declared(self, word: grammar.Word, declared: Parameter | None) -> Part:
        """Judge a value by what is declared of its parameter."""
        if declared is None or declared.type not in ("bool", "enum"):
            return self._plain(word)
        begun = ["true", "false"] if declared.type == "bool" else list(declared.values)
        return self._known(word, _fits(word.text, declared), "value", begun)

    def _group_words(self, node: Node, command: str, rest: list[grammar.Word]) -> list[Part]:
        if not rest:
            return []
        groups = [GLOBAL, *node.group_names()]
        parts = [self._known(rest[0], rest[0].text in groups, "name", groups)]
        if rest[0].text not in groups:
            return [*parts, *map(self._plain, rest[1:])]
        from lioshell.shell.candidate_groups import group_parameters

        known = group_parameters(node, rest[0].text)
        for word in rest[1:]:
            pair = grammar.named_value(word)
            if pair is not None and command == "set":
                parts += self._named(word, pair, pair[0] in known, known.get(pair[0]))
            elif word.text.startswith("-"):
                parts.append(self._plain(word))
            else:
                is_known = word.text in known and command == "get"
                parts.append(self._known(word, is_known, "name", list(known)))
        return parts


def _fits(text: str, declared: Parameter) -> bool:
    """Tell whether a value can be what its parameter is declared as."""
    try:
        if declared.type == "bool":
            values.boolean(text, declared.name)
            return True
        words = [word.casefold() for word in declared.values]
        return not words or text.casefold() in words
    except LioshellError:
        return False
