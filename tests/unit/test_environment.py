# SPDX-License-Identifier: Apache-2.0
import fcntl
import io
import os
import pty
import struct
import termios

import pytest

from lioshell.environment import Environment


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def environment(**keywords) -> Environment:
    streams = {name: io.StringIO() for name in ("stdin", "stdout", "stderr")}
    return Environment(**{**streams, "environ": {}, **keywords})


def test_folders():
    env = environment(environ={"HOME": "/home/me"})
    assert env.state_dir == "/home/me/.local/state/lioshell"
    assert env.default_sim_dir == "/home/me/.local/state/lioshell/sim"
    env = environment(environ={"HOME": "/home/me", "XDG_STATE_HOME": "/var/state"})
    assert env.state_dir == "/var/state/lioshell"


def test_a_user_without_home():
    assert os.path.isabs(environment().state_dir)


@pytest.mark.parametrize(
    ("stdin", "stdout", "interactive"),
    [
        (Terminal(), Terminal(), True),
        (Terminal(), io.StringIO(), False),
        (io.StringIO(), Terminal(), False),
    ],
)
def test_a_person_can_answer_at_two_terminals(stdin, stdout, interactive):
    assert environment(stdin=stdin, stdout=stdout).interactive is interactive


def test_a_closed_stream_is_no_terminal():
    closed = Terminal()
    closed.close()
    closed.isatty = lambda: io.StringIO.isatty(closed)
    assert not environment(stdin=closed, stdout=Terminal()).interactive


def test_streams_that_were_closed_before_the_start(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", None)
    env = Environment()
    try:
        assert env.stdin.read() == ""
        env.stdout.write("nobody reads this")
        env.stderr.write("nor this")
        assert not env.interactive
        assert not env.wants_color("auto", env.stdout)
    finally:
        for stream in (env.stdin, env.stdout, env.stderr):
            stream.close()


@pytest.mark.parametrize(
    ("choice", "stdout", "environ", "colored"),
    [
        ("auto", Terminal(), {}, True),
        ("auto", io.StringIO(), {}, False),
        ("auto", Terminal(), {"NO_COLOR": "1"}, False),
        ("auto", Terminal(), {"NO_COLOR": ""}, True),
        ("auto", Terminal(), {"TERM": "dumb"}, False),
        ("always", io.StringIO(), {"NO_COLOR": "1"}, True),
        ("never", Terminal(), {}, False),
    ],
)
def test_color(choice, stdout, environ, colored):
    assert environment(environ=environ).wants_color(choice, stdout) is colored


@pytest.mark.parametrize(("columns", "width"), [("132", 132), ("many", 80), ("", 80), (None, 80)])
def test_width(columns, width):
    environ = {} if columns is None else {"COLUMNS": columns}
    assert environment(environ=environ).width == width


def test_width_of_a_terminal():
    leader, follower = pty.openpty()
    try:
        with os.fdopen(follower, "w") as stdout:
            # A new pseudo terminal has no size.
            assert environment(stdout=stdout).width == 80
            fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 111, 0, 0))
            assert environment(stdout=stdout).width == 111
    finally:
        os.close(leader)
