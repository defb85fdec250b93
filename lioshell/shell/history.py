# SPDX-License-Identifier: Apache-2.0
"""The history of what was typed: readable by its user alone, and without passwords."""

from __future__ import annotations

import os

from prompt_toolkit.history import History

from lioshell.shell.redaction import holds_secret
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_LINES = 5000


class SafeHistory(History):
    """A file of lines, 0600; lines that set a password are never written."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._path = os.path.join(folder, "history")

    def load_history_strings(self) -> Iterable[str]:
        """Return the lines, newest first."""
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                lines = [line for line in file.read().split("\n") if line]
        except OSError:
            # None was kept yet, or it cannot be read: begin without one.
            return []
        return lines[: -_MAX_LINES - 1 : -1]

    def append_string(self, string: str) -> None:
        """Keep each line of what was typed, unless it sets a password: then not even in memory."""
        for line in string.splitlines():
            if line.strip() and not holds_secret(line):
                super().append_string(line)

    def store_string(self, string: str) -> None:
        """Write a line to the file; a full disk costs the history and not the session."""
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o600)
            # Surrogates stand for bytes that were no UTF-8; they are kept as they were typed.
            with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                os.fchmod(descriptor, 0o600)
                file.write(string + "\n")
        except OSError:
            return
