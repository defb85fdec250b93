# SPDX-License-Identifier: Apache-2.0
"""The grammar of a command line: [PATH] [COMMAND] [VALUE | NAME=VALUE]...

The whole line is read. Words are separated by blanks; '...' and "..." quote, a backslash takes the
next character as it is, # at the start of a word begins a comment. What cannot be read is an
error that shows where, never a shorter command (reference: configshell's grammar dropped the rest).
"""

from __future__ import annotations

import re

from lioshell.errors import UsageError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMS = ("text", "json", "yaml")
"""Forms of an answer, as in `-o json`."""

_EXCERPT_WIDTH = 76
_YES = "--yes"
_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_\-]*)=")


class Word(NamedTuple):
    """One word of a line.

    `text` is what it means, `start` and `end` the columns that it stands in, `plain` how many of
    its first characters were neither quoted nor escaped; `stars` are the places in `text` of each *
    that was not, and so stands for any characters of a name.
    """

    text: str
    start: int
    end: int
    plain: int
    stars: tuple[int, ...] = ()

    @property
    def value(self) -> str:
        """The text, as a Pattern where it has a star."""
        return Pattern.of(self.text, self.stars) if self.stars else self.text


class Pattern(str):
    """A text in which some * stand for any characters; to all else it is a text like any other."""

    __slots__ = ("stars",)
    stars: tuple[int, ...]

    @classmethod
    def of(cls, text: str, stars: Iterable[int]) -> Pattern:
        """Return a text with the places of its stars."""
        made = cls(text)
        made.stars = tuple(stars)
        return made

    def components(self) -> list[tuple[str, re.Pattern[str] | None]]:
        """Return the components between slashes; for one with a star, what its names match."""
        found: list[tuple[str, re.Pattern[str] | None]] = []
        begin = 0
        for name in self.split("/"):
            stars = [star - begin for star in self.stars if begin <= star < begin + len(name)]
            begin += len(name) + 1
            parts, last = [], 0
            for star in stars:
                parts += [re.escape(name[last:star]), ".*"]
                last = star + 1
            pattern = "".join([*parts, re.escape(name[last:])])
            found.append((name, re.compile(pattern, re.DOTALL) if stars else None))
        return found


class GrammarError(UsageError):
    """A line that cannot be read; `column` is where."""

    def __init__(self, message: str, line: str, column: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column
        if line:
            self.excerpt = _excerpt(line, column)


def _excerpt(line: str, column: int) -> tuple[str, str]:
    """Return the part of a line around a column, as wide as a terminal, and a caret below it."""
    shown = "".join(char if char.isprintable() else " " for char in line)
    begin = max(0, min(column - _EXCERPT_WIDTH // 2, len(shown) - _EXCERPT_WIDTH))
    return shown[begin : begin + _EXCERPT_WIDTH], " " * (column - begin) + "^"


def split_words(line: str) -> list[Word]:
    """Return the words of a line; raises GrammarError for an open quote or a lone backslash."""
    return _Scanner(line).words()


def word_at_end(line: str) -> tuple[list[Word], Word] | None:
    """Return the whole words before the cursor and the one that it ends, for completion.

    A quote may still be open there. The last word is empty behind a blank; None in a comment.
    """
    scanner = _Scanner(line, unfinished=True)
    words = scanner.words()
    if scanner.in_comment:
        return None
    if words and words[-1].end == len(line):
        return words[:-1], words[-1]
    return words, Word("", len(line), len(line), 0)


def words_so_far(line: str) -> tuple[list[Word], int]:
    """Return the words of a line that is still being typed, and where its comment begins.

    The column is the line's length where there is no comment. Raises GrammarError for a NUL.
    """
    scanner = _Scanner(line, unfinished=True)
    words = scanner.words()
    return words, scanner.position if scanner.in_comment else len(line)


class _Scanner:
    """Reads one line; where `unfinished`, its end also ends a quote or an escape."""

    def __init__(self, line: str, *, unfinished: bool = False) -> None:
        self._line = line
        self._unfinished = unfinished
        self._position = 0
        self.in_comment = False

    @property
    def position(self) -> int:
        """Where reading has come to: the column of a comment, or the line's end."""
        return self._position

    def words(self) -> list[Word]:
        line = self._line
        if "\0" in line:
            raise GrammarError(
                "The line holds a NUL character", line, line.index("\0"), hint="Leave it out."
            )
        found = []
        while self._position < len(line):
            char = line[self._position]
            if char.isspace():
                self._position += 1
            elif char == "#":
                self.in_comment = True
                break
            else:
                found.append(self._word())
        return found

    def _word(self) -> Word:
        line, start = self._line, self._position
        text: list[str] = []
        plain: int | None = None
        stars: list[int] = []
        while self._position < len(line) and not line[self._position].isspace():
            char = line[self._position]
            if char in "\"'\\":
                plain = len(text) if plain is None else plain
                if char == "\\":
                    self._read_escape(text)
                else:
                    self._read_quoted(text)
            else:
                if char == "*":
                    stars.append(len(text))
                text.append(char)
                self._position += 1
        unquoted = len(text) if plain is None else plain
        return Word("".join(text), start, self._position, unquoted, tuple(stars))

    def _read_escape(self, text: list[str]) -> None:
        line, position = self._line, self._position
        if position + 1 < len(line):
            text.append(line[position + 1])
        elif not self._unfinished:
            raise GrammarError(
                "The line ends with a backslash", line, position, hint="Write \\\\ for one."
            )
        self._position = min(position + 2, len(line))

    def _read_quoted(self, text: list[str]) -> None:
        line, opening = self._line, self._position
        quote = line[opening]
        position = opening + 1
        while position < len(line):
            char = line[position]
            if char == quote:
                self._position = position + 1
                return
            if char == "\\" and quote == '"' and position + 1 < len(line):
                position += 1
                char = line[position]
            text.append(char)
            position += 1
        if not self._unfinished:
            raise GrammarError(
                f"The quote {quote} is never closed", line, opening, hint=f"Close it with {quote}."
            )
        self._position = position


def looks_like_path(word: Word) -> bool:
    """Tell whether a first word is a path by its form alone: no command's name holds a slash."""
    text = word.text
    return "/" in text or text in (".", "..") or text.startswith("@")


def named_value(word: Word) -> tuple[str, str] | None:
    """Return the name and value of a NAME=VALUE word, None for any other."""
    match = _NAMED.match(word.text)
    if match is None or match.end() > word.plain:
        return None
    begin = match.end()
    value, stars = word.text[begin:], [star - begin for star in word.stars if star >= begin]
    return match[1], Pattern.of(value, stars) if stars else value


def output_form(words: list[Word]) -> tuple[list[Word], str | None]:
    """Return the words without an unquoted `-o FORM`, and the form; None where there is none."""
    for number in range(len(words) - 1):
        option, form = words[number : number + 2]
        is_plain = option.plain == len("-o") and option.end - option.start == len("-o")
        if option.text == "-o" and is_plain and form.text in FORMS:
            return words[:number] + words[number + 2 :], form.text
    return words, None


def arguments(words: list[Word], line: str) -> tuple[list[str], dict[str, str]]:
    """Return the positional and the named arguments; raises GrammarError for a name twice."""
    positional: list[str] = []
    named: dict[str, str] = {}
    for word in words:
        pair = named_value(word)
        if pair is None:
            positional.append(word.value)
            continue
        name, value = pair
        if name in named:
            raise GrammarError(
                f"{name}= is given twice", line, word.start, hint="Give each parameter once."
            )
        named[name] = value
    return positional, named


def yes(words: list[Word]) -> tuple[list[Word], bool]:
    """Return the words without a last --yes, and whether it was there; quoted, it is a name."""
    said = bool(words) and words[-1].text == _YES and words[-1].plain == len(_YES)
    return (words[:-1] if said else words), said


def words_of(texts: Iterable[str]) -> tuple[list[Word], str]:
    """Return words that the calling shell has unquoted already, and a line that says the same.

    What was quoted for that shell is not known any more: each * is a star.
    """
    words, parts, column = [], [], 0
    for text in texts:
        # Its stars stay outside of the quotes.
        pieces = (quote(piece) if piece else "" for piece in text.split("*"))
        part = "*".join(pieces) if text else quote(text)
        stars = tuple(place for place, char in enumerate(text) if char == "*")
        words.append(Word(text, column, column + len(part), len(text), stars))
        parts.append(part)
        column += len(part) + 1
    return words, " ".join(parts)


def quote(text: str) -> str:
    """Return a text as one word of a line."""
    if text and not re.search(r"[\s'\"\\*]", text) and not text.startswith("#"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_value(text: str) -> str:
    """Return a text as one word that is no NAME=VALUE, whatever it holds."""
    return f'"{text}"' if quote(text) == text and _NAMED.match(text) else quote(text)
