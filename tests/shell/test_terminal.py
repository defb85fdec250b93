# SPDX-License-Identifier: Apache-2.0
"""A real process on a real terminal: keys, colours, messages, and the terminal left as it was."""

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

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 30
IN_FOREGROUND = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Makes the terminal this process's own, so that Ctrl-C reaches it, and becomes lioshell."""

CTRL_C, CTRL_D, TAB, ENTER = "\x03", "\x04", "\t", "\r"


class Screen:
    """lioshell on a pseudo terminal of 24 lines of 80 columns, and all that it has written."""

    def __init__(self, folder, *options, **environment):
        self.folder = folder
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
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
                "PROMPT_TOOLKIT_NO_CPR": "1",
                **environment,
            },
        )

    def until(self, text):
        """Wait until a text has come since the last one that was waited for."""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.plain[self._seen :]:
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.plain}"
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError as error:
                    assert error.errno == errno.EIO, error
                    data = b""
                assert data, f"it ended before {text!r} came:\n{self.plain}"
                self.written += data.decode(errors="replace")
        self._seen = self.plain.index(text, self._seen) + len(text)

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
        deadline = time.monotonic() + TIMEOUT_S
        while path.resolve() not in self._open_files():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _open_files(self):
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                yield descriptor.readlink()

    def end(self):
        """Wait for the end and return the exit code."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.plain
            if select.select([self.master], [], [], 0.1)[0]:
                self.written += os.read(self.master, 65536).decode(errors="replace")
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def start(tmp_path):
    screens = []

    def begin(*options, **environment):
        screens.append(Screen(tmp_path, *options, **environment))
        screens[-1].until("/>")
        return screens[-1]

    yield begin
    for screen in screens:
        screen.close()


def test_tab_completes_errors_are_red_and_the_terminal_is_left_as_it_was(start):
    screen = start()
    screen.keys("cd /backstores/fil" + TAB)
    # The screen is repaired, not written anew: only what Tab adds comes.
    screen.until("eio")
    screen.line("", "/backstores/fileio>")
    screen.keys("cre" + TAB)
    screen.until("ate")
    screen.keys(f"disk1 {screen.folder}/disk1.img 1M")
    screen.line("", "Created fileio disk1")
    screen.line("lz", "Did you mean ls?")
    assert "\x1b[1;31merror: " in screen.written
    assert "\x1b[32mCreated fileio disk1" in screen.written
    screen.until(">")
    screen.keys(CTRL_D)
    screen.until("Configuration saved to")
    assert screen.end() == 0
    assert termios.tcgetattr(screen.slave) == screen.before
    # Bracketed paste is switched off again.
    assert screen.written.rindex("\x1b[?2004l") > screen.written.rindex("\x1b[?2004h")


def test_ctrl_c_ends_what_waits_and_the_line_that_is_typed(start):
    screen = start()
    run_dir = screen.folder / "sim" / "run"
    run_dir.mkdir(exist_ok=True)
    with (run_dir / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        screen.keys("/iscsi create" + ENTER)
        screen.until_it_has_open(run_dir / "lock")
        screen.keys(CTRL_C)
        screen.until("interrupted")
    screen.until("/>")
    screen.keys("nonsense" + CTRL_C)
    screen.until("/>")
    screen.line("pwd", "\n/\n")
    screen.line("exit", "exit")
    assert screen.end() == 0
    assert "There is no command" not in screen.plain
    assert termios.tcgetattr(screen.slave) == screen.before


def test_no_colour_where_none_is_wanted(start):
    screen = start(NO_COLOR="1")
    screen.line("lz", "Did you mean ls?")
    screen.line("ls", "[Targets: 0]")
    screen.line("exit", "exit")
    assert screen.end() == 0
    assert not re.search(r"\x1b\[(?:[0-9]+;)*3[0-7]m", screen.written)


def test_a_dumb_terminal_works(start):
    screen = start(TERM="dumb")
    screen.line("ls", "[Targets: 0]")
    screen.line("exit", "exit")
    assert screen.end() == 0


def test_nothing_is_handed_over_where_no_disk_is_left(start):
    screen = start()
    screen.line(f"/backstores/user:file create v 1M {screen.folder}/v.img", "by this session")
    screen.line("/backstores/user:file delete v", "Go on? [y/N]")
    screen.line("y", "Deleted storage object v")
    screen.until(">")
    screen.line("exit", "Configuration saved to")
    assert screen.end() == 0
    assert "Hand over" not in screen.plain
