# SPDX-License-Identifier: Apache-2.0
"""An NBD export as the storage of a device; of user:nbd, and of what QEMU serves (user:qcow)."""

from __future__ import annotations

import errno
import threading

from lioshell.errors import ConflictError
from lioshell.runner.handlers.base import Extent
from lioshell.runner.handlers.completion import CompletionHandler
from lioshell.runner.nbd import protocol
from lioshell.runner.nbd.client import Client
from lioshell.runner.nbd.request import Request
from lioshell.runner.nbd.transport import after
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.runner.handlers.completion import Done
    from lioshell.runner.nbd.client import Connect
    from lioshell.runner.nbd.handshake import Export
    from lioshell.runner.nbd.transport import Transport

_ZEROES_LIMIT_BYTES = 128 << 20
_STATUS_LIMIT_BYTES = 1 << 30
_CLOSE_TIMEOUT_S = 5.0


class NbdDisk(CompletionHandler):
    """An export of an NBD server as the storage of a device."""

    def __init__(
        self,
        connect: Connect,
        first: tuple[Transport, Export],
        read_only: bool,
        timeout_s: float,
        durable: bool = False,
    ) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._durable = durable
        self._read_only = read_only or first[1].read_only
        self._begin_with(first)

    def _begin_with(self, first: tuple[Transport, Export]) -> None:
        """Use a connection that was made, and those that follow it."""
        self._client = Client(
            self._connect, first, timeout_s=self._timeout_s, keeps=not self._durable
        )
        self._learn(first[1])

    def _learn(self, export: Export) -> None:
        self._export = export
        self._size_bytes = export.size_bytes
        self._payload_limit_bytes = export.max_payload_bytes
        self._fua = bool(export.flags & protocol.EXPORT_SEND_FUA)
        self._write_cache = export.flushes and not self._durable

    @property
    def size_bytes(self) -> int:
        """The size of the export."""
        return self._size_bytes

    @property
    def write_cache(self) -> bool:
        """Whether the server has to be told to flush."""
        return self._write_cache

    @property
    def read_only(self) -> bool:
        """Whether the device or the export is for reading only."""
        return self._read_only

    @property
    def physical_block_size_bytes(self) -> int:
        """What the server likes to write as a whole."""
        preferred = self._export.preferred_block_bytes
        return preferred if 512 <= preferred <= 1 << 20 else 0

    def kick(self) -> None:
        """Send what was submitted."""
        self._client.kick()

    def submit_read(self, buffers: list[memoryview], offset_bytes: int, done: Done) -> None:
        """Ask the server for the bytes."""
        size = len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))
        if size > self._payload_limit_bytes:
            done = _Joint(done, -(-size // self._payload_limit_bytes))
            while size:
                part, buffers = _cut(buffers, self._payload_limit_bytes)
                length = sum(map(len, part))
                self._begin(done, Request(0, offset_bytes, length, done, into=part))
                offset_bytes += length
                size -= length
            return
        self._client.submit(Request(protocol.CMD_READ, offset_bytes, size, done, into=buffers))

    def submit_write(
        self, buffers: list[memoryview], offset_bytes: int, fua: bool, done: Done
    ) -> None:
        """Send the bytes; with `fua` the server answers when they are on stable storage."""
        data = self._client.copy_of(buffers)
        flags = 0
        if fua and self._export.flushes:
            if self._fua:
                flags = protocol.CMD_FLAG_FUA
            else:
                done = self._then_flush(done)
        limit = self._payload_limit_bytes
        if len(data) > limit:
            done = _Joint(done, -(-len(data) // limit))
            for start in range(0, len(data), limit):
                part = data[start : start + limit]
                self._begin(done, self._write(offset_bytes + start, part, flags, done))
            return
        self._client.submit(self._write(offset_bytes, data, flags, done))

    def _write(self, offset_bytes: int, data: bytes | bytearray, flags: int, done: Done) -> Request:
        return Request(protocol.CMD_WRITE, offset_bytes, len(data), done, flags, data)

    def _begin(self, done: Done, request: Request) -> None:
        """Submit one of several requests, of which the others may be under way already."""
        try:
            self._client.submit(request)
        except OSError as error:
            done(error)

    def submit_flush(self, done: Done) -> None:
        """Have the server put on stable storage what it has answered."""
        if not self._write_cache or self._read_only:
            done(None)
            return
        self._client.submit(Request(protocol.CMD_FLUSH, 0, 0, done))

    def _then_flush(self, done: Done) -> Done:
        def written(error: OSError | None) -> None:
            if error is not None:
                done(error)
                return
            try:
                self.submit_flush(done)
            except OSError as problem:
                done(problem)

        return written

    @property
    def can_discard(self) -> bool:
        """Whether the server zeroes ranges by itself, and may give their storage back for it."""
        return not self._read_only and bool(self._export.flags & protocol.EXPORT_SEND_WRITE_ZEROES)

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Have a range zeroed; the server may punch a hole. Raises OSError.

        Not by NBD_CMD_TRIM: what it leaves to be read is anything.
        """
        self._zero(offset_bytes, size_bytes, 0)

    def write_zeroes(self, offset_bytes: int, size_bytes: int) -> None:
        """Have a range zeroed without a hole. Raises OSError."""
        self._zero(offset_bytes, size_bytes, protocol.CMD_FLAG_NO_HOLE)

    def _zero(self, offset_bytes: int, size_bytes: int, flags: int) -> None:
        if not self.can_discard:
            super().write_zeroes(offset_bytes, size_bytes)
            return
        end = offset_bytes + size_bytes
        while offset_bytes < end:
            part = min(_ZEROES_LIMIT_BYTES, end - offset_bytes)
            self._wait_for(protocol.CMD_WRITE_ZEROES, offset_bytes, part, flags)
            offset_bytes += part

    def _wait_for(self, kind: int, offset_bytes: int, size_bytes: int, flags: int = 0) -> Request:
        """Make a request and wait for its end. Raises OSError."""
        ended = threading.Event()
        errors: list[OSError] = []

        def done(error: OSError | None) -> None:
            if error is not None:
                errors.append(error)
            ended.set()

        request = Request(kind, offset_bytes, size_bytes, done, flags)
        self._client.submit(request)
        self._client.kick()
        ended.wait()
        if errors:
            raise errors[0]
        return request

    def allocation(self, offset_bytes: int, size_bytes: int) -> Iterator[Extent]:
        """Tell what the server says of base:allocation. Raises OSError."""
        if self._export.allocation is None:
            yield Extent(size_bytes, True)
            return
        end = offset_bytes + size_bytes
        hole = protocol.STATE_HOLE | protocol.STATE_ZERO
        while offset_bytes < end:
            part = min(_STATUS_LIMIT_BYTES, end - offset_bytes)
            for length, state in self._wait_for(
                protocol.CMD_BLOCK_STATUS, offset_bytes, part
            ).extents or [(part, 0)]:
                length = min(length, end - offset_bytes)
                if not length:
                    raise OSError(errno.EIO, "The NBD server tells of extents without a length")
                yield Extent(length, state & hole != hole)
                offset_bytes += length
                if offset_bytes == end:
                    return

    def prefetch(self, offset_bytes: int, size_bytes: int) -> None:
        """Tell the server that a range will be read, where it wants to know."""
        if not self._export.flags & protocol.EXPORT_SEND_CACHE:
            return
        size_bytes = min(size_bytes, self._payload_limit_bytes)
        try:
            self._client.submit(
                Request(protocol.CMD_CACHE, offset_bytes, size_bytes, lambda _error: None)
            )
            self._client.kick()
        except OSError:
            # A hint that could not be followed is no failure.
            return

    def status(self) -> dict[str, str]:
        """Tell how the connection does."""
        return self._client.status()

    def _adopt(self, export: Export) -> None:
        """Go on with the export as it has become."""
        self._client.adopt(export)
        self._learn(export)

    def close(self) -> None:
        """Flush and end the connection. Raises OSError when that cannot be done."""
        self._client.close(_CLOSE_TIMEOUT_S)


class _Joint:
    """Calls `done` when several requests have ended, with the first error."""

    def __init__(self, done: Done, parts: int) -> None:
        self._done = done
        self._left = parts
        self._error: OSError | None = None
        self._lock = threading.Lock()

    def __call__(self, error: OSError | None) -> None:
        with self._lock:
            self._error = self._error or error
            self._left -= 1
            last = not self._left
        if last:
            self._done(self._error)


def _cut(buffers: list[memoryview], size_bytes: int) -> tuple[list[memoryview], list[memoryview]]:
    """Return the first bytes of some buffers and the rest."""
    rest = after(buffers, size_bytes)
    first = []
    for view in buffers:
        first.append(view[:size_bytes])
        size_bytes -= len(first[-1])
        if not size_bytes:
            break
    return first, rest


def require_size(
    export: Export, name: str, size_bytes: int, block_size_bytes: int, hint: str
) -> None:
    """Raise ConflictError unless an export fits a device."""
    if export.size_bytes != size_bytes:
        raise ConflictError(f"{name} has {export.size_bytes} bytes, not {size_bytes}", hint=hint)
    if export.min_block_bytes > block_size_bytes:
        raise ConflictError(
            f"{name} is read and written in blocks of {export.min_block_bytes} bytes, "
            f"not {block_size_bytes}",
            hint=f"Create the device with block_size={export.min_block_bytes}.",
        )
