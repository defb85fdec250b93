# SPDX-License-Identifier: Apache-2.0
"""The drive: tray, lock, events, another disc, and which commands it has."""

from __future__ import annotations

import threading

import pytest

from lioshell.runner.handlers.optical import NoMedium
from lioshell.runner.scsi.optical import OPTICAL_OPERATIONS

from .optical_bench import SECTOR, OpticalBench, disc

READY = "00 00 00 00 00 00"
EJECT, LOAD, START, STOP = (f"1b 00 00 00 0{n} 00" for n in (2, 3, 1, 0))
EVENT = "4a 01 00 00 10 00 00 00 08 00"
NO_DISC, TRAY_OPEN, CHANGED = (2, 0x3A, 1), (2, 0x3A, 2), (6, 0x28, 0)
NEEDS_A_DISC = "00 04 25 28 2a 2b 2e 2f 35 43 51 52 a8 aa ad"


@pytest.fixture
def bench():
    return OpticalBench(disc())


def cdb_of(operation) -> bytes:
    cdb = bytearray(len(operation.usage))
    cdb[0], cdb[1] = operation.code, operation.service_action or 0
    return bytes(cdb)


def event(bench) -> tuple[int, int]:
    """Return the media event and the status."""
    data = bench.good(EVENT, 8)
    assert data[:4] == bytes.fromhex("0006 04 10")
    return data[4], data[5]


def test_it_is_a_removable_optical_drive(bench) -> None:
    data = bench.good("12 00 00 00 ff 00", 255)
    assert data[:2] == b"\x05\x80"
    assert data[5] & 0x08 == 0
    assert data[32:36] == b"0001"
    pages = bench.good("12 01 00 00 ff 00", 255)
    assert pages == bytes.fromhex("0500 0003 00 80 83")
    assert bench.good("12 01 83 00 ff 00", 255)[:2] == b"\x05\x83"


def test_an_initiator_opens_and_closes_the_tray(bench) -> None:
    assert bench.failure(EJECT) is None
    assert bench.handler.calls == ["flush"]
    assert event(bench) == (3, 1)
    assert event(bench) == (0, 1)
    assert bench.failure(READY) == TRAY_OPEN
    assert bench.good("bd" + "00" * 8 + "08 00 00", 8)[1] == 0x10
    assert bench.failure(START) == TRAY_OPEN
    assert bench.failure(LOAD) is None
    assert event(bench) == (2, 2)
    assert bench.failure(READY) == CHANGED
    assert bench.failure(READY) is None
    assert bench.failure(LOAD) is None
    assert bench.failure(READY) is None
    assert bench.failure(STOP) is None


def test_a_flush_that_fails_keeps_the_tray_closed(bench) -> None:
    bench.handler.flush_error = OSError(5, "gone")
    assert bench.failure(EJECT) == (3, 0x0C, 0)
    assert bench.failure(READY) is None


def test_a_locked_drive_does_not_eject(bench) -> None:
    kept = []
    bench.drive.keep_tray = lambda *state: kept.append(state)
    bench.good("1e 00 00 00 01 00")
    assert bench.failure(EJECT) == (5, 0x53, 2)
    assert bench.good("5a 00 2a 00 00 00 00 00 ff 00", 255)[8 + 6] & 2
    bench.good("1e 00 00 00 00 00")
    assert bench.failure(EJECT) is None
    assert kept == [(False, True), (False, False), (True, False)]


def test_a_request_to_eject_is_an_event(bench) -> None:
    bench.drive.lock(True)
    assert not bench.drive.request_eject(0.0)
    assert event(bench) == (1, 2)
    assert event(bench) == (0, 2)


@pytest.mark.parametrize("answer", ["1e 00 00 00 00 00", "eject"])
def test_who_asks_waits_until_the_initiator_lets_go(bench, answer) -> None:
    bench.drive.lock(True)
    waiting = threading.Thread(target=lambda: told.append(bench.drive.request_eject(60.0)))
    told: list[bool] = []
    waiting.start()
    while event(bench)[0] != 1:
        pass
    if answer == "eject":
        bench.drive.open_tray()
    else:
        bench.good(answer)
    waiting.join(60.0)
    assert told == [True]


def test_an_event_that_has_no_room_is_not_lost(bench) -> None:
    bench.drive.lock(True)
    bench.drive.request_eject(0.0)
    bench.good("4a 01 00 00 10 00 00 00 04 00", 4)
    assert event(bench) == (1, 2)


def test_events_of_other_classes_and_asynchronous_ones(bench) -> None:
    assert bench.good("4a 01 00 00 02 00 00 00 08 00", 8) == bytes.fromhex("0002 80 10")
    assert bench.failure("4a 00 00 00 10 00 00 00 08 00", 8) == (5, 0x24, 0)


@pytest.mark.parametrize("operation", OPTICAL_OPERATIONS, ids=lambda o: o.name)
def test_what_needs_a_disc_says_so(operation) -> None:
    if operation.execute is None:
        return
    bench = OpticalBench(None)
    needs = operation.code in bytes.fromhex(NEEDS_A_DISC)
    assert (bench.failure(cdb_of(operation), 256) == NO_DISC) == needs


def test_another_disc(bench) -> None:
    other = disc(32, read_only=False)
    bench.drive.set_disc(other)
    assert event(bench) == (2, 2)
    # What tells about the drive is answered while the attention waits, and leaves it waiting.
    bench.good("12 00 00 00 24 00", 36)
    bench.good("46 00 00 00 00 00 00 00 08 00", 8)
    assert bench.failure("25" + "00" * 9, 8) == CHANGED
    assert bench.good("25" + "00" * 9, 8) == bytes.fromhex("0000001f 00000800")
    assert bench.good("28 00 00 00 00 1f 00 00 01 00", SECTOR) == b"\x1f" * SECTOR
    assert bench.failure("28 00 00 00 00 20 00 00 01 00", SECTOR) == (5, 0x21, 0)
    bench.good("2a 00 00 00 00 00 00 00 01 00", out=b"x" * SECTOR)
    assert other.memory[:SECTOR] == b"x" * SECTOR
    assert not bench.handler.closed


def test_the_disc_is_taken_out(bench) -> None:
    bench.drive.lock(True)
    bench.drive.set_disc(NoMedium())
    assert not bench.drive.locked
    assert event(bench) == (3, 0)
    assert bench.failure(READY) == NO_DISC
    assert bench.failure(EJECT) is None
    assert bench.failure(READY) == TRAY_OPEN
    assert bench.failure(LOAD) is None
    assert bench.failure(READY) == NO_DISC
    bench.drive.set_disc(disc())
    assert bench.failure(READY) == CHANGED
    assert bench.failure(READY) is None


def test_a_tray_as_another_process_left_it(bench) -> None:
    bench.drive.restore_tray(True, True)
    assert bench.failure(READY) == TRAY_OPEN
    assert bench.failure(EJECT) == (5, 0x53, 2)


def test_request_sense_tells_why_it_is_not_ready(bench) -> None:
    assert bench.good("03 00 00 00 12 00", 18)[2] == 0
    bench.good(EJECT)
    data = bench.good("03 00 00 00 12 00", 18)
    assert (data[2], data[12:14]) == (2, b"\x3a\x02")
    assert bench.good("03 01 00 00 12 00", 18) == bytes.fromhex("72 02 3a 02 00000000")


@pytest.mark.parametrize("ten", [False, True])
def test_mode_pages_without_block_descriptor(bench, ten) -> None:
    data = bench.good("5a 00 3f 00 00 00 00 00 ff 00" if ten else "1a 00 3f 00 ff 00", 255)
    header = 8 if ten else 4
    assert data[1 if not ten else 2 : header] == bytes(header - (1 if not ten else 2))
    pages, place = [], header
    while place < len(data):
        pages.append(data[place])
        place += 2 + data[place + 1]
    assert pages == [0x01, 0x08, 0x1C, 0x2A]
    assert place == len(data)
    # Reads CD-R, CD-RW, DVD-ROM, DVD-RAM; writes DVD-RAM; a tray that is ejected and locked.
    assert data[-26:][:7] == bytes.fromhex("2a18 2b 20 00 00 29")


def test_the_table_is_in_order_and_names_no_command_twice() -> None:
    keys = [(operation.code, operation.service_action or 0) for operation in OPTICAL_OPERATIONS]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("operation", OPTICAL_OPERATIONS, ids=lambda o: o.name)
def test_each_command_checks_its_cdb(bench, operation) -> None:
    if operation.execute is None:
        return
    assert operation.usage[0] == operation.code
    cdb = bytearray(cdb_of(operation))
    for length in range(2, len(cdb)):
        assert bench.failure(bytes(cdb[:length]), 256) == (5, 0x24, 0)
    cdb[-1] = 4
    answer, _ = bench.send(bytes(cdb), 256)
    assert answer.sense[12:18] == bytes((0x24, 0, 0, 0xCA, 0, len(cdb) - 1))


def test_supported_operation_codes_are_the_table(bench) -> None:
    data = bench.good("a3 0c 00 00 00 00 00 00 10 00 00 00", 4096)
    assert int.from_bytes(data[:4], "big") == 8 * len(OPTICAL_OPERATIONS)


def test_every_other_operation_code_is_invalid(bench) -> None:
    known = {operation.code for operation in OPTICAL_OPERATIONS if operation.execute}
    for code in set(range(256)) - known:
        assert bench.failure(bytes((code,)) + bytes(15), 64) == (5, 0x20, 0)


def test_nothing_stale_is_handed_out(bench) -> None:
    for operation in OPTICAL_OPERATIONS:
        if operation.execute is None or operation.code in (0x28, 0xA8):
            continue
        cdb = bytearray(cdb_of(operation))
        cdb[-3:-1] = b"\x10\x00"
        cdb[1] |= 1 if operation.code == 0x4A else 0
        answer, data = bench.send(bytes(cdb), 4096)
        assert answer.status or b"\xa5" * 8 not in data, operation.name
