# SPDX-License-Identifier: Apache-2.0
"""The commands of one device that are executed beside the loop: on workers or by an engine.

All bookkeeping is done by the one thread that serves the device, so it needs no lock; what another
thread has finished comes back through a queue and a wake-up.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from typing import Protocol

from lioshell.runner.command import INTERNAL_TARGET_FAILURE, Response
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Deferred
    from lioshell.runner.device import ServedDevice

# SAM-6 5.3.1: the initiator sends the command again.
BUSY = Response(0x08)
# SAM-6 5.3.1: nobody waits for this command any more.
TASK_ABORTED = Response(0x40)


def busy(_command: Command) -> Response:
    """Answer a command that is not to be executed now."""
    return BUSY


class Runner(Protocol):
    """What starts jobs: the loop's workers."""

    def run_job(self, job: Callable[[], None]) -> None:
        """Have a worker call `job`; RuntimeError when there can be no more threads."""


class Engine(Runner, Protocol):
    """What executes deferred commands: the loop that a device is in."""

    def ready(self, device: ServedDevice) -> None:
        """Have `service` called soon by the thread that serves the device; from any thread."""


class Job:
    """A deferred command in flight; times are those of time.monotonic().

    `not_before` is a time before which the command was not in the ring, `started` when its
    execution began, None while it waits for a worker.
    """

    __slots__ = (
        "cdb",
        "cmd_id",
        "command",
        "deferred",
        "not_before",
        "on_worker",
        "response",
        "started",
    )

    def __init__(
        self, cmd_id: int, command: Command, deferred: Deferred, not_before: float
    ) -> None:
        self.cmd_id = cmd_id
        self.cdb = command.cdb
        self.command: Command | None = command
        self.deferred: Deferred | None = deferred
        self.not_before = not_before
        self.started: float | None = None
        self.on_worker = False
        self.response: Response = INTERNAL_TARGET_FAILURE


class Jobs:
    """Starts the jobs of a device in the order in which they came, at most `limit` on workers.

    `wake()` is called, in any thread, when one is finished: `take_finished` then returns it.
    `expired(job)` tells whether the kernel has given up a command that was not started: it is
    answered BUSY. `failed(cdb, error)` is told what a command raised.
    """

    __slots__ = (
        "_expired",
        "_failed",
        "_runner",
        "_wake",
        "finished",
        "in_flight",
        "limit",
        "waiting",
        "working",
    )

    def __init__(
        self,
        runner: Runner,
        limit: int,
        wake: Callable[[], None],
        expired: Callable[[Job], bool],
        failed: Callable[[bytes, BaseException], None],
    ) -> None:
        self._runner = runner
        self.limit = limit
        self._wake = wake
        self._expired = expired
        self._failed = failed
        self.finished: deque[Job] = deque()
        """What `take_finished` has not returned yet."""
        self.waiting: deque[Job] = deque()
        self.in_flight: dict[int, Job] = {}
        """Every job that was put and not taken back as finished, by cmd_id."""
        self.working = 0
        """How many of them are on workers."""

    def put(self, job: Job) -> None:
        """Start a job, or have it wait for its turn."""
        self.in_flight[job.cmd_id] = job
        self.waiting.append(job)
        self.start()

    def start(self) -> None:
        """Start what waits, as far as the limit allows."""
        waiting = self.waiting
        while waiting:
            job = waiting[0]
            deferred = job.deferred
            if deferred is not None and deferred.submit is not None:
                waiting.popleft()
                self._submit(job, deferred.submit)
                continue
            if self.working >= self.limit:
                return
            waiting.popleft()
            self.working += 1
            job.on_worker = True
            try:
                self._runner.run_job(_Work(self, job))
            except RuntimeError:
                # No thread to be had: the initiator is to try again later.
                self._drop(job)
                job.response = BUSY
                self._finish(job)

    def _submit(self, job: Job, submit: Callable[[Callable[[Response], None]], None]) -> None:
        if self._expired(job):
            self._drop(job)
            job.response = BUSY
            self._finish(job)
            return
        job.started = time.monotonic()

        def finish(response: Response) -> None:
            job.response = response
            self._finish(job)

        try:
            submit(finish)
        except BaseException as error:  # noqa: BLE001 - every command is answered
            self._failed(job.cdb, error)
            traceback.clear_frames(error.__traceback__)
            self._finish(job)

    def work(self, job: Job) -> None:
        """Execute a job; in a worker's thread."""
        deferred = job.deferred
        if deferred is None:
            return
        if self._expired(job):
            self._drop(job)
            job.response = BUSY
        else:
            job.started = time.monotonic()
            try:
                job.response = deferred.run()
            except BaseException as error:  # noqa: BLE001 - every command is answered
                self._failed(job.cdb, error)
                traceback.clear_frames(error.__traceback__)
        del deferred
        self._finish(job)

    def _drop(self, job: Job) -> None:
        deferred = job.deferred
        if deferred is not None:
            deferred.drop()

    def _finish(self, job: Job) -> None:
        job.deferred = None
        self.finished.append(job)
        self._wake()

    def take_finished(self) -> Job | None:
        """Return a finished job, None when there is none.

        A job that an engine finishes a second time is given only once.
        """
        while self.finished:
            job = self.finished.popleft()
            if self.in_flight.get(job.cmd_id) is job:
                del self.in_flight[job.cmd_id]
                self.working -= job.on_worker
                return job
        return None

    def abort_waiting(self, cmd_ids: list[int] | None = None) -> list[Job]:
        """Give up jobs that were not started (all of them, or those of these ids); return them."""
        given_up: list[Job] = []
        kept: deque[Job] = deque()
        for job in self.waiting:
            if cmd_ids is None or job.cmd_id in cmd_ids:
                self._drop(job)
                job.deferred = None
                del self.in_flight[job.cmd_id]
                given_up.append(job)
            else:
                kept.append(job)
        self.waiting = kept
        return given_up


class _Work:
    """One job as a callable that can be dropped by a worker that waits for the next."""

    __slots__ = ("_job", "_jobs")

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self._jobs = jobs
        self._job = job

    def __call__(self) -> None:
        self._jobs.work(self._job)
