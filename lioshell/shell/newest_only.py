# SPDX-License-Identifier: Apache-2.0
"""A thread that works on the newest question only, so that no keystroke waits for the machine."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Q = TypeVar("Q")
A = TypeVar("A")


class NewestOnly(Generic[Q, A]):
    """Answers questions in a thread of its own; one that a newer replaces is never worked on.

    `work` answers a question; `late` is called, in the thread, for an answer that its asker did
    not wait for. The thread is a daemon: what hangs in the kernel does not keep the program.
    """

    def __init__(self, work: Callable[[Q], A], late: Callable[[], None]) -> None:
        self._work = work
        self._late = late
        self._changed = threading.Condition()
        self._question: tuple[Q] | None = None
        self._answered: tuple[Q, A] | None = None
        self._thread: threading.Thread | None = None
        self._is_waiting = False

    def ask(self, question: Q, patience_s: float) -> A | None:
        """Return the answer, or None where it takes longer than `patience_s`."""
        with self._changed:
            known = self._known(question)
            if known is not None:
                return known[1]
            self._start()
            self._question = (question,)
            self._changed.notify_all()
            self._is_waiting = True
            try:
                self._changed.wait_for(lambda: self._known(question) is not None, patience_s)
            finally:
                self._is_waiting = False
            known = self._known(question)
            return None if known is None else known[1]

    def forget(self) -> None:
        """Forget the last answer: the world may have changed."""
        with self._changed:
            self._answered = None

    def _known(self, question: Q) -> tuple[Q, A] | None:
        answered = self._answered
        return answered if answered is not None and answered[0] == question else None

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="newest-only", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._question is not None)
                assert self._question is not None
                (question,) = self._question
                self._question = None
            answer = self._work(question)
            with self._changed:
                self._answered = (question, answer)
                is_late = not self._is_waiting
                self._changed.notify_all()
            if is_late:
                self._late()
