# SPDX-License-Identifier: Apache-2.0
"""READ and WRITE under the rules of the zones."""

from __future__ import annotations

import errno
import struct

import pytest

from .zoned_bench import BLOCK, CLOSE, FINISH, MIB, OPEN, RESET, ZONE, ZonedBench, failure

UNALIGNED = (5, 0x21, 4)
WRITE_BOUNDARY = (5, 0x21, 5)
INVALID_DATA = (5, 0x21, 6)
READ_BOUNDARY = (5, 0x21, 7)
INVALID_FIELD = (5, 0x24, 0)
NO_RESOURCES = (7, 0x55, 0x0E)
EMPTY, IMPLICIT, EXPLICIT, CLOSED, FULL = 1, 2, 3, 4, 0xE


@pytest.fixture
def bench(tmp_path):
    made = ZonedBench(tmp_path / "a.zbc", ";conventional=2;max_open=2")
    yield made
    made.disk.close()


@pytest.fixture
def aware(tmp_path):
    made = ZonedBench(tmp_path / "b.zbc", ";conventional=1;model=host-aware")
    yield made
    made.disk.close()


def blocks(count: int, fill: int = 0x61) -> bytes:
    return bytes((fill,)) * (count * BLOCK)


def test_conventional_zones_are_written_anywhere(bench) -> None:
    assert bench.write(ZONE + 7, blocks(3)) is None
    assert bench.write(ZONE - 2, blocks(4, 0x62)) is None
    assert bench.read(ZONE - 2, 4) == blocks(4, 0x62)
    assert bench.zone(0).condition == 0


def test_a_sequential_zone_is_written_at_its_pointer_alone(bench) -> None:
    start = 2 * ZONE
    assert bench.write(start + 1, blocks(1)) == UNALIGNED
    assert bench.write(start, blocks(4)) is None
    assert bench.write(start, blocks(4)) == UNALIGNED
    assert bench.write(start + 5, blocks(1)) == UNALIGNED
    assert bench.write(start + 4, blocks(2, 0x62)) is None
    assert bench.zone(2)[1:] == (IMPLICIT, False, ZONE, start, start + 6)
    assert bench.read(start, 6) == blocks(4) + blocks(2, 0x62)


@pytest.mark.parametrize("code", [0x2A, 0xAA, 0x8A])
def test_every_length_of_write_keeps_the_rules(bench, code) -> None:
    start = 2 * ZONE

    def cdb(lba: int) -> bytes:
        if code == 0x2A:
            return struct.pack(">BBIxHx", code, 0, lba, 1)
        if code == 0xAA:
            return struct.pack(">BBIIxx", code, 0, lba, 1)
        return struct.pack(">BBQIxx", code, 0, lba, 1)

    assert failure(bench.send(cdb(start + 1), blocks(1))[0]) == UNALIGNED
    assert failure(bench.send(cdb(start), blocks(1))[0]) is None
    assert bench.zone(2).pointer == start + 1


def test_a_write_does_not_cross_into_another_zone(bench) -> None:
    start = 3 * ZONE
    assert bench.write(start, blocks(ZONE)) is None
    assert bench.write(4 * ZONE, blocks(ZONE - 1)) is None
    assert bench.write(5 * ZONE - 1, blocks(2)) == WRITE_BOUNDARY
    assert bench.write(2 * ZONE - 1, blocks(2)) == WRITE_BOUNDARY
    assert bench.zone(4).pointer == 5 * ZONE - 1


def test_a_full_zone_is_not_written(bench) -> None:
    start = 2 * ZONE
    assert bench.write(start, blocks(ZONE)) is None
    assert bench.zone(2).condition == FULL
    assert bench.zone(2).pointer == 2**64 - 1
    assert bench.write(start, blocks(1)) == INVALID_FIELD


def test_no_more_zones_are_open_than_there_are_resources(bench) -> None:
    assert bench.write(2 * ZONE, blocks(1)) is None
    assert bench.write(3 * ZONE, blocks(1)) is None
    # The zone that was opened first, by a write, makes room for the next.
    assert bench.write(4 * ZONE, blocks(1)) is None
    assert [bench.zone(n).condition for n in (2, 3, 4)] == [CLOSED, IMPLICIT, IMPLICIT]
    assert bench.manage(OPEN, 5 * ZONE) is None
    assert bench.manage(OPEN, 6 * ZONE) is None
    assert bench.write(7 * ZONE, blocks(1)) == NO_RESOURCES
    assert bench.manage(OPEN, 7 * ZONE) == NO_RESOURCES
    assert bench.zone(7).condition == EMPTY
    assert bench.manage(CLOSE, 5 * ZONE) is None
    assert bench.write(7 * ZONE, blocks(1)) is None


def test_fua_makes_data_and_pointer_durable(bench, monkeypatch) -> None:
    written = []
    file = bench.disk.handler._file
    plain = file.write
    monkeypatch.setattr(
        file, "write", lambda b, o, fua: (written.append((o, fua)), plain(b, o, fua))[1]
    )
    assert bench.write(2 * ZONE, blocks(1), flags=8) is None
    assert bench.disk.handler._base + 2 * MIB, True in written
    # Implicitly opened, then the data, then the pointer: the last two reach the medium.
    assert [fua for _, fua in written] == [False, True, True]
    assert written[2][0] < bench.disk.handler._base


def test_a_write_that_fails_leaves_the_pointer(bench, monkeypatch) -> None:
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(bench.disk.handler, "write", full)
        assert bench.write(2 * ZONE, blocks(1), flags=8) == (7, 0x27, 7)
    assert bench.zone(2).pointer == 2 * ZONE
    assert bench.write(2 * ZONE, blocks(1)) is None


def test_a_pointer_that_cannot_be_kept_fails_the_write(bench, monkeypatch) -> None:
    assert bench.write(2 * ZONE, blocks(1)) is None

    def broken(number, zone, durable):
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(bench.disk.zones, "_store", broken)
        assert bench.write(2 * ZONE + 1, blocks(1)) == (3, 0x0C, 0)
        assert bench.manage(RESET, 2 * ZONE) == (3, 0x0C, 0)
    assert bench.zone(2).pointer == 2 * ZONE + 1


def test_what_a_takeover_sends_again_is_taken_once(bench) -> None:
    start = 2 * ZONE
    bench.write(start, blocks(4))
    bench.write(start + 4, blocks(2))
    bench.reopen()
    # The last write exactly; part of it, or an older one, is not what was in flight.
    assert bench.write(start + 4, blocks(1)) == UNALIGNED
    assert bench.write(start, blocks(4)) == UNALIGNED
    assert bench.write(start + 4, blocks(2, 0x63)) is None
    assert bench.write(start + 4, blocks(2, 0x63)) == UNALIGNED
    assert bench.zone(2).pointer == start + 6
    assert bench.read(start, 6) == blocks(4) + blocks(2, 0x63)


def test_the_write_that_filled_a_zone_may_come_again(bench) -> None:
    start = 2 * ZONE
    bench.write(start, blocks(ZONE))
    bench.reopen()
    assert bench.write(start, blocks(ZONE, 0x64)) is None
    assert bench.zone(2).condition == FULL
    assert bench.write(start, blocks(ZONE, 0x64)) == INVALID_FIELD


def test_reads_are_free_behind_the_pointer(bench) -> None:
    bench.write(2 * ZONE, blocks(2))
    assert bench.read(2 * ZONE + 1, 2) == blocks(1) + bytes(BLOCK)
    assert bench.read(ZONE - 1, 2 * ZONE)


def test_restricted_reads(tmp_path) -> None:
    bench = ZonedBench(tmp_path / "c.zbc", ";conventional=1;restricted_reads")

    def read(lba: int, count: int):
        cdb = struct.pack(">BBQIxx", 0x88, 0, lba, count)
        return failure(bench.send(cdb, b"", count * BLOCK)[0])

    bench.write(ZONE, blocks(2))
    assert read(ZONE, 2) is None
    assert read(ZONE + 1, 2) == INVALID_DATA
    assert read(2 * ZONE, 1) == INVALID_DATA
    assert read(ZONE - 1, 2) == READ_BOUNDARY
    bench.manage(FINISH, ZONE)
    assert read(ZONE + 1, 2) is None
    assert read(2 * ZONE - 1, 2) == READ_BOUNDARY
    assert read(0, ZONE) is None
    assert read(8 * ZONE, 1) == (5, 0x21, 0)
    bench.disk.close()


@pytest.mark.parametrize(("condition", "sense"), [(0xD, (7, 0x27, 8)), (0xF, (7, 0x2C, 0x0E))])
def test_zones_that_are_read_only_or_offline(bench, condition, sense) -> None:
    zones = bench.disk.zones
    zones._zones[3] = zones[3]._replace(condition=condition)
    assert bench.write(3 * ZONE, blocks(1)) == sense
    assert bench.manage(RESET, 3 * ZONE) == sense
    assert bench.manage(OPEN, 3 * ZONE) == sense


def test_a_host_aware_disk_is_written_anywhere(aware) -> None:
    start = 2 * ZONE
    assert aware.write(start, blocks(2)) is None
    assert aware.zone(2)[1:3] == (IMPLICIT, False)
    assert aware.write(start + 10, blocks(2)) is None
    told = aware.zone(2)
    assert (told.non_sequential, told.pointer) == (True, start + 12)
    assert aware.write(start + 1, blocks(2, 0x62)) is None
    assert aware.zone(2).pointer == start + 12
    # Across zones: each has its pointer moved.
    assert aware.write(4 * ZONE - 1, blocks(3)) is None
    assert aware.zone(3).condition == FULL
    assert aware.zone(4).pointer == 4 * ZONE + 2
    assert aware.read(start, 4) == blocks(1) + blocks(2, 0x62) + bytes(BLOCK)


def test_short_and_odd_transfers(bench) -> None:
    start = 2 * ZONE
    cdb = struct.pack(">BBQIxx", 0x8A, 0, start, 4)
    assert failure(bench.send(cdb, blocks(3))[0]) == INVALID_FIELD
    assert failure(bench.send(cdb[:12], blocks(4))[0]) == INVALID_FIELD
    assert failure(bench.send(struct.pack(">BBQIxx", 0x8A, 0, start, 0))[0]) is None
    assert failure(bench.send(struct.pack(">BBQIxx", 0x8A, 0xE0, start, 1), blocks(1))[0])
    assert bench.write(8 * ZONE, blocks(1)) == (5, 0x21, 0)
    assert bench.zone(2).condition == EMPTY
    # More was sent than the CDB asks for: the rest is not written.
    answer, area = bench.send(cdb, blocks(6))
    assert answer.status == 0
    assert area == bytes(6 * BLOCK)
    assert bench.read(start, 5) == blocks(4) + bytes(BLOCK)
