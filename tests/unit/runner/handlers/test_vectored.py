# SPDX-License-Identifier: Apache-2.0
"""Transfers that the kernel cuts short."""

from __future__ import annotations

import errno
import os

import pytest

from lioshell.runner.handlers import vectored
from lioshell.runner.handlers.base import TransferError


@pytest.fixture
def fd(tmp_path):
    descriptor = os.open(tmp_path / "data", os.O_RDWR | os.O_CREAT)
    os.pwrite(descriptor, bytes(range(256)) * 16, 0)
    yield descriptor
    os.close(descriptor)


def slices(area: bytearray, *sizes: int) -> list[memoryview]:
    view, start, parts = memoryview(area), 0, []
    for size in sizes:
        parts.append(view[start : start + size])
        start += size
    assert start == len(area)
    return parts


def test_read_goes_on_after_what_is_done(fd) -> None:
    area = bytearray(b"\xff" * 30)
    vectored.read_rest(fd, slices(area, 10, 0, 15, 5), 100, 12)
    assert area == b"\xff" * 12 + bytes(range(112, 130))


def test_read_beyond_the_end_is_an_error(fd) -> None:
    area = bytearray(b"\xff" * 30)
    with pytest.raises(TransferError) as caught:
        vectored.read_rest(fd, slices(area, 4, 4, 22), 4096 - 6, 0)
    assert caught.value.errno == errno.EIO
    assert caught.value.done_bytes == 6


def test_short_transfers_continue(fd, monkeypatch) -> None:
    real_read, real_write = os.preadv, os.pwritev

    def short_read(fd, views, offset):
        return real_read(fd, [views[0][:3]], offset)

    def short_write(fd, views, offset, flags):
        return real_write(fd, [views[0][:3]], offset, flags)

    monkeypatch.setattr(os, "preadv", short_read)
    monkeypatch.setattr(os, "pwritev", short_write)
    area = bytearray(20)
    vectored.read_rest(fd, slices(area, 7, 13), 5, 0)
    assert area == bytes(range(5, 25))
    vectored.write_rest(fd, slices(bytearray(b"a" * 7 + b"b" * 13), 7, 13), 1000, 0)
    assert os.pread(fd, 20, 1000) == b"a" * 7 + b"b" * 13


def test_more_buffers_than_iov_max(fd) -> None:
    count = 3 * vectored.IOV_MAX + 5
    data = bytes(index % 251 for index in range(count))
    vectored.write_rest(fd, slices(bytearray(data), *[1] * count), 10, 0)
    assert os.pread(fd, count, 10) == data
    area = bytearray(count)
    vectored.read_rest(fd, slices(area, *[1] * count), 10, 0)
    assert area == data


def test_nothing_left_does_nothing() -> None:
    vectored.read_rest(-1, slices(bytearray(5), 5, 0), 0, 5)
    vectored.write_rest(-1, [], 0, 0)


def test_a_failure_tells_how_far_it_got(fd, monkeypatch) -> None:
    real = os.preadv
    calls = []

    def failing(fd, views, offset):
        calls.append(offset)
        if len(calls) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, [views[0]], offset)

    monkeypatch.setattr(os, "preadv", failing)
    with pytest.raises(TransferError) as caught:
        vectored.read_rest(fd, slices(bytearray(30), 10, 10, 10), 0, 3)
    assert (caught.value.errno, caught.value.done_bytes) == (errno.EIO, 10)
    assert calls == [3, 10]


def test_a_write_that_moves_nothing_is_an_error_and_not_a_loop(fd, monkeypatch) -> None:
    calls = []

    def stuck(*args):
        calls.append(args)
        return 4 if len(calls) == 1 else 0

    monkeypatch.setattr(os, "pwritev", stuck)
    with pytest.raises(TransferError) as caught:
        vectored.write_rest(fd, slices(bytearray(30), 30), 0, 0)
    assert (caught.value.errno, caught.value.done_bytes) == (errno.EIO, 4)
    assert len(calls) == 2


def test_write_passes_its_flags(fd, monkeypatch) -> None:
    flags = []
    monkeypatch.setattr(os, "pwritev", lambda fd, views, at, flag: flags.append(flag) or 8)
    vectored.write_rest(fd, slices(bytearray(8), 8), 0, 0, os.RWF_DSYNC)
    assert flags == [os.RWF_DSYNC]
