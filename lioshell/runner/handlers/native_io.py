# SPDX-License-Identifier: Apache-2.0
"""The buffers of a command as a C library sees them, and what is under way in such a library.

The library reads and writes the memory of the ring itself. A `Transfer` holds on to that memory, so
that it stays mapped whatever else ends meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
from typing import Generic, TypeVar

from lioshell.runner.handlers.base import TransferError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from lioshell.runner.handlers.completion import Done

T = TypeVar("T")

IOV_MAX = os.sysconf("SC_IOV_MAX")


class IoVector(ctypes.Structure):
    """`struct iovec`, readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


_VECTORS = [IoVector * count for count in range(17)]
"""Types of arrays by length: making one costs more than the rest of a `Transfer`."""


class Transfer:
    """A read or write in flight: `vector` of `count` elements, `size_bytes` in all, and `done`.

    Without buffers it is an operation that moves no data.
    """

    __slots__ = ("_bounce", "_kept", "_views", "count", "done", "is_read", "size_bytes", "vector")

    def __init__(self, done: Done, buffers: list[memoryview], *, is_read: bool = False) -> None:
        self.done = done
        self.is_read = is_read
        self._views = buffers
        self._bounce: bytearray | None = None
        if len(buffers) > IOV_MAX:
            self._bounce = (
                bytearray(b"".join(buffers)) if not is_read else bytearray(sum(map(len, buffers)))
            )
            buffers = [memoryview(self._bounce)]
        kept: list[Any] = []
        size_bytes = 0
        count = len(buffers)
        self.vector = vector = (_VECTORS[count] if count < 17 else IoVector * count)()
        for element, view in zip(vector, buffers, strict=True):
            memory: Any
            if view.readonly:  # constants that are written
                memory = (ctypes.c_char * len(view)).from_buffer_copy(view)
            else:
                memory = ctypes.c_char.from_buffer(view)
            kept.append(memory)
            element.base = ctypes.addressof(memory)
            element.size = len(view)
            size_bytes += len(view)
        self._kept = kept
        self.count = count
        self.size_bytes = size_bytes

    def finish(self, result: int, error_number: int = 0) -> None:
        """Let go of the memory and call `done`: `result` bytes were moved, or a negative number."""
        bounce = self._bounce
        if bounce is not None and self.is_read and result > 0:
            position = 0
            for view in self._views:
                view[:] = memoryview(bounce)[position : position + len(view)]
                position += len(view)
        self._kept = self._views = []
        del self.vector
        if result < 0:
            self.done(TransferError(OSError(error_number, os.strerror(error_number)), 0))
        elif self.is_read and result < self.size_bytes:
            # Storage that somebody else has cut: zeros would pass for data.
            self.done(TransferError(OSError(errno.EIO, "The storage ends here"), result))
        else:
            self.done(None)


class InFlight(Generic[T]):
    """What a library has, by a number that it gives back; for any thread."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._held: dict[int, T] = {}

    def put(self, what: T) -> int:
        """Keep something and return its number."""
        number = next(self._numbers)
        self._held[number] = what
        return number

    def take(self, number: int) -> T:
        """Return what has a number and forget it. Raises KeyError."""
        return self._held.pop(number)
