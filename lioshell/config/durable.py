# SPDX-License-Identifier: Apache-2.0
"""Write a file whole or not at all: after a power cut it is the old one or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile


def write_whole(path: str, data: bytes) -> None:
    """Replace a file, for its owner alone (0600); raises OSError, and then the old one is there.

    To a unique temporary file beside it, fsync, rename, fsync of the folder. Where `path` is a
    link, the file that it leads to is replaced. What is there and is no file is left alone.
    """
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        code = errno.EISDIR if os.path.isdir(path) else errno.EINVAL
        raise OSError(code, os.strerror(code), path)
    folder, name = os.path.split(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Have the names in a folder on the disk; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
