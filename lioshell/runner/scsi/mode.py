# SPDX-License-Identifier: Apache-2.0
"""MODE SENSE and MODE SELECT, and the mode pages of a disk.

WCE (whether writes may wait in the cache) and SWP (software write protect) can be changed where
there is somewhere to keep them: a runner that takes over must go on with what an initiator set.
"""

from __future__ import annotations

from lioshell.runner.command import Deferred
from lioshell.runner.scsi.data_in import no_data, parameter_data
from lioshell.runner.scsi.mode_parameters import parse_parameters
from lioshell.runner.scsi.sense import SAVING_NOT_SUPPORTED, invalid_field
from lioshell.runner.scsi.storage_error import flush_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

    # A table of pages belongs to one kind of unit, and its functions take that one.
    MakePage = Callable[..., "Page"]

_DBD: Final = 0x08
_LLBAA: Final = 0x10
_ALL_PAGES: Final = 0x3F
_ALL_SUBPAGES: Final = 0xFF

# PAGE CONTROL, SPC-4 table 162.
_CHANGEABLE: Final = 1
_DEFAULT: Final = 2
_SAVED: Final = 3

# DEVICE-SPECIFIC PARAMETER of direct access block devices, SBC-3 6.5.1.
_WP: Final = 0x80
_DPOFUA: Final = 0x10

# MODE SELECT, CDB byte 1.
_PF: Final = 0x10
_SP: Final = 0x01

_CACHING: Final = 0x08
_CONTROL: Final = 0x0A
_WCE_BYTE, _WCE = 2, 0x04
_SWP_BYTE, _SWP = 4, 0x08


def mode_sense_6(unit: Unit, command: Command) -> Response:
    """MODE SENSE (6), SPC-4 6.13."""
    cdb = command.cdb
    pages = _pages(unit, cdb)
    if not isinstance(pages, bytes):
        return pages
    bare = cdb[1] & _DBD or not unit.has_block_descriptor
    descriptor = b"" if bare else _short_block_descriptor(unit)
    body = bytes((0, _device_specific(unit), len(descriptor))) + descriptor + pages
    return parameter_data(command, bytes((len(body),)) + body, cdb[4])


def mode_sense_10(unit: Unit, command: Command) -> Response:
    """MODE SENSE (10), SPC-4 6.14: with LLBAA the block descriptor has 8 bytes of block count."""
    cdb = command.cdb
    pages = _pages(unit, cdb)
    if not isinstance(pages, bytes):
        return pages
    bare = cdb[1] & _DBD or not unit.has_block_descriptor
    long_lba = bool(cdb[1] & _LLBAA) and not bare
    if bare:
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


def mode_select_6(unit: Unit, command: Command) -> Response | Deferred:
    """MODE SELECT (6), SPC-4 6.11."""
    return _select(unit, command, command.cdb[4], header_bytes=4, length_byte=4)


def mode_select_10(unit: Unit, command: Command) -> Response | Deferred:
    """MODE SELECT (10), SPC-4 6.12."""
    length = int.from_bytes(command.cdb[7:9], "big")
    return _select(unit, command, length, header_bytes=8, length_byte=7)


def _select(
    unit: Unit, command: Command, length: int, *, header_bytes: int, length_byte: int
) -> Response | Deferred:
    flags = command.cdb[1]
    if flags & _SP:
        return invalid_field(1, 0)
    if length > command.size_bytes:
        return invalid_field(length_byte)
    if not length:
        return no_data(command)
    if not flags & _PF:
        return invalid_field(1, 4)
    changes = parse_parameters(unit, command.gather(length), header_bytes, _page)
    if not isinstance(changes, list):
        return changes
    swp, write_cache = unit.swp, unit.write_cache
    for change in changes:
        if change.code == _CACHING:
            write_cache = bool(change.body[_WCE_BYTE - 2] & _WCE)
        elif change.code == _CONTROL:
            swp = bool(change.body[_SWP_BYTE - 2] & _SWP)
    if (swp, write_cache) == (unit.swp, unit.write_cache):
        return no_data(command)
    before = (unit.swp, unit.write_cache)
    keep = unit.keep_modes
    unit.set_modes(swp, write_cache)

    def settle() -> Response:
        try:
            if keep is not None:
                keep(swp, write_cache)
        except OSError as error:
            unit.set_modes(*before)
            return flush_failed(error)
        try:
            if before[1] and not write_cache:
                # From now on nothing may be lost, so what waits in the cache is written too.
                unit.handler.flush()
        except OSError as error:
            return flush_failed(error)
        return no_data(command)

    return Deferred(settle)


def _pages(unit: Unit, cdb: bytes) -> bytes | Response:
    """Return the mode pages that CDB bytes 2 and 3 ask for, or the refusal (SPC-4 table 163)."""
    control, code, subpage = cdb[2] >> 6, cdb[2] & 0x3F, cdb[3]
    if code != _ALL_PAGES and code not in unit.mode_pages:
        return invalid_field(2, 5)
    if subpage not in (0, _ALL_SUBPAGES):
        return invalid_field(3)
    if control == _SAVED:
        return SAVING_NOT_SUPPORTED
    codes = sorted(unit.mode_pages) if code == _ALL_PAGES else (code,)
    return b"".join(_page_with_header(unit, page_code, control) for page_code in codes)


def _page_with_header(unit: Unit, code: int, control: int) -> bytes:
    current, changeable, default = unit.mode_pages[code](unit)
    body = {_CHANGEABLE: changeable, _DEFAULT: default}.get(control, current)
    return bytes((code, len(body))) + body


def _page(unit: Unit, code: int) -> tuple[bytes, bytes] | None:
    """Return the current values of a page and the mask of what can be changed, or None."""
    make = unit.mode_pages.get(code)
    return None if make is None else make(unit)[:2]


def _device_specific(unit: Unit) -> int:
    if not unit.has_block_descriptor:
        return 0
    return _DPOFUA | (_WP if unit.read_only else 0)


def _short_block_descriptor(unit: Unit) -> bytes:
    """Short LBA mode parameter block descriptor, SBC-3 6.5.2.2."""
    return min(unit.blocks, 0xFFFFFFFF).to_bytes(4, "big") + unit.block_size_bytes.to_bytes(
        4, "big"
    )


def _long_block_descriptor(unit: Unit) -> bytes:
    """Long LBA mode parameter block descriptor, SBC-3 6.5.2.3."""
    return unit.blocks.to_bytes(8, "big") + bytes(4) + unit.block_size_bytes.to_bytes(4, "big")


Page = tuple[bytes, bytes, bytes]
"""A page without its header: current values, mask of what MODE SELECT can change, defaults."""


def _read_write_error_recovery(_unit: Unit) -> Page:
    """Read-Write Error Recovery (01h), SBC-3: nothing is reallocated or retried by this unit."""
    return bytes(10), bytes(10), bytes(10)


def _caching(unit: Unit) -> Page:
    """Caching (08h), SBC-3: WCE, by default as the handler has it."""
    cached = unit.handler.write_cache
    changeable = cached and unit.keep_modes is not None
    rest = bytes(17)
    return (
        bytes((_WCE if unit.write_cache else 0,)) + rest,
        bytes((_WCE if changeable else 0,)) + rest,
        bytes((_WCE if cached else 0,)) + rest,
    )


def _control(unit: Unit) -> Page:
    """Control (0Ah), SPC-4 7.5.8, as the kernel's target core behaves around this unit.

    GLTSD (there are no logs to save), unrestricted reordering (nobody orders commands for a TCMU
    device), TAS (the core answers aborted commands with TASK ABORTED), no busy time-out limit.
    """

    def body(swp: bool) -> bytes:
        return bytes((0x02, 0x10, _SWP if swp else 0, 0x40, 0, 0, 0xFF, 0xFF, 0, 0))

    mask = bytes((0, 0, _SWP if unit.keep_modes is not None else 0)) + bytes(7)
    return body(unit.swp), mask, body(False)


def _informational_exceptions(_unit: Unit) -> Page:
    """Informational Exceptions Control (1Ch), SPC-4 7.5.13: DEXCPT, as none is ever reported."""
    body = bytes((0x08,)) + bytes(9)
    return body, bytes(10), body


DISK_PAGES: Final[Mapping[int, MakePage]] = {
    0x01: _read_write_error_recovery,
    _CACHING: _caching,
    _CONTROL: _control,
    0x1C: _informational_exceptions,
}
