# SPDX-License-Identifier: Apache-2.0
"""The vital product data pages, those of a disk at the end (SPC-4 7.8, SBC-3 6.6)."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi import alua, compare, unmap, write_same
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from lioshell.runner.scsi.unit import Unit

DISK: Final = 0x00
"""PERIPHERAL QUALIFIER 000b, PERIPHERAL DEVICE TYPE 00h: a direct access block device."""

_VENDOR_LENGTH = 8
_PRODUCT_LENGTH = 16
_DESIGNATOR_LIMIT = 255
_SERIAL_LIMIT = 253

_SIMPSUP: Final = 0x01
_V_SUP: Final = 0x01
# From WSNZ to MAXIMUM WRITE SAME LENGTH; atomic writes have limits of 0: they are not there.
_LIMITS: Final = Struct(">BBHIIIIIIIQ20x")
_WSNZ: Final = 0x01
_UGAVALID: Final = 0x80000000
_LBPU: Final = 0x80
_LBPWS: Final = 0x40
_LBPWS10: Final = 0x20
_LBPRZ: Final = 0x04
_THIN: Final = 0x02


def ascii_field(text: str, length: int | None = None) -> bytes:
    """Return text as an ASCII data field (SPC-4 4.3.1), padded with spaces to `length`.

    What is not printable ASCII becomes "_".
    """
    data = bytes(ord(c) if " " <= c <= "~" else ord("_") for c in text)
    return data if length is None else data[:length].ljust(length)


def product(unit: Unit) -> str:
    """Return the product identification: the one that was given, else the object's name."""
    identity = unit.identity()
    return (identity.product or identity.name or "TCMU device")[:_PRODUCT_LENGTH]


def page(unit: Unit, code: int) -> bytes | None:
    """Return a VPD page with its header, None where the unit has no such page."""
    make = unit.vpd_pages.get(code)
    if make is None:
        return None
    body = make(unit)
    return bytes((unit.device_type, code)) + len(body).to_bytes(2, "big") + body


def _supported_pages(unit: Unit) -> bytes:
    """Supported VPD pages (00h), SPC-4 7.8.13: in ascending order."""
    return bytes(sorted(unit.vpd_pages))


def _unit_serial_number(unit: Unit) -> bytes:
    """Unit Serial Number (80h), SPC-4 7.8.15: spaces where there is none."""
    return ascii_field(unit.identity().unit_serial)[:_SERIAL_LIMIT] or b"    "


def _device_identification(unit: Unit) -> bytes:
    """Device Identification (83h), SPC-4 7.8.6: NAA and T10 vendor id, both of the unit's serial.

    Without a serial there is no designator of the unit: one made of less would be the same for
    several disks, and multipath would take them for one.
    """
    identity = unit.identity()
    ports = alua.port_designators(unit.port_groups())
    naa = identity.naa()
    if naa is None:
        return ports
    # CODE SET 1: binary, 2: ASCII; ASSOCIATION 0: the logical unit; DESIGNATOR TYPE 3: NAA,
    # 1: T10 vendor id.
    vendor = ascii_field(identity.vendor, _VENDOR_LENGTH)
    own = ascii_field(f"{product(unit)}:{identity.unit_serial}")
    t10 = (vendor + own)[:_DESIGNATOR_LIMIT]
    return bytes((0x01, 0x03, 0, len(naa))) + naa + bytes((0x02, 0x01, 0, len(t10))) + t10 + ports


def _extended_inquiry(unit: Unit) -> bytes:
    """Extended INQUIRY Data (86h), SPC-4 7.8.7: simple tasks only, perhaps a volatile cache.

    Nobody orders commands for a TCMU device (drivers/target/target_core_transport.c), so neither
    ORDSUP nor HEADSUP.
    """
    return bytes((0, _SIMPSUP, _V_SUP if unit.handler.write_cache else 0)) + bytes(57)


def _block_limits(unit: Unit) -> bytes:
    """Block Limits (B0h), SBC-3 6.6.4.

    OPTIMAL TRANSFER LENGTH is the maximum, as LIO's own backstores say; Linux sizes its requests
    by it. UNMAP has limits where there is UNMAP.
    """
    longest = min(unit.geometry.hw_max_sectors, 0xFFFFFFFF)
    per_physical = 1 << physical_exponent(unit)
    unmap_blocks, unmap_descriptors = (
        (unmap.LIMIT_BLOCKS, unmap.LIMIT_DESCRIPTORS) if unit.provisioned else (0, 0)
    )
    return _LIMITS.pack(
        _WSNZ,
        compare.compare_and_write_limit(unit),
        per_physical if per_physical > 1 else 0,
        longest,
        longest,
        0,
        unmap_blocks,
        unmap_descriptors,
        per_physical if unit.provisioned else 0,
        _UGAVALID if unit.provisioned else 0,
        write_same.LIMIT_BLOCKS,
    )


def _block_device_characteristics(_unit: Unit) -> bytes:
    """Block Device Characteristics (B1h), SBC-3 6.6.3: MEDIUM ROTATION RATE is not reported."""
    return bytes(60)


def _logical_block_provisioning(unit: Unit) -> bytes:
    """Logical Block Provisioning (B2h), SBC-3 6.6.5: thin, by UNMAP and WRITE SAME; or full."""
    if not unit.provisioned:
        return bytes(4)
    return bytes((0, _LBPU | _LBPWS | _LBPWS10 | _LBPRZ, _THIN, 0))


def physical_exponent(unit: Unit) -> int:
    """Return LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT (SBC-3 5.16)."""
    per_physical = unit.handler.physical_block_size_bytes // unit.block_size_bytes
    return max(0, min(per_physical.bit_length() - 1, 15))


COMMON_PAGES: Final[Mapping[int, Callable[[Unit], bytes]]] = {
    0x00: _supported_pages,
    0x80: _unit_serial_number,
    0x83: _device_identification,
}
DISK_PAGES: Final[Mapping[int, Callable[[Unit], bytes]]] = {
    **COMMON_PAGES,
    0x86: _extended_inquiry,
    0xB0: _block_limits,
    0xB1: _block_device_characteristics,
    0xB2: _logical_block_provisioning,
}
