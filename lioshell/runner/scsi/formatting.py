# SPDX-License-Identifier: Apache-2.0
"""FORMAT UNIT and READ DEFECT DATA: what remains of them on a medium without defects."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi.data_in import no_data, parameter_data
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
    from lioshell.runner.scsi.unit import Unit

_FMTPINFO: Final = 0xC0
_LONGLIST: Final = 0x20
_FMTDATA: Final = 0x10
_FORMAT: Final = 0x07

# Parameter list header, SBC-3 5.3.2.2: protection usage, then the option bits.
_PROTECTION_USAGE: Final = 0x07
_IP: Final = 0x08
_STEP_BYTES: Final = 1 << 30


def format_unit(unit: Unit, command: Command) -> Response | Deferred:
    """FORMAT UNIT, SBC-3 5.3: every block reads as zeros; block size and protection stay.

    Answered when it is done, IMMED or not. Neither a defect list nor an initialization pattern is
    taken.
    """
    flags = command.cdb[1]
    if flags & _FMTPINFO:
        return invalid_field(1, 7)
    if flags & _FORMAT:
        return invalid_field(1, 2)
    if flags & _FMTDATA:
        bad = _bad_parameters(command, 8 if flags & _LONGLIST else 4)
        if bad is not None:
            return bad
    if unit.read_only:
        return WRITE_PROTECTED

    def zero() -> Response:
        handler, size = unit.handler, unit.geometry.size_bytes
        clear = handler.discard if unit.provisioned else handler.write_zeroes
        for offset in range(0, size, _STEP_BYTES):
            try:
                clear(offset, min(_STEP_BYTES, size - offset))
            except OSError as error:
                return write_failed(error, offset // unit.block_size_bytes, unit.block_size_bytes)
        try:
            handler.flush()
        except OSError as error:
            return flush_failed(error)
        return no_data(command)

    return unit.holds.defer(zero, ((0, unit.blocks),), exclusive=True)


def _bad_parameters(command: Command, header_length: int) -> Response | None:
    header = command.gather(header_length)
    if len(header) < header_length:
        return PARAMETER_LIST_LENGTH_ERROR
    if header[0] & _PROTECTION_USAGE:
        return invalid_parameter(0, 2)
    if header[1] & _IP:
        return invalid_parameter(1, 3)
    if header_length == 8 and header[3]:
        return invalid_parameter(3)
    if any(header[-4:] if header_length == 8 else header[-2:]):
        return invalid_parameter(header_length - (4 if header_length == 8 else 2))
    return None


_FIELDS_10 = Struct(">2xB4xH")
_FIELDS_12 = Struct(">xBII")
_FORMAT_FIELDS: Final = 0x1F


def read_defect_data_10(_unit: Unit, command: Command) -> Response:
    """READ DEFECT DATA (10), SBC-3 5.17: both lists are there and empty."""
    wanted, allocation_length = _FIELDS_10.unpack_from(command.cdb)
    payload = bytes((0, wanted & _FORMAT_FIELDS, 0, 0))
    return parameter_data(command, payload, allocation_length)


def read_defect_data_12(_unit: Unit, command: Command) -> Response:
    """READ DEFECT DATA (12), SBC-3 5.18: both lists are there and empty."""
    wanted, _, allocation_length = _FIELDS_12.unpack_from(command.cdb)
    payload = bytes((0, wanted & _FORMAT_FIELDS)) + bytes(6)
    return parameter_data(command, payload, allocation_length)
