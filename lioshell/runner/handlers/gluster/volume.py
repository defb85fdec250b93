# SPDX-License-Identifier: Apache-2.0
"""A Gluster volume and an open, locked file of it; what may wait for ever is given a time."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
import threading
import time
from typing import TypeVar

from lioshell.errors import ConflictError, LioshellError, NotFoundError, RunnerError
from lioshell.runner.handlers.gluster.library import GF_LOG_ERROR, Flock, check, load
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.handlers.gluster.name import FileName

T = TypeVar("T")

OPEN_TIMEOUT_S: Final = 30.0
"""How long a volume may take from the first question to its locked file."""
CLOSE_TIMEOUT_S: Final = 10.0
LOCK_PATIENCE_S: Final = 1.5

_LOG_FOLDER: Final = "/var/log/glusterfs"
# Writes are answered when the bricks have them: what Gluster's client keeps back would be lost with
# this process, and what it reads ahead is copied once more.
_PASS_THROUGH: Final = ("write-behind", "read-ahead", "io-cache", "quick-read", "open-behind")


class Volume:
    """A client of a volume. Raises OSError; connecting may take minutes (see `within`)."""

    def __init__(self, name: FileName) -> None:
        self.name = name
        self._gfapi = gfapi = load()
        self._fs = check(gfapi.glfs_new(name.volume.encode()), "glfs_new")
        try:
            for host in name.hosts:
                check(
                    gfapi.glfs_set_volfile_server(self._fs, b"tcp", host.encode(), name.port),
                    f"naming {host}",
                )
            check(gfapi.glfs_set_logging(self._fs, _log(name), GF_LOG_ERROR), "its log")
            for layer in _PASS_THROUGH:
                check(
                    gfapi.glfs_set_xlator_option(
                        self._fs, f"*-{layer}".encode(), b"pass-through", b"true"
                    ),
                    f"switching {layer} off",
                )
            check(gfapi.glfs_init(self._fs), "connecting")
        except BaseException:
            _finish(self._fs)
            raise

    def open(self, flags: int) -> int:
        """Open the file and return its handle."""
        return check(self._gfapi.glfs_open(self._fs, self._path, flags), "opening the file")

    def create(self, size_bytes: int) -> int:
        """Make the file, sparse, of mode 0600, and return what tells it from others."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        fd = check(self._gfapi.glfs_creat(self._fs, self._path, flags, 0o600), "making the file")
        try:
            check(self._gfapi.glfs_ftruncate(fd, size_bytes, None, None), "giving it its size")
            check(self._gfapi.glfs_fsync(fd, None, None), "putting it on the disks")
            return self.identity()
        except BaseException:
            self._gfapi.glfs_unlink(self._fs, self._path)
            raise
        finally:
            self._gfapi.glfs_close(fd)

    def identity(self) -> int:
        """Return the inode number of the file at the path, 0 where there is none."""
        # struct stat begins with st_dev and st_ino of 8 bytes each on 64-bit Linux.
        buffer = ctypes.create_string_buffer(256)
        result = self._gfapi.glfs_stat(self._fs, self._path, buffer)
        if result < 0 and ctypes.get_errno() == errno.ENOENT:
            return 0
        check(result, "looking for the file")
        return int.from_bytes(buffer.raw[8:16], sys.byteorder)

    def remove(self, identity: int) -> None:
        """Remove the file if it is still the one that was made."""
        if self.identity() == identity:
            check(self._gfapi.glfs_unlink(self._fs, self._path), "removing the file")

    @property
    def _path(self) -> bytes:
        return os.fsencode(self.name.path)

    def close(self) -> None:
        """End the connection; what waits for that is a thread of its own.

        glfs_fini takes ten seconds, in which it only looks whether all calls have ended.
        """
        fs, self._fs = self._fs, 0
        if fs:
            _finish(fs)


def _finish(fs: int) -> None:
    gfapi = load()
    threading.Thread(
        target=lambda: gfapi.glfs_fini(fs), name="lioshell-glfs-fini", daemon=True
    ).start()


class OpenFile:
    """The file of a volume, opened and locked by `fcntl`'s rules; raises OSError.

    A lock ends with the connection to the bricks, so it is taken anew after each of them.
    """

    def __init__(self, volume: Volume, read_only: bool) -> None:
        self._gfapi = load()
        self._volume = volume
        self._read_only = read_only
        self._flags = os.O_RDONLY if read_only else os.O_RDWR
        self._flags |= os.O_DSYNC if volume.name.sync else 0
        self.fd = volume.open(self._flags)
        try:
            self._lock_patiently()
        except BaseException:
            self._gfapi.glfs_close(self.fd)
            raise

    def _lock_patiently(self) -> None:
        """Wait a moment: bricks may not have seen yet that an owner was killed."""
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while True:
            try:
                self.lock()
                return
            except OSError as error:
                if error.errno != errno.EAGAIN or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def lock(self) -> None:
        """Take the lock, or make sure of it; EAGAIN where somebody else has it."""
        kind = fcntl.F_RDLCK if self._read_only else fcntl.F_WRLCK
        lock = Flock(kind, os.SEEK_SET, 0, 0, 0)
        try:
            check(
                self._gfapi.glfs_posix_lock(self.fd, fcntl.F_SETLK, ctypes.byref(lock)), "locking"
            )
        except OSError as error:
            if error.errno == errno.EACCES:
                raise OSError(errno.EAGAIN, error.strerror) from error
            raise

    def restore(self) -> None:
        """Open and lock it again, after its bricks were away; EAGAIN where somebody has it."""
        try:
            self.lock()
            return
        except OSError as error:
            if error.errno != errno.EBADFD:
                raise
        # It was not opened again on a brick that came back. Closing drops all locks, so it comes
        # before the new one.
        before, self.fd = self.fd, self._volume.open(self._flags)
        self._gfapi.glfs_close(before)
        self.lock()

    def size_bytes(self) -> int:
        """Return the size as it is now."""
        return check(self._gfapi.glfs_lseek(self.fd, 0, os.SEEK_END), "its size")

    def truncate(self, size_bytes: int) -> None:
        """Give it another size, on stable storage."""
        check(self._gfapi.glfs_ftruncate(self.fd, size_bytes, None, None), "resizing the file")
        check(self._gfapi.glfs_fsync(self.fd, None, None), "putting its size on the disks")

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Punch a hole."""
        check(self._gfapi.glfs_discard(self.fd, offset_bytes, size_bytes), "discarding")

    def zero(self, offset_bytes: int, size_bytes: int) -> None:
        """Zero a range."""
        check(self._gfapi.glfs_zerofill(self.fd, offset_bytes, size_bytes), "zeroing")

    def close(self) -> None:
        """Close it, and the connection; neither is waited for too long."""
        fd, self.fd = self.fd, 0
        try:
            if fd:
                within(
                    CLOSE_TIMEOUT_S,
                    lambda: check(self._gfapi.glfs_close(fd), "closing the file"),
                )
        finally:
            self._volume.close()


def within(
    seconds: float, function: Callable[[], T], dispose: Callable[[T], object] | None = None
) -> T:
    """Call a function that may hang, in a thread; return its result or raise what it raises.

    TimeoutError after `seconds`: what it returns later is given to `dispose`.
    """
    lock = threading.Lock()
    ended = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []
    abandoned = False

    def call() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            errors.append(error)
            ended.set()
            return
        with lock:
            results.append(result)
            ended.set()
            late = abandoned
        if late and dispose is not None:
            dispose(result)

    threading.Thread(target=call, name="lioshell-glfs", daemon=True).start()
    ended.wait(seconds)
    with lock:
        abandoned = not ended.is_set()
    if abandoned:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer in {seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]


def failure(name: FileName, verb: str, error: OSError) -> LioshellError:
    """Return the error that a failed operation is for the user."""
    where = f"glfs/{name}"
    if error.errno == errno.ENOENT:
        return NotFoundError(
            f"{where} is not there: {error.strerror}",
            hint=f"See that the volume {name.volume} and the folder of {name.path} are there; a "
            "file that was served is not made anew, so that nothing is lost.",
        )
    if error.errno == errno.EAGAIN:
        return ConflictError(
            f"{where} is in use by another device or program",
            hint="Delete the device or end the program that uses it, or name another file.",
        )
    if error.errno == errno.EISDIR:
        return ConflictError(
            f"{where} is a folder", hint=f"Name a file in it: {name.path}/vol0.img"
        )
    message = f"Cannot {verb} {where}: {error.strerror}"
    if error.errno in (errno.ENOTCONN, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EHOSTUNREACH):
        return RunnerError(
            message,
            hint=f"See that its server answers, and: gluster volume status {name.volume}",
        )
    return RunnerError(message, hint=f"See what it says of: gluster volume info {name.volume}")


def _log(name: FileName) -> bytes:
    if name.log:
        return os.fsencode(name.log)
    writable = os.access(_LOG_FOLDER, os.W_OK)
    return os.fsencode(f"{_LOG_FOLDER}/lioshell.log" if writable else os.devnull)
