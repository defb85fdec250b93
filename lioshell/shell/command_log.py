# SPDX-License-Identifier: Apache-2.0
"""A log of the commands, for who asks for one with the preference `logfile`.

targetcli keeps one unasked, readable by all and with passwords in it. Here a line is shown as it
would be on the screen, and the file is its owner's.
"""

from __future__ import annotations

import contextlib
import os
import time

from lioshell.errors import LioshellError
from lioshell.shell.redaction import redacted
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.shell.preferences import Preferences

_LEVELS = ("debug", "info", "warning", "error", "critical")


class CommandLog:
    """Notes each line with its outcome: changes at info, failures at error, the rest at debug."""

    def __init__(
        self, prefs: Preferences, clock: Callable[[], float], warn: Callable[[str], None]
    ) -> None:
        self._prefs = prefs
        self._clock = clock
        self._warn = warn
        self._warned = False
        self.is_change = False
        """Whether the line that runs now changes something; the session finds out."""

    @contextlib.contextmanager
    def noting(self, line: str) -> Iterator[None]:
        """Note the line that is run inside, and how it ended."""
        self.is_change = False
        try:
            yield
        except LioshellError as error:
            self._note("error", line, f": {error.message}")
            raise
        self._note("info" if self.is_change else "debug", line)

    def _note(self, level: str, line: str, outcome: str = "") -> None:
        path = self._prefs.word("logfile")
        least = _LEVELS.index(self._prefs.word("loglevel_file"))
        if not path or _LEVELS.index(level) < least:
            return
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock()))
        text = f"{when} {os.getpid()} {level}: {redacted(line)}{outcome}"
        data = "".join(c if c.isprintable() else " " for c in text).encode(errors="replace")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        try:
            descriptor = os.open(os.path.expanduser(path), flags, 0o600)
            try:
                os.write(descriptor, data + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            # The command counts, not its log; told once.
            if not self._warned:
                self._warned = True
                self._warn(f"{path} cannot be written: {os.strerror(error.errno or 0)}")
