# SPDX-License-Identifier: Apache-2.0
"""Lines of words: columns, parameters and paragraphs, folded to a terminal's width or not at all.

A terminal gets lines that end at a word; a pipe gets one line for each thing, as grep wants it.
"""

from __future__ import annotations

from lioshell.render.span import Span
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_PARAMETER_WIDTH = 44
"""Longer values push their description to the right instead of all others."""

_MIN_FOLDED = 24
"""A column narrower than this is not folded: one word a line is worse than a broken one."""


class Block(NamedTuple):
    """A part of a page, apart from the others by an empty line.

    Any of: a `heading`; a `text` that is folded; `lines` that are shown as they are, indented;
    `rows` of a word and its meaning.
    """

    heading: str = ""
    text: str = ""
    lines: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def page(blocks: Sequence[Block], width: int | None) -> Iterator[list[Span]]:
    """Yield a page's lines."""
    for number, block in enumerate(blocks):
        if number:
            yield []
        if block.heading:
            yield [Span(block.heading, "heading")]
        for text in folded(block.text, width) if block.text else ():
            yield [Span(text, "plain")]
        for line in block.lines:
            yield [Span(f"  {line}", "name")]
        if block.rows:
            for spans in columns((), block.rows, None if width is None else width - 2):
                yield [Span("  ", "plain"), *spans]


def columns(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None
) -> Iterator[list[Span]]:
    """Yield a table's lines; the last column is folded to `width`, None for as long as it is."""
    lines = (heads, *rows) if heads else rows
    widths = [max((len(row[i]) for row in lines), default=0) for i in range(len(lines[0]))]
    indent = sum(widths[:-1]) + 2 * (len(widths) - 1)
    for number, row in enumerate(lines):
        heading = bool(heads) and number == 0
        styles = ["heading" if heading else "name", *["heading" if heading else "value"] * 9]
        first, *more = folded(row[-1], None if width is None else width - indent)
        cells = [cell.ljust(size) + "  " for cell, size in zip(row[:-1], widths, strict=False)]
        yield [*map(Span, cells, styles), Span(first, styles[len(cells)])]
        for text in more:
            yield [Span(" " * indent + text, styles[len(cells)])]


def parameters(
    rows: Sequence[tuple[str, str | None, str, bool]], width: int | None
) -> Iterator[list[Span]]:
    """Yield `name=value  help` of parameters; `rows` hold name, value, help, "can be set"."""
    longest = max((len(name) + len(value or "") + 1 for name, value, _, _ in rows), default=0)
    column = min(longest, _MAX_PARAMETER_WIDTH) + 2
    for name, known, help_line, writable in rows:
        value = known or ""
        line = [Span(f"{name}=", "name"), Span(value, "value")]
        note = " ".join(filter(None, ["" if writable else "[ro]", help_line]))
        begin = max(column, len(name) + len(value) + 3)
        room = None if width is None else width - column
        first, *more = folded(note, room, lead=begin - column)
        if first:
            line.append(Span(" " * (begin - len(name) - len(value) - 1) + first, "note"))
        yield line
        for text in more:
            yield [Span(" " * column + text, "note")]


def folded(text: str, room: int | None, *, lead: int = 0) -> list[str]:
    """Return a text in lines of at most `room` characters, the first of `lead` fewer."""
    if room is None or room < _MIN_FOLDED or lead + len(text) <= room:
        return [text]
    if room - lead < _MIN_FOLDED:
        return ["", *folded(text, room)]
    import textwrap

    first, *more = textwrap.wrap(
        text, room, initial_indent=" " * lead, break_long_words=False, break_on_hyphens=False
    )
    return [first[lead:], *more]
