# SPDX-License-Identifier: Apache-2.0
"""Fields of READ and WRITE by CDB length."""

from __future__ import annotations

import struct

import pytest

from lioshell.runner.scsi.cdb import LAYOUT_6, LAYOUT_10, LAYOUT_12, LAYOUT_16


@pytest.mark.parametrize(
    ("layout", "cdb", "fields"),
    [
        (LAYOUT_6, "08 1f ff fe 05 c4", (0, 0x1FFFFE, 5, 0xC4)),
        (LAYOUT_6, "08 00 00 00 00 00", (0, 0, 256, 0)),
        (LAYOUT_6, "08 e0 00 01 01 00", (0, 1, 1, 0)),
        (LAYOUT_10, "28 18 01 02 03 04 ff 05 06 07", (0x18, 0x01020304, 0x0506, 7)),
        (LAYOUT_12, "a8 08 01 02 03 04 05 06 07 08 ff 09", (8, 0x01020304, 0x05060708, 9)),
        (
            LAYOUT_16,
            "88 10 01 02 03 04 05 06 07 08 09 0a 0b 0c ff 0d",
            (0x10, 0x0102030405060708, 0x090A0B0C, 0xD),
        ),
    ],
)
def test_decode(layout, cdb, fields) -> None:
    assert layout.decode(bytes.fromhex(cdb)) == fields


@pytest.mark.parametrize(
    ("layout", "length"), [(LAYOUT_6, 6), (LAYOUT_10, 10), (LAYOUT_12, 12), (LAYOUT_16, 16)]
)
def test_a_longer_cdb_is_fine_and_a_shorter_one_is_not(layout, length) -> None:
    assert layout.decode(bytes(length + 6)) == layout.decode(bytes(length))
    with pytest.raises(struct.error):
        layout.decode(bytes(length - 1))


@pytest.mark.parametrize(
    ("layout", "length"), [(LAYOUT_6, 6), (LAYOUT_10, 10), (LAYOUT_12, 12), (LAYOUT_16, 16)]
)
def test_the_named_bytes_are_the_fields(layout, length) -> None:
    cdb = bytearray(length)
    cdb[layout.control_byte] = 9
    assert layout.decode(bytes(cdb))[3] == 9
    before = layout.decode(bytes(cdb))[2]
    cdb[layout.length_byte] = 3
    after = layout.decode(bytes(cdb))[2]
    assert after != before
    assert after >> (after.bit_length() - 2) == 3  # the most significant byte of the field
