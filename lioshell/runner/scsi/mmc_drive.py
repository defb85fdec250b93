# SPDX-License-Identifier: Apache-2.0
"""The drive itself: tray, lock, events, readiness, and its mode pages (MMC-6 6, 7)."""

from __future__ import annotations

from lioshell.runner.command import Deferred
from lioshell.runner.scsi import mode
from lioshell.runner.scsi.data_in import no_data, parameter_data
from lioshell.runner.scsi.mmc_features import TRAY
from lioshell.runner.scsi.sense import (
    ILLEGAL_REQUEST,
    NOT_READY,
    check_condition,
    fixed,
    invalid_field,
)
from lioshell.runner.scsi.storage_error import flush_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.optical import OpticalDrive

NO_MEDIUM: Final = check_condition(NOT_READY, 0x3A, 0x01)
"""MEDIUM NOT PRESENT - TRAY CLOSED."""
TRAY_OPEN: Final = check_condition(NOT_READY, 0x3A, 0x02)
"""MEDIUM NOT PRESENT - TRAY OPEN."""
_REMOVAL_PREVENTED: Final = check_condition(ILLEGAL_REQUEST, 0x53, 0x02)

_DESC: Final = 0x01
_START: Final = 0x01
_LOEJ: Final = 0x02

# Media events, MMC-6 table 336.
EJECT_REQUEST, NEW_MEDIUM, MEDIUM_REMOVED = 1, 2, 3
_POLLED: Final = 0x01
_MEDIA_CLASS: Final = 4
_NO_EVENT_AVAILABLE: Final = 0x80
_DOOR_OPEN: Final = 0x01
_MEDIUM_PRESENT: Final = 0x02


def test_unit_ready(_unit: OpticalDrive, command: Command) -> Response:
    """TEST UNIT READY, SPC-4 6.47; without a disc another answers."""
    return no_data(command)


def request_sense(unit: OpticalDrive, command: Command) -> Response:
    """REQUEST SENSE, SPC-4 6.39: why the drive is not ready, or nothing."""
    cdb = command.cdb
    missing = unit.why_not_ready
    key, asc, ascq = (NOT_READY, *missing.sense[12:14]) if missing is not None else (0, 0, 0)
    descriptor = bytes((0x72, key, asc, ascq, 0, 0, 0, 0))
    sense = descriptor if cdb[1] & _DESC else fixed(key, asc, ascq)
    return parameter_data(command, sense, cdb[4])


def start_stop_unit(unit: OpticalDrive, command: Command) -> Response | Deferred:
    """START STOP UNIT, MMC-6 6.42: LoEj opens and closes the tray; the rest moves nothing."""
    flags = command.cdb[4]
    if flags & 0xF0:
        # Every power condition is as good as the other: nothing turns.
        return no_data(command)
    if not flags & _LOEJ:
        if flags & _START and unit.why_not_ready is not None:
            return unit.why_not_ready
        return no_data(command)
    if flags & _START:
        unit.load()
        return no_data(command)
    if unit.locked:
        return _REMOVAL_PREVENTED

    def eject() -> Response:
        try:
            unit.handler.flush()
        except OSError as error:
            return flush_failed(error)
        unit.open_tray()
        return no_data(command)

    return Deferred(eject)


def prevent_allow_medium_removal(unit: OpticalDrive, command: Command) -> Response:
    """PREVENT ALLOW MEDIUM REMOVAL, MMC-6 6.14."""
    unit.lock(bool(command.cdb[4] & 1))
    return no_data(command)


def get_event_status_notification(unit: OpticalDrive, command: Command) -> Response:
    """GET EVENT STATUS NOTIFICATION, MMC-6 6.6: polled media events."""
    cdb = command.cdb
    if not cdb[1] & _POLLED:
        return invalid_field(1, 0)
    allocation_length = int.from_bytes(cdb[7:9], "big")
    supported = 1 << _MEDIA_CLASS
    if not cdb[4] & supported:
        payload = bytes((0, 2, _NO_EVENT_AVAILABLE, supported))
        return parameter_data(command, payload, allocation_length)
    status = _DOOR_OPEN if unit.tray_open else _MEDIUM_PRESENT if unit.is_loaded else 0
    event = unit.take_event() if allocation_length > 4 else 0
    payload = bytes((0, 6, _MEDIA_CLASS, supported, event, status, 0, 0))
    return parameter_data(command, payload, allocation_length)


def mechanism_status(unit: OpticalDrive, command: Command) -> Response:
    """MECHANISM STATUS, MMC-6 6.10: no changer, idle."""
    payload = bytes((0, 0x10 if unit.tray_open else 0, 0, 0, 0, 0, 0, 0))
    return parameter_data(command, payload, int.from_bytes(command.cdb[8:10], "big"))


def set_cd_speed(_unit: OpticalDrive, command: Command) -> Response:
    """SET CD SPEED, MMC-6 6.37: it is as fast as its storage."""
    return no_data(command)


def _capabilities(unit: OpticalDrive) -> mode.Page:
    """CD/DVD Capabilities and Mechanical Status (2Ah), MMC-3 5.5.10; speeds are not told."""
    # Reads CD-R, CD-RW, DVD-ROM and DVD-RAM; writes DVD-RAM.
    default = bytes((0x2B, 0x20, 0, 0, TRAY)) + bytes(19)
    current = bytearray(default)
    current[4] |= 0x02 if unit.locked else 0
    return bytes(current), bytes(24), default


OPTICAL_MODE_PAGES: Final[Mapping[int, mode.MakePage]] = {
    0x01: mode.DISK_PAGES[0x01],
    0x08: mode.DISK_PAGES[0x08],
    0x1C: mode.DISK_PAGES[0x1C],
    0x2A: _capabilities,
}
