# SPDX-License-Identifier: Apache-2.0
"""What the drive tells of the disc in it."""

from __future__ import annotations

import pytest

from .optical_bench import SECTOR, OpticalBench, disc

INVALID_FIELD = (5, 0x24, 0)
OUT_OF_RANGE = (5, 0x21, 0)


@pytest.fixture
def bench():
    return OpticalBench(disc(6000))


@pytest.fixture
def ram():
    return OpticalBench(disc(64, read_only=False))


def test_the_toc_has_one_data_track(bench) -> None:
    data = bench.good("43 00 00 00 00 00 00 00 ff 00", 255)
    assert data == bytes.fromhex("0012 0101 00140100 00000000 0014aa00 00001770")
    # 6000 sectors are 1 minute 20 seconds; the first one is at 0:02:00.
    data = bench.good("43 02 00 00 00 00 01 00 ff 00", 255)
    assert data[4:] == bytes.fromhex("00140100 00000200 0014aa00 00011600")
    assert bench.good("43 00 00 00 00 00 aa 00 ff 00", 255)[:4] == bytes.fromhex("000a 0101")
    assert bench.failure("43 00 00 00 00 00 02 00 ff 00", 255) == INVALID_FIELD


def test_the_sessions_and_the_raw_toc(bench) -> None:
    assert bench.good("43 00 01 00 00 00 00 00 ff 00", 255) == bytes.fromhex(
        "000a 0101 00140100 00000000"
    )
    # Linux asks for the last session the way that SFF 8020i has it.
    assert bench.good("43 00 00 00 00 00 00 00 0c 40", 12)[:2] == bytes.fromhex("000a")
    raw = bench.good("43 00 02 00 00 00 01 00 ff 00", 255)
    assert raw[:4] == bytes.fromhex("002e 0101")
    assert [raw[4 + 11 * n + 3] for n in range(4)] == [0xA0, 0xA1, 0xA2, 1]
    assert raw[26:37] == bytes.fromhex("01 14 00 a2 00 00 00 00 01 16 00")
    assert bench.failure("43 00 05 00 00 00 00 00 ff 00", 255) == INVALID_FIELD


def test_the_toc_is_cut_to_the_allocation_length(bench) -> None:
    assert bench.good("43 00 00 00 00 00 00 00 04 00", 4) == bytes.fromhex("0012 0101")


def test_disc_information(bench, ram) -> None:
    data = bench.good("51 00 00 00 00 00 00 00 ff 00", 255)
    assert len(data) == 34
    assert data[:9] == bytes.fromhex("0020 0e 01 01 01 01 20 00")
    assert ram.good("51 00 00 00 00 00 00 00 ff 00", 255)[2] == 0x1F
    assert bench.failure("51 01 00 00 00 00 00 00 ff 00", 255) == INVALID_FIELD


def test_track_information(bench) -> None:
    data = bench.good("52 01 00 00 00 01 00 00 ff 00", 255)
    assert (len(data), data[:2], data[5]) == (36, b"\x00\x22", 4)
    assert int.from_bytes(data[24:28], "big") == 6000
    assert bench.good("52 00 00 00 00 10 00 00 ff 00", 255) == data
    assert bench.failure("52 00 00 00 17 70 00 00 ff 00", 255) == OUT_OF_RANGE
    assert bench.failure("52 01 00 00 00 02 00 00 ff 00", 255) == INVALID_FIELD


def structure(form: int, *, layer: int = 0, media: int = 0) -> bytes:
    return bytes((0xAD, media, 0, 0, 0, 0, layer, form, 0x08, 0x04, 0, 0))


def test_disc_structures_of_a_dvd(ram) -> None:
    data = ram.good(structure(0), 2052)
    assert data[:8] == bytes.fromhex("0802 0000 16 0f 04 00")
    first, last = (int.from_bytes(data[n : n + 4], "big") for n in (8, 12))
    assert last - first + 1 == 64
    assert ram.good(structure(1), 2052) == bytes.fromhex("0006 0000 00000000")
    assert len(ram.good(structure(4), 2052)) == 2052
    assert ram.good(structure(0xFF), 2052)[4:8] == bytes.fromhex("00 40 0804")
    assert ram.failure(structure(0, layer=1), 2052) == INVALID_FIELD
    assert ram.failure(structure(0x30), 2052) == INVALID_FIELD
    assert ram.failure(structure(0, media=1), 2052) == INVALID_FIELD


def test_a_cd_has_no_disc_structure(bench) -> None:
    assert bench.failure(structure(0), 2052) == (5, 0x30, 2)


def test_format_capacities(bench, ram) -> None:
    assert bench.good("23 00 00 00 00 00 00 00 ff 00", 255) == bytes.fromhex(
        "00000008 00001770 02 000800"
    )
    assert ram.good("23 00 00 00 00 00 00 00 ff 00", 255) == bytes.fromhex(
        "00000010 00000040 02 000800 00000040 00 000800"
    )
    empty = OpticalBench(None)
    assert empty.good("23 00 00 00 00 00 00 00 ff 00", 255)[8] == 3


def test_seek(bench) -> None:
    assert bench.failure("2b 00 00 00 17 6f 00 00 00 00") is None
    assert bench.failure("2b 00 00 00 17 70 00 00 00 00") == OUT_OF_RANGE


def test_capacity_and_reads(bench) -> None:
    assert bench.good("25" + "00" * 9, 8) == bytes.fromhex("0000176f 00000800")
    data = bench.good("28 00 00 00 00 05 00 00 02 00", 2 * SECTOR)
    assert data == b"\x05" * SECTOR + b"\x06" * SECTOR
    assert bench.good("a8 00 00 00 00 05 00 00 00 01 00 00", SECTOR) == b"\x05" * SECTOR
    assert bench.failure("28 00 00 00 17 70 00 00 01 00", SECTOR) == OUT_OF_RANGE
    assert bench.failure("2a 00 00 00 00 00 00 00 01 00", out=b"x" * SECTOR) == (7, 0x27, 0)


def test_a_read_error_is_told(bench) -> None:
    bench.handler.read_error = OSError(5, "gone")
    assert bench.failure("28 00 00 00 00 05 00 00 02 00", 2 * SECTOR) == (3, 0x11, 0)


def test_a_rewritable_disc_is_written_and_verified(ram) -> None:
    ram.good("2a 00 00 00 00 03 00 00 01 00", out=b"w" * SECTOR)
    assert ram.good("28 00 00 00 00 03 00 00 01 00", SECTOR) == b"w" * SECTOR
    # VERIFY with BYTCHK compares with what is on the disc there, sector for sector.
    both = b"w" * SECTOR + bytes((4,)) * SECTOR
    assert ram.failure("2f 02 00 00 00 03 00 00 02 00", out=both) is None
    wrong = both[:-1] + b"\xff"
    answer, _ = ram.send("2f 02 00 00 00 03 00 00 02 00", out=wrong)
    assert (answer.sense[2] & 0xF, answer.sense[12]) == (0xE, 0x1D)
    assert int.from_bytes(answer.sense[3:7], "big") == 2 * SECTOR - 1
    ram.good("aa 08 00 00 00 04 00 00 00 01 00 00", out=b"f" * SECTOR)
    assert ram.handler.calls[-1].endswith("fua")
    ram.good("35" + "00" * 9)
    assert ram.handler.calls[-1] == "flush"
