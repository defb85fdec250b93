# SPDX-License-Identifier: Apache-2.0
"""GET CONFIGURATION: what the drive can do, and what with the disc in it (MMC-6 5, 6.4)."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi.data_in import parameter_data
from lioshell.runner.scsi.sense import invalid_field
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.optical import OpticalDrive

NO_PROFILE: Final = 0x0000
CD_ROM: Final = 0x0008
DVD_ROM: Final = 0x0010
DVD_RAM: Final = 0x0012
_PROFILES: Final = (DVD_RAM, DVD_ROM, CD_ROM)

_CURRENT: Final = 0x01
_PERSISTENT: Final = 0x02
_ALL, _CURRENT_ONES, _ONE = 0, 1, 2

_SCSI: Final = 1
_DEVICE_BUSY_EVENT: Final = 0x01
_OPERATIONAL_CHANGE_EVENT: Final = 0x02
# A tray that can be ejected and locked (MMC-6 table 95).
TRAY: Final = 0x29
_BLOCKING: Final = {CD_ROM: 1, DVD_ROM: 16, DVD_RAM: 16}
_READABLE: Final = Struct(">IHBx")
_WRITABLE: Final = Struct(">IIHBx")


class _Feature(NamedTuple):
    code: int
    version: int
    persistent: bool
    current: bool
    data: bytes

    def pack(self) -> bytes:
        flags = self.version << 2 | (_PERSISTENT if self.persistent else 0) | self.current
        return self.code.to_bytes(2, "big") + bytes((flags, len(self.data))) + self.data


def profile(unit: OpticalDrive) -> int:
    """Return the current profile (MMC-6 table 92)."""
    if not unit.is_loaded:
        return NO_PROFILE
    if not unit.handler.read_only:
        return DVD_RAM
    return CD_ROM if unit.is_cd else DVD_ROM


def get_configuration(unit: OpticalDrive, command: Command) -> Response:
    """GET CONFIGURATION, MMC-6 6.4: all features, the current ones, or one."""
    cdb = command.cdb
    wanted, first = cdb[1] & 0x03, int.from_bytes(cdb[2:4], "big")
    if wanted > _ONE:
        return invalid_field(1, 1)
    current = profile(unit)
    body = b"".join(
        feature.pack()
        for feature in _features(unit, current)
        if feature.code >= first
        and (wanted != _ONE or feature.code == first)
        and (wanted != _CURRENT_ONES or feature.current)
    )
    payload = (len(body) + 4).to_bytes(4, "big") + bytes(2) + current.to_bytes(2, "big") + body
    return parameter_data(command, payload, int.from_bytes(cdb[7:9], "big"))


def _features(unit: OpticalDrive, current: int) -> Iterator[_Feature]:
    """Yield the features in ascending order (MMC-6 table 91)."""
    listed = b"".join(
        number.to_bytes(2, "big") + bytes((number == current, 0)) for number in _PROFILES
    )
    loaded = current != NO_PROFILE
    writable = current == DVD_RAM
    block = unit.block_size_bytes
    blocking = _BLOCKING.get(current, 1)
    last = min(unit.blocks - 1, 0xFFFFFFFF)
    yield _Feature(0x0000, 0, True, True, listed)
    core = _SCSI.to_bytes(4, "big") + bytes((_DEVICE_BUSY_EVENT, 0, 0, 0))
    yield _Feature(0x0001, 2, True, True, core)
    yield _Feature(0x0002, 1, True, True, bytes((_OPERATIONAL_CHANGE_EVENT, 0, 0, 0)))
    yield _Feature(0x0003, 0, True, True, bytes((TRAY, 0, 0, 0)))
    yield _Feature(0x0010, 0, False, loaded, _READABLE.pack(block, blocking, 0))
    yield _Feature(0x001E, 2, False, current == CD_ROM, bytes(4))
    yield _Feature(0x001F, 0, False, current in (DVD_ROM, DVD_RAM), b"")
    yield _Feature(0x0020, 1, False, writable, _WRITABLE.pack(last, block, blocking, 0))
    yield _Feature(0x0023, 0, False, writable, bytes(4))
    yield _Feature(0x0100, 0, True, True, b"")
    yield _Feature(0x0105, 0, True, True, b"")
