# SPDX-License-Identifier: Apache-2.0
"""Any keys at the prompt: it goes on, it ends when it is told to, and the terminal is as it was.

The suite types some dozens of handfuls; LIOSHELL_KEYS=2000 makes it a long run:

    LIOSHELL_KEYS=2000 python3 -m pytest -q tests/shell/test_any_keys.py
"""

import os
import random
import select
import termios

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from lioshell.errors import ExitCode
from lioshell.shell import repl
from tests.patience import Patience

from .test_terminal import Screen

KEYS = int(os.environ.get("LIOSHELL_KEYS", "40"))
SESSIONS = max(3, KEYS // 100)

IQN = b"iqn.2003-01.com.example:disk1"
ENTER, ESCAPE, CTRL_C, CTRL_D = b"\r", b"\x1b", b"\x03", b"\x04"
UNUSED = b"\x1a\x1c"
"""Ctrl-Z and Ctrl-\\, which stop a process from outside: no matter of the prompt."""

# No command in them that writes a file of a name that is made up.
WORDS = (
    *(b"ls", b"cd", b"pwd", b"get", b"set", b"help", b"info", b"status", b"create", b"delete"),
    *(b"enable", b"disable", b"sessions", b"bookmarks", b"refresh", b"clearconfig", b"version"),
    *(b"/", b"/iscsi", b"/backstores/ramdisk", b"/backstores/user:file", b"..", b"<", b"*", b"@"),
    *(
        b"global",
        b"attribute",
        b"auth",
        b"confirm=True",
        b"r0",
        b"1M",
        b"tpg1",
        b"lun0",
        b"'",
        b'"',
    ),
    *(
        b"#",
        b"\\",
        b"password=sesame",
        b"prompt_length=0",
        b"watch 1",
        b"y",
        b"n",
        b"\xc3\xa4",
        IQN,
    ),
)
PRESSED = (
    *(ENTER, b"\t", CTRL_C, ESCAPE, b"\x12", b"\x17", b"\x01", b"\x05", b"\x15", b"\x7f", b"\x08"),
    *(b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[3~", b"\x1b[200~ls\npwd\n\x1b[201~"),
    *(
        b"\x1bb",
        b"\x1bd",
        b"\x0b",
        b"\x19",
        b"\x1f",
        b"\x0c",
        b"\x16",
        b"\x00",
        b"\x1bOP",
        b"\x1b[Z",
    ),
)
TYPED = st.lists(
    st.one_of(
        st.sampled_from(WORDS).map(lambda word: word + b" "),
        st.sampled_from(PRESSED),
        st.lists(st.sampled_from(WORDS), max_size=4).map(lambda words: b" ".join(words) + ENTER),
        st.binary(max_size=8).map(lambda data: data.translate(None, UNUSED)),
    ),
    max_size=20,
).map(b"".join)
PASTE_ENDS = b"\x1b[201~"
THE_END = PASTE_ENDS + CTRL_C + CTRL_C + CTRL_D * 8


@settings(
    max_examples=KEYS,
    deadline=None,
    derandomize=KEYS < 1000,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(keys=TYPED)
@example(b"")
@example(b"\xff\xfe\r")
@example(b"ls \xff\r")
@example(b"cd\r")
@example(b"\x1b[200~ls\r")
@example(b"/iscsi/\t\t\t\r")
@example(b"set global \x12\r")
def test_any_keys(terminal, keys):
    session = terminal.new_session()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_bytes(keys + THE_END)
        code = repl.run(session, terminal_input=pipe, terminal_output=DummyOutput())
    event(f"exit code {code}")
    assert code in set(ExitCode)
    assert "Traceback" not in terminal.out + terminal.err
    assert "lioshell itself failed" not in terminal.out + terminal.err
    assert "sesame" not in terminal.err
    assert not any("sesame" in line for line in terminal.history)


@pytest.mark.parametrize("seed", range(SESSIONS))
def test_the_terminal_is_left_as_it_was(tmp_path, seed):
    """A real one, with a real process at it."""
    rng = random.Random(seed)
    screen = Screen(tmp_path)
    try:
        screen.until("/>")
        for _ in range(15):
            chosen = rng.choice((WORDS, PRESSED, (rng.randbytes(4).translate(None, UNUSED),)))
            os.write(screen.master, rng.choice(chosen))
        end(screen)
        assert screen.process.returncode in set(ExitCode), screen.plain
        assert termios.tcgetattr(screen.slave) == screen.before
        assert "Traceback" not in screen.plain
        # Bracketed paste and the hidden cursor are undone.
        assert screen.written.count("\x1b[?2004h") <= screen.written.count("\x1b[?2004l")
        assert screen.written.rfind("\x1b[?25l") <= screen.written.rfind("\x1b[?25h")
    finally:
        screen.close()


def end(screen):
    """Press what ends a session, again and again: a command may still have run."""
    patience = Patience(30)
    while screen.process.poll() is None:
        assert patience.lasts(), screen.plain
        os.write(screen.master, PASTE_ENDS + CTRL_C + CTRL_D)
        while select.select([screen.master], [], [], 0.2)[0]:
            screen.written += os.read(screen.master, 65536).decode(errors="replace")
