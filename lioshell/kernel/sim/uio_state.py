# SPDX-License-Identifier: Apache-2.0
"""What the simulated kernel keeps of a TCMU device beside its ring, shared between processes.

A real kernel keeps it in struct tcmu_dev. Here it is a small mapped file with a lock (the
kernel's cmdr_lock), and two FIFOs that wake either side.

    SIM/sys/class/uio/uioN/   what sysfs shows
    SIM/dev/uioN              the region: mailbox, ring, data area (sparse)
    SIM/run/uio/uioN/         state, to-user, to-kernel, initiator
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

STATE_SIZE: Final = 64
_BLOCKED: Final = 0
_BROKEN: Final = 1
_REMOVED: Final = 2
_RESETS: Final = 3
_RESETS_SEEN: Final = 4
_RESET_HOW: Final = 5
_TAIL_AT_RESET: Final = 6

TO_USER: Final = "to-user"
TO_KERNEL: Final = "to-kernel"
INITIATOR_LOCK: Final = "initiator"

# struct flock: type, whence, start, length, pid (fcntl(2))
_FLOCK: Final = struct.Struct("@hhqqi4x")


def run_folder(sim_root: str, uio_name: str) -> str:
    """Return the folder of a device's state and FIFOs."""
    return f"{sim_root}/run/uio/{uio_name}"


def region_path(sim_root: str, uio_name: str) -> str:
    """Return the file that stands for /dev/uioN and its memory."""
    return f"{sim_root}/dev/{uio_name}"


def is_region_of(fd: int, sim_root: str, uio_name: str) -> bool:
    """Tell whether an open region is the one of the device that has this name now."""
    try:
        now = os.stat(region_path(sim_root, uio_name))
    except FileNotFoundError:
        return False
    return os.path.samestat(now, os.fstat(fd))


def take_ownership(fd: int) -> bool:
    """Lock an open region exclusively, as opening /dev/uioN does; False when somebody has it.

    The lock belongs to the open file: it ends when its last descriptor and map are closed, however
    the process ends, and another open of the same process is refused as well.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_owned(fd: int) -> bool:
    """Tell whether somebody else has locked an open region, without locking it."""
    lock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind: int = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, lock))[0]
    return kind != fcntl.F_UNLCK


class Fifo:
    """Wake-ups in one direction: any number of signals, one drain."""

    __slots__ = ("_fd",)

    def __init__(self, sim_root: str, uio_name: str, direction: str) -> None:
        path = f"{run_folder(sim_root, uio_name)}/{direction}"
        # Opened both ways, a FIFO neither blocks for a partner nor hangs up when one goes.
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor, readable when there was a signal."""
        return self._fd

    def signal(self) -> None:
        """Wake the other side; one that is full wakes it anyway."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._fd, b"\x01\x00\x00\x00")

    def drain(self) -> bool:
        """Consume all signals and tell whether there was one."""
        woken = False
        while True:
            try:
                size = len(os.read(self._fd, 4096))
            except BlockingIOError:
                return woken
            woken = True
            if size < 4096:
                return woken

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)


class DeviceState:
    """The state of a device; raises FileNotFoundError when there is no such device."""

    def __init__(self, sim_root: str, uio_name: str) -> None:
        self._fd = os.open(f"{run_folder(sim_root, uio_name)}/state", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(self._fd, STATE_SIZE)
        except BaseException:
            os.close(self._fd)
            raise
        self._view = memoryview(self._map)
        self._words = self._view.cast("I")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the device's lock; it is only ever held for a moment."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    @property
    def blocked(self) -> bool:
        """Whether action/block_dev is 1: every new command is answered BUSY."""
        return self._words[_BLOCKED] != 0

    @blocked.setter
    def blocked(self, value: bool) -> None:
        self._words[_BLOCKED] = int(value)

    @property
    def broken(self) -> bool:
        """Whether the runner broke the ring: every command fails until it is reset."""
        return self._words[_BROKEN] != 0

    @broken.setter
    def broken(self, value: bool) -> None:
        self._words[_BROKEN] = int(value)

    @property
    def removed(self) -> bool:
        """Whether the device is gone and lives only in those who hold it open."""
        return self._words[_REMOVED] != 0

    def mark_removed(self) -> None:
        """Tell those who hold the device open that it is gone."""
        self._words[_REMOVED] = 1

    def note_reset(self, how: int, tail: int) -> None:
        """Note that the ring was emptied; what it held before `tail` had been answered.

        The initiator, which may be another process, learns of it by `take_reset`: the entries
        before the tail stay readable, since nothing is queued before it has looked.
        """
        if self._words[_RESETS] == self._words[_RESETS_SEEN]:
            self._words[_TAIL_AT_RESET] = tail
        self._words[_RESET_HOW] = how
        self._words[_RESETS] = (self._words[_RESETS] + 1) & 0xFFFFFFFF
        self.broken = False

    def take_reset(self) -> tuple[int, int] | None:
        """Return (how, tail) of resets since the last call, None when there was none."""
        if self._words[_RESETS] == self._words[_RESETS_SEEN]:
            return None
        self._words[_RESETS_SEEN] = self._words[_RESETS]
        return self._words[_RESET_HOW], self._words[_TAIL_AT_RESET]

    def close(self) -> None:
        """Release the state's file and map."""
        self._words.release()
        self._view.release()
        self._map.close()
        os.close(self._fd)
