# SPDX-License-Identifier: Apache-2.0
"""The `glfs` subtype: a device whose blocks are the bytes of a file in a Gluster volume.

Reads and writes are libgfapi's asynchronous ones. While no brick answers, commands wait for some
time and are asked again; then they end with a communication failure.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
import time
from typing import TypeVar

from lioshell.errors import ConflictError
from lioshell.model.sizes import format_size
from lioshell.runner.handlers import backing_file, shared_library
from lioshell.runner.handlers.base import Unavailable, Undo, nothing_made
from lioshell.runner.handlers.completion import CompletionHandler, Done
from lioshell.runner.handlers.gluster import volume as volumes
from lioshell.runner.handlers.gluster.library import ENDED, GFAPI, INSTALL, load
from lioshell.runner.handlers.gluster.name import OPTIONS, FileName, parse
from lioshell.runner.handlers.gluster.volume import OpenFile, Volume, failure, within
from lioshell.runner.handlers.native_io import InFlight, Transfer
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Self

T = TypeVar("T")

PATIENCE_S: Final = 20.0
"""Less than the 30 s after which the kernel and Linux' initiators give a command up."""
_INTERVAL_S: Final = 0.5
_AWAY: Final = (errno.ENOTCONN, errno.EBADFD)
"""No brick is connected; the file is not open on it yet."""


class _Operation:
    """One asynchronous call, which may be made again."""

    __slots__ = ("handler", "offset_bytes", "since", "transfer")

    def __init__(self, handler: GlfsHandler, transfer: Transfer, offset_bytes: int) -> None:
        self.handler = handler
        self.transfer = transfer
        self.offset_bytes = offset_bytes
        """-1: a flush."""
        self.since = 0.0


_IN_FLIGHT: Final[InFlight[_Operation]] = InFlight()


_KEPT: Final[set[int]] = set()


def _keep_thread() -> None:
    """Let Python keep what it makes for a thread of the library at each callback, as stack memory.

    PyGILState_Ensure without its release; libgfapi has a few such threads for each volume.
    """
    ident = threading.get_ident()
    if ident not in _KEPT:
        _KEPT.add(ident)
        ctypes.pythonapi.PyGILState_Ensure()


def _ended(fd: int, result: int, before: int, after: int, number: int) -> None:
    del fd, before, after
    error_number = ctypes.get_errno() if result < 0 else 0
    _keep_thread()
    operation = _IN_FLIGHT.take(number)
    operation.handler.ended(operation, result, error_number or errno.EIO)


_ENDED: Final = ENDED(_ended)


class GlfsHandler(CompletionHandler):
    """An open file of a volume, locked against every other client that locks it.

    Writes are answered when the bricks have them (in their page cache: `write_cache`), or with
    `;sync` their disks; nothing is kept back in this process.
    """

    subtype = "glfs"
    help = "A file in a Gluster volume"
    config_help = "VOLUME@HOST/PATH of the file in the volume; made sparse when it is not there"
    options = OPTIONS

    def __init__(self, name: FileName, file: OpenFile, size_bytes: int, read_only: bool) -> None:
        self._name = name
        self._file = file
        self._gfapi = load()
        self._size_bytes = size_bytes
        self._read_only = read_only
        self._lock = threading.Lock()
        self._waiting: list[_Operation] = []
        self._retrying = False
        self._lost = False

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check the form of `VOLUME@HOST/PATH[;option=value]`. Raises UsageError."""
        parse(config)

    @classmethod
    def unavailable(cls) -> Unavailable | None:
        """Tell whether libgfapi is missing."""
        if shared_library.is_there(GFAPI):
            return None
        return Unavailable(f"there is no {GFAPI}", INSTALL)

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return the size of a file, None where there is none. Raises LioshellError."""
        name = parse(config)

        def look() -> int | None:
            volume = Volume(name)
            try:
                if not volume.identity():
                    return None
                fd = volume.open(os.O_RDONLY)
                try:
                    return int(load().glfs_lseek(fd, 0, os.SEEK_END))
                finally:
                    load().glfs_close(fd)
            finally:
                volume.close()

        return _bounded(name, "look at", look)

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the file, sparse and of mode 0600, unless it is there.

        One that is there must be free and of exactly `size_bytes`. Raises NotFoundError (no such
        volume or folder), ConflictError (another size, in use) or RunnerError.
        """
        name = parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)

        def make() -> int:
            volume = Volume(name)
            try:
                return 0 if volume.identity() else volume.create(size_bytes)
            finally:
                volume.close()

        identity = _bounded(name, "make", make)
        if not identity:
            cls.open(config, size_bytes, block_size_bytes).close()
            return nothing_made

        def unmake() -> None:
            volume = Volume(name)
            try:
                volume.remove(identity)
            finally:
                volume.close()

        return lambda: _bounded(name, "remove", unmake)

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Open and lock the file, which must exist and have exactly `size_bytes`.

        Raises as `prepare` does.
        """
        name = parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)

        def connect() -> tuple[OpenFile, int]:
            volume = Volume(name)
            try:
                file = OpenFile(volume, read_only)
            except BaseException:
                volume.close()
                raise
            try:
                return file, file.size_bytes()
            except BaseException:
                file.close()
                raise

        file, found = _bounded(name, "open", connect, lambda opened: opened[0].close())
        if found != size_bytes:
            file.close()
            raise ConflictError(
                f"glfs/{name} has {found} bytes, not {size_bytes}",
                hint=f"Give size={found}, or name another file.",
            )
        return cls(name, file, size_bytes, read_only)

    @property
    def size_bytes(self) -> int:
        """The size of the device, which is the file's."""
        return self._size_bytes

    @property
    def write_cache(self) -> bool:
        """Whether the bricks answer a write from their page cache: not with `;sync`."""
        return not self._name.sync

    @property
    def read_only(self) -> bool:
        """Whether the file was opened for reading only."""
        return self._read_only

    @property
    def can_discard(self) -> bool:
        """Bricks punch holes."""
        return not self._read_only

    def submit_read(self, buffers: list[memoryview], offset_bytes: int, done: Done) -> None:
        """Begin a read."""
        self._begin(_Operation(self, Transfer(done, buffers, is_read=True), offset_bytes))

    def submit_write(
        self, buffers: list[memoryview], offset_bytes: int, fua: bool, done: Done
    ) -> None:
        """Begin a write, which a flush follows with `fua`."""
        if fua and self.write_cache:
            after = done

            def done(error: OSError | None) -> None:
                if error is None:
                    self.submit_flush(after)
                else:
                    after(error)

        self._begin(_Operation(self, Transfer(done, buffers), offset_bytes))

    def submit_flush(self, done: Done) -> None:
        """Begin to have the bricks put what they answered on their disks."""
        self._begin(_Operation(self, Transfer(done, []), -1))

    def _begin(self, operation: _Operation) -> None:
        if self._lost:
            operation.transfer.finish(-1, errno.EIO)
            return
        number = _IN_FLIGHT.put(operation)
        transfer, fd = operation.transfer, self._file.fd
        if operation.offset_bytes < 0:
            result = self._gfapi.glfs_fdatasync_async(fd, _ENDED, number)
        else:
            gfapi = self._gfapi
            call = gfapi.glfs_preadv_async if transfer.is_read else gfapi.glfs_pwritev_async
            vector = ctypes.addressof(transfer.vector)
            result = call(fd, vector, transfer.count, operation.offset_bytes, 0, _ENDED, number)
        if result < 0:
            error_number = ctypes.get_errno()
            _IN_FLIGHT.take(number)
            self.ended(operation, result, error_number or errno.EIO)

    def ended(self, operation: _Operation, result: int, error_number: int) -> None:
        """Answer an operation, or have it wait for its bricks; in any thread."""
        if result < 0 and error_number in _AWAY and not self._lost:
            now = time.monotonic()
            operation.since = operation.since or now
            if now - operation.since < PATIENCE_S:
                self._wait(operation)
                return
            error_number = errno.ENOTCONN
        if not operation.transfer.is_read and 0 <= result < operation.transfer.size_bytes:
            result, error_number = -1, errno.EIO
        operation.transfer.finish(result, error_number)

    def _wait(self, operation: _Operation) -> None:
        with self._lock:
            self._waiting.append(operation)
            if self._retrying:
                return
            self._retrying = True
        threading.Thread(target=self._retry, name="lioshell-glfs-retry", daemon=True).start()

    def _retry(self) -> None:
        """Ask again what waits, until nothing does; lock and file went with the connection."""
        while True:
            time.sleep(_INTERVAL_S)
            try:
                self._file.restore()
            except OSError as error:
                # In use by others now: nothing of ours may reach it any more.
                self._lost = error.errno == errno.EAGAIN
            with self._lock:
                waiting, self._waiting = self._waiting, []
                if not waiting:
                    self._retrying = False
                    return
            for operation in waiting:
                self._begin(operation)

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Punch a hole. Raises OSError."""
        self._patiently(lambda: self._file.discard(offset_bytes, size_bytes))

    def write_zeroes(self, offset_bytes: int, size_bytes: int) -> None:
        """Zero a range, by the bricks where they can. Raises OSError."""
        try:
            self._patiently(lambda: self._file.zero(offset_bytes, size_bytes))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            super().write_zeroes(offset_bytes, size_bytes)

    def _patiently(self, function: Callable[[], Any]) -> None:
        """Call what is not asynchronous, again while no brick answers; then settle it."""
        since = time.monotonic()
        while True:
            if self._lost:
                raise OSError(errno.EIO, "Another client has taken the file")
            try:
                function()
                break
            except OSError as error:
                if error.errno not in _AWAY:
                    raise
                if time.monotonic() - since > PATIENCE_S:
                    raise OSError(errno.ENOTCONN, error.strerror) from error
            # A flush waits for the bricks, and has the file opened again on them.
            self.flush()
        if not self.write_cache:
            # O_DSYNC covers writes alone.
            self.flush()

    def resize(self, size_bytes: int) -> None:
        """Make the file longer, sparse, or shorter. Raises RunnerError."""
        _bounded(self._name, "resize", lambda: self._file.truncate(size_bytes))
        self._size_bytes = size_bytes

    def status(self) -> dict[str, str]:
        """Tell whether bricks answer, and the size if somebody changed it."""
        if self._lost:
            return {"volume": "lost: another client has locked the file"}
        try:
            found = within(5.0, self._file.size_bytes)
        except OSError as error:
            return {"volume": f"does not answer: {error.strerror}"}
        told = {"volume": f"connected, {len(self._waiting)} commands wait for it"}
        if not self._waiting:
            told["volume"] = "connected"
        if found != self._size_bytes:
            told["file"] = f"{format_size(found)} by now"
        return told

    def close(self) -> None:
        """Close the file, which drops its lock. Raises OSError."""
        self._file.close()


def _bounded(
    name: FileName,
    verb: str,
    function: Callable[[], T],
    dispose: Callable[[T], object] | None = None,
) -> T:
    try:
        return within(volumes.OPEN_TIMEOUT_S, function, dispose)
    except OSError as error:
        raise failure(name, verb, error) from error
