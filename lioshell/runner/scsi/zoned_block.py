# SPDX-License-Identifier: Apache-2.0
"""READ and WRITE of a zoned disk: those of a disk, behind the rules of the zones.

A write to a sequential zone holds the zone: the write pointer is looked at, the data written and
the pointer moved without another write between. What needs no wait does so in the loop's thread,
where nobody can come between.
"""

from __future__ import annotations

import struct

from lioshell.runner.command import GOOD
from lioshell.runner.scsi import block
from lioshell.runner.scsi.cdb import LAYOUT_10, LAYOUT_12, LAYOUT_16, Layout
from lioshell.runner.scsi.checks import first_bytes, refusal
from lioshell.runner.scsi.data_in import no_data
from lioshell.runner.scsi.sense import INVALID_CDB, WRITE_PROTECTED
from lioshell.runner.scsi.storage_error import write_failed
from lioshell.runner.scsi.zone_refusal import refused
from lioshell.runner.zones import CONVENTIONAL, ZoneError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.zoned import ZonedDisk

    Execute = Callable[[ZonedDisk, Command], Response | Deferred]


def _reader(layout: Layout, plain: Execute) -> Execute:
    def read(unit: ZonedDisk, command: Command) -> Response | Deferred:
        try:
            _, lba, count, _ = layout.decode(command.cdb)
        except struct.error:
            return INVALID_CDB
        if unit.restricted_reads and 0 < count <= unit.blocks - lba:
            try:
                unit.zones.check_read(lba, count)
            except ZoneError as error:
                return refused(error.refusal)
        return plain(unit, command)

    return read


def _writer(layout: Layout, plain: Execute) -> Execute:
    def write(unit: ZonedDisk, command: Command) -> Response | Deferred:
        try:
            fields = layout.decode(command.cdb)
        except struct.error:
            return INVALID_CDB
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
        zones = unit.zones
        touched = zones.touched(lba, count)
        if len(touched) == 1 and zones[touched[0]].kind == CONVENTIONAL:
            try:
                zones.begin_write(lba, count)
            except ZoneError as error:
                return refused(error.refusal)
            return plain(unit, command)
        fua = unit.fua(flags)
        block_size = unit.block_size_bytes
        exact = command.size_bytes == count * block_size
        extent = zones.extent(lba, count)
        if exact and not fua and not (unit.holds.active and unit.holds.exclude(*extent)):
            try:
                zones.begin_write(lba, count)
                if unit.try_write(command.data, lba * block_size):
                    zones.end_write(lba, count, False)
                    return GOOD
            except ZoneError as error:
                return refused(error.refusal)
            except OSError as error:
                return write_failed(error, lba, block_size)

        def write_later() -> Response:
            try:
                zones.begin_write(lba, count)
                unit.write(first_bytes(command.data, count * block_size), lba * block_size, fua)
                zones.end_write(lba, count, fua)
            except ZoneError as error:
                return refused(error.refusal)
            except OSError as error:
                return write_failed(error, lba, block_size)
            if not exact:
                # An initiator that named the wrong direction gets these buffers back.
                command.zero_fill(0)
            return GOOD

        return unit.holds.defer(write_later, (extent,), exclusive=True)

    return write


read_10 = _reader(LAYOUT_10, block.read_10)
"""READ (10), ZBC-2 4.5.3."""
read_12 = _reader(LAYOUT_12, block.read_12)
"""READ (12), ZBC-2 4.5.3."""
read_16 = _reader(LAYOUT_16, block.read_16)
"""READ (16), ZBC-2 4.5.3."""
write_10 = _writer(LAYOUT_10, block.write_10)
"""WRITE (10), ZBC-2 4.5.3."""
write_12 = _writer(LAYOUT_12, block.write_12)
"""WRITE (12), ZBC-2 4.5.3."""
write_16 = _writer(LAYOUT_16, block.write_16)
"""WRITE (16), ZBC-2 4.5.3."""
