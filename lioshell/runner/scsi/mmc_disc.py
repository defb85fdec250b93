# SPDX-License-Identifier: Apache-2.0
"""What is on the disc: one finished session with one data track, or a rewritable disc (MMC-6 6)."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi.data_in import no_data, parameter_data
from lioshell.runner.scsi.sense import (
    ILLEGAL_REQUEST,
    LBA_OUT_OF_RANGE,
    check_condition,
    invalid_field,
)
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.optical import OpticalDrive

_INCOMPATIBLE_FORMAT: Final = check_condition(ILLEGAL_REQUEST, 0x30, 0x02)

_MSF: Final = 0x02
_LEAD_OUT: Final = 0xAA
# ADR 1: position; CONTROL 4: a data track (MMC-6 table 484).
_DATA_TRACK: Final = 0x14
_FIRST_MINUTE_FRAMES: Final = 150
_FRAMES: Final = 75
_LONGEST_FRAMES: Final = 256 * 60 * _FRAMES - 1


def read_toc(unit: OpticalDrive, command: Command) -> Response:
    """READ TOC/PMA/ATIP, MMC-6 6.25: formats 0 (TOC), 1 (sessions) and 2 (raw TOC)."""
    cdb = command.cdb
    # SFF 8020i had the format in the last byte; Linux still asks that way.
    form = cdb[2] & 0x0F or cdb[9] >> 6
    first = cdb[6]
    msf = bool(cdb[1] & _MSF) or form == 2
    start, lead_out = _address(0, msf), _address(unit.blocks, msf)
    if form == 0:
        if first > 1 and first != _LEAD_OUT:
            return invalid_field(6)
        tracks = [] if first == _LEAD_OUT else [bytes((0, _DATA_TRACK, 1, 0)) + start]
        tracks.append(bytes((0, _DATA_TRACK, _LEAD_OUT, 0)) + lead_out)
        body = bytes((1, 1)) + b"".join(tracks)
    elif form == 1:
        body = bytes((1, 1, 0, _DATA_TRACK, 1, 0)) + start
    elif form == 2:
        if first > 1:
            return invalid_field(6)
        points = ((0xA0, bytes(1) + bytes((1, 0, 0))), (0xA1, bytes(1) + bytes((1, 0, 0))))
        body = bytes((1, 1)) + b"".join(
            bytes((1, _DATA_TRACK, 0, point, 0, 0, 0)) + place
            for point, place in (*points, (0xA2, lead_out), (0x01, start))
        )
    else:
        return invalid_field(2, 3)
    payload = len(body).to_bytes(2, "big") + body
    return parameter_data(command, payload, int.from_bytes(cdb[7:9], "big"))


def _address(lba: int, msf: bool) -> bytes:
    """Return 4 bytes of a block's address: as it is, or in minutes, seconds and frames."""
    if not msf:
        return min(lba, 0xFFFFFFFF).to_bytes(4, "big")
    frames = min(lba + _FIRST_MINUTE_FRAMES, _LONGEST_FRAMES)
    seconds, frame = divmod(frames, _FRAMES)
    return bytes((0, *divmod(seconds, 60), frame))


_DISC_INFORMATION: Final = Struct(">HBBBBBBB3xIII10x")
# Byte 2: Erasable, state of the last session, disc status (MMC-6 table 372).
_FINISHED: Final = 0x0E
_RANDOM_WRITABLE: Final = 0x1F
_URU: Final = 0x20


def read_disc_information(unit: OpticalDrive, command: Command) -> Response:
    """READ DISC INFORMATION, MMC-6 6.21: the standard information."""
    cdb = command.cdb
    if cdb[1] & 0x07:
        return invalid_field(1, 2)
    size = _DISC_INFORMATION.size
    status = _FINISHED if unit.handler.read_only else _RANDOM_WRITABLE
    payload = _DISC_INFORMATION.pack(
        size - 2, status, 1, 1, 1, 1, _URU, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF
    )
    return parameter_data(command, payload, int.from_bytes(cdb[7:9], "big"))


_TRACK_INFORMATION: Final = Struct(">HBBxBBxIIIII8x")
_BY_LBA, _BY_TRACK, _BY_SESSION = 0, 1, 2


def read_track_information(unit: OpticalDrive, command: Command) -> Response:
    """READ TRACK INFORMATION, MMC-6 6.27: of the only track."""
    cdb = command.cdb
    kind, number = cdb[1] & 0x03, int.from_bytes(cdb[2:6], "big")
    if kind == _BY_LBA:
        if number >= unit.blocks:
            return LBA_OUT_OF_RANGE
    elif kind not in (_BY_TRACK, _BY_SESSION) or number != 1:
        return invalid_field(2)
    size = _TRACK_INFORMATION.size
    payload = _TRACK_INFORMATION.pack(
        size - 2, 1, 1, 0x04, 0x01, 0, 0, 0, 0, min(unit.blocks, 0xFFFFFFFF)
    )
    return parameter_data(command, payload, int.from_bytes(cdb[7:9], "big"))


_PHYSICAL, _COPYRIGHT, _MANUFACTURING, _LIST = 0x00, 0x01, 0x04, 0xFF
_STRUCTURE_BYTES: Final = {_PHYSICAL: 2048, _COPYRIGHT: 4, _MANUFACTURING: 2048}
_FIRST_SECTOR: Final = 0x030000
_FIRST_SECTOR_RAM: Final = 0x031000
_READABLE: Final = 0x40


def read_disc_structure(unit: OpticalDrive, command: Command) -> Response:
    """READ DISC STRUCTURE, MMC-6 6.22: of a DVD; a CD has none."""
    cdb = command.cdb
    form = cdb[7]
    if cdb[1] & 0x0F:
        return invalid_field(1, 3)
    if form == _LIST:
        body = b"".join(
            bytes((code, _READABLE)) + (size + 4).to_bytes(2, "big")
            for code, size in _STRUCTURE_BYTES.items()
        )
    elif unit.is_cd:
        return _INCOMPATIBLE_FORMAT
    elif form not in _STRUCTURE_BYTES:
        return invalid_field(7)
    elif cdb[6]:
        # There is one layer.
        return invalid_field(6)
    else:
        made = _physical_format(unit) if form == _PHYSICAL else b""
        body = made.ljust(_STRUCTURE_BYTES[form], b"\0")
    payload = (len(body) + 2).to_bytes(2, "big") + bytes(2) + body
    return parameter_data(command, payload, int.from_bytes(cdb[8:10], "big"))


def _physical_format(unit: OpticalDrive) -> bytes:
    """Physical format information, MMC-6 6.22.3.2.1: one layer, no rate limit."""
    ram = not unit.handler.read_only
    book, layer, first = (0x16, 0x04, _FIRST_SECTOR_RAM) if ram else (0x01, 0x01, _FIRST_SECTOR)
    last = min(first + unit.blocks - 1, 0xFFFFFF)
    return (
        bytes((book, 0x0F, layer, 0))
        + first.to_bytes(4, "big")
        + last.to_bytes(4, "big")
        + bytes(4)
    )


_FORMATTED, _NO_MEDIUM = 0x02, 0x03
_FULL_FORMAT: Final = 0x00
_DVD_RAM_BLOCKS: Final = 2295104
"""Of a DVD-RAM of 4.7 GB, which is what the drive says of a disc that is not there."""


def read_format_capacities(unit: OpticalDrive, command: Command) -> Response:
    """READ FORMAT CAPACITIES, MMC-6 6.23: the size as it is, which formatting does not change."""
    block = unit.block_size_bytes.to_bytes(3, "big")
    blocks = min(unit.blocks, 0xFFFFFFFF) if unit.is_loaded else _DVD_RAM_BLOCKS
    kind = _FORMATTED if unit.is_loaded else _NO_MEDIUM
    size = blocks.to_bytes(4, "big")
    body = size + bytes((kind,)) + block
    if unit.is_loaded and not unit.handler.read_only:
        body += size + bytes((_FULL_FORMAT << 2,)) + block
    payload = bytes((0, 0, 0, len(body))) + body
    return parameter_data(command, payload, int.from_bytes(command.cdb[7:9], "big"))


def seek_10(unit: OpticalDrive, command: Command) -> Response:
    """SEEK (10), MMC-6 6.33: there is nothing to move."""
    if int.from_bytes(command.cdb[2:6], "big") >= unit.blocks:
        return LBA_OUT_OF_RANGE
    return no_data(command)
