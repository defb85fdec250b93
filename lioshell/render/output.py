# SPDX-License-Identifier: Apache-2.0
"""Where answers go: text with or without colour, JSON or YAML on stdout; notes on stderr.

In text, rich writes the colours; plain text needs none of it, and does not pay for its import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from lioshell.render.tree import Span, TreeItem, tree_data, tree_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from lioshell.environment import Environment
    from lioshell.errors import LioshellError

SCHEMA = "lioshell/1"
"""Name and version of the JSON and YAML answers; described in docs/output.md."""

_MAX_PARAMETER_WIDTH = 44
"""Longer values push their description to the right instead of all others."""

_THEME = {
    "guide": "bright_black",
    "name": "cyan",
    "summary": "default",
    "healthy": "green",
    "unhealthy": "bold red",
    "heading": "bold",
    "value": "default",
    "good": "green",
    "warning": "yellow",
    "error": "bold red",
    "hint": "cyan",
    "plain": "default",
}


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
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        self._env = env
        self.form = form
        self.color = color
        self.quiet = quiet
        self.verbose = verbose
        self._messages: list[str] = []
        self._result: object = None
        self._consoles: dict[int, Console] = {}

    # The answer

    def say(self, text: str, style: str = "plain") -> None:
        """Show one line of the answer, such as "Created LUN 0."; -q leaves it out."""
        if self.form != "text":
            self._messages.append(text)
        elif not self.quiet:
            self._print(self._env.stdout, [Span(text, style)])

    def text(self, text: str) -> None:
        """Show a text that was asked for (help, pwd); -q does not leave it out."""
        if self.form != "text":
            self._result = text
            return
        for line in text.splitlines():
            self._print(self._env.stdout, [Span(line, "plain")])

    def tree(self, item: TreeItem) -> None:
        """Show a tree."""
        if self.form != "text":
            self._result = tree_data(item)
            return
        for spans in tree_lines(item, self._env.width):
            self._print(self._env.stdout, spans)

    def fields(self, fields: dict[str, Any], *, title: str = "") -> None:
        """Show names and values: one `name: value` a line."""
        if self.form != "text":
            self._result = fields
            return
        if title:
            self._print(self._env.stdout, [Span(title, "heading")])
        for name, value in fields.items():
            shown = value if isinstance(value, str) else _plain(value)
            self._print(self._env.stdout, [Span(f"{name}: ", "name"), Span(shown, "value")])

    def parameters(self, rows: Sequence[tuple[str, str, str, bool]], *, title: str) -> None:
        """Show the parameters of a group: name, value, help, writable."""
        if self.form != "text":
            self._result = {name: value for name, value, _, _ in rows}
            return
        if title:
            self._print(self._env.stdout, [Span(title, "heading")])
        width = max((len(name) + len(value) + 1 for name, value, _, _ in rows), default=0)
        width = min(width, _MAX_PARAMETER_WIDTH)
        for name, value, help_line, writable in rows:
            note = " ".join(filter(None, ["" if writable else "[ro]", help_line]))
            space = " " * (max(width - len(name) - len(value) - 1, 0) + 2) if note else ""
            self._print(
                self._env.stdout,
                [Span(f"{name}=", "name"), Span(value, "value"), Span(space + note, "guide")],
            )

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows below column names."""
        if self.form != "text":
            self._result = [dict(zip(columns, row, strict=True)) for row in rows]
            return
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        for index, row in enumerate((columns, *rows)):
            spans = [
                Span(cell if last else cell.ljust(width) + "  ", "heading" if not index else style)
                for cell, width, style, last in zip(
                    row,
                    widths,
                    ("name", *("value" for _ in columns[1:])),
                    (*(False for _ in columns[1:]), True),
                    strict=True,
                )
            ]
            self._print(self._env.stdout, spans)

    def finish(self, line: str) -> None:
        """Print the document of one command line, in JSON or YAML."""
        if self.form == "text":
            return
        document = {
            "schema": SCHEMA,
            "command": line,
            "result": self._result,
            "messages": self._messages,
        }
        self._messages, self._result = [], None
        self._document(document, self._env.stdout)

    # Everything else

    def note(self, text: str, style: str = "warning") -> None:
        """Tell something beside the answer, on stderr."""
        if not self.quiet:
            self._print(self._env.stderr, [Span(text, style)])

    def trace(self, text: str) -> None:
        """Tell a step on stderr, where -v asked for it."""
        if self.verbose:
            self._print(self._env.stderr, [Span(text, "guide")])

    def error(self, error: LioshellError, where: str = "") -> None:
        """Show an error: what failed and why, then what to type next."""
        self._messages, self._result = [], None
        if self.form != "text":
            document: dict[str, Any] = {
                "code": error.code,
                "message": where + error.message,
                "hint": error.hint,
                "path": error.path,
            }
            if error.remains:
                document["remains"] = list(error.remains)
            self._document({"error": document}, self._env.stdout)
            return
        for line in error.excerpt:
            self._print(self._env.stderr, [Span(line, "plain")])
        for remain in error.remains:
            self._print(self._env.stderr, [Span(f"Could not be undone: {remain}", "error")])
        self._print(
            self._env.stderr, [Span("error: ", "error"), Span(where + error.message, "plain")]
        )
        if error.hint:
            self._print(self._env.stderr, [Span("  hint: ", "hint"), Span(error.hint, "plain")])

    # Printing

    def _document(self, document: dict[str, Any], stream: TextIO) -> None:
        if self.form == "yaml":
            import yaml

            stream.write(yaml.safe_dump(document, sort_keys=False, explicit_start=True))
        else:
            import json

            stream.write(json.dumps(document, ensure_ascii=False) + "\n")
        stream.flush()

    def _print(self, stream: TextIO, spans: Iterable[Span]) -> None:
        if not self.color or stream is not self._env.stdout:
            stream.write("".join(_safe(span.text) for span in spans) + "\n")
            return
        from rich.text import Text

        line = Text()
        for span in spans:
            line.append(_safe(span.text), style=_THEME[span.style])
        self._console(stream).print(line, soft_wrap=True)

    def _console(self, stream: TextIO) -> Console:
        console = self._consoles.get(id(stream))
        if console is None:
            from rich.console import Console

            console = Console(file=stream, force_terminal=True, highlight=False)
            self._consoles[id(stream)] = console
        return console


def _safe(text: str) -> str:
    """Return a text without control characters: names come from initiators and other programs."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
