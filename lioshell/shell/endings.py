# SPDX-License-Identifier: Apache-2.0
"""What ends a session from outside: SIGTERM, and SIGHUP where its terminal has gone.

Both end what runs as Ctrl-C does, which undoes what it had begun, and then the session: it saves
and hands its disks over as if its user had left, without a question.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import TextIO

    from lioshell.environment import Environment


class Ending:
    """Whether the session is asked to end, and whether anybody can still be told of it."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.is_asked = False

    def asked(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # a handler
        """End what runs; where the terminal has gone, all that is still to be said goes nowhere."""
        self.is_asked = True
        if number == signal.SIGHUP:
            self._env.stdout = self._env.stderr = _nowhere()
        raise KeyboardInterrupt


def _nowhere() -> TextIO:
    """Return a stream for as long as the process lives."""
    return open(os.devnull, "r+", encoding="utf-8")


@contextlib.contextmanager
def listening(env: Environment) -> Iterator[Ending]:
    """Hear the signals inside; a thread other than the main one cannot."""
    ending = Ending(env)
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    before = {n: signal.signal(n, ending.asked) for n in (signal.SIGTERM, signal.SIGHUP)}
    # Whoever started us may ignore it (a shell does for what it puts in the background).
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
