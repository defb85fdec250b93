# SPDX-License-Identifier: Apache-2.0
"""REPORT ZONES, and OPEN, CLOSE, FINISH ZONE and RESET WRITE POINTER."""

from __future__ import annotations

import struct

import pytest

from .zoned_bench import BLOCK, CLOSE, FINISH, MIB, OPEN, RESET, ZONE, ZonedBench, failure

INVALID_FIELD = (5, 0x24, 0)
OUT_OF_RANGE = (5, 0x21, 0)
EMPTY, IMPLICIT, EXPLICIT, CLOSED, FULL = 1, 2, 3, 4, 0xE
DATA = b"x" * BLOCK


@pytest.fixture
def bench(tmp_path):
    """Zones: conventional, full, implicitly and explicitly open, closed, three empty ones."""
    made = ZonedBench(tmp_path / "a.zbc", ";conventional=1;max_open=3")
    made.manage(FINISH, ZONE)
    made.write(2 * ZONE, DATA)
    made.manage(OPEN, 3 * ZONE)
    made.write(4 * ZONE, DATA)
    made.manage(CLOSE, 4 * ZONE)
    yield made
    made.disk.close()


def test_all_zones_are_reported(bench) -> None:
    told = bench.report()
    assert [zone.start for zone in told] == [ZONE * n for n in range(8)]
    assert [zone.kind for zone in told] == [1, *[2] * 7]
    assert [z.condition for z in told] == [0, FULL, IMPLICIT, EXPLICIT, CLOSED, *[EMPTY] * 3]
    assert [zone.pointer for zone in told[2:5]] == [2 * ZONE + 1, 3 * ZONE, 4 * ZONE + 1]


@pytest.mark.parametrize(
    ("option", "numbers"),
    [(1, [5, 6, 7]), (2, [2]), (3, [3]), (4, [4]), (5, [1]), (6, []), (7, []), (0x3F, [0])],
)
def test_a_filter_by_condition(bench, option, numbers) -> None:
    assert [zone.start // ZONE for zone in bench.report(0, option)] == numbers


@pytest.mark.parametrize("option", [0x10, 0x11])
def test_a_filter_by_attribute(bench, option) -> None:
    zones = bench.disk.zones
    assert bench.report(0, option) == []
    zones._zones[5] = zones[5]._replace(non_sequential=True)
    zones._zones[6] = zones[6]._replace(reset_recommended=True)
    assert [z.start // ZONE for z in bench.report(0, option)] == [6 if option == 0x10 else 5]


def test_a_filter_that_there_is_not(bench) -> None:
    answer, _ = bench.send(struct.pack(">BBQIBx", 0x95, 0, 0, 512, 0x12), b"", 512)
    assert failure(answer) == INVALID_FIELD


def report_header(bench, size: int, options: int, lba: int = 0) -> tuple[int, int, int]:
    """Return zone list length, SAME and MAXIMUM LBA."""
    cdb = struct.pack(">BBQIBx", 0x95, 0, lba, size, options)
    answer, data = bench.send(cdb, b"", size)
    assert answer.status == 0
    return struct.unpack_from(">IB3xQ", data)


def test_partial_counts_what_is_returned(bench) -> None:
    assert report_header(bench, 64 + 3 * 64, 0)[0] == 8 * 64
    assert report_header(bench, 64 + 3 * 64 + 63, 0x80)[0] == 3 * 64
    assert report_header(bench, 64, 0x80)[0] == 0
    assert report_header(bench, 4096, 0x80 | 1)[0] == 3 * 64
    assert report_header(bench, 4096, 0, lba=6 * ZONE + 5)[0] == 2 * 64


def test_the_header_tells_what_zones_have_in_common(bench) -> None:
    assert report_header(bench, 512, 0)[1:] == (3, 8 * ZONE - 1)
    assert report_header(bench, 512, 0, lba=ZONE)[1] == 1


def test_a_last_zone_that_is_shorter(tmp_path) -> None:
    bench = ZonedBench(tmp_path / "b.zbc", ";conventional=0", size_bytes=2 * MIB + 4096)
    assert [zone.blocks for zone in bench.report()] == [ZONE, ZONE, 8]
    assert report_header(bench, 512, 0)[1] == 2
    assert bench.write(2 * ZONE, DATA * 8) is None
    assert bench.zone(2).condition == FULL
    bench.disk.close()


def test_report_of_no_zone(bench) -> None:
    answer, _ = bench.send(struct.pack(">BBQIBx", 0x95, 0, 8 * ZONE, 512, 0), b"", 512)
    assert failure(answer) == OUT_OF_RANGE


@pytest.mark.parametrize("action", [CLOSE, FINISH, OPEN, RESET])
def test_only_the_beginning_of_a_zone_names_it(bench, action) -> None:
    assert bench.manage(action, 5 * ZONE + 1) == INVALID_FIELD
    assert bench.manage(action, 8 * ZONE) == OUT_OF_RANGE
    # A conventional zone has no write pointer.
    assert bench.manage(action, 0) == INVALID_FIELD
    # ZONE ID is not looked at with ALL.
    assert bench.manage(action, 12345678, every=True) is None


@pytest.mark.parametrize(
    ("action", "after"),
    [
        (CLOSE, [FULL, CLOSED, EMPTY, CLOSED, EMPTY]),
        (FINISH, [FULL, FULL, FULL, FULL, FULL]),
        (OPEN, [FULL, EXPLICIT, EXPLICIT, EXPLICIT, EXPLICIT]),
        (RESET, [EMPTY] * 5),
    ],
)
def test_a_zone_in_each_condition(tmp_path, action, after) -> None:
    bench = ZonedBench(tmp_path / "c.zbc", ";conventional=0;max_open=8")
    bench.manage(FINISH, 0)
    bench.write(ZONE, DATA)
    bench.manage(OPEN, 2 * ZONE)
    bench.write(3 * ZONE, DATA)
    bench.manage(CLOSE, 3 * ZONE)
    for number in range(5):
        assert bench.manage(action, number * ZONE) is None
    assert [zone.condition for zone in bench.report()[:5]] == after
    bench.reopen()
    assert [zone.condition for zone in bench.report()[:5]] == after
    bench.disk.close()


def test_all_of_them(bench) -> None:
    assert bench.manage(CLOSE, every=True) is None
    assert [z.condition for z in bench.report()[1:5]] == [FULL, CLOSED, EMPTY, CLOSED]
    assert bench.manage(OPEN, every=True) is None
    assert [z.condition for z in bench.report()[1:6]] == [FULL, EXPLICIT, EMPTY, EXPLICIT, EMPTY]
    assert bench.manage(FINISH, every=True) is None
    assert [z.condition for z in bench.report()[1:6]] == [FULL, FULL, EMPTY, FULL, EMPTY]
    assert bench.manage(RESET, every=True) is None
    assert {z.condition for z in bench.report()[1:]} == {EMPTY}


def test_open_all_opens_all_or_none(bench) -> None:
    for number in (5, 6, 7):
        bench.write(number * ZONE, DATA)
        bench.manage(CLOSE, number * ZONE)
    before = bench.report()
    assert bench.manage(OPEN, every=True) == (7, 0x55, 0x0E)
    assert bench.report() == before


def test_a_reset_zone_reads_as_zeros_and_is_written_anew(bench) -> None:
    bench.write(5 * ZONE, b"old!" * 1024)
    assert bench.manage(RESET, 5 * ZONE) is None
    assert bench.read(5 * ZONE, 8) == bytes(4096)
    assert bench.write(5 * ZONE, DATA) is None
    assert bench.read(5 * ZONE, 2) == DATA + bytes(BLOCK)


def test_a_protected_disk(bench) -> None:
    bench.disk.set_modes(True, True)
    assert bench.manage(RESET, ZONE) == (7, 0x27, 0)
    assert bench.write(5 * ZONE, DATA) == (7, 0x27, 0)
    assert bench.report()[1].condition == FULL


@pytest.mark.parametrize("cached", [True, False])
def test_without_the_write_cache_a_change_is_durable(bench, monkeypatch, cached) -> None:
    synced = []
    monkeypatch.setattr(bench.disk.handler, "flush", lambda: synced.append(True))
    bench.disk.set_modes(False, cached)
    assert bench.manage(RESET, 2 * ZONE) is None
    assert synced == ([] if cached else [True])
