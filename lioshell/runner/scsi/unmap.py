# SPDX-License-Identifier: Apache-2.0
"""UNMAP and GET LBA STATUS: blocks that have no storage, and the question which they are."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.command import Deferred
from lioshell.runner.scsi.data_in import no_data, parameter_data
from lioshell.runner.scsi.sense import (
    LBA_OUT_OF_RANGE,
    PARAMETER_LIST_LENGTH_ERROR,
    WRITE_PROTECTED,
    invalid_field,
    invalid_parameter,
)
from lioshell.runner.scsi.storage_error import flush_failed, read_failed, write_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

LIMIT_BLOCKS: Final = 1 << 20
"""MAXIMUM UNMAP LBA COUNT of one command."""
LIMIT_DESCRIPTORS: Final = 256
"""MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT of one command."""

_ANCHOR: Final = 0x01
_HEADER = Struct(">HH4x")
_DESCRIPTOR = Struct(">QI4x")

_STATUS_FIELDS = Struct(">2xQI")
_STATUS = Struct(">QIB3x")
_MAPPED: Final = 0
_DEALLOCATED: Final = 1
_COUNT_MAX: Final = 0xFFFFFFFF
_STATUS_LIMIT: Final = 1024


def unmap(unit: Unit, command: Command) -> Response | Deferred:
    """UNMAP, SBC-3 5.28: the blocks read as zeros afterwards and need no storage."""
    cdb = command.cdb
    length = int.from_bytes(cdb[7:9], "big")
    if cdb[1] & _ANCHOR:
        return invalid_field(1, 0)
    if length > command.size_bytes:
        return invalid_field(7)
    if unit.read_only:
        return WRITE_PROTECTED
    if not length:
        return no_data(command)
    if length < _HEADER.size:
        return PARAMETER_LIST_LENGTH_ERROR
    parameters = command.gather(length)
    _, size = _HEADER.unpack_from(parameters)
    if size > length - _HEADER.size:
        return PARAMETER_LIST_LENGTH_ERROR
    number = size // _DESCRIPTOR.size
    if number > LIMIT_DESCRIPTORS:
        return invalid_parameter(2)
    extents: list[tuple[int, int]] = []
    total = 0
    for index in range(number):
        position = _HEADER.size + index * _DESCRIPTOR.size
        lba, count = _DESCRIPTOR.unpack_from(parameters, position)
        if lba + count > unit.blocks:
            return LBA_OUT_OF_RANGE
        total += count
        if total > LIMIT_BLOCKS:
            return invalid_parameter(position + 8)
        if count:
            extents.append((lba, lba + count))
    if not extents:
        return no_data(command)

    extents = _joined(extents)

    def discard() -> Response:
        block_size = unit.block_size_bytes
        for first, end in extents:
            try:
                unit.handler.discard(first * block_size, (end - first) * block_size)
            except OSError as error:
                return write_failed(error, first, block_size)
        if not unit.write_cache and unit.handler.write_cache:
            try:
                unit.handler.flush()
            except OSError as error:
                return flush_failed(error)
        return no_data(command)

    return unit.holds.defer(discard, extents, exclusive=True)


def _joined(extents: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same blocks in as few extents as there can be, in ascending order."""
    extents.sort()
    joined = extents[:1]
    for first, end in extents[1:]:
        last_first, last_end = joined[-1]
        if first <= last_end:
            joined[-1] = (last_first, max(end, last_end))
        else:
            joined.append((first, end))
    return joined


def get_lba_status(unit: Unit, command: Command) -> Response | Deferred:
    """GET LBA STATUS, SBC-3 5.4: as many descriptors as there is room for, at least one."""
    lba, allocation_length = _STATUS_FIELDS.unpack_from(command.cdb)
    if lba >= unit.blocks:
        return LBA_OUT_OF_RANGE
    room = max(1, min((allocation_length - 8) // _STATUS.size, _STATUS_LIMIT))

    def look() -> Response:
        parts: list[bytes] = []
        try:
            for first, end, mapped in _block_extents(unit, lba):
                while first < end and len(parts) < room:
                    count = min(end - first, _COUNT_MAX)
                    parts.append(_STATUS.pack(first, count, _MAPPED if mapped else _DEALLOCATED))
                    first += count
                if len(parts) >= room:
                    break
        except OSError as error:
            return read_failed(error, lba, unit.block_size_bytes)
        body = bytes(4) + b"".join(parts)
        payload = len(body).to_bytes(4, "big") + body
        return parameter_data(command, payload, allocation_length)

    return Deferred(look)


def _block_extents(unit: Unit, lba: int) -> Iterator[tuple[int, int, bool]]:
    """Tell (first block, block behind the last, mapped) from `lba` on, neighbours joined.

    A block of which any byte has storage is mapped.
    """
    block_size = unit.block_size_bytes
    position = lba * block_size
    start, mapped = lba, True
    next_block = lba
    for size, has_storage in unit.handler.allocation(position, unit.blocks * block_size - position):
        position += size
        # Whole blocks of the hole, or blocks that the data touches.
        end = position // block_size if not has_storage else -(-position // block_size)
        if end <= next_block:
            continue
        if has_storage != mapped and next_block > start:
            yield start, next_block, mapped
            start = next_block
        mapped = has_storage
        next_block = end
    if unit.blocks > start:
        yield start, unit.blocks, mapped
