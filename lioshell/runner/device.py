# SPDX-License-Identifier: Apache-2.0
"""A device that is being served: its uio file, its ring and the logical unit behind it.

One thread at a time, the one that leads the loop, calls everything here unless said otherwise. What
needs no wait is executed inline: on page-cache hits a thread hop costs more than the command.
"""

from __future__ import annotations

import gc
import time

from lioshell.errors import RunnerError
from lioshell.runner import tuning
from lioshell.runner.abi import MAILBOX_HEAD_WORD, MAILBOX_TAIL_WORD
from lioshell.runner.age import OLD_S, Age
from lioshell.runner.command import GOOD, INTERNAL_TARGET_FAILURE, Deferred, Response, forget
from lioshell.runner.jobs import BUSY, TASK_ABORTED, Job, Jobs, busy
from lioshell.runner.ring import Ring
from lioshell.runner.statistics import Statistics
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.ports import UioDevice, UioHandle
    from lioshell.runner.command import Command, FastPath, LogicalUnit
    from lioshell.runner.jobs import Engine

BUDGET_COMMANDS = 64
"""How many commands a device may execute before the other devices get their turn."""
BUDGET_S = 0.01
"""How long it may take for that; one command more than this at most."""
MAX_IN_FLIGHT = 16
"""How many commands of one device may be on workers, where its unit does not say."""


class ServedDevice:
    """Serves the commands of one opened TCMU device with a logical unit.

    Takes over `handle` and `unit`: `close` closes both. `report` gets a line of text for what the
    user should know. `time_out_s()` is the kernel's cmd_time_out, 0 for none. Without an `engine`
    deferred commands are executed inline. Raises RunnerError when the ring is none that this code
    can serve; handle and unit stay the caller's then.
    """

    __slots__ = (
        "_begun",
        "_current",
        "_fast",
        "_handle",
        "_jobs",
        "_kick",
        "_report",
        "_unit",
        "_waited",
        "age",
        "answer_one",
        "closed",
        "device",
        "ring",
        "statistics",
    )

    def __init__(
        self,
        device: UioDevice,
        handle: UioHandle,
        unit: LogicalUnit,
        report: Callable[[str], None],
        time_out_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.device = device
        self._handle = handle
        self._unit = unit
        self._report = report
        self.ring = Ring(handle.map)
        self.age = Age(self.ring, time_out_s)
        self._begun = 0.0
        # What is executed inline now: of one that hangs it shall be known what it is.
        self._current: Command | None = None
        self._jobs: Jobs | None = None
        # Told of what took long inline, so that the unit can hand the next to a worker.
        self._waited: Callable[[float], None] | None = getattr(unit, "waited", None)
        self._kick: Callable[[], None] | None = getattr(unit, "kick", None)
        fast_path = getattr(unit, "fast_path", None)
        self._fast: FastPath | None = None
        if fast_path is not None and tuning.has(tuning.FAST_PATH):
            self._fast = fast_path(self.ring, self._slow)
        self.statistics = Statistics()
        self.answer_one: Callable[[float], float] = _not_one
        """Answers a plain command that is alone in the ring; time -> time, 0.0: it is `drain`'s."""
        if self._fast is not None:
            self.answer_one = self._fast.single(handle.notify, self.statistics)
        self.closed = False

    @property
    def uio_name(self) -> str:
        """The device's name in sysfs, e.g. "uio0"."""
        return self.device.uio_name

    @property
    def unit(self) -> LogicalUnit:
        """The logical unit that answers."""
        return self._unit

    @property
    def settled(self) -> bool:
        """Whether everything that the kernel has queued is answered."""
        return self.ring.empty and not self.ring.in_flight

    @property
    def works_beside(self) -> bool:
        """Whether commands are executed beside the loop."""
        return self._jobs is not None and bool(self._jobs.in_flight)

    @property
    def has_commands(self) -> bool:
        """Whether the kernel has queued what was not looked at."""
        return not self.ring.empty

    def read_event(self) -> None:
        """Consume the event of commands that were answered. Raises OSError(EIO): removed."""
        self._handle.read_event()

    def fileno(self) -> int:
        """Return the descriptor that is readable when commands came or the device went."""
        return self._handle.fileno()

    def attach(self, engine: Engine) -> None:
        """Have deferred commands executed by an engine from now on."""
        if not self.ring.out_of_order:
            return  # A kernel that wants its answers in order gets them inline.
        limit = int(getattr(self._unit, "max_in_flight", MAX_IN_FLIGHT))
        self._jobs = Jobs(
            engine, max(1, limit), lambda: engine.ready(self), self._expired, self._failed
        )

    def in_flight(self) -> list[tuple[bytes, float | None]]:
        """List what is being executed beside the loop, from any thread.

        Each is a CDB and the time.monotonic() of its start, None while it waits for a worker.
        """
        jobs = self._jobs
        found = [] if jobs is None else [(j.cdb, j.started) for j in list(jobs.in_flight.values())]
        current = self._current
        if current is not None:
            return [(current.cdb, self._begun), *found]
        plain = self._fast.current() if self._fast is not None else None
        return found if plain is None else [plain, *found]

    def service(self, now: float | None = None) -> bool:
        """Handle one wake-up: consume the event, then drain; tell whether commands are left.

        The event is read first: one that comes while the ring is drained wakes the loop again.
        Raises OSError(EIO) when the device has been removed, RunnerError when its ring is broken.
        """
        self._handle.read_event()
        return self.drain(now)

    def drain(self, now: float | None = None) -> bool:
        """Answer what has been finished, execute some commands, tell whether more wait.

        `now` is time.monotonic(). The kernel is notified once, at the end. Raises RunnerError when
        the ring is broken.
        """
        ring = self.ring
        words = ring.words
        # With nothing in flight the tail alone tells of a reset.
        if (ring.slots or words[MAILBOX_TAIL_WORD] != ring.cursor) and ring.was_reset:
            self._start_over()
        jobs = self._jobs
        done = 0 if jobs is None or not jobs.finished else self._answer_finished(jobs)
        slow_s = self.statistics.slow_s
        age = self.age
        self._begun = begun = now = now or time.monotonic()
        stale = now - age.not_before > OLD_S and age.is_over(age.not_before, now)
        enough = begun + min(BUDGET_S, slow_s)
        cursor = ring.cursor
        left = BUDGET_COMMANDS
        fast = None if stale else self._fast
        if fast is not None and not done:
            if ended := self.answer_one(now):
                age.emptied(ended)
                return not ring.empty
            if fast.large and fast.first(now):
                age.moved(ring.distance(cursor, ring.cursor), now)
                return not ring.empty
        before = 0 if fast is None else fast.executed
        plain = 0
        try:
            if fast is not None:
                plain = fast.run(left, now, enough, slow_s)
                left -= plain
                if plain and words[MAILBOX_HEAD_WORD] == ring.cursor:
                    # Most turns are like that.
                    age.emptied(now)
                    return False
            emptied = False
            clock = time.monotonic
            if plain and (now := clock()) > enough:
                left = 0
            execute = self._too_late(now) if stale else self._unit.execute
            pop = ring.pop
            complete = ring.complete
            while left > 0:
                popped = pop()
                if popped is None:
                    emptied = True
                    break
                cmd_id, command = popped
                self._current = command
                left -= 1
                try:
                    answer = execute(command)
                    if answer is not GOOD and isinstance(answer, Deferred):
                        done += self._defer(cmd_id, command, answer)
                    else:
                        complete(cmd_id, command, answer)
                        done += 1
                        left = 0 if command.size_bytes > tuning.LARGE_BYTES else left
                except KeyboardInterrupt as error:
                    # Ctrl-C in the middle of a command: the initiator sends it again.
                    complete(cmd_id, command, BUSY)
                    done += 1
                    forget(command, error)
                    raise
                except BaseException as error:  # noqa: BLE001 - no unit may stop the ring
                    complete(cmd_id, command, INTERNAL_TARGET_FAILURE)
                    done += 1
                    self._failed(command.cdb, error)
                last, now = now, clock()
                if now > enough:
                    if now - last > slow_s:
                        self._slow(command.cdb, now - last)
                    break
                if plain and fast is not None and left > 0:
                    self._current = None  # it was not plain, among others that may be
                    plain = fast.run(left, now, enough, slow_s)
                    left -= plain
                    if (now := clock()) > enough:
                        break
        finally:
            self._current = None
            if self._kick is not None:
                self._kick()
            if fast is not None:
                done += fast.executed - before
            if ring.aborted:
                done += self._abort(ring.take_aborted())
            if done:
                self.statistics.commands += done
                self._handle.notify()
        if emptied:
            age.emptied(now)
            return False
        age.moved(ring.distance(cursor, ring.cursor), now)
        return True

    def drain_all(self, limit: int = 65536) -> None:
        """Execute everything that is queued; for a blocked device, to which nothing is added.

        `limit` bounds the work should commands keep coming all the same.
        """
        while limit > 0 and self.drain():
            limit -= BUDGET_COMMANDS

    # Commands beside the loop -------------------------------------------------------------------

    def _defer(self, cmd_id: int, command: Command, deferred: Deferred) -> int:
        """Hand a command on; return how many are answered by that."""
        jobs = self._jobs
        if jobs is None:
            self.ring.complete(cmd_id, command, deferred.run())
            return 1
        jobs.put(Job(cmd_id, command, deferred, self.age.not_before))
        return 0

    def _answer_finished(self, jobs: Jobs) -> int:
        """Answer the commands that were finished beside the loop and return how many they were."""
        done = 0
        while (job := jobs.take_finished()) is not None:
            self._answer(job, job.response)
            done += 1
        if done:
            jobs.start()
        return done

    def _answer(self, job: Job, response: Response) -> None:
        command, job.command = job.command, None
        if command is None:
            return
        try:
            self.ring.complete(job.cmd_id, command, response)
        except Exception as error:  # noqa: BLE001 - a unit's answer may be no response at all
            self.ring.complete(job.cmd_id, command, INTERNAL_TARGET_FAILURE)
            self._failed(job.cdb, error)
        if job.started is not None:
            took_s = time.monotonic() - job.started
            if took_s > self.statistics.slow_s:
                self._slow(job.cdb, took_s, inline=False)

    def _abort(self, cmd_ids: list[int]) -> int:
        """Answer what was not started of the commands that an initiator has given up."""
        if not cmd_ids or self._jobs is None:
            return 0
        given_up = self._jobs.abort_waiting(cmd_ids)
        for job in given_up:
            self._answer(job, TASK_ABORTED)
        return len(given_up)

    def _start_over(self) -> None:
        """Go on after somebody else has emptied the ring, when that is safe."""
        jobs = self._jobs
        if jobs is not None:
            for job in jobs.abort_waiting():
                job.command = None
            if jobs.in_flight:
                # Their buffers may be another command's by now.
                raise RunnerError("another program has reset its ring while commands were executed")
        self.ring.start_over()

    def _expired(self, job: Job) -> bool:
        return self.age.is_over(job.not_before, time.monotonic())

    def _too_late(self, now: float) -> Callable[[Command], Response]:
        """Return what answers commands that may have waited for longer than the kernel does.

        BUSY is right both where nobody listens any more, and for one that is not too old after
        all, which is sent again.
        """
        self._report(
            f"{self.device.configfs_path}: commands that had waited for up to"
            f" {now - self.age.not_before:.0f} s were not executed"
        )
        return busy

    def _slow(self, cdb: bytes, took_s: float, inline: bool = True) -> None:
        self.statistics.note_slow(cdb, took_s)
        if inline and self._waited is not None:
            self._waited(took_s)

    def _failed(self, cdb: bytes, error: BaseException) -> None:
        # The 1st, 2nd, 4th, 8th ...: an initiator that retries must not flood the log.
        self.statistics.failures += 1
        failures = self.statistics.failures
        if failures & (failures - 1) == 0:
            count = f" ({failures} failures)" if failures > 1 else ""
            self._report(
                f"{self.device.configfs_path}: command {cdb.hex(' ')} failed:"
                f" {type(error).__name__}: {error}{count}"
            )

    # The end ----------------------------------------------------------------------------------

    def close(self) -> bool:
        """Unmap and release the device and close the unit; all is done whatever one step raises.

        While commands are still executed beside the loop their buffers must stay, and the kernel's
        ownership with them: False says so, and `close` is to be called again.
        """
        if self.closed:
            return True
        jobs = self._jobs
        if jobs is not None:
            for job in jobs.abort_waiting():
                job.command = None
            while (finished := jobs.take_finished()) is not None:
                finished.command = None
            if jobs.in_flight:
                return False
        self.closed = True
        problems: list[str] = []
        # The views of the map go first: a map with views cannot be closed, and an open map keeps
        # the uio file open (mmap duplicates the descriptor), which nobody else could open then.
        if self._fast is not None:
            self._fast.close()
        self.ring.close()
        try:
            self._unit.close()
        except Exception as error:  # noqa: BLE001 - the device is released all the same
            problems.append(f"closing its storage failed: {type(error).__name__}: {error}")
        try:
            self._handle.close()
        except BufferError:
            # A unit that kept slices in a reference cycle; those of a dead cycle can be freed.
            gc.collect()
            try:
                self._handle.close()
            except BufferError:
                problems.append("its handler keeps buffers of finished commands")
        except OSError as error:
            problems.append(f"closing it failed: {error.strerror or error}")
        for problem in problems:
            self._report(f"{self.device.configfs_path}: {problem}")
        return True


def _not_one(_now: float) -> float:
    return 0.0
