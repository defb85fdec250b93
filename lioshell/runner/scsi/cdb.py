# SPDX-License-Identifier: Apache-2.0
"""Where READ, WRITE and their kind keep LBA and length, by the size of the CDB (SPC-4 4.2.5).

Each layout decodes a CDB into flags (byte 1), LBA, number of blocks and CONTROL in one call.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

NACA: Final = 0x04
"""CONTROL byte: this device has NORMACA = 0, so a one is refused (SAM-5 5.2)."""

PROTECT: Final = 0xE0
"""Flags: RDPROTECT, WRPROTECT; without protection information they must be 0 (SBC-3 4.22)."""
FUA: Final = 0x08
"""Flags: force unit access (SBC-3 5.11, 5.33)."""

Fields = tuple[int, int, int, int]
"""Flags (byte 1; byte 10 of 32), LBA, number of blocks, CONTROL."""
Decode = Callable[[bytes], Fields]
"""CDB -> its fields; struct.error when the CDB is too short."""


class Layout(NamedTuple):
    """How CDBs of one length are read: the decoder, and where fields start, for field pointers."""

    decode: Decode
    length_byte: int
    control_byte: int
    flags_byte: int = 1


_SIX = Struct(">xBHBB")


def _decode_6(cdb: bytes) -> Fields:
    # 21 bits of LBA, no flags, and a length of 0 means 256 blocks (SBC-2 5.5, READ (6)).
    high, low, count, control = _SIX.unpack_from(cdb)
    return 0, (high & 0x1F) << 16 | low, count or 256, control


_THIRTY_TWO = Struct(">xB8xBxQ8xI")


def _decode_32(cdb: bytes) -> Fields:
    control, flags, lba, count = _THIRTY_TWO.unpack_from(cdb)
    return flags, lba, count, control


LAYOUT_6: Final = Layout(_decode_6, 4, 5)
LAYOUT_10: Final = Layout(Struct(">xBIxHB").unpack_from, 7, 9)
LAYOUT_12: Final = Layout(Struct(">xBIIxB").unpack_from, 6, 11)
LAYOUT_16: Final = Layout(Struct(">xBQIxB").unpack_from, 10, 15)
LAYOUT_32: Final = Layout(_decode_32, 28, 1, 10)
"""The variable length CDB, whose service action is in bytes 8 and 9 (SPC-4 4.2.3)."""
