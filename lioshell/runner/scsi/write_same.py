# SPDX-License-Identifier: Apache-2.0
"""WRITE SAME: one block written to many, which is also how initiators zero and unmap ranges."""

from __future__ import annotations

from lioshell.runner.handlers.base import CHUNK_BYTES
from lioshell.runner.scsi.cdb import LAYOUT_10, LAYOUT_16, LAYOUT_32, Layout
from lioshell.runner.scsi.checks import refusal
from lioshell.runner.scsi.data_in import no_data
from lioshell.runner.scsi.sense import WRITE_PROTECTED, invalid_field
from lioshell.runner.scsi.storage_error import write_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.unit import Unit

    Execute = Callable[[Unit, Command], Response | Deferred]

LIMIT_BLOCKS: Final = 0xFFFF
"""MAXIMUM WRITE SAME LENGTH: what one command may keep the medium busy with."""

_ANCHOR: Final = 0x10
_UNMAP: Final = 0x08
_OBSOLETE: Final = 0x06  # PBDATA and LBDATA of SBC-2
_NDOB: Final = 0x01


def _write_samer(layout: Layout, has_ndob: bool) -> Execute:
    def write_same(unit: Unit, command: Command) -> Response | Deferred:
        fields = layout.decode(command.cdb)
        flags, lba, count, _ = fields
        ndob = has_ndob and flags & _NDOB
        if flags & _ANCHOR:
            return invalid_field(layout.flags_byte, 4)
        if flags & _UNMAP and not unit.provisioned:
            return invalid_field(layout.flags_byte, 3)
        if flags & _OBSOLETE:
            return invalid_field(layout.flags_byte, 2)
        if not count:
            # Up to the last block (WSNZ is 1): one field that was left out would cost all of it.
            return invalid_field(layout.length_byte)
        bad = refusal(
            unit,
            layout,
            fields,
            data_bytes=command.size_bytes,
            data_blocks=0 if ndob else 1,
            limit_blocks=LIMIT_BLOCKS,
        )
        if bad is not None:
            return bad
        if not ndob and command.size_bytes != unit.block_size_bytes:
            # One block is sent, whatever the length in the CDB says (SBC-3 5.43).
            return invalid_field(layout.length_byte)
        if unit.read_only:
            return WRITE_PROTECTED
        block = bytes(unit.block_size_bytes) if ndob else command.gather(unit.block_size_bytes)

        def fill() -> Response:
            return _fill(unit, command, lba, count, block, bool(flags & _UNMAP))

        return unit.holds.defer(fill, ((lba, lba + count),), exclusive=True)

    return write_same


def _fill(
    unit: Unit, command: Command, lba: int, count: int, block: bytes, unmap: bool
) -> Response:
    block_size = unit.block_size_bytes
    offset, size = lba * block_size, count * block_size
    try:
        if block.count(0) == block_size:
            # Unmapped blocks read as zeros (LBPRZ), so only zeros may be unmapped.
            (unit.handler.discard if unmap else unit.handler.write_zeroes)(offset, size)
            if not unit.write_cache and unit.handler.write_cache:
                unit.handler.flush()
        else:
            pattern = memoryview(block * min(count, max(1, CHUNK_BYTES // block_size)))
            fua = unit.fua(0)
            for start in range(0, size, len(pattern)):
                unit.write([pattern[: size - start]], offset + start, fua)
    except OSError as error:
        return write_failed(error, lba, block_size)
    return no_data(command)


write_same_10 = _write_samer(LAYOUT_10, has_ndob=False)
"""WRITE SAME (10), SBC-3 5.43."""
write_same_16 = _write_samer(LAYOUT_16, has_ndob=True)
"""WRITE SAME (16), SBC-3 5.44: with NDOB no block is sent, and zeros are written."""
write_same_32 = _write_samer(LAYOUT_32, has_ndob=True)
"""WRITE SAME (32), SBC-3 5.45; its protection information fields are not looked at."""
