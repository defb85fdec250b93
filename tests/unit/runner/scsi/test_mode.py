# SPDX-License-Identifier: Apache-2.0
"""MODE SENSE (6) and (10)."""

from __future__ import annotations

import pytest

ERROR_RECOVERY = bytes.fromhex("01 0a") + bytes(10)
CACHING = bytes.fromhex("08 12 04") + bytes(17)
CONTROL = bytes.fromhex("0a 0a 02 10 00 40 00 00 ff ff 00 00")
EXCEPTIONS = bytes.fromhex("1c 0a 08") + bytes(9)
ALL = ERROR_RECOVERY + CACHING + CONTROL + EXCEPTIONS
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
        bytes((code, length)) + bytes(length)
        for code, length in ((1, 10), (8, 18), (10, 10), (28, 10))
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


WCE_OFF = bytes.fromhex("08 12 00") + bytes(17)
SWP_ON = bytes.fromhex("0a 0a 02 10 08 40 00 00 ff ff 00 00")


@pytest.fixture
def kept(bench):
    """A disk whose modes can be changed, and what was kept of them."""
    modes: list[tuple[bool, bool]] = []
    bench.disk.keep_modes = lambda swp, write_cache: modes.append((swp, write_cache))
    bench.kept = modes
    return bench


def select6(bench, pages: bytes, *, flags: int = 0x10, header: bytes = bytes(4), length=None):
    out = header + pages
    size = len(out) if length is None else length
    return bench.send(bytes((0x15, flags, 0, 0, size, 0)), out=out, cuts=2)


def select10(bench, pages: bytes, *, flags: int = 0x10, header: bytes = bytes(8)):
    out = header + pages
    cdb = bytes((0x55, flags, 0, 0, 0, 0, 0)) + len(out).to_bytes(2, "big") + b"\0"
    return bench.send(cdb, out=out, cuts=2)


SELECTS = pytest.mark.parametrize("select", [select6, select10])


@SELECTS
def test_wce_can_be_turned_off_and_then_every_write_is_durable(kept, select) -> None:
    assert six(kept, 0x48).data[6] == 4
    assert select(kept, WCE_OFF).response.status == 0
    assert kept.handler.calls == ["flush"]
    assert kept.kept == [(False, False)]
    assert six(kept, 0x08).data[6] == 0
    assert six(kept, 0x88).data[6] == 4
    assert kept.send("2a 00 00 00 00 00 00 00 01 00", out=bytes(512)).response.status == 0
    assert kept.handler.calls[-1] == "write 0+512 fua"
    assert select(kept, CACHING).response.status == 0
    assert kept.send("2a 00 00 00 00 00 00 00 01 00", out=bytes(512)).response.status == 0
    assert kept.handler.calls[-1] == "write 0+512"


@SELECTS
def test_swp_protects(kept, sense, select) -> None:
    assert select(kept, SWP_ON).response.status == 0
    assert kept.kept == [(True, True)]
    assert six(kept, 0x0A).data[4:] == SWP_ON
    assert six(kept, 0x0A).data[2] == 0x90
    sent = kept.send("2a 00 00 00 00 00 00 00 01 00", out=bytes(512))
    assert sent.response.sense == sense(7, 0x27, 0)
    assert select(kept, CONTROL).response.status == 0
    assert kept.send("2a 00 00 00 00 00 00 00 01 00", out=bytes(512)).response.status == 0


@SELECTS
def test_without_a_place_to_keep_them_modes_stay(bench, sense, select) -> None:
    offset = 4 if select is select6 else 8
    sent = select(bench, WCE_OFF)
    assert sent.response.sense == sense(5, 0x26, 0, pointer=(0x8A, 0, offset + 2))
    sent = select(bench, SWP_ON)
    assert sent.response.sense == sense(5, 0x26, 0, pointer=(0x8B, 0, offset + 4))
    assert six(bench, 0x7F).data[4:] == bytes.fromhex("01 0a") + bytes(10) + bytes.fromhex(
        "08 12"
    ) + bytes(18) + bytes.fromhex("0a 0a") + bytes(10) + bytes.fromhex("1c 0a") + bytes(10)


@SELECTS
def test_what_is_sent_back_as_it_was_changes_nothing(kept, select) -> None:
    assert select(kept, ALL).response.status == 0
    assert select(kept, b"").response.status == 0
    assert kept.kept == []
    assert kept.handler.calls == []


def test_block_descriptors_of_mode_select(kept, sense) -> None:
    six_header, ten_header = bytes((0, 0, 0, 8)), bytes(7) + bytes((8,))
    assert select6(kept, DESCRIPTOR + CACHING, header=six_header).response.status == 0
    assert select10(kept, DESCRIPTOR + CACHING, header=ten_header).response.status == 0
    as_it_is = bytes(6) + bytes.fromhex("0200")
    assert select6(kept, as_it_is, header=six_header).response.status == 0
    other_count = bytes.fromhex("00000041 00000200")
    sent = select6(kept, other_count, header=six_header)
    assert sent.response.sense == sense(5, 0x26, 0, pointer=(0x80, 0, 4))
    other_block = bytes.fromhex("00000040 00001000")
    sent = select10(kept, other_block, header=ten_header)
    assert sent.response.sense == sense(5, 0x26, 0, pointer=(0x80, 0, 13))
    long_header = bytes.fromhex("00 00 00 00 01 00 00 10")
    long = (64).to_bytes(8, "big") + bytes(4) + (512).to_bytes(4, "big")
    assert select10(kept, long, header=long_header).response.status == 0
    sent = select10(kept, DESCRIPTOR, header=bytes.fromhex("00 00 00 00 01 00 00 08"))
    assert sent.response.sense == sense(5, 0x26, 0, pointer=(0x80, 0, 6))


@SELECTS
@pytest.mark.parametrize(
    ("pages", "code", "pointer"),
    [
        (b"\x08", 0x1A, ()),
        (CACHING[:-1], 0x1A, ()),
        (b"\x02\x0e" + bytes(14), 0x26, (0x80, 0, 0)),
        (b"\x88" + CACHING[1:], 0x26, (0x80, 0, 0)),  # PS
        (b"\x48" + CACHING[1:], 0x26, (0x80, 0, 0)),  # SPF
        (b"\x08\x10" + bytes(16), 0x26, (0x80, 0, 1)),
        (bytes.fromhex("08 12 05") + bytes(17), 0x26, (0x88, 0, 2)),  # RCD
        (CACHING + CONTROL[:-1] + b"\x80", 0x26, (0x8F, 0, 31)),
    ],
)
def test_bad_parameter_lists_change_nothing(kept, sense, select, pages, code, pointer) -> None:
    if code == 0x26:
        offset = 4 if select is select6 else 8
        pointer = (pointer[0], 0, pointer[2] + offset)
    assert select(kept, pages).response.sense == sense(5, code, 0, pointer=pointer)
    assert kept.kept == []
    assert kept.handler.calls == []


@SELECTS
def test_bad_fields_of_mode_select(kept, invalid_field, sense, select) -> None:
    assert select(kept, CACHING, flags=0x11).response.sense == invalid_field(1, 0)
    assert select(kept, CACHING, flags=0x00).response.sense == invalid_field(1, 4)
    assert select(kept, b"", header=b"\0\0").response.sense == sense(5, 0x1A, 0)


def test_mode_select_whose_data_is_missing(kept, invalid_field, sense) -> None:
    assert select6(kept, b"", length=24).response.sense == invalid_field(4)
    assert select6(kept, b"", header=bytes((0, 1, 0, 0))).response.sense == sense(
        5, 0x26, 0, pointer=(0x80, 0, 1)
    )


def test_wce_that_cannot_be_kept_is_an_error(kept, sense) -> None:
    def fail(swp, write_cache):
        raise OSError(28, "no space")

    kept.disk.keep_modes = fail
    assert select6(kept, WCE_OFF).response.sense == sense(7, 0x27, 7)
    assert kept.disk.write_cache
    assert not kept.disk.careful_writes
