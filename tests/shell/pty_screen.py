# SPDX-License-Identifier: Apache-2.0
"""lioshell as a process on a pseudo terminal, its screen read as a person would."""

import contextlib
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte

from tests.patience import Patience

CHECKOUT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 30
IN_FOREGROUND = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Makes the terminal this process's own, so that Ctrl-C reaches it, and becomes lioshell."""

CTRL_C, CTRL_D, TAB, ENTER = "\x03", "\x04", "\t", "\r"


class Emulated(pyte.Screen):
    """pyte's screen with what it lacks: xterm's second screen (DEC mode 1049)."""

    def __init__(self, columns, rows, answer):
        super().__init__(columns, rows)
        # A terminal answers when it is asked where the cursor is.
        self.write_process_input = answer
        self._first = None

    def set_mode(self, *modes, **options):
        super().set_mode(*modes, **options)
        if options.get("private") and 1049 in modes:
            self._first = {y: dict(row) for y, row in self.buffer.items()}
            self.erase_in_display(2)

    def reset_mode(self, *modes, **options):
        super().reset_mode(*modes, **options)
        if options.get("private") and 1049 in modes and self._first is not None:
            self.erase_in_display(2)
            for y, row in self._first.items():
                self.buffer[y].update(row)
            self._first = None


class Screen:
    """lioshell on a pseudo terminal, all that it has written, and what stands on the screen."""

    def __init__(self, folder, *options, size=(80, 24), **environment):
        self.folder = folder
        self.columns, self.rows = size
        self._emulated = Emulated(self.columns, self.rows, self.keys)
        self._stream = pyte.Stream(self._emulated)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.written = ""
        self._seen = 0
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                IN_FOREGROUND,
                "-m",
                "lioshell",
                f"--sim={folder}/sim",
                *options,
            ],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=CHECKOUT,
            start_new_session=True,
            env={
                "HOME": str(folder),
                "PATH": os.environ["PATH"],
                "TERM": "xterm",
                **environment,
            },
        )

    def until(self, text):
        """Wait until a text has come since the last one that was waited for."""
        patience = Patience(TIMEOUT_S)
        while text not in self.plain[self._seen :]:
            assert patience.lasts(), f"{text!r} did not come:\n{self.plain}"
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError as error:
                    assert error.errno == errno.EIO, error
                    data = b""
                assert data, f"it ended before {text!r} came:\n{self.plain}"
                self._take(data)
        self._seen = self.plain.index(text, self._seen) + len(text)

    def _take(self, data):
        text = data.decode(errors="replace")
        self.written += text
        self._stream.feed(text)

    @property
    def lines(self):
        """The lines of the screen as they stand now."""
        return [line.rstrip() for line in self._emulated.display]

    def styles(self, line):
        """The colours of a line of the screen, one for each character: its foreground."""
        row = self._emulated.buffer[line]
        return [row[column].fg for column in range(self.columns)]

    def until_screen(self, fits, what):
        """Wait until the screen fits."""
        patience = Patience(TIMEOUT_S)
        while not fits(self.lines):
            assert patience.lasts(), f"no {what}:\n" + "\n".join(self.lines)
            if select.select([self.master], [], [], 0.2)[0]:
                self._take(os.read(self.master, 65536))
        self._seen = len(self.plain)

    def resize(self, columns, rows):
        """Change the terminal's size; the process is told with SIGWINCH."""
        self.columns, self.rows = columns, rows
        self._emulated.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number):
        os.kill(self.process.pid, number)

    @property
    def plain(self):
        """What was written, without what moves the cursor and paints."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r", "", self.written)

    def keys(self, text):
        os.write(self.master, text.encode())

    def line(self, text, answer):
        """Type a line at the next prompt and wait for an answer."""
        self.keys(text + ENTER)
        self.until(answer)

    def until_it_has_open(self, path):
        """Wait until the process has a file open."""
        patience = Patience(TIMEOUT_S)
        while path.resolve() not in self._open_files():
            assert patience.lasts()
            time.sleep(0.01)

    def until_it_reads(self, fifo):
        """Wait until the process reads from a FIFO, and return its end to write to."""
        patience = Patience(TIMEOUT_S)
        while True:
            try:
                return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                assert error.errno == errno.ENXIO, error
            assert patience.lasts(), self.plain
            time.sleep(0.01)

    def _open_files(self):
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                yield descriptor.readlink()

    def end(self):
        """Wait for the end and return the exit code."""
        patience = Patience(TIMEOUT_S)
        while self.process.poll() is None:
            assert patience.lasts(), self.plain
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):  # EIO: the other end is closed
                    self._take(os.read(self.master, 65536))
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)
