# SPDX-License-Identifier: Apache-2.0
"""Passwords in typed lines: which lines hold one, and what such a line may be shown as.

A line counts as soon as a name in it looks like a password's: a mistyped `pasword=` or a quoted
"password=..." must not reach the history, a log or an answer in JSON either.
"""

from __future__ import annotations

import re

from lioshell.errors import LioshellError
from lioshell.model.secret import MASK, SECRET_PARAMETERS
from lioshell.shell import grammar

_PARTS_OF_SECRET_NAMES = ("passw", "pasw", "secret")
_REST_OF_THE_LINE = r"(?is)(\w*(?:passw|pasw|secret)\w*[\s\"']*=).*"
_URI_USERINFO = r"(://[^/@:\s]*):[^/@\s]+@"


def is_secret_name(name: str) -> bool:
    """Tell whether a parameter's name is, or looks like, a password's."""
    return name in SECRET_PARAMETERS or any(part in name.lower() for part in _PARTS_OF_SECRET_NAMES)


def holds_secret(line: str) -> bool:
    """Tell whether a line gives a password; the names alone (`get auth password`) do not."""
    return redacted(line) != line or _sets_without_equals_sign(line)


def redacted(line: str) -> str:
    """Return a line with every password in it as ***."""
    try:
        words = grammar.split_words(line)
    except LioshellError:
        # Nobody knows where the password ends in a line that cannot be read: hide all the rest.
        return _without_uri_passwords(re.sub(_REST_OF_THE_LINE, rf"\1{MASK}", line))
    parts, position = [], 0
    for word in words:
        shown = _masked(word.text)
        if shown != word.text:
            parts += [line[position : word.start], shown]
            position = word.end
    return _without_uri_passwords("".join([*parts, line[position:]]))


def without_secrets(text: str, line: str) -> str:
    """Return a text about a line, as an error is one, with the line's passwords as ***."""
    text = _without_uri_passwords(text)
    try:
        words = [word.text for word in grammar.split_words(line)]
    except LioshellError:
        # Such a line is shown by nobody but the grammar, which masks it.
        return text
    for word in words:
        shown = _masked(word)
        if shown != word:
            secret = word[len(shown) - len(MASK) :]
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text.replace(word, shown))
    return text


def _without_uri_passwords(text: str) -> str:
    """Return a text with the password of nbd://user:password@host as ***."""
    return re.sub(_URI_USERINFO, rf"\1:{MASK}@", text)


def _masked(text: str) -> str:
    """Return a word with a secret's value as ***; that of userid=password=x is one too."""
    names = text.split("=")
    for number, name in enumerate(names[:-1], 1):
        if is_secret_name(name) and any(names[number:]):
            return "=".join([*names[:number], MASK])
    return text


def _sets_without_equals_sign(line: str) -> bool:
    """Tell whether a line is `set auth password hunter2`: refused, but the password is in it."""
    try:
        texts = [word.text for word in grammar.split_words(line)]
    except LioshellError:
        texts = line.split()
    return "set" in texts and any(is_secret_name(text.partition("=")[0]) for text in texts)
