# SPDX-License-Identifier: Apache-2.0
"""MODE SENSE: the mode pages of a disk, none of which can be changed (there is no MODE SELECT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lioshell.runner.scsi.data_in import parameter_data
from lioshell.runner.scsi.sense import SAVING_NOT_SUPPORTED, invalid_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

_DBD = 0x08
_LLBAA = 0x10
_ALL_PAGES = 0x3F
_ALL_SUBPAGES = 0xFF

# PAGE CONTROL, SPC-4 table 162.
_CHANGEABLE = 1
_SAVED = 3

# DEVICE-SPECIFIC PARAMETER of direct access block devices, SBC-3 6.5.1.
_WP = 0x80
_DPOFUA = 0x10

_WCE = 0x04


def mode_sense_6(unit: Unit, command: Command) -> Response:
    """MODE SENSE (6), SPC-4 6.13."""
    cdb = command.cdb
    pages = _pages(unit, cdb)
    if not isinstance(pages, bytes):
        return pages
    descriptor = b"" if cdb[1] & _DBD else _short_block_descriptor(unit)
    body = bytes((0, _device_specific(unit), len(descriptor))) + descriptor + pages
    return parameter_data(command, bytes((len(body),)) + body, cdb[4])


def mode_sense_10(unit: Unit, command: Command) -> Response:
    """MODE SENSE (10), SPC-4 6.14: with LLBAA the block descriptor has 8 bytes of block count."""
    cdb = command.cdb
    pages = _pages(unit, cdb)
    if not isinstance(pages, bytes):
        return pages
    long_lba = bool(cdb[1] & _LLBAA) and not cdb[1] & _DBD
    if cdb[1] & _DBD:
        descriptor = b""
    elif long_lba:
        descriptor = _long_block_descriptor(unit)
    else:
        descriptor = _short_block_descriptor(unit)
    body = (
        bytes((0, _device_specific(unit), long_lba, 0))
        + len(descriptor).to_bytes(2, "big")
        + descriptor
        + pages
    )
    payload = len(body).to_bytes(2, "big") + body
    return parameter_data(command, payload, int.from_bytes(cdb[7:9], "big"))


def _pages(unit: Unit, cdb: bytes) -> bytes | Response:
    """Return the mode pages that CDB bytes 2 and 3 ask for, or the refusal (SPC-4 table 163)."""
    control, code, subpage = cdb[2] >> 6, cdb[2] & 0x3F, cdb[3]
    if code != _ALL_PAGES and code not in _PAGES:
        return invalid_field(2, 5)
    if subpage not in (0, _ALL_SUBPAGES):
        return invalid_field(3)
    if control == _SAVED:
        return SAVING_NOT_SUPPORTED
    parts: list[bytes] = []
    for page_code in sorted(_PAGES) if code == _ALL_PAGES else (code,):
        page = _PAGES[page_code](unit)
        # Changeable values are a mask of the bits that MODE SELECT could change.
        parts.append(bytes((page_code, len(page))))
        parts.append(bytes(len(page)) if control == _CHANGEABLE else page)
    return b"".join(parts)


def _device_specific(unit: Unit) -> int:
    return _DPOFUA | (_WP if unit.read_only else 0)


def _short_block_descriptor(unit: Unit) -> bytes:
    """Short LBA mode parameter block descriptor, SBC-3 6.5.2.2."""
    return min(unit.blocks, 0xFFFFFFFF).to_bytes(4, "big") + unit.block_size_bytes.to_bytes(
        4, "big"
    )


def _long_block_descriptor(unit: Unit) -> bytes:
    """Long LBA mode parameter block descriptor, SBC-3 6.5.2.3."""
    return unit.blocks.to_bytes(8, "big") + bytes(4) + unit.block_size_bytes.to_bytes(4, "big")


def _read_write_error_recovery(_unit: Unit) -> bytes:
    """Read-Write Error Recovery (01h), SBC-3: nothing is reallocated or retried by this unit."""
    return bytes(10)


def _caching(unit: Unit) -> bytes:
    """Caching (08h), SBC-3: WCE as the handler has it."""
    return bytes((_WCE if unit.handler.write_cache else 0,)) + bytes(17)


def _control(_unit: Unit) -> bytes:
    """Control (0Ah), SPC-4 7.5.8, as the kernel's target core behaves around this unit.

    GLTSD (there are no logs to save), unrestricted reordering (nobody orders commands for a TCMU
    device), TAS (the core answers aborted commands with TASK ABORTED), no busy time-out limit.
    """
    return bytes((0x02, 0x10, 0x00, 0x40, 0, 0, 0xFF, 0xFF, 0, 0))


_PAGES: Final[dict[int, Callable[[Unit], bytes]]] = {
    0x01: _read_write_error_recovery,
    0x08: _caching,
    0x0A: _control,
}
