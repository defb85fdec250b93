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
    assert listed == bytes.fromhex("00 80 83 b0 b1 b2")
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


def test_block_limits_are_the_transfer_length_alone(page, make_bench) -> None:
    body = page(0xB0, make_bench(hw_max_sectors=8192))
    assert len(body) == 60
    assert body[4:8] == body[8:12] == (8192).to_bytes(4, "big")
    assert body[:4] + body[12:] == bytes(52)


def test_unknown_transfer_length_is_not_limited(page, make_bench) -> None:
    assert page(0xB0, make_bench(hw_max_sectors=0)) == bytes(60)


def test_block_device_characteristics_and_provisioning_claim_nothing(page) -> None:
    assert page(0xB1) == bytes(60)
    assert page(0xB2) == bytes(4)
