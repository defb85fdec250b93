# SPDX-License-Identifier: Apache-2.0
"""The backing file of a fileio object: which path the kernel can keep, and making the file."""

from __future__ import annotations

import errno
import os
import stat

from lioshell.errors import ConflictError, LioshellError, NotFoundError, UsageError
from lioshell.lio.control_option import check_value
from lioshell.model.sizes import check_block_multiple
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction

_BLOCK_SIZE_BYTES = 512
_MAX_PATH_BYTES = 255
"""FD_MAX_DEV_NAME less its NUL (drivers/target/target_core_file.h)."""


def kernel_path(file_or_dev: str) -> str:
    """Return the absolute path of a file or device, as it is given to the kernel.

    Raises UsageError for one that the kernel would cut: it would serve, or make, the file of the
    shorter name.
    """
    path = os.path.abspath(os.path.expanduser(file_or_dev))
    check_value(path)
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise UsageError(
            f"{path} is longer than {_MAX_PATH_BYTES} bytes, which is what the kernel keeps",
            hint="Choose a shorter path, for instance a link to its folder.",
        )
    return path


def prepare_file(
    lio: Lio,
    steps: Transaction,
    path: str,
    size_bytes: int | None,
    *,
    sparse: bool,
    as_saved: bool = False,
) -> int:
    """Return the size in bytes of a backing file, which is made where it is missing.

    `as_saved` refuses a missing file and one that is smaller than `size_bytes`, and returns that.
    Raises UsageError, NotFoundError, ConflictError (a link to
    nothing) or LioshellError (rights, space); the caller's transaction removes what was made.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if as_saved:
            raise NotFoundError(
                f"The backing file {path} is missing",
                hint="Mount its file system or bring the file back, then restore again.",
                path=path,
            ) from None
        if os.path.islink(path):
            target = os.path.realpath(path)
            raise ConflictError(
                f"{path} is a link to {target}, which does not exist",
                hint=f"Mount the file system of {target}, or name {target} itself to make it.",
                path=path,
            ) from None
        return _make_file(lio, steps, path, size_bytes, sparse=sparse)
    except OSError as error:
        raise _file_error(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{path} is a folder", hint="Give the name of a file in it.", path=path)
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is no file", hint="Give a regular file or a block device.")
    if not os.access(path, os.R_OK | os.W_OK):
        raise LioshellError(
            f"{path} cannot be read and written: {os.strerror(errno.EACCES)}",
            hint="Check its permissions.",
            path=path,
        )
    if status.st_size < _BLOCK_SIZE_BYTES:
        raise UsageError(
            f"{path} has {status.st_size} bytes, less than one block",
            hint=f"Make it larger, as in: truncate -s 1G {path}",
            path=path,
        )
    if not as_saved or size_bytes is None:
        return status.st_size
    if status.st_size < size_bytes:
        raise ConflictError(
            f"{path} has {status.st_size} bytes, fewer than the {size_bytes} that were exported",
            hint=f"Bring the right file back; or, if it may grow: truncate -s {size_bytes} {path}",
            path=path,
        )
    return size_bytes


def _make_file(
    lio: Lio, steps: Transaction, path: str, size_bytes: int | None, *, sparse: bool
) -> int:
    if size_bytes is None:
        raise UsageError(
            f"{path} does not exist, and no size was given",
            hint="Give a size, as in: create NAME FILE 10G",
            path=path,
        )
    check_block_multiple(size_bytes, _BLOCK_SIZE_BYTES)
    if lio.dry_run:
        return size_bytes
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _file_error(path, error) from error
    steps.on_failure(f"remove {path}", lambda: os.unlink(path))
    try:
        if sparse:
            os.ftruncate(descriptor, size_bytes)
        else:
            os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        raise _file_error(path, error) from error
    finally:
        os.close(descriptor)
    return size_bytes


def _file_error(path: str, error: OSError) -> LioshellError:
    reason = os.strerror(error.errno or 0)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFoundError(
            f"{path} cannot be made: {reason}", hint="Make its folder first.", path=path
        )
    hint = "Check the path, the space and the rights."
    return LioshellError(f"{path}: {reason}", hint=hint, path=path)
