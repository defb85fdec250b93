# SPDX-License-Identifier: Apache-2.0
"""Opening the storage of devices, one after the other, without waiting for one that hangs.

A network file system that does not answer may keep open(2) for minutes. Who scans for devices waits
a moment for each, and goes on to the next; the late one is attached when its storage opens.
"""

from __future__ import annotations

import threading

from lioshell.runner.workers import Workers
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Final

PATIENCE_S: Final = 2.0


class Openings:
    """Runs what opens a storage; `late(error)` gets what one that was not waited for raised."""

    def __init__(self, late: Callable[[Exception], None], patience_s: float = PATIENCE_S) -> None:
        self._late = late
        self.patience_s = patience_s
        self._workers = Workers()
        self._lock = threading.Lock()
        self._going_on: set[Hashable] = set()

    def __contains__(self, key: object) -> bool:
        return key in self._going_on

    def run(self, key: Hashable, function: Callable[[], None]) -> bool:
        """Call `function`, waiting for its end for a moment; False: it has not ended.

        Raises what it raises, when it is waited for. `key` says that it goes on until it ends.
        """
        with self._lock:
            self._going_on.add(key)
        ended = threading.Event()
        errors: list[Exception] = []
        abandoned = False

        def job() -> None:
            try:
                function()
            except Exception as error:  # noqa: BLE001 - raised or told, as somebody waits or not
                errors.append(error)
            with self._lock:
                self._going_on.discard(key)
                ended.set()
                late = abandoned
            if late and errors:
                self._late(errors[0])

        try:
            self._workers.run(job)
        except RuntimeError:
            # No thread to be had: then it is done here.
            job()
        ended.wait(self.patience_s)
        with self._lock:
            if not ended.is_set():
                abandoned = True
                return False
        if errors:
            raise errors[0]
        return True
