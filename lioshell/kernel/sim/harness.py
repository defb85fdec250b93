# SPDX-License-Identifier: Apache-2.0
"""A TCMU device in this process's memory: both sides of a ring without files and without a kernel.

For unit tests, fuzzing and benchmarks of a runner: it is an opened device (`UioHandle`) on a
memfd, with the kernel's side as `producer`.
"""

from __future__ import annotations

import errno
import mmap
import os
import select

from lioshell.kernel.ports import UioDevice
from lioshell.kernel.sim import layout
from lioshell.kernel.sim.ring import RingProducer
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

DATA_OFFSET: Final = 64 * 1024


class RingHarness:
    """An opened device; sizes in bytes, `data_offset` being the size of mailbox and ring.

    `notified` counts the notifications that the runner sent, `wait` waits for the next one.
    """

    def __init__(
        self,
        data_offset: int = DATA_OFFSET,
        data_bytes: int = 1024 * 1024,
        flags: int = layout.FLAGS,
        name: str = "vol0",
    ) -> None:
        size = data_offset + data_bytes
        fd = os.memfd_create("tcmu", os.MFD_CLOEXEC)
        os.ftruncate(fd, size)
        self._map = mmap.mmap(fd, size)
        # The kernel's side has a map of its own: closing the runner's must not need its views.
        self._kernel_map = mmap.mmap(fd, size)
        os.close(fd)
        layout.initialise(self._kernel_map, data_offset, flags)
        self.producer = RingProducer(self._kernel_map)
        self.device = UioDevice("uio0", 0, name, f"test/{name}", size)
        self.notified = 0
        self._event_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._done_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._removed = False
        self.closed = False

    def wake(self) -> None:
        """Wake the runner, as the kernel does after it has queued commands."""
        os.eventfd_write(self._event_fd, 1)

    def remove(self) -> None:
        """Remove the device: the runner is woken and gets EIO."""
        self._removed = True
        self.wake()

    @property
    def map(self) -> mmap.mmap:
        """The mailbox, command ring and data area."""
        return self._map

    def fileno(self) -> int:
        """Return the descriptor that is readable when commands came or the device went."""
        return self._event_fd

    def read_event(self) -> bool:
        """Consume pending wake-ups and tell whether there was one; OSError(EIO): removed."""
        if self._removed:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        try:
            os.eventfd_read(self._event_fd)
        except BlockingIOError:
            return False
        return True

    def notify(self) -> None:
        """Count a notification; completions are collected by who holds the producer."""
        self.notified += 1
        os.eventfd_write(self._done_fd, 1)

    def done_fileno(self) -> int:
        """Return the descriptor that is readable when the runner has notified."""
        return self._done_fd

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notification of the runner and tell whether there was one."""
        if not select.select([self._done_fd], [], [], timeout_s)[0]:
            return False
        os.eventfd_read(self._done_fd)
        return True

    def close(self) -> None:
        """Release the runner's side; BufferError when views of the map are left."""
        self._map.close()
        if not self.closed:
            os.close(self._event_fd)
            self.closed = True

    def discard(self) -> None:
        """Release the kernel's side."""
        if self._done_fd >= 0:
            os.close(self._done_fd)
            self._done_fd = -1
        self.producer.close()
        self._kernel_map.close()
