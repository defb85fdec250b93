# SPDX-License-Identifier: Apache-2.0
"""Colours of the line while it is typed: what exists, what does not, what is quoted."""

from __future__ import annotations

from prompt_toolkit.lexers import Lexer

from lioshell.shell.judgement import Judge, Part
from lioshell.shell.newest_only import NewestOnly
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import StyleAndTextTuples

    from lioshell.shell.session import Session

_PATIENCE_S = 0.02
"""What a keystroke waits for its colours; those that take longer come when they are known."""

_MAX_JUDGED = 50
"""Lines of a longer paste have no colours."""


class LineColors(Lexer):
    """Paints the line; the tree is looked at in another thread."""

    def __init__(self, session: Session, redraw: Callable[[], None]) -> None:
        self._judge = Judge(session)
        self._redraw = redraw
        self._version = 0
        self._last: list[tuple[str, list[Part]]] = []
        self._judging = NewestOnly(self._judged, self._came_late)

    def new_line(self) -> None:
        """Look at the tree again: a command has been run."""
        self._judge.forget()
        self._judging.forget()
        self._last = []

    def invalidation_hash(self) -> Hashable:
        """Return what changes when colours have come that were not known before."""
        return self._version

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """Return a function that paints one line."""
        lines = document.lines
        if len(lines) > _MAX_JUDGED:
            return lambda number: [("", lines[number])]
        found = self._judging.ask(tuple(lines), _PATIENCE_S)
        if found is not None:
            self._last = list(zip(lines, found, strict=True))

        def paint(number: int) -> StyleAndTextTuples:
            line = lines[number]
            return _painted(line, found[number] if found else self._older(number, line))

        return paint

    def _judged(self, lines: tuple[str, ...]) -> list[list[Part]]:
        """Return the parts of each line; what is behind another line is run elsewhere, perhaps."""
        try:
            return [
                self._judge.judge(line, typing=number == 0) for number, line in enumerate(lines)
            ]
        except Exception:  # noqa: BLE001
            # A defect of ours costs the colours, and not the line that somebody is typing.
            return [[] for _ in lines]

    def _came_late(self) -> None:
        self._version += 1
        self._redraw()

    def _older(self, number: int, line: str) -> list[Part]:
        """Return the parts of what was there before, as far as the line is still the same."""
        if number >= len(self._last):
            return []
        before, parts = self._last[number]
        same = next(
            (i for i, (a, b) in enumerate(zip(before, line, strict=False)) if a != b),
            min(len(before), len(line)),
        )
        return [part for part in parts if part.end <= same]


def _painted(line: str, parts: list[Part]) -> StyleAndTextTuples:
    fragments: StyleAndTextTuples = []
    position = 0
    for part in parts:
        if part.start > position:
            fragments.append(("", line[position : part.start]))
        fragments.append((f"class:line.{part.kind}", line[part.start : part.end]))
        position = part.end
    if position < len(line):
        fragments.append(("", line[position:]))
    return fragments
