# SPDX-License-Identifier: Apache-2.0
"""Sense data: why a command failed, in the fixed format (SPC-4 4.5.3).

Fixed format because the control mode page says D_SENSE = 0. Responses that do not depend on the
command are made once, here.
"""

from __future__ import annotations

from lioshell.runner.command import Response
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

# SAM-5 5.3.1.
CHECK_CONDITION: Final = 0x02
BUSY: Final = Response(0x08)

# Sense keys, SPC-4 table 48.
NOT_READY: Final = 0x2
MEDIUM_ERROR: Final = 0x3
HARDWARE_ERROR: Final = 0x4
ILLEGAL_REQUEST: Final = 0x5
UNIT_ATTENTION: Final = 0x6
DATA_PROTECT: Final = 0x7
COPY_ABORTED: Final = 0xA
ABORTED_COMMAND: Final = 0xB
MISCOMPARE: Final = 0xE

_FIXED_CURRENT = 0x70
_VALID = 0x80
_ADDITIONAL_LENGTH = 10
_INFORMATION_MAX = 0xFFFFFFFF


def fixed(
    key: int, asc: int, ascq: int, *, information: int | None = None, specific: bytes = bytes(3)
) -> bytes:
    """Return 18 bytes of fixed format sense data for a current error (SPC-4 4.5.3).

    `information` is an LBA; what does not fit its 4 bytes leaves VALID 0, as the standard asks.
    `specific` are the 3 bytes of the sense key specific field, the first with SKSV.
    """
    valid = information is not None and information <= _INFORMATION_MAX
    return (
        bytes((_FIXED_CURRENT | (_VALID if valid else 0), 0, key))
        + ((information or 0) if valid else 0).to_bytes(4, "big")
        + bytes((_ADDITIONAL_LENGTH, 0, 0, 0, 0, asc, ascq, 0))
        + specific
    )


def check_condition(
    key: int, asc: int, ascq: int, *, information: int | None = None, specific: bytes = bytes(3)
) -> Response:
    """Return CHECK CONDITION with the sense data that `fixed` makes."""
    return Response(
        CHECK_CONDITION, fixed(key, asc, ascq, information=information, specific=specific)
    )


def invalid_field(byte: int, bit: int | None = None) -> Response:
    """Return INVALID FIELD IN CDB pointing at the field (SPC-4 4.5.2.4.2).

    `byte` is the first byte of the field in the CDB, `bit` its most significant bit where it does
    not start at bit 7.
    """
    pointer = 0xC0 if bit is None else 0xC8 | bit
    return check_condition(
        ILLEGAL_REQUEST, 0x24, 0x00, specific=bytes((pointer, byte >> 8, byte & 0xFF))
    )


def invalid_parameter(byte: int, bit: int | None = None) -> Response:
    """Return INVALID FIELD IN PARAMETER LIST pointing at the field, as `invalid_field` does."""
    pointer = 0x80 if bit is None else 0x88 | bit
    return check_condition(
        ILLEGAL_REQUEST, 0x26, 0x00, specific=bytes((pointer, byte >> 8 & 0xFF, byte & 0xFF))
    )


def miscompare(offset_bytes: int) -> Response:
    """Return MISCOMPARE DURING VERIFY OPERATION (SBC-3 4.18.1, 5.2).

    INFORMATION is the offset in the data-out buffer of the first byte that differs.
    """
    return check_condition(MISCOMPARE, 0x1D, 0x00, information=offset_bytes)


INVALID_OPERATION_CODE: Final = check_condition(ILLEGAL_REQUEST, 0x20, 0x00)
INVALID_CDB: Final = check_condition(ILLEGAL_REQUEST, 0x24, 0x00)
"""A CDB that ends before its fields do: there is nothing to point at."""
LBA_OUT_OF_RANGE: Final = check_condition(ILLEGAL_REQUEST, 0x21, 0x00)
PARAMETER_LIST_LENGTH_ERROR: Final = check_condition(ILLEGAL_REQUEST, 0x1A, 0x00)
SAVING_NOT_SUPPORTED: Final = check_condition(ILLEGAL_REQUEST, 0x39, 0x00)
WRITE_PROTECTED: Final = check_condition(DATA_PROTECT, 0x27, 0x00)
