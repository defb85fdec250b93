# SPDX-License-Identifier: Apache-2.0
"""The grammar of a command line: [PATH] [COMMAND] [VALUE | NAME=VALUE]...

The whole line is read. Words are separated by blanks; '...' and "..." quote, a backslash takes the
next character as it is, # at the start of a word begins a comment. What cannot be read is an
error that shows where, never a shorter command (reference: configshell's grammar dropped the rest).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lioshell.errors import UsageError

_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_\-]*)=")


class Word(NamedTuple):
    """One word of a line.

    `text` is what it means, `start` and `end` the columns that it stands in, `plain` how many of
    its first characters were neither quoted nor escaped.
    """

    text: str
    start: int
    end: int
    plain: int

    @classmethod
    def argument(cls, text: str) -> Word:
        """Return a word that the calling shell has already unquoted."""
        return cls(text, 0, len(text), len(text))


class Invocation(NamedTuple):
    """What a line asks for; an empty `path` means here, an empty `command` means cd."""

    path: str
    command: str
    positional: list[str]
    named: dict[str, str]


class GrammarError(UsageError):
    """A line that cannot be read; `column` is where."""

    def __init__(self, message: str, line: str, column: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column
        if line:
            self.excerpt = (line, " " * column + "^")


def split_words(line: str) -> list[Word]:
    """Return the words of a line; raises GrammarError for an open quote or a lone backslash."""
    words: list[Word] = []
    text: list[str] = []
    start: int | None = None
    plain: int | None = None
    position = 0
    while position < len(line):
        char = line[position]
        if char.isspace():
            if start is not None:
                words.append(_word(text, start, position, plain))
                text, start, plain = [], None, None
            position += 1
            continue
        if start is None:
            if char == "#":
                break
            start = position
        if char in "'\"":
            plain = len(text) if plain is None else plain
            position = _read_quoted(line, position, text)
        elif char == "\\":
            plain = len(text) if plain is None else plain
            if position + 1 == len(line):
                raise GrammarError(
                    "The line ends with a backslash", line, position, hint="Write \\\\ for one."
                )
            text.append(line[position + 1])
            position += 2
        else:
            text.append(char)
            position += 1
    if start is not None:
        words.append(_word(text, start, position, plain))
    return words


def _word(text: list[str], start: int, end: int, plain: int | None) -> Word:
    return Word("".join(text), start, end, len(text) if plain is None else plain)


def _read_quoted(line: str, opening: int, text: list[str]) -> int:
    """Append what is quoted to `text` and return the column after the closing quote."""
    quote = line[opening]
    position = opening + 1
    while position < len(line):
        char = line[position]
        if char == quote:
            return position + 1
        if char == "\\" and quote == '"' and position + 1 < len(line):
            position += 1
            char = line[position]
        text.append(char)
        position += 1
    raise GrammarError(
        f"The quote {quote} is never closed", line, opening, hint=f"Close it with {quote}."
    )


def looks_like_path(word: Word) -> bool:
    """Tell whether a first word is a path by its form alone."""
    text = word.text
    return "/" in text[: word.plain] or text in (".", "..") or text.startswith("@")


def named_value(word: Word) -> tuple[str, str] | None:
    """Return the name and value of a NAME=VALUE word, None for any other."""
    match = _NAMED.match(word.text)
    if match is None or match.end() > word.plain:
        return None
    return match[1], word.text[match.end() :]


def arguments(words: list[Word], line: str) -> tuple[list[str], dict[str, str]]:
    """Return the positional and the named arguments; raises GrammarError for a name twice."""
    positional: list[str] = []
    named: dict[str, str] = {}
    for word in words:
        pair = named_value(word)
        if pair is None:
            positional.append(word.text)
            continue
        name, value = pair
        if name in named:
            raise GrammarError(
                f"{name}= is given twice", line, word.start, hint="Give each parameter once."
            )
        named[name] = value
    return positional, named


def quote(text: str) -> str:
    """Return a text as one word of a line."""
    if text and not re.search(r"[\s'\"\\]", text) and not text.startswith("#"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
