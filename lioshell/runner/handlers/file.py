# SPDX-License-Identifier: Apache-2.0
"""The `file` subtype: a device whose blocks are the bytes of one regular file.

Data moves between the page cache and the mapped data area in one system call. Making and finding
the file safely is the part of backing_file; this module is the open device.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lioshell.runner.handlers import backing_file
from lioshell.runner.handlers.base import Handler, TransferError, Undo, nothing_made
from lioshell.runner.handlers.vectored import IOV_MAX, read_rest, write_rest

if TYPE_CHECKING:
    from typing import Self


_INLINE_BYTES = 128 * 1024
"""Copying more takes longer than handing the command to a worker, where several run at once."""
_INLINE_BUFFERS = 64


class FileHandler(Handler):
    """An open backing file, locked against every other user of it.

    Buffered: writes are acknowledged from the page cache (`write_cache`), `flush` is fdatasync(2)
    and a write with `fua` is pwritev2(2) with RWF_DSYNC.
    """

    subtype = "file"
    help = "A regular file, read and written through the page cache"
    config_help = "PATH of the backing file, absolute; made sparse when it is not there"

    def __init__(self, fd: int, path: str, size_bytes: int, read_only: bool) -> None:
        self._fd = fd
        self._path = path
        self._size_bytes = size_bytes
        self._read_only = read_only
        self._sync_failed = False
        self._write_cache = True
        self._reads_ahead = True
        self._read_flags = os.RWF_NOWAIT

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check that `config` is an absolute path which the kernel can hold.

        Raises UsageError.
        """
        backing_file.check_path(config, f"{cls.subtype}/")

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the file, sparse, of mode 0600 and on stable storage, unless it is there.

        A file that is there must be free and of exactly `size_bytes`. Raises UsageError,
        NotFoundError (no such folder), ConflictError (another size, in use) or RunnerError (the
        file system refused).
        """
        cls.check_config(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        if not backing_file.is_missing(config):
            cls.open(config, size_bytes, block_size_bytes).close()
            return nothing_made
        return backing_file.create(config, size_bytes)

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Open and lock the file, which must exist and have exactly `size_bytes`.

        Raises as `prepare` does, and NotFoundError when the file is not there.
        """
        cls.check_config(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        fd = backing_file.open_locked(config, size_bytes, block_size_bytes, read_only)
        return cls(fd, config, size_bytes, read_only)

    @property
    def size_bytes(self) -> int:
        """The size of the device, which is the file's."""
        return self._size_bytes

    @property
    def write_cache(self) -> bool:
        """True: a write is acknowledged when it is in the page cache."""
        return True

    @property
    def read_only(self) -> bool:
        """Whether the file was opened for reading only."""
        return self._read_only

    def read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill the buffers from the file; what lies beyond its end reads as zeros.

        Raises OSError.
        """
        done = 0
        if len(buffers) <= IOV_MAX:
            try:
                done = os.preadv(self._fd, buffers, offset_bytes)
            except OSError as error:
                raise TransferError(error, 0) from error
            if done == (len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))):
                return
        read_rest(self._fd, buffers, offset_bytes, done)

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Write the buffers into the file, with `fua` down to stable storage. Raises OSError."""
        if fua:
            self._write_durably(buffers, offset_bytes)
            return
        done = 0
        if len(buffers) <= IOV_MAX:
            try:
                done = os.pwritev(self._fd, buffers, offset_bytes)
            except OSError as error:
                raise TransferError(error, 0) from error
            if done == (len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))):
                return
        write_rest(self._fd, buffers, offset_bytes, done)

    def try_read(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Read what the page cache holds; False: it holds not all of it. Raises OSError."""
        if not self._reads_ahead or len(buffers) > _INLINE_BUFFERS:
            return False
        size = len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))
        if size > _INLINE_BYTES:
            return False
        try:
            return os.preadv(self._fd, buffers, offset_bytes, self._read_flags) == size
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP and self._read_flags:
                # tmpfs has no such flag, and never waits; of another file system without it
                # (a network's) nobody knows, so its reads are the workers'.
                self._read_flags = 0
                self._reads_ahead = backing_file.lies_in_memory(self._fd)
                return False
            raise TransferError(error, 0) from error

    def try_write(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Write into the page cache, which waits only where it is full. Raises OSError."""
        if self._write_cache is False or len(buffers) > _INLINE_BUFFERS:
            return False
        size = len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))
        if size > _INLINE_BYTES:
            return False
        try:
            return os.pwritev(self._fd, buffers, offset_bytes) == size
        except OSError as error:
            raise TransferError(error, 0) from error

    def _write_durably(self, buffers: list[memoryview], offset_bytes: int) -> None:
        self._raise_if_lost()
        try:
            write_rest(self._fd, buffers, offset_bytes, 0, os.RWF_DSYNC)
        except OSError as error:
            # Either nothing could be written, which loses nothing, or what was written (perhaps by
            # earlier commands too) could not be synced, and the kernel reports that only once.
            # Writing again without the sync tells the two apart: it raises in the first case.
            write_rest(self._fd, buffers, offset_bytes, 0)
            if error.errno == errno.EOPNOTSUPP:
                # A file system without per-call flags: pwritev2(2).
                self.flush()
                return
            self._sync_failed = True
            raise

    def flush(self) -> None:
        """Put all acknowledged writes on stable storage.

        Raises OSError: the kernel's the first time, EIO from then on until the file is opened
        again. fdatasync(2) after a failed one may succeed though the dirty pages were dropped.
        """
        self._raise_if_lost()
        try:
            os.fdatasync(self._fd)
        except OSError:
            self._sync_failed = True
            raise

    def _raise_if_lost(self) -> None:
        if self._sync_failed:
            raise OSError(errno.EIO, "An earlier sync failed; writes before it may be lost")

    def close(self) -> None:
        """Close the file, which drops its lock. Raises OSError when the last write-back failed."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
