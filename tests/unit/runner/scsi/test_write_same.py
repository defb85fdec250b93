# SPDX-License-Identifier: Apache-2.0
"""WRITE SAME, in every length."""

from __future__ import annotations

import errno

import pytest

from lioshell.runner.scsi.write_same import LIMIT_BLOCKS
from tests.unit.runner.scsi.cdbs import SIZE, pattern, ranged, variable

BLOCKS = 64
UNMAP, NDOB = 0x08, 0x01
KINDS = pytest.mark.parametrize("kind", [10, 16, 32])
LENGTH_BYTE = {10: 7, 16: 10, 32: 28}


def same(kind: int, lba: int, count: int, **more: int) -> bytes:
    if kind == 32:
        return variable(0x0D, lba, count, **more)
    return ranged({10: 0x41, 16: 0x93}[kind], lba, count, **more)


@KINDS
@pytest.mark.parametrize("seed", [1, 100])
def test_one_block_is_written_to_many(bench, kind, seed) -> None:
    block = pattern(SIZE, seed)
    assert bench.send(same(kind, 5, 9), out=block, cuts=3).response.status == 0
    assert bench.handler.memory[5 * SIZE : 14 * SIZE] == block * 9
    assert not any(bench.handler.memory[: 5 * SIZE])
    assert not any(bench.handler.memory[14 * SIZE :])


@KINDS
def test_zeros_are_written_and_unmapped_where_that_is_asked_for(bench, kind) -> None:
    bench.handler.memory[:] = b"\xff" * len(bench.handler.memory)
    assert bench.send(same(kind, 1, 2), out=bytes(SIZE)).response.status == 0
    assert bench.send(same(kind, 5, 2, flags=UNMAP), out=bytes(SIZE)).response.status == 0
    memory = bench.handler.memory
    assert [memory[lba * SIZE] for lba in range(8)] == [255, 0, 0, 255, 255, 0, 0, 255]
    assert bench.handler.calls == ["write 512+1024", "discard 2560+1024"]


@KINDS
def test_unmap_of_anything_but_zeros_is_written(bench, kind) -> None:
    block = pattern(SIZE)
    assert bench.send(same(kind, 0, 2, flags=UNMAP), out=block).response.status == 0
    assert bench.handler.memory[: 2 * SIZE] == block * 2


@pytest.mark.parametrize("kind", [16, 32])
def test_ndob_takes_no_data(bench, kind) -> None:
    bench.handler.memory[:] = b"\xff" * len(bench.handler.memory)
    assert bench.send(same(kind, 0, 2, flags=NDOB)).response.status == 0
    assert bench.send(same(kind, 2, 2, flags=NDOB | UNMAP)).response.status == 0
    assert not any(bench.handler.memory[: 4 * SIZE])
    assert bench.handler.memory[4 * SIZE] == 255


def test_the_short_command_has_no_ndob(bench, invalid_field) -> None:
    assert bench.send(same(10, 0, 1, flags=NDOB)).response.sense == invalid_field(7)
    assert bench.send(same(10, 0, 1, flags=NDOB), out=bytes(SIZE)).response.status == 0


@KINDS
def test_no_length_is_refused(bench, invalid_field, kind) -> None:
    for flags in (0, UNMAP):
        sent = bench.send(same(kind, 60, 0, flags=flags), out=bytes(SIZE))
        assert sent.response.sense == invalid_field(LENGTH_BYTE[kind])
    assert bench.handler.calls == []


@pytest.mark.parametrize("kind", [16, 32])
def test_more_than_the_maximum(make_bench, invalid_field, kind) -> None:
    huge = make_bench(claim_blocks=1 << 20)
    sent = huge.send(same(kind, 0, LIMIT_BLOCKS + 1), out=bytes(SIZE))
    assert sent.response.sense == invalid_field(LENGTH_BYTE[kind])


@KINDS
@pytest.mark.parametrize(
    ("flags", "bit"), [(0x10, 4), (0x18, 4), (0x02, 2), (0x04, 2), (0x20, 7), (0xE0, 7)]
)
def test_bits_that_are_not_there(bench, invalid_field, kind, flags, bit) -> None:
    sent = bench.send(same(kind, 0, 1, flags=flags), out=bytes(SIZE))
    assert sent.response.sense == invalid_field(10 if kind == 32 else 1, bit)
    assert bench.handler.calls == []


@KINDS
def test_unmap_on_a_disk_that_is_not_thin(make_bench, invalid_field, kind) -> None:
    bench = make_bench(thin=False)
    sent = bench.send(same(kind, 0, 1, flags=UNMAP), out=bytes(SIZE))
    assert sent.response.sense == invalid_field(10 if kind == 32 else 1, 3)


@KINDS
@pytest.mark.parametrize("size", [1, SIZE - 1, SIZE + 1, 2 * SIZE])
def test_data_is_exactly_one_block(bench, invalid_field, kind, size) -> None:
    sent = bench.send(same(kind, 0, 2), out=b"\1" * size)
    assert sent.response.sense == invalid_field(LENGTH_BYTE[kind])
    assert bench.handler.calls == []


@KINDS
def test_out_of_range_and_read_only_and_errors(bench, make_bench, sense, kind) -> None:
    sent = bench.send(same(kind, 60, 5), out=bytes(SIZE))
    assert sent.response.sense == sense(5, 0x21, 0)
    protected = make_bench(read_only=True)
    assert protected.send(same(kind, 0, 1), out=bytes(SIZE)).response.sense == sense(7, 0x27, 0)
    bench.handler.discard_error = OSError(errno.ENOSPC, "")
    sent = bench.send(same(kind, 0, 1, flags=UNMAP), out=bytes(SIZE))
    assert sent.response.sense == sense(7, 0x27, 7)
