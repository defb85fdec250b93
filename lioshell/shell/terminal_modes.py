# SPDX-License-Identifier: Apache-2.0
"""The terminal: its size, and its modes while something else than the prompt has it, termios(3)."""

from __future__ import annotations

import contextlib
import os
import termios

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

_LOCAL_FLAGS = 3
"""Index in what tcgetattr returns."""

_COLUMNS, _LINES = 80, 24


def screen_size(stream: TextIO) -> os.terminal_size:
    """Return the size of a terminal: 80 columns and 24 lines where it is none, or does not know.

    A serial line that nobody has told its size says 0 of both (ioctl_tty(2), TIOCGWINSZ).
    """
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return os.terminal_size((_COLUMNS, _LINES))
    return os.terminal_size((size.columns or _COLUMNS, size.lines or _LINES))


@contextlib.contextmanager
def without_echo(stream: TextIO) -> Iterator[None]:
    """Show no key that is pressed while a command runs: the next prompt shows it.

    The terminal is left as it was. What is no terminal is left alone.
    """
    with _without(stream, termios.ECHO):
        yield


@contextlib.contextmanager
def key_by_key(stream: TextIO) -> Iterator[None]:
    """Let keys be read one by one, without an echo; Ctrl-C stays a signal."""
    with _without(stream, termios.ECHO | termios.ICANON):
        yield


@contextlib.contextmanager
def as_it_is(stream: TextIO) -> Iterator[None]:
    """Leave the terminal as it was, whatever another program does to it inside."""
    with _without(stream, 0):
        yield


@contextlib.contextmanager
def _without(stream: TextIO, flags: int) -> Iterator[None]:
    try:
        descriptor = stream.fileno()
        before = termios.tcgetattr(descriptor)
    except (termios.error, OSError, ValueError):
        # No terminal, or no file at all.
        yield
        return
    wanted = [*before]
    wanted[_LOCAL_FLAGS] &= ~flags
    _set(descriptor, wanted)
    try:
        yield
    finally:
        _set(descriptor, before)


def _set(descriptor: int, modes: list[int | list[bytes | int]]) -> None:
    # An error: the terminal has gone meanwhile, and there is nothing to be set.
    with contextlib.suppress(termios.error):
        termios.tcsetattr(descriptor, termios.TCSADRAIN, modes)
