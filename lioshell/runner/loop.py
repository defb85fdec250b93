# SPDX-License-Identifier: Apache-2.0
"""One thread that serves all devices: an epoll loop over their uio files.

Each device's ring and unit are touched by this thread alone, so they need no locks. Other threads
talk to it through a queue and an eventfd.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from lioshell.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.device import ServedDevice

    Detached = Callable[["ServedDevice", Exception], None]

_Result = TypeVar("_Result")
CALL_TIMEOUT_S = 30.0


class Loop:
    """Serves devices in the foreground (`run`) or in a daemon thread (`start_thread`).

    `on_detached(device, error)` is called in the loop's thread after a device was dropped because
    it raised: OSError(EIO) when the kernel removed it, RunnerError when its ring is broken. The
    device is closed by then. `report` gets a line of text when a callback itself raises. All
    methods may be called from any thread; `stop` from a signal handler too.
    """

    def __init__(
        self,
        on_detached: Detached | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.on_detached = on_detached
        self.report = report
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self._devices: dict[int, ServedDevice] = {}
        self._readers: dict[int, Callable[[], None]] = {}
        # Devices that have used up their turn, in the order in which they get the next.
        self._backlog: dict[int, ServedDevice] = {}
        self._posted: deque[Callable[[], None]] = deque()
        self._gate = threading.RLock()
        self._thread_id: int | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether a thread runs the loop."""
        return self._thread_id is not None

    def devices(self) -> list[ServedDevice]:
        """List the devices that are in the loop."""
        return list(self._devices.values())

    # What other threads ask for -------------------------------------------------------------

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

        Raises RunnerError when the loop does not come to it in time because a handler hangs.
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
        """Stop serving a device and close it; nothing happens when it is not served."""
        self.call(partial(self._remove, uio_name))

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
            self._thread = threading.Thread(target=self._run, name="lioshell-runner", daemon=True)
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
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(timeout_s)
        if thread.is_alive():
            raise RunnerError(f"The runner did not stop in {timeout_s:g} s: a handler hangs")
        self._thread = None

    def close(self) -> None:
        """Stop, wait for the thread, close every device that is left, release the descriptors."""
        if self._closed:
            return
        self.stop()
        self.join()
        for device in self.devices():
            self._remove(device.uio_name)
        self._closed = True
        self._epoll.close()
        os.close(self._wake_fd)

    def _wake(self) -> None:
        if not self._closed:
            os.eventfd_write(self._wake_fd, 1)

    # The loop's thread ------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until `stop` is called."""
        self._run()

    def _run(self) -> None:
        with self._gate:
            if self._thread_id is not None:
                raise RunnerError("The loop runs already")
            self._thread_id = threading.get_ident()
        try:
            while not self._stopping:
                self._turn()
        finally:
            with self._gate:
                self._thread_id = None
                self._stopping = False
                self._run_posted()

    def _turn(self) -> None:
        """Wait for wake-ups, unless devices wait for their turn, and give each device one."""
        backlog = self._backlog
        events = self._epoll.poll(0 if backlog else None)
        waiting = list(backlog.items()) if backlog else ()
        for fd, _ in events:
            device = self._devices.get(fd)
            if device is not None:
                self._serve(fd, device, device.service)
            elif fd == self._wake_fd:
                os.eventfd_read(fd)
                self._run_posted()
            else:
                callback = self._readers.get(fd)
                if callback is not None:
                    self._guarded(callback)
        if waiting:
            had_turn = {fd for fd, _ in events}
            for fd, device in waiting:
                if fd not in had_turn and backlog.get(fd) is device:
                    self._serve(fd, device, device.drain)

    def _serve(self, fd: int, device: ServedDevice, turn: Callable[[], bool]) -> None:
        # One that has more to do goes to the end of the line.
        self._backlog.pop(fd, None)
        try:
            if turn():
                self._backlog[fd] = device
        except Exception as error:  # noqa: BLE001 - one device's end is not the others'
            # Its frames may hold slices of the map, which then could not be closed.
            error.__traceback__ = None
            self._detach(fd, device)
            detached = self.on_detached
            if detached is not None:
                self._guarded(partial(detached, device, error))

    def _attach(self, device: ServedDevice) -> None:
        fd = device.fileno()
        self._epoll.register(fd, select.EPOLLIN)
        self._devices[fd] = device
        # Commands that were queued before the file was opened cause no event.
        self._serve(fd, device, device.drain)

    def _remove(self, uio_name: str) -> None:
        for fd, device in list(self._devices.items()):
            if device.uio_name == uio_name:
                self._detach(fd, device)

    def _detach(self, fd: int, device: ServedDevice) -> None:
        self._devices.pop(fd, None)
        self._backlog.pop(fd, None)
        self._epoll.unregister(fd)
        device.close()

    def _run_posted(self) -> None:
        posted = self._posted
        while posted:
            self._guarded(posted.popleft())

    def _guarded(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001 - the other devices are served on
            if self.report is not None:
                self.report(f"The runner met an error: {type(error).__name__}: {error}")
