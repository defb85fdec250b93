# SPDX-License-Identifier: Apache-2.0
"""READ, WRITE and SYNCHRONIZE CACHE: the commands that move blocks.

A command that fits exactly goes straight to the handler; one with anything unusual about it
(bad fields, buffers of another length, FUA on a read) takes the careful path, which finds out what.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from lioshell.runner.command import GOOD, Deferred
from lioshell.runner.scsi.cdb import (
    FUA,
    LAYOUT_6,
    LAYOUT_10,
    LAYOUT_12,
    LAYOUT_16,
    NACA,
    PROTECT,
    Layout,
)
from lioshell.runner.scsi.data_in import filled, no_data
from lioshell.runner.scsi.sense import (
    INVALID_CDB,
    LBA_OUT_OF_RANGE,
    WRITE_PROTECTED,
    invalid_field,
)
from lioshell.runner.scsi.storage_error import flush_failed, read_failed, write_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

    Execute = Callable[[Unit, Command], Response | Deferred]

_UNUSUAL_READ = PROTECT | FUA
_UNUSUAL_WRITE = PROTECT | FUA


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
            or flags & _UNUSUAL_READ
            or control & NACA
            or not count
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
            or flags & _UNUSUAL_WRITE
            or control & NACA
            or unit.read_only
            or not count
            or unit.holds.active
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
    unit: Unit, command: Command, layout: Layout, fields: tuple[int, int, int, int]
) -> Response | Deferred:
    refusal = _refusal(unit, command, layout, fields)
    if refusal is not None:
        return refusal
    flags, lba, count, _ = fields
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
            unit.read(_first(command.data, count * block_size), lba * block_size)
        except OSError as error:
            return read_failed(error, lba, block_size)
        return filled(command, count * block_size)

    return Deferred(read) if flush_first or unit.handler.blocking else read()


def _write_carefully(
    unit: Unit, command: Command, layout: Layout, fields: tuple[int, int, int, int]
) -> Response | Deferred:
    refusal = _refusal(unit, command, layout, fields)
    if refusal is not None:
        return refusal
    if unit.read_only:
        return WRITE_PROTECTED
    flags, lba, count, _ = fields
    if not count:
        return no_data(command)
    block_size = unit.block_size_bytes
    fua = flags & FUA != 0
    if command.size_bytes == count * block_size:
        return _write_later(unit, command, lba, count, fua)

    def write() -> Response:
        data = _first(command.data, count * block_size)
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


def _refusal(
    unit: Unit, command: Command, layout: Layout, fields: tuple[int, int, int, int]
) -> Response | None:
    """Return what is wrong with a READ or WRITE, None when nothing is (SBC-3 4.22, 5.11, 5.33)."""
    flags, lba, count, control = fields
    if flags & PROTECT:
        return invalid_field(1, 7)
    if control & NACA:
        return invalid_field(layout.control_byte, 2)
    if lba + count > unit.blocks:
        return LBA_OUT_OF_RANGE
    if count * unit.block_size_bytes > command.size_bytes:
        # The initiator announced less data than the CDB asks for; part of a command is not done.
        return invalid_field(layout.length_byte)
    return None


def _first(data: list[memoryview], size_bytes: int) -> list[memoryview]:
    """Return the first `size_bytes` of the buffers, which are at least as many."""
    parts: list[memoryview] = []
    for view in data:
        if size_bytes <= len(view):
            parts.append(view[:size_bytes])
            break
        parts.append(view)
        size_bytes -= len(view)
    return parts


def _synchronizer(layout: Layout) -> Execute:
    def synchronize_cache(unit: Unit, command: Command) -> Response | Deferred:
        _, lba, count, _ = layout.decode(command.cdb)
        # A count of 0 means up to the last block, of which there must be one.
        if lba + max(count, 1) > unit.blocks:
            return LBA_OUT_OF_RANGE

        def flush() -> Response:
            try:
                unit.handler.flush()
            except OSError as error:
                return flush_failed(error)
            return no_data(command)

        engine = unit.engine
        if engine is None:
            return Deferred(flush)

        def submit(finish: Callable[[Response], None]) -> None:
            def done(error: OSError | None) -> None:
                finish(no_data(command) if error is None else flush_failed(error))

            try:
                engine.submit_flush(done)
            except OSError as error:
                done(error)

        return Deferred(flush, submit=submit)

    return synchronize_cache


read_6 = _reader(LAYOUT_6)
"""READ (6), SBC-2 5.5: a length of 0 means 256 blocks."""
read_10 = _reader(LAYOUT_10)
"""READ (10), SBC-3 5.11."""
read_12 = _reader(LAYOUT_12)
"""READ (12), SBC-3 5.12."""
read_16 = _reader(LAYOUT_16)
"""READ (16), SBC-3 5.13."""
write_6 = _writer(LAYOUT_6)
"""WRITE (6), SBC-2 5.24: a length of 0 means 256 blocks."""
write_10 = _writer(LAYOUT_10)
"""WRITE (10), SBC-3 5.33."""
write_12 = _writer(LAYOUT_12)
"""WRITE (12), SBC-3 5.34."""
write_16 = _writer(LAYOUT_16)
"""WRITE (16), SBC-3 5.35."""
synchronize_cache_10 = _synchronizer(LAYOUT_10)
"""SYNCHRONIZE CACHE (10), SBC-3 5.26: the whole cache, and answered when done, IMMED or not."""
synchronize_cache_16 = _synchronizer(LAYOUT_16)
"""SYNCHRONIZE CACHE (16), SBC-3 5.27: the whole cache, and answered when done, IMMED or not."""
