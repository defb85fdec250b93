# SPDX-License-Identifier: Apache-2.0
"""What an initiator is told when a zone does not take its command (ZBC-2 4.5.3, SPC-5 annex D)."""

from __future__ import annotations

from lioshell.runner.scsi.sense import (
    DATA_PROTECT,
    ILLEGAL_REQUEST,
    check_condition,
    invalid_field,
)
from lioshell.runner.zones import Refusal
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Response

UNALIGNED_WRITE: Final = check_condition(ILLEGAL_REQUEST, 0x21, 0x04)
WRITE_BOUNDARY_VIOLATION: Final = check_condition(ILLEGAL_REQUEST, 0x21, 0x05)
ATTEMPT_TO_READ_INVALID_DATA: Final = check_condition(ILLEGAL_REQUEST, 0x21, 0x06)
READ_BOUNDARY_VIOLATION: Final = check_condition(ILLEGAL_REQUEST, 0x21, 0x07)
INSUFFICIENT_ZONE_RESOURCES: Final = check_condition(DATA_PROTECT, 0x55, 0x0E)
ZONE_IS_READ_ONLY: Final = check_condition(DATA_PROTECT, 0x27, 0x08)
ZONE_IS_OFFLINE: Final = check_condition(DATA_PROTECT, 0x2C, 0x0E)

_LBA_BYTE: Final = 2

RESPONSES: Final = {
    Refusal.UNALIGNED: UNALIGNED_WRITE,
    Refusal.WRITE_BOUNDARY: WRITE_BOUNDARY_VIOLATION,
    Refusal.READ_BOUNDARY: READ_BOUNDARY_VIOLATION,
    Refusal.BEYOND_POINTER: ATTEMPT_TO_READ_INVALID_DATA,
    Refusal.NO_RESOURCES: INSUFFICIENT_ZONE_RESOURCES,
    Refusal.IS_READ_ONLY: ZONE_IS_READ_ONLY,
    Refusal.IS_OFFLINE: ZONE_IS_OFFLINE,
    # A write to a full zone, and management of a zone without write pointer.
    Refusal.IS_FULL: invalid_field(_LBA_BYTE),
    Refusal.NO_WRITE_POINTER: invalid_field(_LBA_BYTE),
}


def refused(refusal: Refusal) -> Response:
    """Return the response to what a zone refuses."""
    return RESPONSES[refusal]
