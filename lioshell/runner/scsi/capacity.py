# SPDX-License-Identifier: Apache-2.0
"""READ CAPACITY: the last block and the block size."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi import vpd
from lioshell.runner.scsi.data_in import parameter_data
from lioshell.runner.scsi.sense import LBA_OUT_OF_RANGE, invalid_field
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

_SHORT = Struct(">II")
_LONG = Struct(">QIBBB17x")
_FIELDS_10 = Struct(">2xI2xB")
_FIELDS_16 = Struct(">2xQIB")
_MAX_LBA_10 = 0xFFFFFFFF
_LBPME = 0x80
_LBPRZ = 0x40
_RC_BASIS_LAST_BLOCK = 0x10


def read_capacity_10(unit: Unit, command: Command) -> Response:
    """READ CAPACITY (10), SBC-3 5.15: FFFFFFFFh where READ CAPACITY (16) must be used."""
    lba, pmi = _FIELDS_10.unpack_from(command.cdb)
    last = unit.blocks - 1
    payload = _SHORT.pack(min(last, _MAX_LBA_10), unit.block_size_bytes)
    return _partial_medium(lba, pmi, last) or parameter_data(command, payload, len(payload))


def read_capacity_16(unit: Unit, command: Command) -> Response:
    """READ CAPACITY (16), SBC-3 5.16: no protection information; unmapped blocks read as zeros.

    RC BASIS says of zones that this is the last block of all of them (ZBC-2 5.8).
    """
    lba, allocation_length, pmi = _FIELDS_16.unpack_from(command.cdb)
    last = unit.blocks - 1
    provisioning = _LBPME | _LBPRZ if unit.provisioned else 0
    basis = _RC_BASIS_LAST_BLOCK if unit.is_zoned else 0
    exponent = vpd.physical_exponent(unit)
    payload = _LONG.pack(last, unit.block_size_bytes, basis, exponent, provisioning)
    return _partial_medium(lba, pmi, last) or parameter_data(command, payload, allocation_length)


def _partial_medium(lba: int, pmi: int, last: int) -> Response | None:
    """Check the LBA and PMI fields that SBC-2 5.10 had.

    No block is slower to reach than another, so PMI = 1 is answered with the last one too.
    """
    if pmi & 1:
        return LBA_OUT_OF_RANGE if lba > last else None
    return invalid_field(2) if lba else None
