# SPDX-License-Identifier: Apache-2.0
"""From what a caller stores its blocks in to a `Handler`: any object with pread and pwrite."""

from __future__ import annotations

import asyncio
import errno
import inspect
from typing import Protocol

from lioshell.errors import UsageError
from lioshell.runner.handlers.base import Handler
from lioshell.runner.handlers.completion import AsyncHandler
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from lioshell.runner.handlers.base import Undo


class Readable(Protocol):
    """What a disk is made of at least; alone it makes one that is read-only.

    Beside `pread` there may be, each of them a method or a coroutine function as `pread` is:
    `pwrite(data, offset) -> int`, as os.pwrite; `flush()`, which says that writes may be lost by a
    power failure until then (without it each write has to be durable when it returns), and
    `discard(n, offset)`, after which the range reads as zeros.
    """

    def pread(self, n: int, offset: int, /) -> Any:
        """Return `n` bytes from `offset` on, as os.pread; fewer at the end: zeros are added."""


class _Stored(Handler):
    """What both kinds of objects have in common."""

    subtype = "python"
    help = "an object of a Python program"
    config_help = "the name of the disk"

    def __init__(self, storage: Any, size_bytes: int, threads: int) -> None:
        self._storage = storage
        self._size_bytes = size_bytes
        self._writable = callable(getattr(storage, "pwrite", None))
        self._flushes = callable(getattr(storage, "flush", None))
        self._discards = callable(getattr(storage, "discard", None))
        # A class attribute of handlers; here each disk says how many threads its object stands.
        self.max_in_flight = threads  # type: ignore[misc]

    @classmethod
    def check_config(cls, config: str) -> None:
        """Take any name: the object is what counts."""

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Refuse: the object is there already."""
        del config, size_bytes, block_size_bytes  # as any subtype has them
        raise UsageError("An object of a program is attached, not created")

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Handler:
        """Refuse: only the program that has the object can serve it."""
        del size_bytes, block_size_bytes, read_only  # as any subtype has them
        raise UsageError(f"The disk {config} belongs to a program, which is to attach it again")

    @property
    def size_bytes(self) -> int:
        """The size of the device."""
        return self._size_bytes

    @property
    def write_cache(self) -> bool:
        """Whether there is a `flush` to wait for."""
        return self._flushes

    @property
    def read_only(self) -> bool:
        """Whether there is no `pwrite`."""
        return not self._writable

    @property
    def can_discard(self) -> bool:
        """Whether there is a `discard`."""
        return self._discards

    def close(self) -> None:
        """Leave the object to its owner."""


class ObjectHandler(_Stored):
    """Methods that wait, each call on a worker thread; at most `threads` at once."""

    def read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill all buffers by one pread. Raises OSError."""
        size = sum(map(len, buffers))
        scatter(self._storage.pread(size, offset_bytes), buffers, size)

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Write a copy of all buffers, which the object may keep. Raises OSError."""
        rest = b"".join(buffers)
        while rest:
            rest, offset_bytes = written(
                self._storage.pwrite(rest, offset_bytes), rest, offset_bytes
            )
        if fua:
            self.flush()

    def flush(self) -> None:
        """Flush the object, if it has anything to flush."""
        if self._flushes:
            self._storage.flush()

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Discard by the object."""
        self._storage.discard(size_bytes, offset_bytes)


class CoroutineHandler(_Stored, AsyncHandler):
    """Coroutines, any number in flight, on the caller's asyncio loop or on the handlers' own."""

    loop: asyncio.AbstractEventLoop | None = None
    """The caller's, set before the device is served."""

    async def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self.loop is None:
            return await coroutine
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError as error:
            # The loop was closed before the disk was.
            coroutine.close()
            raise OSError(errno.EIO, f"The program's asyncio loop has ended: {error}") from error
        return await asyncio.wrap_future(future)

    async def async_read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill all buffers by one pread."""
        size = sum(map(len, buffers))
        scatter(await self._await(self._storage.pread(size, offset_bytes)), buffers, size)

    async def async_write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Write a copy of all buffers."""
        rest = b"".join(buffers)
        while rest:
            moved = await self._await(self._storage.pwrite(rest, offset_bytes))
            rest, offset_bytes = written(moved, rest, offset_bytes)
        if fua:
            await self.async_flush()

    async def async_flush(self) -> None:
        """Flush the object, if it has anything to flush."""
        if self._flushes:
            await self._await(self._storage.flush())

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Discard by the object, and wait for it."""
        from lioshell.runner.handlers.completion import in_asyncio

        in_asyncio(self._await(self._storage.discard(size_bytes, offset_bytes)))


def scatter(data: bytes, buffers: list[memoryview], size_bytes: int) -> None:
    """Copy what a pread returned into the buffers, zeros after it. Raises OSError."""
    view = memoryview(data).cast("B")
    if len(view) > size_bytes:
        raise OSError(errno.EIO, f"pread returned {len(view)} bytes instead of {size_bytes}")
    position = 0
    for buffer in buffers:
        part = view[position : position + len(buffer)]
        buffer[: len(part)] = part
        if len(part) < len(buffer):
            buffer[len(part) :] = bytes(len(buffer) - len(part))
        position += len(buffer)


def written(moved: int | None, data: bytes, offset_bytes: int) -> tuple[bytes, int]:
    """Return what is left of a write and where, by what pwrite returned (None: all of it).

    Raises OSError where nothing was written, or more than there was.
    """
    if moved is None or moved == len(data):
        return b"", offset_bytes
    if not 0 < moved < len(data):
        raise OSError(errno.EIO, f"pwrite of {len(data)} bytes returned {moved}")
    return data[moved:], offset_bytes + moved


def opener_of(
    storage: object, config: str, size_bytes: int, block_size_bytes: int, threads: int
) -> Callable[[], Handler]:
    """Return what opens the storage of a disk: a handler class, a handler, or an object.

    Raises UsageError for what is none of them, or whose configuration is none.
    """
    if isinstance(storage, type):
        if not issubclass(storage, Handler):
            raise UsageError(
                f"{storage.__name__} is a class, and no Handler",
                hint=f"Give an object: {storage.__name__}()",
            )
        handler_class = storage
        handler_class.check_config(config)
        return lambda: handler_class.open(config, size_bytes, block_size_bytes)
    if isinstance(storage, Handler):
        handler = storage
        return lambda: handler
    if not callable(getattr(storage, "pread", None)):
        raise UsageError(
            f"A {type(storage).__name__} has no pread(n, offset)",
            hint="Give an object with pread and pwrite as os has them, or a Handler.",
        )
    kind = CoroutineHandler if inspect.iscoroutinefunction(storage.pread) else ObjectHandler  # type: ignore[attr-defined]  # looked at above
    wrapped = kind(storage, size_bytes, threads)
    return lambda: wrapped
