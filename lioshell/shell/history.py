# SPDX-License-Identifier: Apache-2.0
"""The history of what was typed: readable by its user alone, and without passwords."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prompt_toolkit.history import History

from lioshell.errors import LioshellError
from lioshell.model.secret import SECRET_PARAMETERS
from lioshell.shell import grammar

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_LINES = 5000


def holds_secret(line: str) -> bool:
    """Tell whether a line sets a password; one that cannot be read counts if it mentions any."""
    try:
        pairs = (grammar.named_value(word) for word in grammar.split_words(line))
        return any(pair is not None and pair[0] in SECRET_PARAMETERS for pair in pairs)
    except LioshellError:
        return any(name in line for name in SECRET_PARAMETERS)


class SafeHistory(History):
    """A file of lines, 0600; lines that set a password are never written."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._path = os.path.join(folder, "history")

    def load_history_strings(self) -> Iterable[str]:
        """Return the lines, newest first."""
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return file.read().splitlines()[: -_MAX_LINES - 1 : -1]
        except OSError:
            # None was kept yet, or it cannot be read: begin without one.
            return []

    def append_string(self, string: str) -> None:
        """Keep a line, unless it sets a password: then not even in memory."""
        if not holds_secret(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write a line to the file; a full disk costs the history and not the session."""
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            with open(os.open(self._path, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(string.replace("\n", " ") + "\n")
        except OSError:
            return
