# SPDX-License-Identifier: Apache-2.0
"""TEST UNIT READY, REQUEST SENSE and START STOP UNIT: a unit that is always ready."""

from __future__ import annotations

from lioshell.runner.scsi.data_in import no_data, parameter_data
from lioshell.runner.scsi.sense import fixed, invalid_field
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

_DESC = 0x01

_START = 0x01
_LOEJ = 0x02

_NO_SENSE_FIXED = fixed(0, 0, 0)
# Descriptor format without descriptors, SPC-4 4.5.2.
_NO_SENSE_DESCRIPTOR = bytes((0x72, 0, 0, 0, 0, 0, 0, 0))


def test_unit_ready(_unit: Unit, command: Command) -> Response:
    """TEST UNIT READY, SPC-4 6.47."""
    return no_data(command)


def request_sense(_unit: Unit, command: Command) -> Response:
    """REQUEST SENSE, SPC-4 6.39: NO SENSE, as sense data is always sent with the status.

    Unit attentions are the kernel's and are reported before a command comes here.
    """
    cdb = command.cdb
    return parameter_data(
        command, _NO_SENSE_DESCRIPTOR if cdb[1] & _DESC else _NO_SENSE_FIXED, cdb[4]
    )


def start_stop_unit(_unit: Unit, command: Command) -> Response:
    """START STOP UNIT, SBC-3 5.25: START succeeds; stopping, ejecting and power states are refused.

    A disk that several initiators share is not stopped by one of them.
    """
    modifier, flags = command.cdb[3] & 0x0F, command.cdb[4]
    if modifier:
        return invalid_field(3, 3)
    if flags & 0xF0:
        return invalid_field(4, 7)
    if flags & _LOEJ:
        return invalid_field(4, 1)
    if not flags & _START:
        return invalid_field(4, 0)
    return no_data(command)
