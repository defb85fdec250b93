# SPDX-License-Identifier: Apache-2.0
"""Texts that many attributes have in common: one file each, of which the attributes are hard links.

A storage object has a hundred attributes, and most of them stay as they are. A link takes a
tenth of the time of a new file. Whoever changes such an attribute gives it a file of its own first
(`Tree`), so that no other one changes with it.
"""

from __future__ import annotations

import os

_TEXT_MAX_BYTES = 64
WORTH_SHARING_BYTES = 3
"""Up to this length a text that is not a default is one of few: a digit and a newline."""


class SharedTexts:
    """The folder of these files; the caller holds the lock of the simulated kernel."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._works = True

    def link(self, data: bytes, mode: int, path: str) -> bool:
        """Make `path` a link to the file with this text and mode.

        False where it is no text to share, or the file system has no hard links.
        """
        if not self._works or len(data) > _TEXT_MAX_BYTES:
            return False
        shared = f"{self._folder}/{mode:o}-{data.hex()}"
        try:
            os.link(shared, path)
            return True
        except OSError:
            # It is not there yet, or has all the links that a file can have (EMLINK).
            self._make(data, mode, shared)
        try:
            os.link(shared, path)
        except OSError:
            # A file system without hard links.
            self._works = False
        return self._works

    def _make(self, data: bytes, mode: int, shared: str) -> None:
        """Write the file and give it its name when it is whole."""
        os.makedirs(self._folder, exist_ok=True)
        new = f"{self._folder}/new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, data)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        os.replace(new, shared)
