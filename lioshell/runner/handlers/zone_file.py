# SPDX-License-Identifier: Apache-2.0
"""The file of a zoned device: header, a record for each zone, then the blocks.

The layout is that of tcmu-runner's file_zbc.c, so that its files are served as they are and ours by
it: 48 bytes of header, 64 of each zone, all little-endian, and data from the next page of 4096
bytes on. What changes of a record lies in one sector of 512 bytes, so that no crash tears it. Our
own is where the last write to a zone began, in bytes that tcmu-runner leaves 0.
"""

from __future__ import annotations

import os
from struct import Struct

from lioshell.errors import ConflictError
from lioshell.runner.zones import (
    CONVENTIONAL,
    FULL,
    NOT_WRITE_POINTER,
    OFFLINE,
    READ_ONLY,
    SEQUENTIAL_PREFERRED,
    SEQUENTIAL_REQUIRED,
    Zone,
)
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

HOST_AWARE: Final = 0x00
HOST_MANAGED: Final = 0x14

_MAGIC: Final = int.from_bytes(b"UZBC", "big")
_HEADER: Final = Struct("<IIQIIIII12x")
_RECORD: Final = Struct("<QQQBBBB4xQ24x")
_PAGE_BYTES: Final = 4096
_CONDITIONS: Final = frozenset((*range(5), READ_ONLY, FULL, OFFLINE))
_BLOCK_SIZES: Final = (512, 1024, 2048, 4096)


class ZoneFileHeader(NamedTuple):
    """What the whole file is: sizes in blocks, but for the block's own in bytes."""

    model: int
    blocks: int
    block_size_bytes: int
    zone_blocks: int
    conventional: int
    max_open: int

    @property
    def zone_count(self) -> int:
        """The number of zones, of which the last may be shorter."""
        return -(-self.blocks // self.zone_blocks)

    @property
    def size_bytes(self) -> int:
        """The size of the device."""
        return self.blocks * self.block_size_bytes

    @property
    def data_offset_bytes(self) -> int:
        """Where the blocks begin in the file."""
        used = _HEADER.size + self.zone_count * _RECORD.size
        return -(-used // _PAGE_BYTES) * _PAGE_BYTES

    @property
    def file_bytes(self) -> int:
        """The size of the file."""
        return self.data_offset_bytes + self.size_bytes


def read_header(path: str, descriptor: int) -> ZoneFileHeader:
    """Return the header of a file. Raises ConflictError where it is not one of zones."""
    text = os.pread(descriptor, _HEADER.size, 0)
    if len(text) == _HEADER.size:
        magic, model, blocks, block, zone_blocks, count, conventional, max_open = _HEADER.unpack(
            text
        )
        header = ZoneFileHeader(model, blocks, block, zone_blocks, conventional, max_open)
        if magic == _MAGIC:
            sound = (
                model in (HOST_AWARE, HOST_MANAGED)
                and block in _BLOCK_SIZES
                and zone_blocks > 0
                and not zone_blocks & (zone_blocks - 1)
                and blocks > 0
                and header.zone_count == count
                and conventional < count
                and os.fstat(descriptor).st_size == header.file_bytes
            )
            if sound:
                return header
            raise _damaged(path)
    raise ConflictError(
        f"{path} holds no zones",
        hint="Name another file, which is made; or remove this one if its creation was cut short.",
        path=path,
    )


def read_zones(path: str, descriptor: int, header: ZoneFileHeader) -> list[Zone]:
    """Return the zones of a file. Raises ConflictError where a record cannot be right."""
    size = header.zone_count * _RECORD.size
    text = os.pread(descriptor, size, _HEADER.size)
    if len(text) < size:
        raise _damaged(path)
    kind = SEQUENTIAL_PREFERRED if header.model == HOST_AWARE else SEQUENTIAL_REQUIRED
    zones = []
    for number, record in enumerate(_RECORD.iter_unpack(text)):
        start, blocks, pointer, found, condition, astray, reset, last = record
        if condition == FULL:
            pointer = start + blocks
        zone = Zone(start, blocks, pointer, found, condition, bool(astray), bool(reset), last)
        wanted = number * header.zone_blocks
        fits = (
            start == wanted
            and blocks == min(header.zone_blocks, header.blocks - wanted)
            and condition in _CONDITIONS
        )
        if found == CONVENTIONAL:
            fits = fits and condition in (NOT_WRITE_POINTER, READ_ONLY, OFFLINE)
        else:
            fits = fits and found == kind and condition != NOT_WRITE_POINTER
            fits = fits and start <= pointer <= zone.end
        if not fits:
            raise _damaged(path, number)
        zones.append(zone)
    return zones


def record_place(number: int) -> int:
    """Return where in the file the record of a zone is, in bytes."""
    return _HEADER.size + number * _RECORD.size


def pack_zone(zone: Zone) -> bytes:
    """Return the record of a zone."""
    return _RECORD.pack(
        zone.start,
        zone.blocks,
        zone.pointer,
        zone.kind,
        zone.condition,
        zone.non_sequential,
        zone.reset_recommended,
        zone.last,
    )


def write_all(descriptor: int, header: ZoneFileHeader, zones: Iterable[Zone]) -> None:
    """Write the zones of a new file, and then the header, which says that they are whole.

    All is on stable storage when it returns. Raises OSError.
    """
    _write(descriptor, b"".join(map(pack_zone, zones)), _HEADER.size)
    os.fsync(descriptor)
    packed = _HEADER.pack(
        _MAGIC,
        header.model,
        header.blocks,
        header.block_size_bytes,
        header.zone_blocks,
        header.zone_count,
        header.conventional,
        header.max_open,
    )
    _write(descriptor, packed, 0)
    os.fsync(descriptor)


def _write(descriptor: int, data: bytes, offset_bytes: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset_bytes)
        view = view[written:]
        offset_bytes += written


def _damaged(path: str, number: int | None = None) -> ConflictError:
    what = "its header" if number is None else f"zone {number}"
    return ConflictError(
        f"The zones of {path} are damaged: {what} cannot be right",
        hint="Bring a copy of the file back; it is never formatted by itself.",
        path=path,
    )
