# SPDX-License-Identifier: Apache-2.0
"""VERIFY and WRITE AND VERIFY, in every length."""

from __future__ import annotations

import errno

import pytest

from lioshell.runner.handlers.base import TransferError
from tests.unit.runner.scsi.cdbs import SIZE, pattern, ranged, variable

BLOCKS = 64


def verify(kind: int, lba: int, count: int, **more: int) -> bytes:
    if kind == 32:
        return variable(0x0A, lba, count, **more)
    return ranged({10: 0x2F, 12: 0xAF, 16: 0x8F}[kind], lba, count, **more)


def write_and_verify(kind: int, lba: int, count: int, **more: int) -> bytes:
    if kind == 32:
        return variable(0x0C, lba, count, **more)
    return ranged({10: 0x2E, 12: 0xAE, 16: 0x8E}[kind], lba, count, **more)


KINDS = pytest.mark.parametrize("kind", [10, 12, 16, 32])
LENGTH_BYTE = {10: 7, 12: 6, 16: 10, 32: 28}


@pytest.fixture
def filled(make_bench):
    bench = make_bench(BLOCKS)
    bench.handler.memory[:] = pattern(BLOCKS * SIZE)
    return bench


@KINDS
def test_bytchk_0_reads_the_medium_and_takes_no_data(filled, kind) -> None:
    assert filled.send(verify(kind, 3, 5)).response.status == 0
    assert filled.handler.calls == ["flush", "read 1536+2560"]


@KINDS
@pytest.mark.parametrize("cuts", [1, 3, 7])
def test_bytchk_1_compares_all_blocks(filled, sense, kind, cuts) -> None:
    data = bytearray(filled.handler.memory[2 * SIZE : 5 * SIZE])
    cdb = verify(kind, 2, 3, flags=0x02)
    assert filled.send(cdb, out=bytes(data), cuts=cuts).response.status == 0
    for place in (0, 511, 700, 3 * SIZE - 1):
        wrong = bytearray(data)
        wrong[place] ^= 0x40
        sent = filled.send(cdb, out=bytes(wrong), cuts=cuts)
        assert sent.response == (2, sense(0xE, 0x1D, 0, info=place), None)


@KINDS
def test_bytchk_3_compares_each_block_with_one(filled, sense, kind) -> None:
    block = pattern(SIZE, 9)
    filled.handler.memory[4 * SIZE : 8 * SIZE] = block * 4
    cdb = verify(kind, 4, 4, flags=0x06)
    assert filled.send(cdb, out=block).response.status == 0
    filled.handler.memory[6 * SIZE + 17] ^= 1
    assert filled.send(cdb, out=block).response == (2, sense(0xE, 0x1D, 0, info=17), None)


@KINDS
def test_bytchk_2_is_reserved(filled, invalid_field, kind) -> None:
    sent = filled.send(verify(kind, 0, 1, flags=0x04), out=bytes(SIZE))
    assert sent.response.sense == invalid_field(10 if kind == 32 else 1, 2)


@KINDS
@pytest.mark.parametrize("make", [verify, write_and_verify])
def test_bad_fields(filled, invalid_field, sense, kind, make) -> None:
    flags_byte = 10 if kind == 32 else 1
    for protect in (0x20, 0x80):
        sent = filled.send(make(kind, 0, 1, flags=protect | 2), out=bytes(SIZE))
        assert sent.response.sense == invalid_field(flags_byte, 7)
    sent = filled.send(make(kind, BLOCKS, 1, flags=2), out=bytes(SIZE))
    assert sent.response.sense == sense(5, 0x21, 0)
    sent = filled.send(make(kind, 0, 2, flags=2), out=bytes(SIZE))
    assert sent.response.sense == invalid_field(LENGTH_BYTE[kind])
    assert filled.handler.calls == []


@KINDS
@pytest.mark.parametrize("make", [verify, write_and_verify])
def test_more_than_the_maximum_transfer_length(make_bench, invalid_field, kind, make) -> None:
    bench = make_bench(hw_max_sectors=4)
    assert bench.send(make(kind, 0, 4), out=bytes(4 * SIZE)).response.status == 0
    sent = bench.send(make(kind, 0, 5), out=bytes(5 * SIZE))
    assert sent.response.sense == invalid_field(LENGTH_BYTE[kind])


@KINDS
@pytest.mark.parametrize("make", [verify, write_and_verify])
def test_no_blocks(filled, sense, kind, make) -> None:
    assert filled.send(make(kind, BLOCKS, 0)).response.status == 0
    assert filled.send(make(kind, BLOCKS + 1, 0)).response.sense == sense(5, 0x21, 0)
    assert filled.handler.calls == []


@KINDS
def test_a_read_error_names_its_block(filled, sense, kind) -> None:
    filled.handler.read_error = TransferError(OSError(errno.EIO, ""), 0)
    assert filled.send(verify(kind, 5, 2)).response == (2, sense(3, 0x11, 0, info=5), None)
    filled.handler.read_error = None
    filled.handler.flush_error = OSError(errno.EIO, "")
    assert filled.send(verify(kind, 5, 2)).response == (2, sense(3, 0x0C, 0), None)


@KINDS
@pytest.mark.parametrize("flags", [0, 2, 0x10])
def test_write_and_verify_writes_to_the_medium_and_looks(filled, kind, flags) -> None:
    data = pattern(2 * SIZE, 77)
    cdb = write_and_verify(kind, 7, 2, flags=flags)
    assert filled.send(cdb, out=data, cuts=3).response.status == 0
    assert filled.handler.memory[7 * SIZE : 9 * SIZE] == data
    assert filled.handler.calls[0] == "write 3584+1024 fua"
    assert any(call.startswith("read") for call in filled.handler.calls)


@KINDS
def test_write_and_verify_finds_what_did_not_arrive(filled, sense, kind) -> None:
    def lose(buffers, offset, fua):
        filled.handler.memory[offset + 5] ^= 0xFF

    filled.handler.write = lose
    data = bytes(filled.handler.memory[:SIZE])
    sent = filled.send(write_and_verify(kind, 0, 1, flags=2), out=data)
    assert sent.response == (2, sense(0xE, 0x1D, 0, info=5), None)


@KINDS
def test_write_and_verify_on_a_read_only_disk(make_bench, sense, kind) -> None:
    bench = make_bench(read_only=True)
    sent = bench.send(write_and_verify(kind, 0, 1), out=bytes(SIZE))
    assert sent.response.sense == sense(7, 0x27, 0)
    assert bench.send(verify(kind, 0, 1)).response.status == 0


def test_a_comparison_longer_than_a_chunk(make_bench, sense) -> None:
    bench = make_bench(4096, hw_max_sectors=4096)
    data = bytearray(pattern(4096 * SIZE))
    bench.handler.memory[:] = data
    cdb = ranged(0x8F, 0, 4096, flags=2)
    assert bench.send(cdb, out=bytes(data), cuts=3).response.status == 0
    data[-3] ^= 1
    sent = bench.send(cdb, out=bytes(data), cuts=3)
    assert sent.response.sense == sense(0xE, 0x1D, 0, info=4096 * SIZE - 3)
