# SPDX-License-Identifier: Apache-2.0
"""The vital product data pages."""

from __future__ import annotations

import pytest

from lioshell.runner.scsi.unit import Identity

SERIAL = b"6c0c2a0e-4f6b-4d8e-9a51-0f2c7b1e33d4"


@pytest.fixture
def page(bench):
    def read(code: int, of=bench) -> bytes:
        data = of.send(bytes((0x12, 1, code, 1, 0, 0)), 256).data
        assert data[:2] == bytes((0, code))
        assert int.from_bytes(data[2:4], "big") == len(data) - 4
        return data[4:]

    return read


def test_supported_pages_are_listed_and_exist(page) -> None:
    listed = page(0x00)
    assert listed == bytes.fromhex("00 80 83 86 b0 b1 b2")
    for code in listed:
        page(code)


def test_unit_serial_number(page, bench, make_bench) -> None:
    assert page(0x80) == SERIAL
    long = make_bench(identity=Identity(unit_serial="s" * 300))
    assert long.send("12 01 80 02 00 00", 512).data == bytes.fromhex("008000fd") + b"s" * 253


def test_unit_serial_number_is_spaces_where_there_is_none(page, make_bench) -> None:
    assert page(0x80, make_bench(identity=lambda: Identity(name="vol0"))) == b"    "


def test_device_identification(page) -> None:
    t10 = b"LIO-ORG vol0:" + SERIAL
    assert page(0x83) == (
        bytes.fromhex("01 03 00 10 60014056c0c2a0e4f6b4d8e9a510f2c7")
        + bytes((0x02, 0x01, 0x00, len(t10)))
        + t10
    )


@pytest.mark.parametrize("serial", ["", "xyz"])
def test_without_a_serial_there_is_no_designator_that_other_disks_share(
    page, make_bench, serial
) -> None:
    identity = Identity(unit_serial=serial, name="vol0")
    assert page(0x83, make_bench(identity=lambda: identity)) == b""


def test_a_long_serial_fits_its_designator(make_bench) -> None:
    bench = make_bench(identity=Identity(unit_serial="a" * 253, name="n" * 20))
    data = bench.send("12 01 83 02 00 00", 512).data
    assert int.from_bytes(data[2:4], "big") == len(data) - 4
    t10 = data[4 + 20 :]
    assert t10[:4] == bytes((2, 1, 0, 255))
    assert t10[4:29] == b"LIO-ORG " + b"n" * 16 + b":"
    assert len(t10) == 4 + 255


def test_extended_inquiry_tells_of_simple_tasks_and_the_cache(page, make_bench) -> None:
    assert page(0x86) == bytes.fromhex("00 01 01") + bytes(57)
    assert page(0x86, make_bench(write_cache=False)) == bytes.fromhex("00 01 00") + bytes(57)


def test_block_limits_of_a_thick_disk(page, make_bench) -> None:
    body = page(0xB0, make_bench(hw_max_sectors=8192, thin=False))
    assert len(body) == 60
    assert body[:4] == bytes((1, 255, 0, 0))
    assert body[4:8] == body[8:12] == (8192).to_bytes(4, "big")
    assert body[12:32] == bytes(20)
    assert body[32:40] == (0xFFFF).to_bytes(8, "big")
    assert body[40:] == bytes(20)


def test_block_limits_of_a_thin_disk_with_physical_blocks(page, make_bench) -> None:
    body = page(0xB0, make_bench(physical=4096))
    assert body[2:4] == (8).to_bytes(2, "big")
    assert body[16:20] == (1 << 20).to_bytes(4, "big")
    assert body[20:24] == (256).to_bytes(4, "big")
    assert body[24:28] == (8).to_bytes(4, "big")
    assert body[28:32] == bytes.fromhex("80000000")


def test_unknown_transfer_length_is_not_limited(page, make_bench) -> None:
    body = page(0xB0, make_bench(hw_max_sectors=0))
    assert body[4:12] == bytes(8)
    assert body[1] == 255


def test_compare_and_write_is_limited_by_the_transfer_of_both_halves(page, make_bench) -> None:
    assert page(0xB0, make_bench(hw_max_sectors=128))[1] == 64
    assert page(0xB0, make_bench(hw_max_sectors=1))[1] == 1


def test_provisioning_and_capacity_agree(page, make_bench) -> None:
    for thin in (False, True):
        bench = make_bench(thin=thin, physical=4096)
        assert page(0xB2, bench) == (bytes.fromhex("00 e4 02 00") if thin else bytes(4))
        data = bench.send("9e 10" + "00" * 11 + "20 00 00", 32).data
        assert data[13:15] == bytes((3, 0xC0 if thin else 0))
    assert page(0xB1) == bytes(60)


@pytest.mark.parametrize(
    ("physical", "exponent"), [(0, 0), (512, 0), (4096, 3), (65536, 7), (1 << 30, 15)]
)
def test_physical_blocks(make_bench, physical, exponent) -> None:
    data = make_bench(physical=physical).send("9e 10" + "00" * 11 + "20 00 00", 32).data
    assert data[13] == exponent
