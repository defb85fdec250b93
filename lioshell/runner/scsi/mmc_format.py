# SPDX-License-Identifier: Apache-2.0
"""FORMAT UNIT of a rewritable disc: every block reads as zeros (MMC-6 6.3)."""

from __future__ import annotations

from lioshell.runner.scsi.data_in import no_data
from lioshell.runner.scsi.sense import (
    PARAMETER_LIST_LENGTH_ERROR,
    WRITE_PROTECTED,
    invalid_field,
    invalid_parameter,
)
from lioshell.runner.scsi.storage_error import flush_failed, write_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.optical import OpticalDrive

_FMTDATA: Final = 0x10
_FORMAT_CODE: Final = 0x0F
_STEP_BYTES: Final = 1 << 30


def format_unit(unit: OpticalDrive, command: Command) -> Response | Deferred:
    """FORMAT UNIT, MMC-6 6.3: a full format of all blocks; answered when done, Immed or not."""
    flags = command.cdb[1]
    if flags & _FORMAT_CODE != 0x01 or not flags & _FMTDATA:
        return invalid_field(1, 4)
    parameters = command.gather(12)
    if len(parameters) < 12:
        return PARAMETER_LIST_LENGTH_ERROR
    if int.from_bytes(parameters[2:4], "big") != 8:
        return invalid_parameter(2)
    # All ones and 0 stand for what there is.
    if int.from_bytes(parameters[4:8], "big") not in (0, 0xFFFFFFFF, unit.blocks):
        return invalid_parameter(4)
    if parameters[8] >> 2:
        return invalid_parameter(8, 7)
    if unit.read_only:
        return WRITE_PROTECTED

    def zero() -> Response:
        size = unit.geometry.size_bytes
        for offset in range(0, size, _STEP_BYTES):
            try:
                unit.handler.write_zeroes(offset, min(_STEP_BYTES, size - offset))
            except OSError as error:
                return write_failed(error, offset // unit.block_size_bytes, unit.block_size_bytes)
        try:
            unit.handler.flush()
        except OSError as error:
            return flush_failed(error)
        return no_data(command)

    return unit.holds.defer(zero, ((0, unit.blocks),), exclusive=True)
