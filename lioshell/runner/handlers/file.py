# SPDX-License-Identifier: Apache-2.0
"""The `file` subtype: a device whose blocks are the bytes of one regular file.

Data moves between the page cache and the mapped data area in one system call. Making and finding
the file safely is the part of backing_file; this module is the open device.
"""

from __future__ import annotations

import errno
import os
import time

from lioshell.runner.handlers import backing_file
from lioshell.runner.handlers.base import (
    DirectFile,
    Extent,
    Handler,
    Option,
    TransferError,
    Undo,
    nothing_made,
)
from lioshell.runner.handlers.sync_state import SyncState
from lioshell.runner.handlers.vectored import IOV_MAX, read_rest, write_rest
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS)
_PHYSICAL_BLOCK_LIMIT_BYTES = 65536
_PREFETCH_LIMIT_BYTES = 16 << 20


_INLINE_READ_BYTES = 128 * 1024
"""Copying more takes longer than handing the command to a worker, where several run at once."""
_FEW_CPUS = 2
"""There several do not: one CPU is the loop's, the other has the initiator's side to carry."""
_INLINE_WRITE_BYTES = 1 << 20
"""Workers that write gain nothing by being several: the kernel lets one at a time into a file."""
_INLINE_BUFFERS = 64
_SURELY_WAITED_S = 0.1
_MOSTLY = 4
"""A wait counts where the one before it was no longer ago than so many times its length."""
_NONE = -1
"""Less than any transfer moves."""


def _small_sum(buffers: list[memoryview]) -> int:
    """Return the bytes in several buffers, or more than is moved at once where they are many."""
    return sum(map(len, buffers)) if len(buffers) <= _INLINE_BUFFERS else _INLINE_WRITE_BYTES + 1


_SYNC = ";sync"


def _inline_read_bytes() -> int:
    """Return up to what size what the page cache holds is read in the loop's thread."""
    cpus = len(os.sched_getaffinity(0))
    return _INLINE_READ_BYTES if cpus > _FEW_CPUS else _INLINE_WRITE_BYTES


def _split(config: str) -> tuple[str, bool]:
    """Return the path, and whether `;sync` stands behind it; any other ";" is the path's own.

    So it is with tcmu-runner's file, and a path of any characters can be served.
    """
    return config.removesuffix(_SYNC), config.endswith(_SYNC)


class FileHandler(Handler):
    """An open backing file, locked against every other user of it.

    Buffered: writes are acknowledged from the page cache (`write_cache`), `flush` is fdatasync(2)
    and a write with `fua` is pwritev2(2) with RWF_DSYNC. With `;sync` behind the path the file is
    opened with O_DSYNC: every write is on stable storage when it is acknowledged.
    """

    subtype = "file"
    help = "A regular file, read and written through the page cache"
    config_help = "PATH of the backing file, absolute; made sparse when it is not there"
    options = (
        Option("sync", "bool", "Every write goes to the disk before it is answered", "false"),
    )

    def __init__(
        self, fd: int, path: str, size_bytes: int, read_only: bool, write_cache: bool = True
    ) -> None:
        self._fd = fd
        self._path = path
        self._size_bytes = size_bytes
        self._read_only = read_only
        self._syncs = SyncState()
        self._write_cache = write_cache
        # When a command has last taken long, time.monotonic().
        self._waited_at = float("-inf")
        # Until when writes are the workers', time.monotonic(); 0.0: they are not.
        self._busy_until = 0.0
        # How many bytes are moved in the loop's thread.
        self._direct = DirectFile(
            fd,
            os.RWF_NOWAIT,
            _inline_read_bytes(),
            _INLINE_WRITE_BYTES if write_cache else _NONE,
        )
        kind = type(self)
        if kind.try_read is FileHandler.try_read and kind.try_write is FileHandler.try_write:
            self.direct_file = self._direct
        self._can_copy = True
        self._can_discard = not read_only and self._probe_discard()
        physical = os.fstatvfs(fd).f_bsize
        usable = 512 <= physical <= _PHYSICAL_BLOCK_LIMIT_BYTES and not physical & (physical - 1)
        self._physical_block_size_bytes = physical if usable else 0

    def _probe_discard(self) -> bool:
        from lioshell.runner.handlers.fallocate import KEEP_SIZE, PUNCH_HOLE, fallocate

        try:
            # Beyond the end of the file, where there is nothing to lose.
            fallocate(self._fd, PUNCH_HOLE | KEEP_SIZE, self._size_bytes, 65536)
        except OSError:
            return False
        return True

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check that `config` is an absolute path which the kernel can hold, perhaps with `;sync`.

        Raises UsageError.
        """
        path, _ = _split(config)
        backing_file.check_path(path, f"{cls.subtype}/{config[len(path) :]}")

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return the size of the file, None where there is none."""
        cls.check_config(config)
        return backing_file.size_of(_split(config)[0])

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return the path of a file in a folder."""
        return f"{folder}/exercise.img"

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the file, sparse, of mode 0600 and on stable storage, unless it is there.

        A file that is there must be free and of exactly `size_bytes`. Raises UsageError,
        NotFoundError (no such folder), ConflictError (another size, in use) or RunnerError (the
        file system refused).
        """
        cls.check_config(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        path, _ = _split(config)
        if not backing_file.is_missing(path):
            cls.open(config, size_bytes, block_size_bytes).close()
            return nothing_made
        return backing_file.create(path, size_bytes)

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Open and lock the file, which must exist and have exactly `size_bytes`.

        Raises as `prepare` does, and NotFoundError when the file is not there.
        """
        cls.check_config(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        path, sync = _split(config)
        fd = backing_file.open_locked(path, size_bytes, block_size_bytes, read_only, sync=sync)
        return cls(fd, path, size_bytes, read_only, write_cache=not sync)

    @property
    def size_bytes(self) -> int:
        """The size of the device, which is the file's."""
        return self._size_bytes

    @property
    def write_cache(self) -> bool:
        """Whether a write is acknowledged from the page cache: not with `;sync`."""
        return self._write_cache

    @property
    def read_only(self) -> bool:
        """Whether the file was opened for reading only."""
        return self._read_only

    def read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill the buffers from the file. Raises OSError.

        The file had the device's size when it was opened: where it ends earlier now, somebody has
        truncated it, and zeros would pass for data.
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
        size = len(buffers[0]) if len(buffers) == 1 else _small_sum(buffers)
        if size > self._direct.read_limit_bytes:
            return False
        try:
            return os.preadv(self._fd, buffers, offset_bytes, self._direct.read_flags) == size
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP and self._direct.read_flags:
                # tmpfs has no such flag, and never waits; of another file system without it
                # (a network's) nobody knows, so its reads are the workers'.
                self._direct.read_flags = 0
                if not backing_file.lies_in_memory(self._fd):
                    self._direct.read_limit_bytes = _NONE
                return False
            raise TransferError(error, 0) from error

    def try_write(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Write into the page cache, which waits only where it is full. Raises OSError."""
        size = len(buffers[0]) if len(buffers) == 1 else _small_sum(buffers)
        if size > self._direct.write_limit_bytes:
            if not self._busy_until or time.monotonic() < self._busy_until:
                return False
            self._busy_until = 0.0
            self._direct.write_limit_bytes = _INLINE_WRITE_BYTES
            return self.try_write(buffers, offset_bytes)
        try:
            return os.pwritev(self._fd, buffers, offset_bytes) == size
        except OSError as error:
            raise TransferError(error, 0) from error

    def waited(self, seconds: float) -> None:
        """Leave writes to the workers for a while: the page cache is full, or its disk is slow.

        One command that took some hundredths of a second may have lost its CPU to somebody, which
        handing over to a worker only makes worse. A full page cache makes every write wait.
        """
        now = time.monotonic()
        before, self._waited_at = self._waited_at, now
        if seconds < _SURELY_WAITED_S and now - before > _MOSTLY * seconds:
            return
        if self._write_cache:
            self._busy_until = now + min(10.0, 1.0 + 10 * seconds)
            self._direct.write_limit_bytes = _NONE

    def _write_durably(self, buffers: list[memoryview], offset_bytes: int) -> None:
        with self._syncs.sync(covers_others=False) as unwritten:
            try:
                write_rest(self._fd, buffers, offset_bytes, 0, os.RWF_DSYNC)
                return
            except OSError as error:
                # Either nothing could be written, which loses nothing, or what was written (perhaps
                # by earlier commands too) could not be synced, and the kernel reports that only
                # once. Writing again without the sync tells the two apart: it raises in the first
                # case.
                unwritten.append(True)
                write_rest(self._fd, buffers, offset_bytes, 0)
                unwritten.clear()
                if error.errno != errno.EOPNOTSUPP:
                    raise
        # A file system without per-call flags: pwritev2(2).
        self.flush()

    def flush(self) -> None:
        """Put all acknowledged writes on stable storage.

        Raises OSError: the kernel's the first time, EIO from then on until the file is opened
        again. fdatasync(2) after a failed one may succeed though the dirty pages were dropped.
        """
        with self._syncs.sync(covers_others=True):
            os.fdatasync(self._fd)

    @property
    def physical_block_size_bytes(self) -> int:
        """The file system's block: less than it is read, changed and written."""
        return self._physical_block_size_bytes

    @property
    def can_discard(self) -> bool:
        """Whether the file system can punch holes into the file."""
        return self._can_discard

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Punch a hole, with fallocate(2). Raises OSError."""
        from lioshell.runner.handlers.fallocate import KEEP_SIZE, PUNCH_HOLE, fallocate

        fallocate(self._fd, PUNCH_HOLE | KEEP_SIZE, offset_bytes, size_bytes)
        self._settle()

    def write_zeroes(self, offset_bytes: int, size_bytes: int) -> None:
        """Zero a range, with fallocate(2) where the file system can. Raises OSError."""
        from lioshell.runner.handlers.fallocate import KEEP_SIZE, ZERO_RANGE, fallocate

        try:
            fallocate(self._fd, ZERO_RANGE | KEEP_SIZE, offset_bytes, size_bytes)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            super().write_zeroes(offset_bytes, size_bytes)
        self._settle()

    def allocation(self, offset_bytes: int, size_bytes: int) -> Iterator[Extent]:
        """Tell data from holes, with lseek(2). Raises OSError."""
        position, end = offset_bytes, offset_bytes + size_bytes
        while position < end:
            try:
                data = os.lseek(self._fd, position, os.SEEK_DATA)
                hole = os.lseek(self._fd, data, os.SEEK_HOLE)
            except OSError as error:
                # No data up to the end of the file, or no longer any.
                if error.errno != errno.ENXIO:
                    raise
                data = hole = end
            if data > position:
                yield Extent(min(data, end) - position, False)
            if data >= end:
                return
            position = min(hole, end)
            yield Extent(position - data, True)

    def prefetch(self, offset_bytes: int, size_bytes: int) -> None:
        """Have the kernel read the beginning of a range into the page cache."""
        try:
            size_bytes = min(size_bytes, _PREFETCH_LIMIT_BYTES)
            os.posix_fadvise(self._fd, offset_bytes, size_bytes, os.POSIX_FADV_WILLNEED)
        except OSError:
            # A hint that could not be followed is no failure.
            return

    def copy(self, source_bytes: int, target_bytes: int, size_bytes: int) -> None:
        """Copy with copy_file_range(2) where file system and ranges allow it. Raises OSError."""
        apart = abs(source_bytes - target_bytes) >= size_bytes
        done = 0
        while apart and self._can_copy and done < size_bytes:
            left = size_bytes - done
            try:
                moved = os.copy_file_range(
                    self._fd, self._fd, left, source_bytes + done, target_bytes + done
                )
            except OSError as error:
                if error.errno not in (*_UNSUPPORTED, errno.EXDEV, errno.EINVAL):
                    raise
                self._can_copy = False
                break
            if not moved:
                break
            done += moved
        if done < size_bytes:
            super().copy(source_bytes + done, target_bytes + done, size_bytes - done)
        self._settle()

    def _settle(self) -> None:
        """Without a write cache what was done is durable; O_DSYNC covers write(2) alone."""
        if not self._write_cache:
            self.flush()

    def resize(self, size_bytes: int) -> None:
        """Make the file longer, sparse, or shorter. Raises RunnerError."""
        backing_file.resize(self._fd, self._path, size_bytes, self.flush)
        self._size_bytes = size_bytes

    def close(self) -> None:
        """Close the file, which drops its lock. Raises OSError when the last write-back failed."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
