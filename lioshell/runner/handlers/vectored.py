# SPDX-License-Identifier: Apache-2.0
"""Transfers over a file descriptor that go on until every byte is moved.

preadv(2) and pwritev(2) may move less than was asked for and take at most IOV_MAX buffers; a
command whose data area is fragmented has more of them than that.
"""

from __future__ import annotations

import errno
import os

from lioshell.runner.handlers.base import TransferError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

IOV_MAX = os.sysconf("SC_IOV_MAX")


def read_rest(fd: int, buffers: list[memoryview], offset_bytes: int, done_bytes: int) -> None:
    """Read what is still missing after the first `done_bytes` of a transfer.

    `offset_bytes` is where the whole transfer starts in the file. Raises TransferError, EIO where
    the file ends.
    """
    rest = _remaining(buffers, done_bytes)
    while rest:
        moved = _move(os.preadv, fd, rest[:IOV_MAX], offset_bytes, done_bytes)
        if not moved:
            raise TransferError(OSError(errno.EIO, "The file ends here"), done_bytes)
        done_bytes += moved
        rest = _remaining(rest, moved)


def write_rest(
    fd: int, buffers: list[memoryview], offset_bytes: int, done_bytes: int, flags: int = 0
) -> None:
    """Write what is still missing after the first `done_bytes` of a transfer.

    `offset_bytes` is where the whole transfer starts in the file, `flags` are RWF_* of
    pwritev2(2). Raises TransferError; a call that moves nothing is EIO and not tried again.
    """

    def pwritev(fd: int, views: list[memoryview], position: int) -> int:
        return os.pwritev(fd, views, position, flags)

    rest = _remaining(buffers, done_bytes)
    while rest:
        moved = _move(pwritev, fd, rest[:IOV_MAX], offset_bytes, done_bytes)
        if not moved:
            raise TransferError(OSError(errno.EIO, os.strerror(errno.EIO)), done_bytes)
        done_bytes += moved
        rest = _remaining(rest, moved)


def _move(
    transfer: Callable[[int, list[memoryview], int], int],
    fd: int,
    views: list[memoryview],
    offset_bytes: int,
    done_bytes: int,
) -> int:
    try:
        return transfer(fd, views, offset_bytes + done_bytes)
    except OSError as error:
        raise TransferError(error, done_bytes) from error


def _remaining(buffers: list[memoryview], done_bytes: int) -> list[memoryview]:
    rest: list[memoryview] = []
    for view in buffers:
        size = len(view)
        if done_bytes >= size:
            done_bytes -= size
            continue
        rest.append(view[done_bytes:] if done_bytes else view)
        done_bytes = 0
    return rest
