# SPDX-License-Identifier: Apache-2.0
"""Backing files: which paths are accepted, how a file is made, found, checked and locked.

Every way in which the wrong file could be served ends here: a file that is not there yet, one of
another size, one that somebody else uses, or something that is no file at all.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from lioshell.errors import ConflictError, LioshellError, NotFoundError, RunnerError, UsageError
from lioshell.model.sizes import check_block_multiple
from lioshell.runner.handlers import config_string
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.handlers.base import Undo

_KINDS = (
    (stat.S_ISDIR, "a folder", "Name a file in it, as in {path}/vol0.img."),
    (
        stat.S_ISBLK,
        "a block device",
        "Type /backstores/block create NAME {path} to export the device itself.",
    ),
    (stat.S_ISCHR, "a character device", "Name a regular file."),
    (stat.S_ISFIFO, "a FIFO", "Name a regular file."),
    (stat.S_ISSOCK, "a socket", "Name a regular file."),
)


def check_path(path: str, prefix: str) -> None:
    """Check the text of a path that the kernel will keep behind `prefix` in dev_config.

    Raises UsageError.
    """
    if not path.startswith("/"):
        raise UsageError(
            f"{path!r} is not an absolute path",
            hint=f"Give the whole path, as in {os.path.join('/srv', path or 'vol0.img')}.",
        )
    if path.endswith("/"):
        raise UsageError(
            f"{path} names a folder, not a file", hint=f"Name a file in it, as in {path}vol0.img."
        )
    config_string.check_text(path, prefix, "the path")


def check_size(size_bytes: int, block_size_bytes: int) -> None:
    """Raise UsageError unless a size is at least one block and a whole number of blocks."""
    if size_bytes < block_size_bytes:
        raise UsageError(
            f"A size of {size_bytes} bytes is less than one block of {block_size_bytes} bytes",
            hint=f"Give at least {block_size_bytes}.",
        )
    check_block_multiple(size_bytes, block_size_bytes)


def is_missing(path: str) -> bool:
    """Tell whether nothing is at `path`.

    Raises ConflictError for a link to nothing (its target may be on a file system that is not
    mounted), NotFoundError when the folder is missing too, RunnerError when it cannot be looked at.
    """
    if _stat(path) is not None:
        return False
    if os.path.islink(path):
        target = os.path.realpath(path)
        raise ConflictError(
            f"{path} is a link to {target}, which does not exist",
            hint=f"Mount the file system of {target}, or name {target} itself to make it.",
            path=path,
        )
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise NotFoundError(
            f"There is no folder {folder} for {path}",
            hint=f"Mount its file system, or make it: mkdir -p {folder}",
            path=path,
        )
    return True


def size_of(path: str) -> int | None:
    """Return the bytes of a regular file, None where nothing is at `path`. Raises LioshellError."""
    found = _stat(path)
    if found is None:
        return None
    _require_regular(path, found)
    return found.st_size or None


def create(path: str, size_bytes: int) -> Undo:
    """Make a sparse file of mode 0600 and put it and its name on stable storage.

    The returned callable removes the file, if it is still the one that was made here; it raises
    RunnerError when it cannot. Raises ConflictError when somebody else made it meanwhile and
    RunnerError when the file system refuses; nothing is left behind then.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except FileExistsError:
        raise ConflictError(
            f"{path} was made by somebody else at this moment",
            hint="Look what it is, and type the command again to use it.",
            path=path,
        ) from None
    except OSError as error:
        raise _refused("make", path, error) from error
    try:
        made = os.fstat(fd)
        os.ftruncate(fd, size_bytes)
        os.fsync(fd)
        _sync_folder(path)
    except BaseException as error:
        failure = _refused("make", path, error) if isinstance(error, OSError) else None
        try:
            os.unlink(path)
        except OSError:
            if failure is not None:
                failure.remains = (path,)
        if failure is None:
            raise
        raise failure from error
    finally:
        os.close(fd)

    def remove() -> None:
        try:
            found = os.lstat(path)
            if (found.st_dev, found.st_ino) == (made.st_dev, made.st_ino):
                os.unlink(path)
                _sync_folder(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused("remove", path, error) from error

    return remove


def open_locked(
    path: str,
    size_bytes: int | None,
    block_size_bytes: int,
    read_only: bool,
    *,
    sync: bool = False,
) -> int:
    """Open an existing file of exactly `size_bytes`, lock it and return the descriptor.

    None: of any size, because its format says what it holds. With `sync` each write is on stable
    storage when it returns (O_DSYNC).

    The lock is flock(2): exclusive, or shared among those who only read. It conflicts with other
    opens in the same process too. Raises NotFoundError, UsageError (no regular file),
    ConflictError (in use, another size) or RunnerError (the file system refused).
    """
    # Looked at before it is opened: opening a device node alone may already have an effect.
    found = _stat(path)
    if found is None:
        raise NotFoundError(
            f"The backing file {path} is not there",
            hint="Mount its file system, or restore the file; it is not made anew, "
            "so that nothing is lost.",
            path=path,
        )
    _require_regular(path, found)
    access = os.O_RDONLY if read_only else os.O_RDWR
    if sync:
        access |= os.O_DSYNC
    try:
        # O_NONBLOCK: a FIFO that took the file's place since must not stop the runner.
        fd = os.open(path, access | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise _refused("open", path, error) from error
    try:
        opened = os.fstat(fd)
        _require_regular(path, opened)
        _lock(fd, path, read_only)
        if size_bytes is not None:
            _require_size(path, os.fstat(fd).st_size, size_bytes, block_size_bytes)
    except BaseException:
        os.close(fd)
        raise
    return fd


def resize(fd: int, path: str, size_bytes: int, sync: Callable[[], None]) -> None:
    """Give an open file another size, on stable storage by `sync()`. Raises RunnerError."""
    before = os.fstat(fd).st_size
    try:
        os.ftruncate(fd, size_bytes)
        sync()
    except OSError as error:
        with contextlib.suppress(OSError):  # a shorter file cannot be made whole again by this
            if before < size_bytes:
                os.ftruncate(fd, before)
        raise _refused("resize", path, error) from error


def lies_in_memory(fd: int) -> bool:
    """Tell whether an open file is on tmpfs or ramfs, whose reads wait for no device."""
    number = os.fstat(fd).st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.split()
                if fields[2] == wanted:
                    return fields[fields.index("-") + 1] in ("tmpfs", "ramfs")
    except (OSError, ValueError, IndexError):
        # No /proc: nothing is known of the file system.
        return False
    return False


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused("look at", path, error) from error


def _require_regular(path: str, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    for is_kind, kind, hint in _KINDS:
        if is_kind(found.st_mode):
            raise UsageError(
                f"{path} is {kind}, not a regular file", hint=hint.format(path=path), path=path
            )
    raise UsageError(f"{path} is not a regular file", hint="Name a regular file.", path=path)


def _lock(fd: int, path: str, read_only: bool) -> None:
    operation = fcntl.LOCK_SH if read_only else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConflictError(
            f"{path} is in use by {_holder(fd)}",
            hint="Delete the device or end the program that uses it, or name another file.",
            path=path,
        ) from None
    except OSError as error:
        raise _refused("lock", path, error) from error


def outlived_by_its_lock(path: str) -> bool:
    """Tell whether the process that locked a file is dead, so that a child of it holds the lock.

    In a container such a lock is not listed at all (fs/locks.c, locks_translate_pid).
    """
    try:
        pid = _locker(os.stat(path))
        if pid is not None:
            os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, IndexError):
        # Without /proc, or not ours to look at.
        return False
    return pid is None


def _holder(fd: int) -> str:
    """Name the process that holds a lock on the file, as well as /proc tells (proc(5), locks)."""
    try:
        pid = _locker(os.fstat(fd))
    except (OSError, ValueError, IndexError):
        # Without /proc, or in a container of its own, nobody can be named.
        return "another device or program"
    return "another device or program" if pid is None else _process(pid)


def _locker(status: os.stat_result) -> int | None:
    """Return the process that has locked a file. Raises OSError, ValueError, IndexError."""
    major, minor = os.major(status.st_dev), os.minor(status.st_dev)
    wanted = f"{major:02x}:{minor:02x}:{status.st_ino}"
    with open("/proc/locks", encoding="ascii") as locks:
        for line in locks:
            # "1: FLOCK  ADVISORY  WRITE 4711 fe:01:131090 0 EOF"; "->": one that waits.
            fields = line.split()
            if fields[1] == "FLOCK" and wanted in fields:
                return int(fields[4])
    return None


def _process(pid: int) -> str:
    if pid == os.getpid():
        return f"another device of this process ({pid})"
    if pid <= 0:
        return "a process outside this container"
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return f"process {pid}"
    command = b" ".join(word for word in words[:3] if word).decode(errors="replace")
    return f"process {pid} ({command})" if command else f"process {pid}"


def _require_size(path: str, found_bytes: int, size_bytes: int, block_size_bytes: int) -> None:
    if found_bytes == size_bytes:
        return
    if found_bytes and not found_bytes % block_size_bytes:
        hint = f"Give {found_bytes} as the size to use the file as it is, or name another file."
    else:
        hint = f"That is no whole number of {block_size_bytes}-byte blocks: name another file."
    raise ConflictError(f"{path} has {found_bytes} bytes, not {size_bytes}", hint=hint, path=path)


def _refused(verb: str, path: str, error: OSError) -> LioshellError:
    hints = {
        errno.EACCES: "Check the permissions of the file and of the folders above it.",
        errno.EPERM: "Check the permissions and attributes (lsattr) of the file.",
        errno.EROFS: "Mount the file system for writing, or name a file on another one.",
        errno.ENOSPC: "Make room on the file system, or name a file on another one.",
        errno.EDQUOT: "Raise the quota, or name a file on another file system.",
        errno.EFBIG: "Give a smaller size, or name a file on another file system.",
        errno.ENOTDIR: "Check the path: something in its middle is not a folder.",
        errno.ELOOP: "Check the links in the path: they form a circle.",
        errno.ENAMETOOLONG: "Choose a shorter name.",
        errno.EMFILE: "Raise the limit of open files (ulimit -n).",
        errno.ETXTBSY: "Stop the program, or swapoff, that uses the file.",
    }
    reason = error.strerror or str(error)
    return RunnerError(
        f"Cannot {verb} {path}: {reason}",
        hint=hints.get(error.errno or 0, "Check the file system with dmesg."),
        path=path,
    )


def _sync_folder(path: str) -> None:
    fd = os.open(os.path.dirname(path) or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network and user-space file systems have no sync of a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)
