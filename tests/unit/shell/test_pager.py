# SPDX-License-Identifier: Apache-2.0
"""The pager's command, and what is held back until it is needed."""

import os
import pty

import pytest

from lioshell.shell.pager import LongAnswer, PagerEndedError, pager_command


@pytest.fixture
def screen():
    """A terminal of 5 rows of 20 columns, as a stream; what is written is read from `master`."""
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 20, 0, 0))
    with open(slave, "w", encoding="utf-8") as stream:
        stream.master = master
        yield stream
    os.close(master)


@pytest.mark.parametrize(
    ("environ", "command"),
    [
        ({"PAGER": "cat -s"}, ["cat", "-s"]),
        ({"PAGER": "cat 'a b'"}, ["cat", "a b"]),
        ({"PATH": "/nowhere"}, []),
        ({"PAGER": "cat", "PATH": "/nowhere"}, []),
    ],
)
def test_the_command(environ, command):
    assert pager_command({"PATH": os.environ["PATH"], **environ}) == command


@pytest.mark.parametrize("pager", ["", "'open", "/no/such/pager"])
def test_a_pager_that_is_none_is_replaced(pager):
    found = pager_command({"PATH": os.environ["PATH"], "PAGER": pager})
    assert found in (["less"], ["more"], [])


def answer(screen, tmp_path, script="cat > {}"):
    out = tmp_path / "paged"
    return LongAnswer(screen, ["sh", "-c", script.format(out)], dict(os.environ)), out


def test_what_fits_is_shown_as_it_is(screen, tmp_path):
    shown, out = answer(screen, tmp_path)
    shown.write("one\ntwo\n\x1b[32mthree\x1b[0m\nfour\n")
    shown.end()
    assert not shown.is_shown
    assert not out.exists()
    assert os.read(screen.master, 100).count(b"\n") == 4


@pytest.mark.parametrize("text", ["x\n" * 5, "x" * 81 + "\n", ("\x1b[32m" + "x" * 25 + "\n") * 3])
def test_what_would_scroll_goes_to_the_pager(screen, tmp_path, text):
    shown, out = answer(screen, tmp_path)
    shown.write(text)
    shown.write("more\n")
    shown.end()
    assert out.read_text() == text + "more\n"


@pytest.mark.parametrize(("lines", "is_shown"), [(23, False), (24, True)])
def test_a_terminal_that_does_not_know_its_size_is_24_lines_high(tmp_path, lines, is_shown):
    master, slave = pty.openpty()  # of 0 rows of 0 columns, as a serial line is
    with open(slave, "w", encoding="utf-8") as screen:
        shown, _ = answer(screen, tmp_path)
        shown.write("a line\n" * lines)
        shown.end()
    os.close(master)
    assert shown.is_shown == is_shown


def test_colours_do_not_count(screen, tmp_path):
    shown, out = answer(screen, tmp_path)
    shown.write(("\x1b[32m" + "x" * 19 + "\x1b[0m\n") * 4)
    shown.end()
    assert not out.exists()


def test_a_pager_that_is_left_ends_the_answer(screen, tmp_path):
    shown, _ = answer(screen, tmp_path, "head -c 1 > {}")
    with pytest.raises(PagerEndedError):
        for _ in range(100000):
            shown.write("line of text\n")
    shown.end()


def test_no_pager_no_loss(screen, tmp_path):
    shown = LongAnswer(screen, ["/no/such/pager"], dict(os.environ))
    shown.write("x\n" * 6)
    shown.end()
    assert os.read(screen.master, 100).count(b"x") == 6
