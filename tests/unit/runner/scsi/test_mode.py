# SPDX-License-Identifier: Apache-2.0
"""MODE SENSE (6) and (10)."""

from __future__ import annotations

import pytest

ERROR_RECOVERY = bytes.fromhex("01 0a") + bytes(10)
CACHING = bytes.fromhex("08 12 04") + bytes(17)
CONTROL = bytes.fromhex("0a 0a 02 10 00 40 00 00 ff ff 00 00")
ALL = ERROR_RECOVERY + CACHING + CONTROL
DESCRIPTOR = bytes.fromhex("00000040 00000200")


def six(bench, page: int, *, dbd: bool = True, subpage: int = 0, length: int = 255):
    return bench.send(bytes((0x1A, 8 if dbd else 0, page, subpage, length, 0)), 255)


def ten(bench, page: int, *, flags: int = 8, subpage: int = 0, length: int = 512):
    cdb = bytes((0x5A, flags, page, subpage, 0, 0, 0)) + length.to_bytes(2, "big") + b"\0"
    return bench.send(cdb, 512)


@pytest.mark.parametrize(
    ("page", "expected"),
    [(0x01, ERROR_RECOVERY), (0x08, CACHING), (0x0A, CONTROL), (0x3F, ALL)],
)
def test_pages(bench, page, expected) -> None:
    data = six(bench, page).data
    assert data == bytes((len(expected) + 3, 0, 0x10, 0)) + expected
    data = ten(bench, page).data
    assert data == bytes((0, len(expected) + 6, 0, 0x10, 0, 0, 0, 0)) + expected


def test_block_descriptor(bench) -> None:
    data = six(bench, 0x08, dbd=False).data
    assert data == bytes((3 + 8 + 20, 0, 0x10, 8)) + DESCRIPTOR + CACHING
    data = ten(bench, 0x08, flags=0).data
    assert data == bytes((0, 6 + 8 + 20, 0, 0x10, 0, 0, 0, 8)) + DESCRIPTOR + CACHING


def test_long_block_descriptor(bench) -> None:
    data = ten(bench, 0x08, flags=0x10).data
    long = (64).to_bytes(8, "big") + bytes(4) + (512).to_bytes(4, "big")
    assert data == bytes((0, 6 + 16 + 20, 0, 0x10, 1, 0, 0, 16)) + long + CACHING


def test_llbaa_without_descriptor_is_not_longlba(bench) -> None:
    assert ten(bench, 0x08, flags=0x18).data[4:8] == bytes(4)


def test_more_blocks_than_the_short_descriptor_holds(make_bench) -> None:
    bench = make_bench(1, 4096, claim_blocks=0x100000001)
    assert six(bench, 0x08, dbd=False).data[4:12].hex() == "ffffffff00001000"
    assert ten(bench, 0x08, flags=0x10).data[8:16].hex() == "0000000100000001"


def test_changeable_values_are_none(bench) -> None:
    assert six(bench, 0x48).data[4:] == bytes.fromhex("08 12") + bytes(18)
    assert six(bench, 0x7F).data[4:] == b"".join(
        bytes((code, length)) + bytes(length) for code, length in ((1, 10), (8, 18), (10, 10))
    )


def test_default_values_are_the_current_ones(bench) -> None:
    assert six(bench, 0xBF).data == six(bench, 0x3F).data


def test_saved_values_are_not_supported(bench, sense) -> None:
    assert six(bench, 0xC8).response == (2, sense(5, 0x39, 0), None)
    assert ten(bench, 0xFF).response == (2, sense(5, 0x39, 0), None)


def test_all_subpages_of_pages_without_subpages(bench) -> None:
    assert six(bench, 0x3F, subpage=0xFF).data == six(bench, 0x3F).data
    assert ten(bench, 0x0A, subpage=0xFF).data == ten(bench, 0x0A).data


@pytest.mark.parametrize("send", [six, ten])
@pytest.mark.parametrize("page", [0x00, 0x02, 0x1A, 0x3E, 0xC0])
def test_unknown_page(bench, invalid_field, send, page) -> None:
    assert send(bench, page).response == (2, invalid_field(2, 5), None)


@pytest.mark.parametrize("send", [six, ten])
@pytest.mark.parametrize(("page", "subpage"), [(0x0A, 1), (0x08, 0xFE), (0x3F, 1)])
def test_unknown_subpage(bench, invalid_field, send, page, subpage) -> None:
    assert send(bench, page, subpage=subpage).response == (2, invalid_field(3), None)


@pytest.mark.parametrize("length", [0, 3, 4, 12])
def test_allocation_length_truncates_but_mode_data_length_tells_all(bench, length) -> None:
    sent = six(bench, 0x08, length=length)
    assert sent.response.read_len == length
    assert sent.area == six(bench, 0x08).data[:length] + bytes(255 - length)
    assert ten(bench, 0x08, length=length).response.read_len == length


def test_write_cache_is_told_as_the_handler_has_it(make_bench) -> None:
    assert six(make_bench(write_cache=False), 0x08).data[6] == 0
    assert six(make_bench(write_cache=True), 0x08).data[6] == 4


def test_write_protection_shows(make_bench) -> None:
    bench = make_bench(read_only=True)
    assert six(bench, 0x08).data[2] == 0x90
    assert ten(bench, 0x08).data[3] == 0x90


def test_a_handler_that_is_read_only_makes_the_disk_so(make_bench) -> None:
    bench = make_bench()
    bench.handler.protected = True
    disk = type(bench.disk)(bench.disk.identity(), bench.disk.geometry, bench.handler)
    assert disk.read_only
