# SPDX-License-Identifier: Apache-2.0
"""Which devices this process serves, how it takes them over and how it gives them up.

The kernel's exclusive open of /dev/uioN says who owns a device. Whoever opens it next takes over:
commands that were in flight are answered BUSY, so initiators retry and nothing fails.
"""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from functools import partial

from lioshell.errors import LioshellError, LockedError, RunnerError
from lioshell.runner import states
from lioshell.runner.device import ServedDevice
from lioshell.runner.foreign import ForeignWatch
from lioshell.runner.gate import Gate
from lioshell.runner.given import Given
from lioshell.runner.openings import Openings
from lioshell.runner.rescan import Rescan
from lioshell.runner.states import BROKEN, FOREIGN, NO_HANDLER, OPENING, SERVED, Note, reason
from lioshell.runner.statistics import SLOW_S
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Final

    from lioshell.kernel.ports import Kernel, UioDevice, UioHandle, UioWatch
    from lioshell.runner.command import LogicalUnit
    from lioshell.runner.loop import Loop

SCAN_TIMEOUT_S: Final = 60.0
RELEASE_TIMEOUT_S: Final = 5.0
SETTLE_TIMEOUT_S: Final = 15.0
"""How long the devices that are given up may take for the commands in their handlers."""


class Supervisor:
    """Attaches the devices that it has a logical unit for, and detaches those that vanish.

    `make_unit(device)` opens the storage of a device; None: not ours, leave it alone; what it
    raises is shown and tried again at the next scan. It is called outside the loop's thread, so a
    slow one delays no other device. `report` gets one line of text for each thing that the user
    should know, once. The loop's callbacks are set here. The devices remember commands that took
    longer than `slow_s`.
    """

    def __init__(
        self,
        kernel: Kernel,
        make_unit: Callable[[UioDevice], LogicalUnit | None],
        loop: Loop,
        report: Callable[[str], None],
        slow_s: float = SLOW_S,
    ) -> None:
        self._kernel = kernel
        self._slow_s = slow_s
        self._make_unit = make_unit
        self._loop = loop
        self._report = report
        self.gate = Gate(kernel.configfs, report)
        """What opens and closes devices, for who has made one `quiet`."""
        loop.on_detached = self._detached
        loop.report = report
        self._served: dict[str, ServedDevice] = {}
        self._notes: dict[UioDevice, Note] = {}
        self._only: frozenset[str] | None = None
        self._watch: UioWatch | None = None
        self._scan_lock = threading.Lock()
        self._state_lock = threading.Lock()
        self._openings = Openings(self._scan_failed)
        self._rescan = Rescan(self._scan_after_event, self._scan_failed)
        self._given = Given(self._retry)
        self._foreign = ForeignWatch(kernel.uio, loop, self._given.closed, report)
        self._paused = False

    # What to serve ----------------------------------------------------------------------------

    def scan(self) -> None:
        """Attach the devices that can be served and detach those that have vanished.

        Raises LockedError when another scan does not end because a unit cannot be opened.
        """
        self._paused = False
        self._scan()

    def served(self, configfs_path: str) -> ServedDevice | None:
        """Return a device that is served here, None when it is not."""
        with self._state_lock:
            for served in self._served.values():
                if served.device.configfs_path == configfs_path:
                    return served
        return None

    def message(self, configfs_path: str) -> str:
        """Say what keeps a device from being served, "" where nothing is known to."""
        with self._state_lock:
            for device, note in self._notes.items():
                if device.configfs_path == configfs_path:
                    return note.message
        return ""

    def cares_for(self, configfs_path: str) -> bool:
        """Tell whether a device is one of those that are to be served here (`serve_only`)."""
        return self._only is None or configfs_path in self._only

    def owns(self, configfs_path: str) -> bool:
        """Tell whether a device is served here, or would be if its ring were not broken."""
        with self._state_lock:
            stopped = [d for d, note in self._notes.items() if note.quarantine]
            owned = [*stopped, *(served.device for served in self._served.values())]
        return any(device.configfs_path == configfs_path for device in owned)

    def readmit(self, configfs_path: str) -> None:
        """Try a device again that was stopped because its ring was broken."""
        with self._state_lock:
            for device in [d for d in self._notes if d.configfs_path == configfs_path]:
                del self._notes[device]
        self.scan()

    def release(self, served: ServedDevice) -> None:
        """Give up one device, blocked; a scan takes it again."""
        self._release(served, leave_blocked=True)

    def give_away(self, served: ServedDevice) -> None:
        """Give up one device for another process, and take it again when that one ends.

        A process that does not come for it is waited for a moment only.
        """
        device = served.device
        self._given.add(device)
        self._release(served, leave_blocked=True)
        # After our own close, so that the next one is the other's.
        self._foreign.add(device)

    def serve_only(self, configfs_paths: Collection[str]) -> None:
        """Serve just these storage objects ("core/user_0/vol0"), from now on; then scan.

        Others that are served now are given up as `release_all` does, blocked.
        """
        self._only = frozenset(configfs_paths)
        for served in list(self._served.values()):
            if served.device.configfs_path not in self._only:
                self._release(served, leave_blocked=True)
        self.scan()

    def watch(self) -> None:
        """Scan whenever the kernel tells that a device appeared or vanished."""
        if self._watch is None:
            self._watch = self._kernel.uio.watch()
            self._loop.add_reader(self._watch.fileno(), self._on_uevent)

    def status(self) -> list[tuple[str, str]]:
        """List (configfs path, state): served, foreign, broken or no-handler."""
        with self._state_lock:
            found = {device.configfs_path: note.state for device, note in self._notes.items()}
            for served in self._served.values():
                found[served.device.configfs_path] = SERVED
        return sorted(found.items())

    def release_all(self, leave_blocked: bool = True) -> None:
        """Give up every device: block it, answer all that is queued, close it.

        Left blocked, a device answers BUSY until somebody takes it over, and initiators retry;
        otherwise commands wait for cmd_time_out. Nothing is attached again before the next
        `scan`. A device whose handler hangs stays this process' own until the handler lets go, or
        the process ends; that is reported.
        """
        with self._state_lock:
            self._paused = True
        # A scan that hangs in opening a storage must not keep the others from a clean end; what
        # it opens later it closes again.
        locked = self._scan_lock.acquire(timeout=RELEASE_TIMEOUT_S)
        try:
            deadline = time.monotonic() + SETTLE_TIMEOUT_S
            for served in list(self._served.values()):
                left_s = max(0.1, deadline - time.monotonic())
                self._release(served, leave_blocked=leave_blocked, timeout_s=left_s)
        finally:
            if locked:
                self._scan_lock.release()

    def close(self) -> None:
        """Stop watching; `release_all` comes before."""
        self._paused = True
        self._foreign.close()
        watch, self._watch = self._watch, None
        if watch is not None:
            self._loop.remove_reader(watch.fileno())
            watch.close()

    # Scanning -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _scanning(self) -> Iterator[None]:
        if not self._scan_lock.acquire(timeout=SCAN_TIMEOUT_S):
            raise LockedError(
                f"Another scan for devices has not ended in {SCAN_TIMEOUT_S:g} s",
                hint="The storage of a device does not answer; see which with 'ls /backstores'",
            )
        try:
            yield
        finally:
            self._scan_lock.release()

    def _scan(self) -> None:
        with self._scanning():
            devices = self._kernel.uio.devices()
            present = set(devices)
            for served in list(self._served.values()):
                if served.device not in present:
                    self._forget(served)
                    self._loop.remove(served.uio_name)
            with self._state_lock:
                for device in [device for device in self._notes if device not in present]:
                    del self._notes[device]
            for device in devices:
                if self._paused:
                    return
                if self._is_wanted(device) and not self._openings.run(
                    device, partial(self._attach, device)
                ):
                    self._note(device, OPENING, "its storage has not answered yet")

    def _is_wanted(self, device: UioDevice) -> bool:
        """Tell whether to try to serve a device that is there."""
        note = self._notes.get(device)
        return (
            self.cares_for(device.configfs_path)
            and device.uio_name not in self._served
            and device not in self._openings
            and device not in self._given
            and not (note is not None and note.quarantine)
        )

    def _scan_failed(self, error: Exception) -> None:
        self._report(f"Looking for devices failed: {reason(error)}")

    def _retry(self) -> None:
        if not self._paused:
            self._rescan.request()

    def _on_uevent(self) -> None:
        watch = self._watch
        if watch is not None and watch.drain():
            self._rescan.request()

    def _scan_after_event(self) -> None:
        self._scan()
        while FOREIGN in dict(self.status()).values() and self._foreign.wait_again():
            self._scan()

    # One device ---------------------------------------------------------------------------------

    def _attach(self, device: UioDevice) -> None:
        unit: LogicalUnit | None = None
        problem = ""
        try:
            unit = self._make_unit(device)
        except Exception as error:  # noqa: BLE001 - third-party code; shown as the device's state
            problem = reason(error)
        if unit is None and not problem:
            self._note(device, NO_HANDLER, "")
            return
        # Opening comes before anything is changed: when it succeeds nobody else serves the device.
        handle: UioHandle | None = None
        try:
            handle = self._kernel.uio.open(device)
        except OSError as error:
            problem = problem if error.errno not in (errno.EBUSY, errno.ENOENT) else ""
            if error.errno == errno.EBUSY:
                handle = self._open_foreign(device)
                if handle is None:
                    self._note(device, FOREIGN, states.SERVED_ELSEWHERE)
            elif error.errno != errno.ENOENT:
                problem = f"{device.uio_name} cannot be opened: {error.strerror}"
        if handle is not None and unit is not None and not self._paused:
            try:
                self._take_over(device, handle, unit)
                return
            except (LioshellError, OSError) as error:
                if device not in self._kernel.uio.devices():
                    return
                problem = reason(error)
        else:
            if unit is not None:
                self._close_unit(device, unit)
            if handle is not None:
                handle.close()
        if problem:
            self._note(device, BROKEN, problem)

    def _open_foreign(self, device: UioDevice) -> UioHandle | None:
        """Watch a device that another process has, and try again what failed before the watch."""
        self._foreign.add(device)
        try:
            return self._kernel.uio.open(device)
        except OSError:
            # It is still in use, or gone: the watches tell when that changes.
            return None

    def _take_over(self, device: UioDevice, handle: UioHandle, unit: LogicalUnit) -> None:
        """Start to serve an opened device, its commands in flight retried; or close both."""
        gate = self.gate
        served: ServedDevice | None = None
        was_open = False
        try:
            gate.await_enabled(device)
            was_open = gate.is_open(device)
            gate.close(device)
            gate.retry_in_flight(device)
            served = ServedDevice(
                device, handle, unit, self._report, partial(gate.time_out_s, device)
            )
            served.statistics.set_slow(self._slow_s)
            with self._state_lock:
                if self._paused:
                    raise RunnerError("this process is giving its devices up")
                self._served[device.uio_name] = served
                self._notes.pop(device, None)
            self._loop.add(served)
            gate.open(device)
        except BaseException:
            if served is not None:
                self._forget(served)
                self._loop.remove(device.uio_name)
            else:
                self._close_unit(device, unit)
                handle.close()
            if was_open:
                gate.try_open(device)
            raise

    def _release(
        self, served: ServedDevice, *, leave_blocked: bool, timeout_s: float | None = None
    ) -> None:
        """Give one device up: block it, answer what is queued, close it."""
        if not self._forget(served):
            return
        path = served.device.configfs_path
        self.gate.try_close(served.device)
        try:
            if not self._loop.settle(served, timeout_s or SETTLE_TIMEOUT_S):
                self._report(
                    f"{path}: {len(served.in_flight())} commands are still in its handler, which"
                    " hangs; the next process can serve it when this one has ended"
                )
        except (LioshellError, OSError) as error:
            error.__traceback__ = None  # its frames may hold slices of the map
            self._report(f"{path}: {reason(error)}")
        self._loop.remove(served.uio_name)
        if not leave_blocked:
            self.gate.try_open(served.device)

    def _detached(self, served: ServedDevice, error: Exception) -> None:
        """The loop has dropped a device: it was removed, or its ring is broken."""
        self._forget(served)
        if isinstance(error, OSError) and error.errno in (errno.EIO, errno.ENODEV):
            # A new device may have its number already, which a scan took for the old one.
            self._rescan.request()
            return
        # Blocked, initiators get BUSY instead of waiting for an answer that nobody gives.
        self.gate.try_close(served.device)
        self._note(
            served.device,
            BROKEN,
            f"{reason(error)}; it is stopped until it is repaired, with the command 'repair' of"
            " its storage object",
            quarantine=True,
        )

    def _forget(self, served: ServedDevice) -> bool:
        with self._state_lock:
            if self._served.get(served.uio_name) is not served:
                return False
            del self._served[served.uio_name]
            return True

    def _note(
        self, device: UioDevice, state: str, message: str, *, quarantine: bool = False
    ) -> None:
        note = Note(state, message, quarantine)
        with self._state_lock:
            known = self._notes.get(device) == note
            self._notes[device] = note
        if message and not known:
            self._report(f"{device.configfs_path} is not served: {message}")

    def _close_unit(self, device: UioDevice, unit: LogicalUnit) -> None:
        try:
            unit.close()
        except Exception as error:  # noqa: BLE001 - third-party code
            self._report(f"{device.configfs_path}: closing its storage failed: {reason(error)}")
