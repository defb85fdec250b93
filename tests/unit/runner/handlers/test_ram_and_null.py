# SPDX-License-Identifier: Apache-2.0
"""What `ram` and `null` have beside what every handler has."""

from __future__ import annotations

import os

import pytest

from lioshell.errors import UsageError
from lioshell.runner.handlers.null import NullHandler
from lioshell.runner.handlers.ram import RamHandler
from lioshell.testing import Initiator

MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4096 * 4096


def used_bytes(handler):
    return os.fstat(handler._fd).st_blocks * 512


def test_memory_is_taken_where_it_is_written_and_given_back():
    handler = RamHandler.open("x;overcommit", MEMORY * 16, 4096)
    try:
        assert used_bytes(handler) == 0
        handler.write([memoryview(b"x" * 8192)], MEMORY, False)
        assert 8192 <= used_bytes(handler) < 1 << 22
        assert handler.can_discard
        handler.discard(0, MEMORY * 16)
        assert used_bytes(handler) == 0
        assert [extent.mapped for extent in handler.allocation(0, 1 << 20)] == [False]
    finally:
        handler.close()


@pytest.mark.parametrize("size", [MEMORY + 4096, 1 << 62])
def test_a_disk_larger_than_the_memory_is_asked_for_by_name(size):
    for attempt in (RamHandler.prepare, RamHandler.open):
        with pytest.raises(UsageError) as caught:
            attempt("x", size, 4096)
        assert "overcommit=true" in caught.value.hint


def test_each_disk_is_a_memory_of_its_own():
    with Initiator.of("ram/x", 1 << 20) as one, Initiator.of("ram/x", 1 << 20) as other:
        one.write(0, b"1" * 512)
        assert other.read(0, 1) == bytes(512)


def test_null_reads_zeros_and_drops_writes():
    with Initiator.of("null/x", 1 << 40) as disk:
        disk.write(7, b"n" * 512 * 3000)
        assert disk.read(7, 3000) == bytes(512 * 3000)
        assert disk.capacity() == (1 << 31, 512)
        disk.flush()
        disk.device.unit.handler.resize(1 << 30)
    with pytest.raises(UsageError):
        NullHandler.open("x;sync", 1 << 20, 512)


@pytest.mark.parametrize("handler", [RamHandler, NullHandler])
def test_the_objects_name_is_its_label(handler):
    label = handler.default_config("a;b")
    handler.check_config(label)
    handler.prepare(label, 1 << 20, 512)()
