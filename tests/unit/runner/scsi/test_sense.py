# SPDX-License-Identifier: Apache-2.0
"""Sense data, byte by byte."""

from __future__ import annotations

from lioshell.runner.scsi import sense


def test_fixed_format_has_its_18_bytes_where_the_standard_puts_them() -> None:
    data = sense.fixed(0x3, 0x11, 0x00, information=0x01020304)
    assert data == bytes.fromhex("f0 00 03 01 02 03 04 0a 00 00 00 00 11 00 00 00 00 00")


def test_without_information_valid_is_0() -> None:
    assert sense.fixed(0x5, 0x21, 0x00) == bytes.fromhex(
        "70 00 05 00 00 00 00 0a 00 00 00 00 21 00 00 00 00 00"
    )


def test_information_of_lba_0_is_valid() -> None:
    assert sense.fixed(0x3, 0x11, 0, information=0)[0] == 0xF0


def test_information_that_does_not_fit_4_bytes_is_left_out() -> None:
    assert sense.fixed(0x3, 0x11, 0, information=0xFFFFFFFF)[:7].hex() == "f00003ffffffff"
    assert sense.fixed(0x3, 0x11, 0, information=0x100000000)[:7].hex() == "70000300000000"


def test_field_pointer_with_and_without_bit() -> None:
    assert sense.invalid_field(2) == (2, sense.fixed(5, 0x24, 0, specific=b"\xc0\x00\x02"), None)
    assert sense.invalid_field(1, 7) == (2, sense.fixed(5, 0x24, 0, specific=b"\xcf\x00\x01"), None)
    assert sense.invalid_field(4, 0).sense[15:] == b"\xc8\x00\x04"


def test_constants() -> None:
    def codes(response):
        assert response.status == 2
        assert len(response.sense) == 18
        return response.sense[2], response.sense[12], response.sense[13]

    assert codes(sense.INVALID_OPERATION_CODE) == (5, 0x20, 0)
    assert codes(sense.INVALID_CDB) == (5, 0x24, 0)
    assert codes(sense.LBA_OUT_OF_RANGE) == (5, 0x21, 0)
    assert codes(sense.SAVING_NOT_SUPPORTED) == (5, 0x39, 0)
    assert codes(sense.WRITE_PROTECTED) == (7, 0x27, 0)
    assert sense.BUSY == (8, b"", None)
