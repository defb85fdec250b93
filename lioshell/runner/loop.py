# SPDX-License-Identifier: Apache-2.0
"""One thread that serves all devices: an epoll loop over their uio files.

Each device's ring and unit are touched by one thread at a time, the one that leads the loop, so
they need no locks. Other threads talk to it through queues and an eventfd. A leader that hangs in a
command loses the lead: another thread goes on with the other devices, and the first gives its
device back when the command has ended.
"""

from __future__ import annotations

import os
import select
import threading
import time
from functools import partial
from typing import TypeVar

from lioshell.errors import RunnerError
from lioshell.runner import tuning
from lioshell.runner.priority import serve_first
from lioshell.runner.spinning import usual_spin_us
from lioshell.runner.turns import STARTING, Turns
from lioshell.runner.watchdog import Watchdog
from lioshell.runner.workers import Workers
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.device import ServedDevice
    from lioshell.runner.turns import Detached

_Result = TypeVar("_Result")
CALL_TIMEOUT_S = 30.0


class Loop(Turns):
    """Serves devices in the foreground (`run`) or in a daemon thread (`start_thread`).

    `on_detached(device, error)` is called in the loop's thread after a device was dropped because
    it raised: OSError(EIO) when the kernel removed it, RunnerError when its ring is broken. The
    device is closed by then, or will be once the commands in its handler have ended. `report` gets
    a line of text when a callback itself raises. Busy rings are looked at for up to `spin_us`
    microseconds before the loop sleeps; None: as is usual on this machine. All methods may be
    called from any thread; `stop` from a signal handler too.
    """

    def __init__(
        self,
        on_detached: Detached | None = None,
        report: Callable[[str], None] | None = None,
        spin_us: int | None = None,
    ) -> None:
        if not tuning.has(tuning.SPINNING):
            spin_us = 0
        super().__init__(usual_spin_us() if spin_us is None else spin_us)
        self.on_detached = on_detached
        self.report = report
        self._workers = Workers()
        self._watchdog = Watchdog(self)

    @property
    def running(self) -> bool:
        """Whether a thread runs the loop."""
        return self._thread_id is not None

    def devices(self) -> list[ServedDevice]:
        """List the devices that are in the loop."""
        return list(self._devices.values())

    # What other threads ask for -------------------------------------------------------------

    def run_job(self, job: Callable[[], None]) -> None:
        """Have a worker call `job`; RuntimeError when there can be no more threads."""
        self._workers.run(job)

    def post(self, function: Callable[[], None]) -> None:
        """Have the loop's thread call `function`; at once where no thread runs the loop."""
        if self._thread_id == threading.get_ident():
            function()
            return
        # The gate is held for the call, so that a loop that starts meanwhile waits for its end.
        with self._gate:
            if self._thread_id is None:
                function()
            else:
                self._posted.append(function)
                self._wake()

    def call(self, function: Callable[[], _Result], timeout_s: float = CALL_TIMEOUT_S) -> _Result:
        """Have the loop's thread call `function` and return what it returns or raises.

        Raises RunnerError when the loop does not come to it in time.
        """
        finished = threading.Event()
        results: list[_Result] = []
        errors: list[BaseException] = []

        def job() -> None:
            try:
                results.append(function())
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                errors.append(error)
            finished.set()

        self.post(job)
        if not finished.wait(timeout_s):
            raise RunnerError(
                f"The runner has been busy with one command for {timeout_s:g} s",
                hint="A handler hangs; end the process, the next runner takes its devices over",
            )
        if errors:
            raise errors[0]
        return results[0]

    def add(self, device: ServedDevice) -> None:
        """Serve a device; what its ring holds already is answered before the first wait."""
        self.post(partial(self._attach, device))

    def remove(self, uio_name: str) -> None:
        """Stop serving a device and close it; nothing happens when it is not served.

        Commands that are in its handler end first; nobody waits for that.
        """
        self.call(partial(self._remove, uio_name))

    def settle(self, device: ServedDevice, timeout_s: float) -> bool:
        """Wait until a blocked device has answered everything; False: it takes longer.

        Raises what its ring raises.
        """
        deadline = time.monotonic() + timeout_s

        def settled() -> bool:
            fd = device.fileno()
            if fd in self._captured:
                return False
            if self._devices.get(fd) is not device:
                return True
            device.drain_all()
            return device.settled

        while not self.call(settled):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` in the loop's thread whenever `fd` is readable."""

        def register() -> None:
            self._epoll.register(fd, select.EPOLLIN)
            self._readers[fd] = callback

        self.call(register)

    def remove_reader(self, fd: int) -> None:
        """Stop watching a descriptor that `add_reader` was given; before it is closed."""

        def unregister() -> None:
            if self._readers.pop(fd, None) is not None:
                self._epoll.unregister(fd)

        self.call(unregister)

    def start_thread(self) -> None:
        """Run the loop in a daemon thread; nothing happens when it runs already."""
        with self._gate:
            if self._thread_id is not None or (self._thread and self._thread.is_alive()):
                return
            self._thread = threading.Thread(
                target=self._run_first, name="lioshell-runner", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Make `run` return after the present turn; devices stay open and are not served.

        A `run` that has not begun yet returns at once.
        """
        self._stopping = True
        self._wake()

    def join(self, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Wait for the thread of `start_thread` to end after `stop`.

        Raises RunnerError when it does not end in time because a handler hangs.
        """
        deadline = time.monotonic() + timeout_s
        while (thread := self._thread) is not None and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
            if self._thread is not thread:
                continue  # it hangs, and another one leads
            if thread.is_alive():
                raise RunnerError(f"The runner did not stop in {timeout_s:g} s: a handler hangs")
            self._thread = None

    def close(self) -> None:
        """Stop, wait for the thread, close every device that is left, release the descriptors."""
        if self._closed:
            return
        self.stop()
        self.join()
        self._watchdog.stop()
        for device in self.devices():
            self._remove(device.uio_name)
        for device in list(self._closing.values()):
            self._close(device)
        with self._wake_lock:
            self._closed = True
            self._epoll.close()
            os.close(self._wake_fd)

    def run(self) -> None:
        """Serve until `stop` is called."""
        self._run()
        # A leader that was deposed is back from its command here; another one goes on.
        self._over.wait()

    def _run_first(self) -> None:
        serve_first()
        self._run()

    def _run(self) -> None:
        with self._gate:
            if self._thread_id is not None:
                raise RunnerError("The loop runs already")
            self._over.clear()
            self._thread_id = STARTING
        self._watchdog.start()
        self._lead()
