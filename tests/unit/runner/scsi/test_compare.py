# SPDX-License-Identifier: Apache-2.0
"""COMPARE AND WRITE and ORWRITE, atomic against every other write."""

from __future__ import annotations

import errno
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lioshell.runner.command import GOOD, Command, Deferred
from lioshell.runner.handlers.base import TransferError
from tests.unit.runner.scsi.cdbs import SIZE, pattern, ranged, variable

BLOCKS = 64


def swap(lba: int, count: int, flags: int = 0) -> bytes:
    return bytes((0x89, flags)) + lba.to_bytes(8, "big") + bytes((0, 0, 0, count, 0, 0))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("cuts", [1, 5])
def test_what_matches_is_replaced(bench, count, cuts) -> None:
    old, new = pattern(count * SIZE), pattern(count * SIZE, 99)
    bench.handler.memory[2 * SIZE : (2 + count) * SIZE] = old
    assert bench.send(swap(2, count), out=old + new, cuts=cuts).response.status == 0
    assert bench.handler.memory[2 * SIZE : (2 + count) * SIZE] == new


@pytest.mark.parametrize("place", [0, 1, 511, 512, 1023])
def test_what_differs_is_left_and_told(bench, sense, place) -> None:
    old, new = bytearray(pattern(2 * SIZE)), pattern(2 * SIZE, 99)
    bench.handler.memory[: 2 * SIZE] = old
    before = bytes(bench.handler.memory)
    old[place] ^= 0x80
    sent = bench.send(swap(0, 2), out=bytes(old) + new)
    assert sent.response == (2, sense(0xE, 0x1D, 0, info=place), None)
    assert bench.handler.memory == before


def test_fua(bench) -> None:
    assert bench.send(swap(1, 1, 0x18), out=bytes(2 * SIZE)).response.status == 0
    assert bench.handler.calls == ["read 512+512", "write 512+512 fua"]


def test_bad_fields(bench, make_bench, invalid_field, sense) -> None:
    assert bench.send(swap(0, 1, 0x20), out=bytes(2 * SIZE)).response.sense == invalid_field(1, 7)
    assert bench.send(swap(64, 1), out=bytes(2 * SIZE)).response.sense == sense(5, 0x21, 0)
    for size in (SIZE, 2 * SIZE - 1, 2 * SIZE + 1, 4 * SIZE):
        sent = bench.send(swap(0, 1), out=bytes(size))
        assert sent.response.sense == invalid_field(13)
    narrow = make_bench(hw_max_sectors=8)
    assert narrow.send(swap(0, 4), out=bytes(8 * SIZE)).response.status == 0
    assert narrow.send(swap(0, 5), out=bytes(10 * SIZE)).response.sense == invalid_field(13)
    protected = make_bench(read_only=True)
    assert protected.send(swap(0, 1), out=bytes(2 * SIZE)).response.sense == sense(7, 0x27, 0)
    assert bench.send(swap(64, 0)).response.status == 0


def test_storage_errors(bench, sense) -> None:
    bench.handler.write_error = TransferError(OSError(errno.ENOSPC, ""), 0)
    sent = bench.send(swap(3, 1), out=bytes(2 * SIZE))
    assert sent.response == (2, sense(7, 0x27, 7, info=3), None)


@pytest.mark.parametrize("kind", [16, 32])
@pytest.mark.parametrize("cuts", [1, 5])
def test_orwrite(bench, kind, cuts) -> None:
    old, more = pattern(3 * SIZE), pattern(3 * SIZE, 50)
    bench.handler.memory[SIZE : 4 * SIZE] = old
    cdb = ranged(0x8B, 1, 3) if kind == 16 else variable(0x0E, 1, 3)
    assert bench.send(cdb, out=more, cuts=cuts).response.status == 0
    expected = bytes(a | b for a, b in zip(old, more, strict=True))
    assert bench.handler.memory[SIZE : 4 * SIZE] == expected
    assert not any(bench.handler.memory[:SIZE])


@pytest.mark.parametrize("kind", [16, 32])
def test_orwrite_bad_fields(bench, make_bench, invalid_field, sense, kind) -> None:
    def cdb(lba: int, count: int, flags: int = 0) -> bytes:
        if kind == 16:
            return ranged(0x8B, lba, count, flags=flags)
        return variable(0x0E, lba, count, flags=flags)

    flags_byte = 1 if kind == 16 else 10
    length_byte = 10 if kind == 16 else 28
    sent = bench.send(cdb(0, 1, 0x40), out=bytes(SIZE))
    assert sent.response.sense == invalid_field(flags_byte, 7)
    assert bench.send(cdb(63, 2), out=bytes(2 * SIZE)).response.sense == sense(5, 0x21, 0)
    assert bench.send(cdb(0, 2), out=bytes(SIZE)).response.sense == invalid_field(length_byte)
    protected = make_bench(read_only=True)
    assert protected.send(cdb(0, 1), out=bytes(SIZE)).response.sense == sense(7, 0x27, 0)
    assert bench.send(cdb(0, 0)).response.status == 0


def test_a_counter_loses_no_step_with_many_initiators(make_bench) -> None:
    """Compare-and-swap loops and plain writes elsewhere, on threads as the runner has them."""
    bench = make_bench(BLOCKS)
    disk = bench.disk
    gate = threading.Lock()
    steps, initiators = 60, 6

    def execute(cdb: bytes, data: bytes, pool: ThreadPoolExecutor):
        view = memoryview(bytearray(data))
        with gate:  # one thread calls execute, and deferred commands start in its order
            answer = disk.execute(Command(cdb, [view], len(data)))
            future = pool.submit(answer.run) if isinstance(answer, Deferred) else None
        return future.result(30) if future else answer

    def count(number: int, pool: ThreadPoolExecutor) -> None:
        done = 0
        while done < steps:
            old = bytes(bench.handler.memory[:SIZE])
            value = int.from_bytes(old[:8], "big")
            new = (value + 1).to_bytes(8, "big") + old[8:]
            if execute(swap(0, 1), old + new, pool).status == 0:
                done += 1
            bit = bytes((1 << number,)) * SIZE
            assert execute(ranged(0x8B, 1, 1), bit, pool).status == 0
            other = ranged(0x2A, 2 + number, 1)
            assert execute(other, bytes((done,)) * SIZE, pool) is GOOD

    with ThreadPoolExecutor(4) as workers, ThreadPoolExecutor(initiators) as threads:
        for future in [threads.submit(count, n, workers) for n in range(initiators)]:
            future.result(60)
    assert int.from_bytes(bench.handler.memory[:8], "big") == steps * initiators
    assert bench.handler.memory[SIZE] == (1 << initiators) - 1
    assert disk.holds.active == []
