# SPDX-License-Identifier: Apache-2.0
"""Turns: what the thread that leads a loop does, and how a hanging leader is replaced.

The leader executes commands inline. One that does not come back from a command for a while is
deposed: a new thread leads on, without the device of that command, which its old thread gives back
once the command has ended. So page-cache hits cost no thread hop, and a storage that hangs delays
the other devices for a moment only.
"""

from __future__ import annotations

import os
import select
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from functools import partial

from lioshell.runner.priority import serve_first
from lioshell.runner.spinning import Spinning
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.device import ServedDevice

    Detached = Callable[[ServedDevice, Exception], None]

_NO_MEMORY_S = 0.01
_MOST_EVENTS = 64
STARTING = -1
"""Stands for the thread that is to lead and has not begun."""


class _DeposedError(BaseException):
    """This thread leads the loop no more."""


class Turns(ABC):
    """The state of a loop and the work of its leader; `Loop` is what others use."""

    def __init__(self, spin_us: int) -> None:
        self._spinning = Spinning(spin_us)
        self.on_detached: Detached | None = None
        self.report: Callable[[str], None] | None = None
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self._devices: dict[int, ServedDevice] = {}
        self._readers: dict[int, Callable[[], None]] = {}
        # Devices that have used up their turn, in the order in which they get the next.
        self._backlog: dict[int, ServedDevice] = {}
        # Devices whose thread hangs in a command and does not lead any more.
        self._captured: dict[int, ServedDevice] = {}
        # Devices that are detached and still have commands in their handler.
        self._closing: dict[int, ServedDevice] = {}
        self._posted: deque[Callable[[], None]] = deque()
        self._ready: deque[ServedDevice] = deque()
        self._ready_told = False
        self._gate = threading.RLock()
        self._role = threading.Lock()
        self._wake_lock = threading.RLock()
        self._thread_id: int | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._stopping = False
        self._closed = False
        # The device that the leader is in, and since when; whoever takes it out has the device.
        self._serving: list[tuple[int, ServedDevice, float]] = []
        self.waits = False
        """Whether the leader waits for events."""
        self.turns = 0
        """Counts the leader's turns."""
        self.alive_at = time.monotonic()
        """When the loop was last seen to look for commands, time.monotonic()."""

    def _wake(self) -> None:
        # Workers call this at any time; once closed the descriptor may be another file's.
        with self._wake_lock:
            if not self._closed:
                os.eventfd_write(self._wake_fd, 1)

    @abstractmethod
    def run_job(self, job: Callable[[], None]) -> None:
        """Have a worker call `job`; RuntimeError when there can be no more threads."""

    def ready(self, device: ServedDevice) -> None:
        """Have a device served soon: a command was finished beside the loop; from any thread."""
        self._ready.append(device)
        # A wake-up that is on its way counts for all that become ready before it arrives.
        if not self._ready_told:
            self._ready_told = True
            self._wake()

    def depose(self, limit_s: float) -> ServedDevice | None:
        """Replace a leader that has served one device for longer than `limit_s`.

        Returns that device, None where nothing hangs.
        """
        with self._role:
            serving = self._serving
            try:
                claim = serving.pop()
            except IndexError:
                return None
            fd, device, since = claim
            if time.monotonic() - since < limit_s:
                serving.append(claim)
                return None
            successor = threading.Thread(target=self._succeed, name="lioshell-runner", daemon=True)
            self._serving = []
            self._captured[fd] = device
            self._spinning.forget(fd)
            self._backlog.pop(fd, None)
            self._epoll.unregister(fd)
            before = self._thread_id, self._thread
            self._thread_id, self._thread = STARTING, successor
            try:
                successor.start()
            except RuntimeError:
                # No thread to be had: the hanging one stays the leader, as if nobody had looked.
                self._thread_id, self._thread = before
                serving.append(claim)
                self._serving = serving
                del self._captured[fd]
                self._epoll.register(fd, select.EPOLLIN)
                raise
        return device

    def _succeed(self) -> None:
        serve_first()
        self._lead()

    def _lead(self) -> None:
        with self._role:
            self._thread_id = threading.get_ident()
        try:
            while not self._stopping:
                self._turn()
        except _DeposedError:
            return
        finally:
            if self._thread_id == threading.get_ident():
                with self._gate:
                    self._thread_id = None
                    self._stopping = False
                    self._run_posted()
                self._over.set()

    def _turn(self) -> None:
        """Wait for wake-ups, unless devices wait for their turn, and give each device one."""
        backlog = self._backlog
        spinning = self._spinning
        if backlog:
            events = self._epoll.poll(0)
        else:
            found = spinning.look(self._is_called, self._answer_one, self._answer_all)
            if found:
                self._serve_found(found)
                return
            if found is None:
                events = self._news()
            else:
                self.waits = True
                events = self._epoll.poll(None)
                self.waits = False
                spinning.slept(time.monotonic(), any(fd in self._devices for fd, _ in events))
        seen_at, self.alive_at = self.alive_at, time.monotonic()
        self.turns += 1
        waiting = list(backlog.items()) if backlog else ()
        for fd, _ in events:
            device = self._devices.get(fd)
            if device is not None:
                if fd not in backlog:
                    device.age.not_before = seen_at
                spinning.noticed(fd, device)
                self._serve(fd, device, device.service)
            elif fd == self._wake_fd:
                os.eventfd_read(fd)
                self._ready_told = False
                self._serve_ready()
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

    def _news(self) -> list[tuple[int, int]]:
        """Return the events that are of more than commands of devices which are looked at."""
        watches = self._spinning.watches
        events = self._epoll.poll(0, _MOST_EVENTS)
        return [(fd, mask) for fd, mask in events if mask != select.EPOLLIN or not watches(fd)]

    def _is_called(self, now: float) -> bool:
        """Tell whether the leader has more to do than to look at rings, all of which it sees."""
        self.alive_at = now
        self.turns += 1
        return bool(self._posted or self._ready or self._stopping or self._news())

    def _answer_one(self, fd: int, device: ServedDevice, now: float) -> float:
        """Have a device answer the one plain command in its ring; return the time, 0.0: not."""
        serving = self._serving
        serving.append((fd, device, now))
        ended = 0.0
        problem: Exception | None = None
        try:
            ended = device.answer_one(now)
        except MemoryError:
            ended = 0.0  # It is tried again, and waits there.
        except Exception as error:  # noqa: BLE001 - one device's end is not the others', as below
            error.__traceback__ = None
            problem = error
        finally:
            try:
                serving.pop()
            except IndexError:
                self._leave(serving, fd, device, problem)
        if ended:
            # What comes next was not there when this one was found alone.
            device.age.not_before = now
        elif problem is not None:
            self._served(fd, device, False, problem)
        return ended

    def _answer_all(self, fd: int, device: ServedDevice, now: float) -> float:
        """Have a device answer what is in its ring; return the time, 0.0: there is other work."""
        if self._devices.get(fd) is not device:
            return 0.0
        device.age.not_before, self.alive_at = self.alive_at, now
        self.turns += 1
        self._serve(fd, device, device.drain, now)
        if self._backlog or device.works_beside or self._devices.get(fd) is not device:
            return 0.0
        return time.monotonic()

    def _serve_found(self, found: list[tuple[int, ServedDevice]]) -> None:
        """Give a turn to devices whose commands came while their events were read."""
        seen_at, self.alive_at = self.alive_at, time.monotonic()
        self.turns += 1
        # There are no events of them: should one of them hang, the next leader finds the rest.
        self._backlog.update(found)
        for fd, device in found:
            if self._devices.get(fd) is device:
                device.age.not_before = seen_at
                self._serve(fd, device, device.drain)

    def _serve(
        self, fd: int, device: ServedDevice, turn: Callable[[float], bool], now: float = 0.0
    ) -> None:
        # One that has more to do goes to the end of the line.
        self._backlog.pop(fd, None)
        now = now or time.monotonic()
        serving = self._serving
        serving.append((fd, device, now))
        more = False
        problem: Exception | None = None
        try:
            more = turn(now)
        except MemoryError:
            # It passes: nothing was taken out of the ring that is not answered.
            time.sleep(_NO_MEMORY_S)
            more = True
        except Exception as error:  # noqa: BLE001 - one device's end is not the others'
            # Its frames may hold slices of the map, which then could not be closed.
            error.__traceback__ = None
            problem = error
        finally:
            try:
                serving.pop()
            except IndexError:
                self._leave(serving, fd, device, problem)
        if more or problem is not None:
            self._served(fd, device, more, problem)

    def _leave(
        self,
        serving: list[tuple[int, ServedDevice, float]],
        fd: int,
        device: ServedDevice,
        problem: Exception | None,
    ) -> None:
        """Lead no more, where another thread does by now."""
        with self._role:
            if self._captured.get(fd) is not device:
                # It was looked at, and put back.
                serving.clear()
                return
        self._hand_back(fd, device, problem)
        raise _DeposedError

    def _hand_back(self, fd: int, device: ServedDevice, problem: Exception | None) -> None:
        """Give a device to the thread that leads now."""

        def take_back() -> None:
            del self._captured[fd]
            if self._devices.get(fd) is not device:
                # It was removed meanwhile.
                self._close(device)
                return
            self._epoll.register(fd, select.EPOLLIN)
            if problem is not None:
                self._served(fd, device, False, problem)
            else:
                self._serve(fd, device, device.service)

        with self._gate:
            if self._thread_id is None:
                take_back()
            else:
                self._posted.append(take_back)
                self._wake()

    def _served(self, fd: int, device: ServedDevice, more: bool, problem: Exception | None) -> None:
        if more:
            self._backlog[fd] = device
        if problem is None:
            return
        self._detach(fd, device)
        detached = self.on_detached
        if detached is not None:
            self._guarded(partial(detached, device, problem))

    def _serve_ready(self) -> None:
        """Let devices answer what was finished beside the loop."""
        ready = self._ready
        devices: dict[int, ServedDevice] = {}
        while ready:
            device = ready.popleft()
            devices[id(device)] = device
        # What comes into the queue from here on wakes the loop again.
        for device in devices.values():
            if id(device) in self._closing:
                self._close(device)
                continue
            fd = -1 if device.closed else device.fileno()
            if self._devices.get(fd) is device and fd not in self._captured:
                self._serve(fd, device, device.drain)

    def _attach(self, device: ServedDevice) -> None:
        fd = device.fileno()
        self._epoll.register(fd, select.EPOLLIN)
        self._devices[fd] = device
        device.attach(self)
        # Commands that were queued before the file was opened cause no event.
        self._serve(fd, device, device.drain)

    def _remove(self, uio_name: str) -> None:
        for fd, device in list(self._devices.items()):
            if device.uio_name == uio_name:
                self._detach(fd, device)

    def _detach(self, fd: int, device: ServedDevice) -> None:
        self._devices.pop(fd, None)
        self._spinning.forget(fd)
        self._backlog.pop(fd, None)
        if fd in self._captured:
            return  # Its thread is in the midst of it, and closes it when it gives it back.
        self._epoll.unregister(fd)
        self._close(device)

    def _close(self, device: ServedDevice) -> None:
        if device.close():
            self._closing.pop(id(device), None)
        else:
            # What ends there calls `ready`, and then it is tried again.
            self._closing[id(device)] = device

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
