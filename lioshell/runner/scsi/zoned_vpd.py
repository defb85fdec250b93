# SPDX-License-Identifier: Apache-2.0
"""The vital product data of a zoned disk (ZBC-2 6.5, SBC-4 6.6)."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi import vpd
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from lioshell.runner.scsi.zoned import ZonedDisk

_LIMITS: Final = Struct(">4xII48x")
_CHARACTERISTICS: Final = Struct(">B3xIII44x")
_URSWRZ: Final = 0x01
_NOT_REPORTED: Final = 0xFFFFFFFF
_ZONED_HOST_AWARE: Final = 0x10


def _block_limits(unit: ZonedDisk) -> bytes:
    """Block Limits (B0h), SBC-3 6.6.4: of the transfer; what else has limits is not there."""
    longest = min(unit.geometry.hw_max_sectors, 0xFFFFFFFF)
    return _LIMITS.pack(longest, longest)


def _block_device_characteristics(unit: ZonedDisk) -> bytes:
    """Block Device Characteristics (B1h), SBC-4: ZONED is for who takes it for a plain disk."""
    return bytes(4) + bytes((0 if unit.zones.is_host_managed else _ZONED_HOST_AWARE,)) + bytes(55)


def _zoned_block_device_characteristics(unit: ZonedDisk) -> bytes:
    """Zoned Block Device Characteristics (B6h), ZBC-2 6.5.2.

    Host-managed: the maximum of open zones. Host-aware: no maximum, the same as optimum.
    """
    unrestricted = 0 if unit.restricted_reads else _URSWRZ
    most = unit.zones.max_open or _NOT_REPORTED
    if unit.zones.is_host_managed:
        return _CHARACTERISTICS.pack(unrestricted, _NOT_REPORTED, _NOT_REPORTED, most)
    return _CHARACTERISTICS.pack(unrestricted, most, _NOT_REPORTED, 0)


ZONED_PAGES: Final[Mapping[int, Callable[..., bytes]]] = {
    **{code: vpd.DISK_PAGES[code] for code in (0x00, 0x80, 0x83, 0x86)},
    0xB0: _block_limits,
    0xB1: _block_device_characteristics,
    0xB6: _zoned_block_device_characteristics,
}
