# SPDX-License-Identifier: Apache-2.0
"""Threads for what may block, shared by all devices of a process.

There is no limit here: each device has its own (jobs.py), so that one whose storage hangs cannot
use up the threads of the others.
"""

from __future__ import annotations

import queue
import threading

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    Job = Callable[[], None]

IDLE_S: Final = 5.0
"""A thread that had nothing to do for so long ends."""


class Workers:
    """Runs each job in a thread of its own, an idle one where there is one."""

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Job]] = []

    def run(self, job: Job) -> None:
        """Have a thread call `job`, which must not raise.

        Raises RuntimeError when the system gives no more threads; the job is not run then.
        """
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is not None:
            inbox.put(job)
            return
        threading.Thread(
            target=self._work, args=(job,), name="lioshell-worker", daemon=True
        ).start()

    def _work(self, job: Job | None) -> None:
        inbox: queue.SimpleQueue[Job] = queue.SimpleQueue()
        while job is not None:
            job()
            # It holds slices of a map, which could not be closed while this thread waits.
            job = None
            with self._lock:
                self._idle.append(inbox)
            try:
                job = inbox.get(timeout=self._idle_s)
            except queue.Empty:
                with self._lock:
                    if inbox in self._idle:
                        self._idle.remove(inbox)
                        return
                # Somebody took it out of the list at this moment: a job is on its way.
                job = inbox.get()
