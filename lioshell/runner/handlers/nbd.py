# SPDX-License-Identifier: Apache-2.0
"""Blocks on an NBD server, by lioshell's own client (runner/nbd).

`NbdHandler` is user:nbd; what it is made of, `NbdDisk`, is also how images that QEMU serves are
reached (handlers/qcow.py).
"""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, ClassVar, Self

from lioshell.errors import ConflictError, NotFoundError, RunnerError, UsageError
from lioshell.runner.handlers import backing_file, config_string
from lioshell.runner.handlers.base import Extent, Option, nothing_made
from lioshell.runner.handlers.completion import CompletionHandler
from lioshell.runner.nbd import address, protocol
from lioshell.runner.nbd.client import Client
from lioshell.runner.nbd.handshake import Export, RefusedError
from lioshell.runner.nbd.request import Request
from lioshell.runner.nbd.transport import after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.runner.handlers.base import Undo
    from lioshell.runner.handlers.completion import Done
    from lioshell.runner.nbd.client import Connect
    from lioshell.runner.nbd.transport import Transport

DEFAULT_TIMEOUT_S = 20
"""Less than the 30 s after which the kernel and Linux' initiators give a command up."""
_ZEROES_LIMIT_BYTES = 128 << 20
_STATUS_LIMIT_BYTES = 1 << 30
_CLOSE_TIMEOUT_S = 5.0

TIMEOUT_OPTION = Option(
    "timeout", "int", "Seconds that commands wait for a lost server", str(DEFAULT_TIMEOUT_S)
)


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
        # The ring's memory is another command's once this is answered, and a lost server may have
        # to be told these bytes again.
        data = bytes(buffers[0]) if len(buffers) == 1 else b"".join(buffers)
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

    def _write(self, offset_bytes: int, data: bytes, flags: int, done: Done) -> Request:
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


class NbdHandler(NbdDisk):
    """An export of an NBD server, on TCP or a Unix socket, with TLS or without."""

    subtype = "nbd"
    help = "An export of an NBD server (qemu-nbd, nbdkit, nbd-server)"
    config_help = f"URI of the export: {address.FORM}"
    options: ClassVar[tuple[Option, ...]] = (TIMEOUT_OPTION,)

    def __init__(
        self,
        where: address.Address,
        first: tuple[Transport, Export],
        read_only: bool,
        timeout_s: float,
    ) -> None:
        super().__init__(where.connect, first, read_only, timeout_s)
        self._where = where

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check the URI and the options. Raises UsageError."""
        _parse(config)

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Ask the server for the size of the export. Raises LioshellError."""
        where, timeout_s = _parse(config)
        transport, export = _connected(where, timeout_s)
        transport.close()
        return export.size_bytes

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Look whether the export is there and fits; exports are made on their server.

        Raises LioshellError.
        """
        cls.open(config, size_bytes, block_size_bytes).close()
        return nothing_made

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Connect to the server, whose export must have exactly `size_bytes`.

        Raises UsageError, NotFoundError (no such export), ConflictError (another size, read-only,
        larger blocks) or RunnerError (no server).
        """
        where, timeout_s = _parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        transport, export = _connected(where, timeout_s)
        name = f"The export {where.export!r}"
        try:
            hint = f"Give {export.size_bytes} as the size, or another export."
            require_size(export, name, size_bytes, block_size_bytes, hint)
            return cls(where, (transport, export), read_only, timeout_s)
        except BaseException:
            transport.close()
            raise

    def resize(self, size_bytes: int) -> None:
        """Take over the size that the export was given on its server. Raises RunnerError."""
        transport, export = _connected(self._where, self._timeout_s)
        transport.close()
        if export.size_bytes != size_bytes:
            raise RunnerError(
                f"The export {self._where.export!r} has {export.size_bytes} bytes, "
                f"not {size_bytes}",
                hint="Resize it on its server first; then give the same size here.",
            )
        self._adopt(export)


def _parse(config: str) -> tuple[address.Address, float]:
    config_string.check_text(config, "nbd/")
    uri, values = config_string.split_options(config, NbdHandler.options)
    timeout_s = int(values["timeout"])
    if not 1 <= timeout_s <= 3600:
        raise UsageError(
            f"timeout={timeout_s} is no sensible number of seconds", hint="Give 1 to 3600."
        )
    return address.parse(uri), timeout_s


def _connected(where: address.Address, timeout_s: float) -> tuple[Transport, Export]:
    """Connect for the first time. Raises NotFoundError or RunnerError."""
    try:
        return where.connect(min(timeout_s, 10))
    except RefusedError as error:
        reason = error.strerror or str(error)
        if error.code == protocol.ERR_UNKNOWN_EXPORT:
            raise NotFoundError(
                reason[0].upper() + reason[1:], hint="Ask it for its exports: nbdinfo --list URI"
            ) from None
        hint = "Check its configuration and its log."
        if error.code == protocol.ERR_TLS_REQUIRED:
            hint = "Write nbds: for a connection with TLS."
        raise RunnerError(reason[0].upper() + reason[1:], hint=hint) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunnerError(
            f"Cannot use {where.server}: {reason}",
            hint="Start the server, or check its address.",
        ) from None
