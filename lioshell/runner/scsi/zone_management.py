# SPDX-License-Identifier: Apache-2.0
"""REPORT ZONES, and OPEN, CLOSE, FINISH ZONE and RESET WRITE POINTER (ZBC-2 5)."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi.data_in import no_data, parameter_data
from lioshell.runner.scsi.sense import LBA_OUT_OF_RANGE, WRITE_PROTECTED, invalid_field
from lioshell.runner.scsi.storage_error import write_failed
from lioshell.runner.scsi.zone_refusal import refused
from lioshell.runner.zones import (
    CLOSED,
    EMPTY,
    EXPLICIT_OPEN,
    FULL,
    IMPLICIT_OPEN,
    NOT_WRITE_POINTER,
    OFFLINE,
    READ_ONLY,
    ZoneError,
)
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.zoned import ZonedDisk
    from lioshell.runner.zones import Zone

    Execute = Callable[[ZonedDisk, Command], Response | Deferred]

_IN_FIELDS: Final = Struct(">2xQIB")
_OUT_FIELDS: Final = Struct(">2xQ4xB")
_PARTIAL: Final = 0x80
_OPTION: Final = 0x3F
_ALL: Final = 0x01

_HEADER: Final = Struct(">IB3xQ48x")
_DESCRIPTOR: Final = Struct(">BBxxxxxxQQQ32x")
# SAME, ZBC-2 table 62.
_ALL_DIFFER: Final = 0x0
_ALL_SAME: Final = 0x1
_LAST_DIFFERS: Final = 0x2
_TYPES_DIFFER: Final = 0x3

# REPORTING OPTIONS, ZBC-2 table 61, of the zones in one condition.
_BY_CONDITION: Final = {
    0x01: EMPTY,
    0x02: IMPLICIT_OPEN,
    0x03: EXPLICIT_OPEN,
    0x04: CLOSED,
    0x05: FULL,
    0x06: READ_ONLY,
    0x07: OFFLINE,
    0x3F: NOT_WRITE_POINTER,
}
_RESET_RECOMMENDED: Final = 0x10
_NON_SEQUENTIAL: Final = 0x11


def report_zones(unit: ZonedDisk, command: Command) -> Response:
    """REPORT ZONES, ZBC-2 5.10: from the zone that holds the LBA on, with a filter.

    ZONE LIST LENGTH counts every zone that fits the filter, with PARTIAL those that are returned.
    """
    lba, allocation_length, options = _IN_FIELDS.unpack_from(command.cdb)
    if lba >= unit.blocks:
        return LBA_OUT_OF_RANGE
    wanted = _filter(options & _OPTION)
    if wanted is None:
        return invalid_field(14, 5)
    zones = unit.zones
    numbers = range(lba // zones.zone_blocks, len(zones))
    found = [zone for zone in map(zones.__getitem__, numbers) if wanted(zone)]
    room = min(allocation_length, command.size_bytes) - _HEADER.size
    returned = found[: max(0, room // _DESCRIPTOR.size)]
    counted = returned if options & _PARTIAL else found
    length = min(len(counted) * _DESCRIPTOR.size, 0xFFFFFFFF)
    parts = [_HEADER.pack(length, _same(found), unit.blocks - 1), *map(_descriptor, returned)]
    return parameter_data(command, b"".join(parts), allocation_length)


def _filter(option: int) -> Callable[[Zone], bool] | None:
    if option == 0:
        return lambda _zone: True
    if option in _BY_CONDITION:
        condition = _BY_CONDITION[option]
        return lambda zone: zone.condition == condition
    if option == _RESET_RECOMMENDED:
        return lambda zone: zone.reset_recommended
    if option == _NON_SEQUENTIAL:
        return lambda zone: zone.non_sequential
    return None


def _same(zones: list[Zone]) -> int:
    kinds = {zone.kind for zone in zones}
    if len({zone.blocks for zone in zones}) < 2:
        return _ALL_SAME if len(kinds) < 2 else _TYPES_DIFFER
    # The last one of all may be shorter, and no other.
    return _LAST_DIFFERS if len(kinds) < 2 else _ALL_DIFFER


def _descriptor(zone: Zone) -> bytes:
    attributes = zone.condition << 4 | zone.non_sequential << 1 | zone.reset_recommended
    return _DESCRIPTOR.pack(zone.kind, attributes, zone.blocks, zone.start, zone.reported_pointer)


def _manager(one: Callable[[ZonedDisk, int], None], every: Callable[[ZonedDisk], None]) -> Execute:
    """Return a command that does something to the zone that begins at an LBA, or to all of them."""

    def manage(unit: ZonedDisk, command: Command) -> Response | Deferred:
        lba, flags = _OUT_FIELDS.unpack_from(command.cdb)
        is_all = bool(flags & _ALL)
        # ZONE ID is ignored with ALL.
        number = 0 if is_all else lba // unit.zones.zone_blocks
        if not is_all and lba >= unit.blocks:
            return LBA_OUT_OF_RANGE
        if not is_all and lba % unit.zones.zone_blocks:
            return invalid_field(2)
        if unit.read_only:
            return WRITE_PROTECTED
        zone = unit.zones[number]

        def run() -> Response:
            try:
                if is_all:
                    every(unit)
                else:
                    one(unit, number)
                if unit.handler.write_cache and not unit.write_cache:
                    unit.handler.flush()
            except ZoneError as error:
                return refused(error.refusal)
            except OSError as error:
                return write_failed(error, zone.start, unit.block_size_bytes)
            return no_data(command)

        extent = (0, unit.blocks) if is_all else (zone.start, zone.end)
        return unit.holds.defer(run, (extent,), exclusive=True)

    return manage


def _close(unit: ZonedDisk, number: int) -> None:
    unit.zones.close(number)


def _close_all(unit: ZonedDisk) -> None:
    for number in unit.zones.with_condition(IMPLICIT_OPEN, EXPLICIT_OPEN):
        unit.zones.close(number)


def _finish(unit: ZonedDisk, number: int) -> None:
    unit.zones.finish(number)


def _finish_all(unit: ZonedDisk) -> None:
    for number in unit.zones.with_condition(IMPLICIT_OPEN, EXPLICIT_OPEN, CLOSED):
        unit.zones.finish(number)


def _open(unit: ZonedDisk, number: int) -> None:
    unit.zones.open(number)


def _open_all(unit: ZonedDisk) -> None:
    unit.zones.open_all()


def _reset(unit: ZonedDisk, number: int) -> None:
    if unit.zones.reset(number):
        unit.storage.erase(unit.zones[number])


def _reset_all(unit: ZonedDisk) -> None:
    for number in unit.zones.with_condition(IMPLICIT_OPEN, EXPLICIT_OPEN, CLOSED, FULL):
        _reset(unit, number)


close_zone = _manager(_close, _close_all)
"""CLOSE ZONE, ZBC-2 5.2."""
finish_zone = _manager(_finish, _finish_all)
"""FINISH ZONE, ZBC-2 5.3; with ALL the zones that are open or closed."""
open_zone = _manager(_open, _open_all)
"""OPEN ZONE, ZBC-2 5.4; with ALL the zones that are closed, or none of them."""
reset_write_pointer = _manager(_reset, _reset_all)
"""RESET WRITE POINTER, ZBC-2 5.11: the zone is empty and reads as zeros."""
