# SPDX-License-Identifier: Apache-2.0
"""The path of a command from an initiator to a simulated TCMU device and back.

It is the kernel's side of a device's ring for as long as it is open. Like the SCSI layer it sends
a command again that was answered BUSY by the target core (device blocked, ring reset), and like
the target core it gives up on one that nobody answers.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import select
import time

from lioshell.errors import ConflictError, RunnerError
from lioshell.kernel.sim.ring import STATUS_BUSY, STATUS_CHECK_CONDITION, Completion, RingProducer
from lioshell.kernel.sim.uio_state import (
    INITIATOR_LOCK,
    TO_KERNEL,
    TO_USER,
    DeviceState,
    Fifo,
    is_owned,
    is_region_of,
    region_path,
    run_folder,
)
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

    from lioshell.kernel.ports import UioDevice

_SERVE_HINT: Final = "Start a runner: lioshell --sim serve"


def _sense(key: int, asc: int, ascq: int) -> bytes:
    return bytes((0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0)).ljust(96, b"\0")


# What the target core answers itself (target_core_transport.c, sense_detail_table).
_COMMUNICATION_FAILURE = _sense(0x02, 0x08, 0x00)
_INVALID_FIELD_IN_CDB = _sense(0x05, 0x24, 0x00)


class Answer(NamedTuple):
    """A finished command: status byte, sense data (96 bytes or empty), data-in."""

    status: int
    sense: bytes
    data_in: bytes


class Nexus:
    """One initiator's access to one device, for one thread; a device has one at a time.

    Raises FileNotFoundError when the device has gone, ConflictError when it has an initiator.
    """

    def __init__(self, sim_root: str, device: UioDevice, timeout_s: float) -> None:
        self._sim_root = sim_root
        self._device = device
        self._timeout_s = timeout_s
        with contextlib.ExitStack() as undo:
            region_fd = os.open(region_path(sim_root, device.uio_name), os.O_RDWR | os.O_CLOEXEC)
            undo.callback(os.close, region_fd)
            lock_path = f"{run_folder(sim_root, device.uio_name)}/{INITIATOR_LOCK}"
            lock_fd = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
            undo.callback(os.close, lock_fd)
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(
                    f"Another initiator uses {device.configfs_path}",
                    hint="Wait until it ends: a simulated device has one initiator at a time",
                    path=device.configfs_path,
                ) from None
            self._state = DeviceState(sim_root, device.uio_name)
            undo.callback(self._state.close)
            self._to_user = Fifo(sim_root, device.uio_name, TO_USER)
            undo.callback(self._to_user.close)
            self._from_user = Fifo(sim_root, device.uio_name, TO_KERNEL)
            undo.callback(self._from_user.close)
            # All was opened by name: another device may have got the number in between.
            if not is_region_of(region_fd, sim_root, device.uio_name):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), device.uio_name)
            self._map = mmap.mmap(region_fd, device.map_size_bytes)
            undo.callback(self._map.close)
            with self._state.locked():
                self._state.take_reset()  # one before this initiator's time
                self._ring = RingProducer(self._map)
            self._closing = undo.pop_all()
        self._from_user.drain()
        # Commands of an initiator that died are still in the ring: their buffers are in use, and
        # who asked for them is gone. Nothing is queued before they are answered or reset.
        self._settled = False

    def execute(self, cdb: bytes, data_out: bytes = b"", data_in_bytes: int = 0) -> Answer:
        """Send one command with data-out or data-in and return its answer, whatever it is.

        Raises RunnerError when nobody answers in time or the device is removed meanwhile.
        """
        deadline = time.monotonic() + self._timeout_s
        while True:
            started = self._start(cdb, data_out, data_in_bytes)
            if isinstance(started, Answer):
                return started
            if started is not None:
                self._to_user.signal()
                completion = self._finish(started, deadline)
                if completion is not None:
                    return Answer(completion.status, completion.sense, completion.data_in)
            elif not self._wait(deadline):
                raise self._timed_out()

    def _start(self, cdb: bytes, data_out: bytes, data_in_bytes: int) -> Answer | int | None:
        """Queue a command: its id, the target core's own answer, or None for "try again"."""
        with self._state.locked():
            if self._state.removed:
                raise self._removed()
            self._take_reset()
            if self._settled:
                self._collect()
            if self._state.blocked:
                return None
            if self._state.broken:
                return Answer(STATUS_CHECK_CONDITION, _COMMUNICATION_FAILURE, b"")
            if not self._settled:
                if not self._ring.idle:
                    return None
                self._ring.close()
                self._ring = RingProducer(self._map)
                self._settled = True
            try:
                return self._ring.queue(cdb, data_out, data_in_bytes)
            except ValueError:
                return Answer(STATUS_CHECK_CONDITION, _INVALID_FIELD_IN_CDB, b"")

    def _finish(self, cmd_id: int, deadline: float) -> Completion | None:
        """Wait for a command's completion; None: it has to be sent again."""
        while True:
            with self._state.locked():
                if self._state.removed:
                    raise self._removed()
                done, lost = self._take_reset()
                done += self._collect()
            for completion in done:
                if completion.cmd_id == cmd_id and not completion.expired:
                    return completion
            for completion in lost:
                if completion.cmd_id == cmd_id:
                    return None if completion.status == STATUS_BUSY else completion
            if not self._wait(deadline):
                with self._state.locked():
                    self._ring.expire(cmd_id)
                raise self._timed_out()

    def _collect(self) -> list[Completion]:
        done = self._ring.collect()
        if self._ring.broken:
            self._state.broken = True
        return done

    def _take_reset(self) -> tuple[list[Completion], list[Completion]]:
        """Return the commands that were answered before a reset, and those that it ended."""
        reset = self._state.take_reset()
        if reset is None:
            return [], []
        how, tail = reset
        done = self._ring.collect(tail) if self._settled else []
        lost = self._ring.abandon(how)
        self._settled = True
        return done, lost

    def _wait(self, deadline: float) -> bool:
        """Sleep until the other side signals; False when the time is over."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        # poll, not select: descriptors above 1023 are fine.
        poller = select.poll()
        poller.register(self._from_user, select.POLLIN)
        woken = bool(poller.poll(left_s * 1000))
        if woken:
            self._from_user.drain()
        return woken

    def _timed_out(self) -> RunnerError:
        path = self._device.configfs_path
        waited = f"for {self._timeout_s:g} s"
        if self._is_served():
            return RunnerError(
                f"The runner of {path} has not answered {waited}",
                hint="Its storage may hang; see its messages",
                path=path,
            )
        return RunnerError(f"Nobody has served {path} {waited}", hint=_SERVE_HINT, path=path)

    def _is_served(self) -> bool:
        try:
            fd = os.open(region_path(self._sim_root, self._device.uio_name), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return is_owned(fd)
        finally:
            os.close(fd)

    def _removed(self) -> RunnerError:
        path = self._device.configfs_path
        return RunnerError(f"{path} has been removed", path=path)

    def close(self) -> None:
        """Let go of the device."""
        self._ring.close()
        self._closing.close()
