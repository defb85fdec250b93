# SPDX-License-Identifier: Apache-2.0
"""READ and WRITE: the commands that move blocks.

A command that fits exactly goes straight to the handler; one with anything unusual about it
(bad fields, buffers of another length, FUA on a read) takes the careful path, which finds out what.
"""

from __future__ import annotations

import struct

from lioshell.runner.command import GOOD, Deferred
from lioshell.runner.scsi.cdb import (
    FUA,
    LAYOUT_6,
    LAYOUT_10,
    LAYOUT_12,
    LAYOUT_16,
    LAYOUT_32,
    NACA,
    PROTECT,
    Fields,
    Layout,
)
from lioshell.runner.scsi.checks import first_bytes, refusal
from lioshell.runner.scsi.data_in import filled, no_data
from lioshell.runner.scsi.sense import INVALID_CDB, WRITE_PROTECTED
from lioshell.runner.scsi.storage_error import flush_failed, read_failed, write_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

    Execute = Callable[[Unit, Command], Response | Deferred]

_UNUSUAL = PROTECT | FUA


def _reader(layout: Layout) -> Execute:
    decode = layout.decode

    def read(unit: Unit, command: Command) -> Response | Deferred:
        try:
            flags, lba, count, control = decode(command.cdb)
        except struct.error:
            return INVALID_CDB
        block_size = unit.block_size_bytes
        if (
            count * block_size != command.size_bytes
            or lba + count > unit.blocks
            or flags & _UNUSUAL
            or control & NACA
            or not 0 < count <= unit.transfer_limit_blocks
        ):
            return _read_carefully(unit, command, layout, (flags, lba, count, control))
        try:
            if unit.try_read(command.data, lba * block_size):
                return GOOD
        except OSError as error:
            return read_failed(error, lba, block_size)
        return _read_later(unit, command, lba)

    return read


def _writer(layout: Layout) -> Execute:
    decode = layout.decode

    def write(unit: Unit, command: Command) -> Response | Deferred:
        try:
            flags, lba, count, control = decode(command.cdb)
        except struct.error:
            return INVALID_CDB
        block_size = unit.block_size_bytes
        if (
            count * block_size != command.size_bytes
            or lba + count > unit.blocks
            or flags & _UNUSUAL
            or control & NACA
            or unit.careful_writes
            or not 0 < count <= unit.transfer_limit_blocks
            or (unit.holds.active and unit.holds.exclude(lba, lba + count))
        ):
            return _write_carefully(unit, command, layout, (flags, lba, count, control))
        try:
            if unit.try_write(command.data, lba * block_size):
                return GOOD
        except OSError as error:
            return write_failed(error, lba, block_size)
        return _write_later(unit, command, lba, count, False)

    return write


def _read_carefully(
    unit: Unit, command: Command, layout: Layout, fields: Fields
) -> Response | Deferred:
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
    if not count:
        return no_data(command)
    block_size = unit.block_size_bytes
    flush_first = flags & FUA and unit.handler.write_cache

    def read() -> Response:
        if flush_first:
            # What is read must be what a power failure would leave: newer blocks of the cache go
            # to the medium first (SBC-3 5.11, table 66).
            try:
                unit.handler.flush()
            except OSError as error:
                return flush_failed(error)
        try:
            unit.read(first_bytes(command.data, count * block_size), lba * block_size)
        except OSError as error:
            return read_failed(error, lba, block_size)
        return filled(command, count * block_size)

    return Deferred(read) if flush_first or unit.handler.blocking else read()


def _write_carefully(
    unit: Unit, command: Command, layout: Layout, fields: Fields
) -> Response | Deferred:
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
    fua = unit.fua(flags)
    if command.size_bytes == count * block_size:
        return _write_later(unit, command, lba, count, fua)

    def write() -> Response:
        data = first_bytes(command.data, count * block_size)
        try:
            unit.write(data, lba * block_size, fua)
        except OSError as error:
            return write_failed(error, lba, block_size)
        # An initiator that named the wrong direction gets these buffers back.
        command.zero_fill(0)
        return GOOD

    return unit.holds.defer(write, ((lba, lba + count),), exclusive=False)


def _read_later(unit: Unit, command: Command, lba: int) -> Deferred:
    """Return a READ whose buffers are just right, for the handler's engine or a worker."""
    block_size = unit.block_size_bytes

    def read() -> Response:
        try:
            unit.read(command.data, lba * block_size)
        except OSError as error:
            return read_failed(error, lba, block_size)
        return GOOD

    engine = unit.engine
    if engine is None:
        return Deferred(read)

    def submit(finish: Callable[[Response], None]) -> None:
        def done(error: OSError | None) -> None:
            finish(GOOD if error is None else read_failed(error, lba, block_size))

        try:
            engine.submit_read(command.data, lba * block_size, done)
        except OSError as error:
            done(error)

    return Deferred(read, submit=submit)


def _write_later(unit: Unit, command: Command, lba: int, count: int, fua: bool) -> Deferred:
    """Return a WRITE whose buffers are just right, for the handler's engine or a worker."""
    block_size = unit.block_size_bytes

    def write() -> Response:
        try:
            unit.write(command.data, lba * block_size, fua)
        except OSError as error:
            return write_failed(error, lba, block_size)
        return GOOD

    extents = ((lba, lba + count),)
    engine = unit.engine
    if engine is None:
        return unit.holds.defer(write, extents, exclusive=False)

    def submit(finish: Callable[[Response], None]) -> None:
        def done(error: OSError | None) -> None:
            finish(GOOD if error is None else write_failed(error, lba, block_size))

        try:
            engine.submit_write(command.data, lba * block_size, fua, done)
        except OSError as error:
            done(error)

    return unit.holds.defer(write, extents, exclusive=False, submit=submit)


read_6 = _reader(LAYOUT_6)
"""READ (6), SBC-2 5.5: a length of 0 means 256 blocks."""
read_10 = _reader(LAYOUT_10)
"""READ (10), SBC-3 5.11."""
read_12 = _reader(LAYOUT_12)
"""READ (12), SBC-3 5.12."""
read_16 = _reader(LAYOUT_16)
"""READ (16), SBC-3 5.13."""
read_32 = _reader(LAYOUT_32)
"""READ (32), SBC-3 5.14; its protection information fields are not looked at."""
write_6 = _writer(LAYOUT_6)
"""WRITE (6), SBC-2 5.24: a length of 0 means 256 blocks."""
write_10 = _writer(LAYOUT_10)
"""WRITE (10), SBC-3 5.33."""
write_12 = _writer(LAYOUT_12)
"""WRITE (12), SBC-3 5.34."""
write_16 = _writer(LAYOUT_16)
"""WRITE (16), SBC-3 5.35."""
write_32 = _writer(LAYOUT_32)
"""WRITE (32), SBC-3 5.36; its protection information fields are not looked at."""
