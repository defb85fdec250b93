# SPDX-License-Identifier: Apache-2.0
"""An interactive session of lioshell on a terminal of its own, typed into by a thread."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import threading
import time

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_WHERE_IS_THE_CURSOR = b"\x1b[6n"


class Typist:
    """Types a line once the answer to the one before is there; `pid` is the session's process."""

    def __init__(self) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execvp("python3", ["python3", "-m", "lioshell", "--color=never"])
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.answers = 0
        """How many repeated lines have been answered."""
        self.answer(r"/>")

    def type(self, line: str, pattern: str, timeout_s: float = 90) -> str:
        """Type a line, wait for an answer that has the pattern, and return it."""
        os.write(self._terminal, line.encode() + b"\r")
        return self.answer(pattern, timeout_s)

    def answer(self, pattern: str, timeout_s: float = 90, at_least: int = 1) -> str:
        """Read until the pattern was there so many times; raises OSError when it does not come."""
        deadline = time.monotonic() + timeout_s
        got = b""
        wanted = re.compile(pattern.encode())
        while time.monotonic() < deadline:
            if select.select([self._terminal], [], [], 0.2)[0]:
                piece = os.read(self._terminal, 65536)
                if _WHERE_IS_THE_CURSOR in piece:
                    os.write(self._terminal, b"\x1b[1;1R")
                got += ESCAPES.sub(b"", piece)
                if len(wanted.findall(got)) >= at_least:
                    return got.decode("utf-8", "replace")
        raise OSError(
            f"the session does not say {pattern!r}: {got[-300:].decode(errors='replace')}"
        )

    def repeat(self, line: str, pattern: str, at_least: int) -> None:
        """Type a line again and again, each once the answer has the pattern so often."""

        def typing() -> None:
            while not self._end.is_set():
                os.write(self._terminal, line.encode() + b"\r")
                self.answer(pattern, 120, at_least)
                self.answers += 1

        self._end.clear()
        self.answers = 0
        self._thread = threading.Thread(target=typing)
        self._thread.start()

    def rest(self) -> int:
        """End the repetition, and return how many answers there were."""
        self._end.set()
        if self._thread:
            self._thread.join()
        return self.answers
