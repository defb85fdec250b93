# SPDX-License-Identifier: Apache-2.0
"""A pager for an answer that is longer than the screen, and for no other.

The answer is held back until it would scroll; what comes then goes to $PAGER as it is made, so
that the first page of a long listing is there at once.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import signal

from lioshell.shell.terminal_modes import as_it_is, screen_size
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from types import FrameType
    from typing import IO, TextIO

    from lioshell.environment import Environment

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class PagerEndedError(Exception):
    """Whoever looked has seen enough."""


def pager_command(environ: Mapping[str, str]) -> list[str]:
    """Return the pager's words: $PAGER, else less, else more; empty where there is none."""
    try:
        words = shlex.split(environ.get("PAGER") or "less")
    except ValueError:
        # An open quote in $PAGER.
        words = ["less"]
    for candidate in (words, ["less"], ["more"]):
        if candidate and shutil.which(candidate[0], path=environ.get("PATH")):
            return candidate
    return []


class LongAnswer:
    """Stands for a terminal's stream: holds back a screenful, then starts the pager.

    `rows` and `width` are those of the screen; one row is left for the prompt.
    """

    def __init__(self, stream: TextIO, command: list[str], environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._command = command
        self._environ = environ
        size = screen_size(stream)
        self._rows, self._width = size.lines - 1, max(size.columns, 1)
        self._held: list[str] = []
        self._used = 0
        self._pager: subprocess.Popen[bytes] | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the pager has been started."""
        return self._pager is not None

    @property
    def encoding(self) -> str:
        """The terminal's encoding."""
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        """Tell that a terminal shows it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the terminal's descriptor, for its size."""
        return self._stream.fileno()

    def flush(self) -> None:
        """Do nothing: all of it is shown at the end."""

    def write(self, text: str) -> int:
        """Hold back or hand on; raises PagerEndedError where the pager has been left."""
        if self._pager is None:
            self._held.append(text)
            for line in text.split("\n")[:-1]:
                self._used += max(-(-len(_ESCAPE.sub("", line)) // self._width), 1)
            if self._used > self._rows and self._command:
                self._start()
            return len(text)
        self._send(text)
        return len(text)

    def _start(self) -> None:
        import subprocess

        # As git does it: colours are kept, and what fits is left on the screen.
        environ = {"LESS": "FRX", "LV": "-c", **self._environ}
        if "R" not in environ["LESS"] and "r" not in environ["LESS"]:
            environ["LESS"] += "R" if environ["LESS"][:1] != "-" else " -R"
        try:
            self._pager = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=environ)
        except OSError:
            # It cannot be started after all: everything goes to the screen.
            self._command = []
            return
        held, self._held = self._held, []
        self._send("".join(held))

    def _send(self, text: str) -> None:
        assert self._pager is not None
        stdin: IO[bytes] | None = self._pager.stdin
        assert stdin is not None
        try:
            stdin.write(text.encode(self.encoding, "replace"))
            stdin.flush()
        except BrokenPipeError:
            raise PagerEndedError from None

    def end(self) -> None:
        """Show what was held back, or wait until the pager is left."""
        if self._pager is None:
            self._stream.write("".join(self._held))
            self._stream.flush()
            return
        assert self._pager.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._pager.stdin.close()
        self._pager.wait()


@contextlib.contextmanager
def paged(env: Environment) -> Iterator[None]:
    """Show what is written to stdout inside in a pager, where it is longer than the screen.

    Ctrl-C belongs to the pager while there is one; the terminal is left as it was, however the
    pager ends.
    """
    stream = env.stdout
    answer = LongAnswer(stream, pager_command(env.environ), env.environ)
    held_signal = signal.getsignal(signal.SIGINT)

    def interrupted(number: int, frame: FrameType | None) -> None:
        if not answer.is_shown and callable(held_signal):
            held_signal(number, frame)

    signal.signal(signal.SIGINT, interrupted)
    env.stdout = answer  # type: ignore[assignment]  # as much of a stream as Output needs
    try:
        with as_it_is(stream), contextlib.suppress(PagerEndedError):
            try:
                yield
            finally:
                env.stdout = stream
                answer.end()
    finally:
        signal.signal(signal.SIGINT, held_signal)
