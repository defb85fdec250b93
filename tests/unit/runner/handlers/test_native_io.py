# SPDX-License-Identifier: Apache-2.0
"""Buffers for C libraries, and which libraries are there."""

from __future__ import annotations

import ctypes
import errno
import mmap

import pytest

from lioshell.errors import HostError
from lioshell.runner.handlers import shared_library
from lioshell.runner.handlers.native_io import IOV_MAX, InFlight, Transfer


def as_c_sees(transfer):
    return b"".join(ctypes.string_at(v.base, v.size) for v in transfer.vector)


def test_the_memory_itself_is_named_and_held():
    area = mmap.mmap(-1, 8192)
    view = memoryview(area)
    area[:8] = b"abcdefgh"
    told = []
    transfer = Transfer(told.append, [view[4:8], view[0:2]])
    assert (transfer.count, transfer.size_bytes) == (2, 6)
    assert as_c_sees(transfer) == b"efghab"
    ctypes.memmove(transfer.vector[0].base, b"ZZ", 2)
    assert area[4:6] == b"ZZ"
    view.release()
    with pytest.raises(BufferError):
        area.close()
    transfer.finish(6)
    assert told == [None]
    area.close()


def test_constants_can_be_written():
    transfer = Transfer(lambda _: None, [memoryview(b"constant")])
    assert as_c_sees(transfer) == b"constant"


@pytest.mark.parametrize("count", [0, 1, 16, 17, IOV_MAX, IOV_MAX + 1])
def test_any_number_of_buffers(count):
    memory = bytearray(2 * count)
    views = [memoryview(memory)[2 * i : 2 * i + 2] for i in range(count)]
    told = []
    transfer = Transfer(told.append, views, is_read=True)
    assert transfer.size_bytes == len(memory)
    data = bytes(i % 251 for i in range(len(memory)))
    position = 0
    for element in transfer.vector:
        ctypes.memmove(element.base, data[position : position + element.size], element.size)
        position += element.size
    transfer.finish(len(memory))
    assert memory == data
    assert told == [None]


def test_what_failed_and_what_ended_early():
    told = []
    Transfer(told.append, [memoryview(bytearray(8))]).finish(-1, errno.ENOSPC)
    Transfer(told.append, [memoryview(bytearray(8))], is_read=True).finish(3)
    # What a library returns for a write is 0 or the length.
    Transfer(told.append, [memoryview(bytearray(8))]).finish(0)
    assert [error and (error.errno, error.done_bytes) for error in told] == [
        (errno.ENOSPC, 0),
        (errno.EIO, 3),
        None,
    ]


def test_each_is_taken_once():
    flights = InFlight()
    transfer = Transfer(lambda _: None, [])
    number = flights.put(transfer)
    assert number
    assert flights.take(number) is transfer
    with pytest.raises(KeyError):
        flights.take(number)


def test_a_library_is_found_without_loading_it(tmp_path, monkeypatch):
    assert shared_library.is_there("libc.so.6")
    assert not shared_library.is_there("libnothing.so.1")
    (tmp_path / "libnothing.so.1").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert shared_library.is_there("libnothing.so.1")


def test_what_cannot_be_loaded_says_what_to_install():
    for soname, prototypes in (("libnothing.so.1", {}), ("libc.so.6", {"nothing": (None,)})):
        with pytest.raises(HostError) as caught:
            shared_library.load(soname, prototypes, "Install it.")
        assert caught.value.hint == "Install it."
