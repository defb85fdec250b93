# SPDX-License-Identifier: Apache-2.0
"""COMPARE AND WRITE and ORWRITE: read, decide and write as one uninterrupted action.

Their hold keeps every other write out of the blocks between the read and the write.
"""

from __future__ import annotations

from lioshell.runner.scsi.cdb import FUA, LAYOUT_16, LAYOUT_32, PROTECT, Layout
from lioshell.runner.scsi.checks import refusal
from lioshell.runner.scsi.data_in import no_data
from lioshell.runner.scsi.sense import (
    LBA_OUT_OF_RANGE,
    WRITE_PROTECTED,
    invalid_field,
    miscompare,
)
from lioshell.runner.scsi.storage_error import read_failed, write_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.unit import Unit

    Execute = Callable[[Unit, Command], Response | Deferred]

LIMIT_BLOCKS: Final = 255
"""MAXIMUM COMPARE AND WRITE LENGTH: what its one byte of length can say."""

_LENGTH_BYTE: Final = 13


def compare_and_write_limit(unit: Unit) -> int:
    """Return MAXIMUM COMPARE AND WRITE LENGTH: both halves are one transfer."""
    return max(1, min(LIMIT_BLOCKS, unit.transfer_limit_blocks // 2))


def compare_and_write(unit: Unit, command: Command) -> Response | Deferred:
    """COMPARE AND WRITE, SBC-3 5.2: the first half of data-out is compared, the second written."""
    cdb = command.cdb
    flags, count = cdb[1], cdb[_LENGTH_BYTE]
    lba = int.from_bytes(cdb[2:10], "big")
    if flags & PROTECT:
        return invalid_field(1, 7)
    if count > compare_and_write_limit(unit):
        return invalid_field(_LENGTH_BYTE)
    if lba + count > unit.blocks:
        return LBA_OUT_OF_RANGE
    block_size = unit.block_size_bytes
    size = count * block_size
    if command.size_bytes != 2 * size:
        # More or less than two halves: which bytes belong to which is not known.
        return invalid_field(_LENGTH_BYTE)
    if unit.read_only:
        return WRITE_PROTECTED
    if not count:
        return no_data(command)
    fua = unit.fua(flags & FUA)

    def swap() -> Response:
        sent = memoryview(command.gather(2 * size))
        try:
            differs = unit.handler.compare_and_write(
                sent[:size], sent[size:], lba * block_size, fua
            )
        except OSError as error:
            return write_failed(error, lba, block_size)
        return no_data(command) if differs is None else miscompare(differs)

    return unit.holds.defer(swap, ((lba, lba + count),), exclusive=True)


def _or_writer(layout: Layout) -> Execute:
    def orwrite(unit: Unit, command: Command) -> Response | Deferred:
        fields = layout.decode(command.cdb)
        flags, lba, count, _ = fields
        bad = refusal(
            unit,
            layout,
            fields,
            data_bytes=command.size_bytes,
            data_blocks=count,
            limit_blocks=unit.transfer_limit_blocks,
        )
        if bad is not None:
            return bad
        if unit.read_only:
            return WRITE_PROTECTED
        if not count:
            return no_data(command)
        block_size = unit.block_size_bytes
        size = count * block_size

        def merge() -> Response:
            found = bytearray(size)
            try:
                unit.read([memoryview(found)], lba * block_size)
            except OSError as error:
                return read_failed(error, lba, block_size)
            # One number of all bytes is the fastest OR that the language has.
            merged = int.from_bytes(found, "big") | int.from_bytes(command.gather(size), "big")
            try:
                data = memoryview(merged.to_bytes(size, "big"))
                unit.write([data], lba * block_size, unit.fua(flags))
            except OSError as error:
                return write_failed(error, lba, block_size)
            return no_data(command)

        return unit.holds.defer(merge, ((lba, lba + count),), exclusive=True)

    return orwrite


orwrite_16 = _or_writer(LAYOUT_16)
"""ORWRITE (16), SBC-3 5.6: data-out and the blocks, bit by bit."""
orwrite_32 = _or_writer(LAYOUT_32)
"""ORWRITE (32), SBC-3 5.7: the set operation, without bitmap generations."""
