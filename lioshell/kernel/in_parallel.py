# SPDX-License-Identifier: Apache-2.0
"""Many calls of which each makes the kernel wait: at once, in threads."""

from __future__ import annotations

import threading
from collections import deque

from lioshell.errors import LioshellError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_THREADS = 32


def in_parallel(do: Callable[[str], None], paths: Sequence[str]) -> dict[str, LioshellError]:
    """Do one thing with every path, in no particular order; return the refusals, by path.

    Ctrl-C lets what was begun come to its end, and begins nothing more.
    """
    waiting = deque(paths)
    refused: dict[str, LioshellError] = {}

    def work() -> None:
        while waiting:
            try:
                path = waiting.popleft()
            except IndexError:
                # Another thread was quicker.
                return
            try:
                do(path)
            except LioshellError as error:
                refused[path] = error

    threads = [
        threading.Thread(target=work, name="change", daemon=True)
        for _ in range(min(_THREADS, len(paths)))
    ]
    try:
        for thread in threads:
            thread.start()
    finally:
        _joined(threads, waiting)
    return refused


def _joined(threads: list[threading.Thread], waiting: deque[str]) -> None:
    try:
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    except BaseException:
        waiting.clear()
        _joined(threads, waiting)
        raise
