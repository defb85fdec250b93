# SPDX-License-Identifier: Apache-2.0
"""errno -> sense data."""

from __future__ import annotations

import errno
import os

import pytest

from lioshell.runner.handlers.base import TransferError
from lioshell.runner.scsi.storage_error import flush_failed, read_failed, write_failed


def oserror(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        (errno.EIO, (3, 0x11, 0)),
        (errno.ENODATA, (3, 0x11, 0)),
        (errno.EILSEQ, (3, 0x11, 0)),
        (errno.EBADF, (4, 0x44, 0)),
        (errno.EINVAL, (4, 0x44, 0)),
        (errno.ETIMEDOUT, (0xB, 0x08, 1)),
    ],
)
def test_read(number, codes, sense) -> None:
    response = read_failed(oserror(number), 7, 512)
    assert response == (2, sense(*codes), None)


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        (errno.EIO, (3, 0x0C, 0)),
        (errno.EUCLEAN, (3, 0x0C, 0)),
        (errno.ENOSPC, (7, 0x27, 7)),
        (errno.EDQUOT, (7, 0x27, 7)),
        (errno.EROFS, (7, 0x27, 0)),
        (errno.EPERM, (7, 0x27, 0)),
        (errno.EFBIG, (5, 0x21, 0)),
        (errno.ENXIO, (4, 0x44, 0)),
        (errno.ETIMEDOUT, (0xB, 0x08, 1)),
        (errno.ENOTCONN, (0xB, 0x08, 0)),
        (errno.ECONNRESET, (0xB, 0x08, 0)),
    ],
)
def test_write(number, codes, sense) -> None:
    assert write_failed(oserror(number), 7, 512) == (2, sense(*codes), None)


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN])
def test_a_shortage_that_passes_is_busy(number) -> None:
    assert read_failed(oserror(number), 0, 512).status == 8
    assert write_failed(oserror(number), 0, 512).status == 8


def test_flush_is_a_write_error_and_never_busy(sense) -> None:
    assert flush_failed(oserror(errno.EIO)) == (2, sense(3, 0x0C, 0), None)
    assert flush_failed(oserror(errno.EBADF)) == (2, sense(3, 0x0C, 0), None)
    assert flush_failed(oserror(errno.ETIMEDOUT)) == (2, sense(0xB, 0x08, 1), None)
    assert flush_failed(oserror(errno.ENOMEM)) == (2, sense(3, 0x0C, 0), None)
    assert flush_failed(oserror(errno.ENOSPC)) == (2, sense(7, 0x27, 7), None)


def test_read_information_only_when_the_first_block_failed(sense) -> None:
    error = TransferError(oserror(errno.EIO), 511)
    assert read_failed(error, 7, 512).sense == sense(3, 0x11, 0, info=7)
    error = TransferError(oserror(errno.EIO), 512)
    assert read_failed(error, 7, 512).sense == sense(3, 0x11, 0)


def test_write_information_is_the_first_block_not_written(sense) -> None:
    error = TransferError(oserror(errno.ENOSPC), 1100)
    assert write_failed(error, 7, 512).sense == sense(7, 0x27, 7, info=9)


def test_an_error_without_errno_is_an_internal_failure(sense) -> None:
    assert read_failed(OSError("no number"), 0, 512).sense == sense(4, 0x44, 0)
    assert write_failed(OSError("no number"), 0, 512).sense == sense(4, 0x44, 0)
