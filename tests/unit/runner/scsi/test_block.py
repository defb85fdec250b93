# SPDX-License-Identifier: Apache-2.0
"""READ, WRITE and SYNCHRONIZE CACHE."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.runner.command import GOOD
from lioshell.runner.handlers.base import TransferError
from tests.unit.runner.scsi.cdbs import variable

BLOCKS = 64
SIZE = 512


def read(kind: int, lba: int, count: int, *, flags: int = 0, control: int = 0) -> bytes:
    return cdb_of({6: 0x08, 10: 0x28, 12: 0xA8, 16: 0x88}[kind], kind, lba, count, flags, control)


def write(kind: int, lba: int, count: int, *, flags: int = 0, control: int = 0) -> bytes:
    return cdb_of({6: 0x0A, 10: 0x2A, 12: 0xAA, 16: 0x8A}[kind], kind, lba, count, flags, control)


def sync(kind: int, lba: int, count: int, *, flags: int = 0, control: int = 0) -> bytes:
    return cdb_of({10: 0x35, 16: 0x91}[kind], kind, lba, count, flags, control)


def cdb_of(code: int, kind: int, lba: int, count: int, flags: int, control: int) -> bytes:
    if kind == 6:
        return bytes((code,)) + lba.to_bytes(3, "big") + bytes((count, control))
    lba_size, count_size = {10: (4, 2), 12: (4, 4), 16: (8, 4)}[kind]
    group = b"\0"
    position, length = lba.to_bytes(lba_size, "big"), count.to_bytes(count_size, "big")
    middle = group + length if kind == 10 else length + group
    return bytes((code, flags)) + position + middle + bytes((control,))


def pattern(size: int, seed: int = 1) -> bytes:
    return bytes((index * 7 + index // 256 + seed) % 251 for index in range(size))


KINDS = pytest.mark.parametrize("kind", [6, 10, 12, 16])
FLAGGED = pytest.mark.parametrize("kind", [10, 12, 16])


@KINDS
@pytest.mark.parametrize("cuts", [1, 3])
def test_read(bench, kind, cuts) -> None:
    bench.handler.memory[:] = pattern(BLOCKS * SIZE)
    sent = bench.send(read(kind, 3, 2), 2 * SIZE, cuts=cuts)
    assert sent.response is GOOD
    assert sent.data == pattern(BLOCKS * SIZE)[3 * SIZE : 5 * SIZE]


@KINDS
@pytest.mark.parametrize("cuts", [1, 3])
def test_write(bench, kind, cuts) -> None:
    data = pattern(2 * SIZE)
    assert bench.send(write(kind, 3, 2), out=data, cuts=cuts).response is GOOD
    assert bench.handler.memory[3 * SIZE : 5 * SIZE] == data
    assert not any(bench.handler.memory[: 3 * SIZE])
    assert not any(bench.handler.memory[5 * SIZE :])


def test_six_byte_length_0_is_256_blocks(make_bench) -> None:
    bench = make_bench(300)
    data = pattern(256 * SIZE)
    assert bench.send(write(6, 1, 0), out=data).response is GOOD
    assert bench.send(read(6, 1, 0), 256 * SIZE).data == data


def test_six_byte_lba_has_21_bits_and_ignores_the_old_lun_field(make_bench) -> None:
    bench = make_bench(claim_blocks=1 << 30)
    reads: list[int] = []
    bench.handler.read = lambda buffers, offset: reads.append(offset)
    assert bench.send("08 ff ff ff 01 00", SIZE).response is GOOD
    assert reads == [0x1FFFFF * SIZE]


def test_large_addresses_reach_the_handler(make_bench) -> None:
    bench = make_bench(1, 4096, claim_blocks=1 << 40)
    reads: list[int] = []
    bench.handler.read = lambda buffers, offset: reads.append(offset)
    assert bench.send(read(16, (1 << 40) - 1, 1), 4096).response is GOOD
    assert bench.send(read(10, 0xFFFFFFFF, 1), 4096).response is GOOD
    assert reads == [((1 << 40) - 1) * 4096, 0xFFFFFFFF * 4096]


@FLAGGED
def test_length_0_transfers_nothing(bench, kind) -> None:
    assert bench.send(read(kind, 0, 0)).response is GOOD
    assert bench.send(write(kind, 0, 0)).response is GOOD
    assert bench.send(read(kind, BLOCKS, 0)).response is GOOD
    assert bench.handler.calls == []


@FLAGGED
def test_length_0_hands_out_no_stale_buffer(bench, kind) -> None:
    assert bench.send(read(kind, 0, 0), 64).data == bytes(64)
    assert bench.send(write(kind, 0, 0), 64).data == bytes(64)
    assert bench.handler.calls == []


@KINDS
@pytest.mark.parametrize(("lba", "count"), [(63, 2), (64, 1), (0, 65)])
@pytest.mark.parametrize("make", [read, write])
def test_out_of_range(bench, sense, kind, lba, count, make) -> None:
    sent = bench.send(make(kind, lba, count), count * SIZE)
    assert sent.response == (2, sense(5, 0x21, 0), None)
    assert bench.handler.calls == []


@pytest.mark.parametrize("make", [read, write])
def test_the_end_of_a_64_bit_range_does_not_wrap(bench, sense, make) -> None:
    sent = bench.send(make(16, 0xFFFFFFFFFFFFFFFF, 1), SIZE)
    assert sent.response.sense == sense(5, 0x21, 0)
    assert bench.send(make(16, 1, 0xFFFFFFFF), SIZE).response.sense == sense(5, 0x21, 0)


def test_the_last_block_is_in_range(bench) -> None:
    assert bench.send(read(10, 63, 1), SIZE).response is GOOD


@FLAGGED
@pytest.mark.parametrize("protect", [0x20, 0x80, 0xE0])
@pytest.mark.parametrize("make", [read, write])
def test_protection_is_refused(bench, invalid_field, kind, protect, make) -> None:
    sent = bench.send(make(kind, 0, 1, flags=protect), SIZE)
    assert sent.response == (2, invalid_field(1, 7), None)
    assert bench.handler.calls == []


@KINDS
@pytest.mark.parametrize("make", [read, write])
def test_naca_is_refused(bench, invalid_field, kind, make) -> None:
    sent = bench.send(make(kind, 0, 1, control=0x04), SIZE)
    assert sent.response == (2, invalid_field(kind - 1, 2), None)
    assert bench.send(make(kind, 0, 1, control=0xC3), SIZE).response is GOOD


@pytest.mark.parametrize(("kind", "byte"), [(6, 4), (10, 7), (12, 6), (16, 10)])
@pytest.mark.parametrize("make", [read, write])
@pytest.mark.parametrize("size", [0, 1, 2 * SIZE - 1])
def test_less_data_than_the_cdb_says_is_refused(
    bench, invalid_field, kind, byte, make, size
) -> None:
    assert bench.send(make(kind, 0, 2), size).response == (2, invalid_field(byte), None)
    assert bench.handler.calls == []


@KINDS
@pytest.mark.parametrize("cuts", [1, 5])
def test_read_into_more_buffers_fills_what_the_cdb_says(bench, kind, cuts) -> None:
    bench.handler.memory[:] = pattern(BLOCKS * SIZE)
    sent = bench.send(read(kind, 1, 2), 3 * SIZE + 7, cuts=cuts)
    assert sent.response == (0, b"", 2 * SIZE)
    assert sent.data == pattern(BLOCKS * SIZE)[SIZE : 3 * SIZE]
    assert sent.area[2 * SIZE :] == bytes(SIZE + 7)
    assert bench.handler.calls == ["read 512+1024"]


@KINDS
@pytest.mark.parametrize("cuts", [1, 5])
def test_write_from_more_buffers_takes_what_the_cdb_says(bench, kind, cuts) -> None:
    data = pattern(3 * SIZE + 7)
    assert bench.send(write(kind, 1, 2), out=data, cuts=cuts).response.status == 0
    assert bench.handler.memory[SIZE : 3 * SIZE] == data[: 2 * SIZE]
    assert bench.handler.calls == ["write 512+1024"]


@FLAGGED
def test_fua_and_dpo(bench, kind) -> None:
    data = pattern(SIZE)
    assert bench.send(write(kind, 0, 1, flags=0x18), out=data).response is GOOD
    assert bench.send(write(kind, 1, 1, flags=0x10), out=data).response is GOOD
    assert bench.send(write(kind, 2, 1, flags=0x08), out=data + b"more").response is GOOD
    assert bench.send(read(kind, 0, 1, flags=0x10), SIZE).data == data
    assert bench.handler.calls == [
        "write 0+512 fua",
        "write 512+512",
        "write 1024+512 fua",
        "read 0+512",
    ]


@FLAGGED
def test_read_with_fua_flushes_first(bench, kind) -> None:
    assert bench.send(read(kind, 0, 1, flags=0x08), SIZE).response is GOOD
    assert bench.handler.calls == ["flush", "read 0+512"]


def test_read_with_fua_of_an_uncached_handler_only_reads(make_bench) -> None:
    bench = make_bench(write_cache=False)
    assert bench.send(read(10, 0, 1, flags=0x08), SIZE).response is GOOD
    assert bench.handler.calls == ["read 0+512"]


def test_read_with_fua_whose_flush_fails(bench, sense) -> None:
    bench.handler.flush_error = OSError(errno.EIO, "")
    sent = bench.send(read(10, 0, 1, flags=0x08), SIZE)
    assert sent.response == (2, sense(3, 0x0C, 0), None)
    assert bench.handler.calls == ["flush"]


@KINDS
def test_read_only(make_bench, sense, kind) -> None:
    bench = make_bench(read_only=True)
    assert bench.send(write(kind, 0, 1), out=bytes(SIZE)).response == (2, sense(7, 0x27, 0), None)
    assert bench.send(read(kind, 0, 1), SIZE).response is GOOD
    assert bench.handler.calls == ["read 0+512"]


@pytest.mark.parametrize("size", [SIZE, SIZE + 3])
def test_storage_errors(bench, sense, size) -> None:
    bench.handler.read_error = TransferError(OSError(errno.EIO, os.strerror(errno.EIO)), 0)
    bench.handler.write_error = TransferError(OSError(errno.ENOSPC, ""), 0)
    assert bench.send(read(10, 5, 1), size).response == (2, sense(3, 0x11, 0, info=5), None)
    expected = (2, sense(7, 0x27, 7, info=6), None)
    assert bench.send(write(10, 6, 1), out=bytes(size)).response == expected


def test_an_error_beyond_32_bits_of_lba_has_no_information(make_bench, sense) -> None:
    bench = make_bench(claim_blocks=1 << 33)

    def fail(buffers, offset):
        raise TransferError(OSError(errno.EIO, ""), 0)

    bench.handler.read = fail
    sent = bench.send(read(16, 0xFFFFFFFF, 1), SIZE)
    assert sent.response.sense == sense(3, 0x11, 0, info=0xFFFFFFFF)
    sent = bench.send(read(16, 0x100000000, 1), SIZE)
    assert sent.response.sense == sense(3, 0x11, 0)


@KINDS
@pytest.mark.parametrize("make", [read, write])
def test_a_cdb_that_ends_early(bench, sense, kind, make) -> None:
    for length in range(1, kind):
        sent = bench.send(make(kind, 0, 1)[:length], SIZE)
        assert sent.response == (2, sense(5, 0x24, 0), None)
    assert bench.handler.calls == []


@pytest.mark.parametrize("kind", [10, 16])
@pytest.mark.parametrize(("lba", "count"), [(0, 0), (0, 64), (63, 1), (63, 0), (10, 5)])
@pytest.mark.parametrize("flags", [0, 2])
def test_synchronize_cache(bench, kind, lba, count, flags) -> None:
    assert bench.send(sync(kind, lba, count, flags=flags)).response is GOOD
    assert bench.handler.calls == ["flush"]


@pytest.mark.parametrize("kind", [10, 16])
@pytest.mark.parametrize(("lba", "count"), [(64, 0), (64, 1), (63, 2), (0, 65)])
def test_synchronize_cache_out_of_range(bench, sense, kind, lba, count) -> None:
    assert bench.send(sync(kind, lba, count)).response == (2, sense(5, 0x21, 0), None)
    assert bench.handler.calls == []


@pytest.mark.parametrize("kind", [10, 16])
def test_synchronize_cache_that_fails(bench, sense, kind) -> None:
    bench.handler.flush_error = OSError(errno.EIO, "")
    assert bench.send(sync(kind, 0, 0)).response == (2, sense(3, 0x0C, 0), None)
    bench.handler.flush_error = OSError(errno.ENOSPC, "")
    assert bench.send(sync(kind, 0, 0)).response == (2, sense(7, 0x27, 7), None)


def test_synchronize_cache_naca_and_stale_buffers(bench, invalid_field) -> None:
    assert bench.send(sync(16, 0, 0, control=4)).response.sense == invalid_field(15, 2)
    assert bench.send(sync(10, 0, 0), 32).data == bytes(32)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["read", "write"]),
        st.sampled_from([6, 10, 12, 16]),
        st.integers(0, BLOCKS - 1),
        st.integers(1, 12),
        st.integers(1, 7),
        st.sampled_from([0, 0, 5, 513]),
        st.integers(0, 250),
    ),
    max_size=25,
)


@given(operations=OPERATIONS)
def test_reads_and_writes_are_those_of_a_byte_array(make_bench, operations) -> None:
    bench = make_bench(BLOCKS)
    model = bytearray(BLOCKS * SIZE)
    for name, kind, lba, count, cuts, more, seed in operations:
        count = min(count, BLOCKS - lba)
        start, end = lba * SIZE, (lba + count) * SIZE
        if name == "write":
            data = pattern(count * SIZE + more, seed)
            assert bench.send(write(kind, lba, count), out=data, cuts=cuts).response.status == 0
            model[start:end] = data[: count * SIZE]
        else:
            sent = bench.send(read(kind, lba, count), count * SIZE + more, cuts=cuts)
            assert sent.response.status == 0
            assert sent.data == model[start:end]
    assert bench.handler.memory == model


@pytest.mark.parametrize("cuts", [1, 3])
def test_the_32_byte_commands(bench, invalid_field, sense, cuts) -> None:
    data = pattern(2 * SIZE)
    assert bench.send(variable(0x0B, 3, 2), out=data, cuts=cuts).response is GOOD
    assert bench.handler.memory[3 * SIZE : 5 * SIZE] == data
    assert bench.send(variable(0x09, 3, 2), 2 * SIZE, cuts=cuts).data == data
    assert bench.send(variable(0x0B, 5, 1, flags=0x08), out=bytes(SIZE)).response is GOOD
    assert bench.handler.calls[-1] == "write 2560+512 fua"
    for action in (0x09, 0x0B):
        sent = bench.send(variable(action, 0, 1, flags=0x20), SIZE)
        assert sent.response.sense == invalid_field(10, 7)
        sent = bench.send(variable(action, 0, 2), SIZE)
        assert sent.response.sense == invalid_field(28)
        assert bench.send(variable(action, 64, 1), SIZE).response.sense == sense(5, 0x21, 0)


@KINDS
@pytest.mark.parametrize("make", [read, write])
def test_more_than_the_maximum_transfer_length(make_bench, invalid_field, kind, make) -> None:
    bench = make_bench(hw_max_sectors=4)
    assert bench.send(make(kind, 0, 4), 4 * SIZE).response is GOOD
    calls = list(bench.handler.calls)
    sent = bench.send(make(kind, 0, 5), 5 * SIZE)
    assert sent.response.sense == invalid_field({6: 4, 10: 7, 12: 6, 16: 10}[kind])
    assert bench.handler.calls == calls


@KINDS
def test_without_a_write_cache_every_write_is_durable(bench, kind) -> None:
    bench.disk.set_modes(False, False)
    assert bench.send(write(kind, 0, 1), out=bytes(SIZE)).response is GOOD
    assert bench.handler.calls == ["write 0+512 fua"]
