# SPDX-License-Identifier: Apache-2.0
"""Where answers go: text with or without colour, JSON or YAML on stdout; notes on stderr.

In text, rich writes the colours; plain text needs none of it, and does not pay for its import.
Lines are folded where a terminal shows them, and never in a pipe.
"""

from __future__ import annotations

import contextlib

from lioshell.render.span import Span
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, TextIO

    from lioshell.environment import Environment
    from lioshell.errors import LioshellError
    from lioshell.render.layout import Block
    from lioshell.render.tree import TreeItem, TreeLook

SCHEMA = "lioshell/1"
"""Name and version of the JSON and YAML answers; described in docs/output.md."""


class Output:
    """The answers of one run, in one format.

    `form` is text, json or yaml. In text each call prints at once; in the others `finish()`
    prints one document for each command line.
    """

    def __init__(
        self,
        env: Environment,
        *,
        form: str = "text",
        color: bool = False,
        color_errors: bool | None = None,
        quiet: bool = False,
        verbose: bool = False,
        color_is_fixed: bool = False,
    ) -> None:
        """Write to the streams of `env`.

        `color_errors` is about stderr; by default it has colour where stdout has and it is a
        terminal too. `color_is_fixed`: no preference turns colours off.
        """
        self._env = env
        self.default_form = self.form = form
        self.color = color
        self.color_errors = color and _is_terminal(env.stderr)
        if color_errors is not None:
            self.color_errors = color_errors
        self._colors = (self.color, self.color_errors)
        self._color_is_fixed = color_is_fixed
        self._says = self._notes = True
        self.quiet = quiet
        self.verbose = verbose
        self._messages: list[str] = []
        self._result: object = None
        self._many: dict[str, object] = {}
        self._held: list[tuple[str, str]] | None = None

    def prefer(self, *, color: bool, says: bool, notes: bool) -> None:
        """Take what preferences want: colours where there can be some, what is said beside."""
        shown = color or self._color_is_fixed
        self.color, self.color_errors = (each and shown for each in self._colors)
        self._says, self._notes = says, notes

    # The answer

    def records(self, records: Sequence[dict[str, Any]], *, in_full: bool = False) -> None:
        """Show objects of one kind: rows of a table, or with `in_full` one block each."""
        if self.form != "text":
            self._result = list(records)
        elif in_full:
            for number, record in enumerate(records):
                if number:
                    self._show([Span("", "plain")])
                self.fields(record)
        elif records:
            columns = [name.upper() for name in records[0]]
            self.table(columns, [[str(value) for value in record.values()] for record in records])

    @contextlib.contextmanager
    def once_done(self) -> Iterator[None]:
        """Show what is said inside at its end; a failure, which undoes it, has nothing said."""
        outer, self._held = self._held, []
        try:
            yield
            held = self._held
        finally:
            self._held = outer
        for text, style in held:
            self.say(text, style)

    def say(self, text: str, style: str = "plain") -> None:
        """Show one line of the answer, such as "Created LUN 0."; -q leaves it out."""
        if self._held is not None:
            self._held.append((text, style))
        elif self.form != "text":
            self._messages.append(text)
        elif self._says and not self.quiet:
            self._show([Span(text, style)])

    def text(self, text: str) -> None:
        """Show a text that was asked for (pwd); -q does not leave it out."""
        if self.form != "text":
            self._result = text
            return
        for line in text.splitlines():
            self._show([Span(line, "plain")])

    def page(self, blocks: Sequence[Block]) -> None:
        """Show a page of help: paragraphs, examples, lists of words with their meaning."""
        from lioshell.render import layout

        if self.form != "text":
            lines = ("".join(s.text for s in line) for line in layout.page(blocks, None))
            self._result = "\n".join(lines)
            return
        for spans in layout.page(blocks, self._fold_width):
            self._show(spans)

    def tree(self, item: TreeItem, look: TreeLook | None = None) -> None:
        """Show a tree, as targetcli does where nothing is said."""
        from lioshell.render.tree import AS_TARGETCLI, tree_data, tree_lines

        if self.form != "text":
            self._result = tree_data(item)
            return
        look = look or AS_TARGETCLI
        for spans in tree_lines(item, self._env.width, look, fold=self._fold_width is not None):
            self._show(spans)

    def fields(self, fields: dict[str, Any], *, title: str = "") -> None:
        """Show names and values: one `name: value` a line."""
        if self.form != "text":
            self._result = _by_key(fields)
            return
        if title:
            self._show([Span(title, "heading")])
        for name, value in fields.items():
            shown = value if isinstance(value, str) else _plain(value)
            self._show([Span(f"{name}: ", "name"), Span(shown, "value")])

    def parameters(self, rows: Sequence[tuple[str, str | None, str, bool]], *, title: str) -> None:
        """Show the parameters of a group: name, value, help, writable."""
        if self.form != "text":
            self._result = {name: value for name, value, _, _ in rows}
            return
        from lioshell.render import layout

        if title:
            self._show([Span(title, "heading")])
        for spans in layout.parameters(rows, self._fold_width):
            self._show(spans)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows below column names."""
        if self.form != "text":
            keys = [_key(name) for name in columns]
            self._result = [dict(zip(keys, row, strict=True)) for row in rows]
            return
        from lioshell.render import layout

        for spans in layout.columns(columns, rows, self._fold_width):
            self._show(spans)

    def one_of_many(self, name: str) -> None:
        """Note the answer so far as that of one of several objects; `finish` prints them all."""
        self._many[name] = self._result
        self._result = None

    def finish(self, line: str) -> None:
        """Print the document of one command line, in JSON or YAML."""
        if self.form == "text":
            return
        document = {
            "schema": SCHEMA,
            "command": line,
            "result": self._many or self._result,
            "messages": self._messages,
        }
        self._messages, self._result, self._many = [], None, {}
        self._document(document, self._env.stdout)

    # Everything else

    def note(self, text: str, style: str = "warning") -> None:
        """Tell something beside the answer, on stderr."""
        if self._notes and not self.quiet:
            self._tell([Span(text, style)])

    def trace(self, text: str) -> None:
        """Tell a step on stderr, where -v asked for it."""
        if self.verbose:
            self._tell([Span(text, "guide")])

    def error(self, error: LioshellError, where: str = "") -> None:
        """Show an error: what failed and why, then what to type next."""
        self._messages, self._result, self._many = [], None, {}
        if self.form != "text":
            document: dict[str, Any] = {
                "code": error.code,
                "message": where + error.message,
                "hint": error.hint,
                "path": error.path,
            }
            if error.details:
                document["details"] = list(error.details)
            if error.remains:
                document["remains"] = list(error.remains)
            self._document({"error": document}, self._env.stdout)
            return
        for line in error.excerpt:
            self._tell([Span(line, "plain")])
        for detail in error.details:
            self._tell([Span(detail, "error")])
        for remain in error.remains:
            self._tell([Span(f"Could not be undone: {remain}", "error")])
        self._tell_folded(Span("error: ", "error"), where + error.message)
        if error.hint:
            self._tell_folded(Span("  hint: ", "hint"), error.hint)

    def _tell_folded(self, head: Span, text: str) -> None:
        """Tell a sentence behind a head; a terminal gets lines that end at a word."""
        from lioshell.render import layout

        indent = len(head.text)
        width = self._env.width if _is_terminal(self._env.stderr) else None
        first, *more = layout.folded(_safe(text), None if width is None else width - indent)
        self._tell([head, Span(first, "plain")])
        for line in more:
            self._tell([Span(" " * indent + line, "plain")])

    # Printing

    def _document(self, document: dict[str, Any], stream: TextIO) -> None:
        if self.form == "yaml":
            import yaml

            stream.write(yaml.safe_dump(document, sort_keys=False, explicit_start=True))
        else:
            import json

            # Escapes for all but ASCII: names may hold bytes that are no text in any encoding.
            stream.write(json.dumps(document) + "\n")
        stream.flush()

    @property
    def _fold_width(self) -> int | None:
        """Columns that lines are folded to; None where stdout is no terminal."""
        return self._env.width if _is_terminal(self._env.stdout) else None

    def _show(self, spans: Iterable[Span]) -> None:
        """Print a line on stdout."""
        self._write(self._env.stdout, spans, color=self.color)

    def _tell(self, spans: Iterable[Span]) -> None:
        """Print a line on stderr."""
        self._write(self._env.stderr, spans, color=self.color_errors)

    @staticmethod
    def _write(stream: TextIO, spans: Iterable[Span], *, color: bool) -> None:
        if color:
            from lioshell.render.color import painted

            line = "".join(painted(_safe(span.text), span.style) for span in spans) + "\n"
        else:
            line = "".join(_safe(span.text) for span in spans) + "\n"
        try:
            stream.write(line)
        except UnicodeEncodeError:
            # The locale's encoding lacks a character: a name is shown escaped, not lost.
            encoding = stream.encoding or "ascii"
            stream.write(line.encode(encoding, "backslashreplace").decode(encoding))


def _safe(text: str) -> str:
    """Return a text without control characters: names come from initiators and other programs."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _key(title: str) -> str:
    """Return a title as programs want it: WHAT IT DOES is what_it_does."""
    return title.lower().replace(" ", "_")


def _by_key(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields by keys: where they have titles, and not the names of something, by these."""
    are_titles = all(name[:1].isupper() for name in fields) and any(" " in name for name in fields)
    return {_key(name): value for name, value in fields.items()} if are_titles else fields


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        # A closed stream.
        return False
