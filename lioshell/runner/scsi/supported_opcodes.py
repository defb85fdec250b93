# SPDX-License-Identifier: Apache-2.0
"""REPORT SUPPORTED OPERATION CODES: the table of commands, as the initiator may read it.

It reads the very table by which commands are dispatched, so it cannot promise what is not done.
"""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi.data_in import parameter_data
from lioshell.runner.scsi.sense import invalid_field
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.dispatch import Operation
    from lioshell.runner.scsi.unit import Unit

_FIELDS = Struct(">2xBBHI")
_RCTD = 0x80
_OPTIONS = 0x07

_SERVACTV = 0x01
_CTDP_ALL = 0x02
_CTDP_ONE = 0x80
_NOT_SUPPORTED = 0x01
_AS_STANDARD = 0x03

# Command timeouts descriptor, SPC-4 6.35.4: its length, no nominal time, the recommended one (s).
_TIMEOUTS: Final = Struct(">H2xII")
_TIMEOUTS_BODY_BYTES: Final = 10

_DESCRIPTOR = Struct(">BxHxBH")
_HEADER_ONE = Struct(">xBH")


def report_supported_operation_codes(unit: Unit, command: Command) -> Response:
    """REPORT SUPPORTED OPERATION CODES, SPC-4 6.35, with all reporting options of that standard."""
    flags, code, action, allocation_length = _FIELDS.unpack_from(command.cdb)
    option = flags & _OPTIONS
    timeouts = bool(flags & _RCTD)
    if option == 0:
        payload = _all_commands(unit.operations, timeouts)
        return parameter_data(command, payload, allocation_length)
    if option > 3:
        return invalid_field(2, 2)
    known = [operation for operation in unit.operations if operation.code == code]
    has_actions = any(operation.service_action is not None for operation in known)
    # 001b is for commands without service action, 010b for those with, 011b for either.
    if known and option == (1 if has_actions else 2):
        return invalid_field(2, 2)
    wanted = action if has_actions else None
    found = [operation for operation in known if operation.service_action == wanted]
    if not has_actions and option == 3 and action:
        found = []
    return parameter_data(command, _one_command(found, timeouts), allocation_length)


def _all_commands(operations: tuple[Operation, ...], timeouts: bool) -> bytes:
    parts: list[bytes] = []
    for operation in operations:
        action = operation.service_action
        flags = (_CTDP_ALL if timeouts else 0) | (_SERVACTV if action is not None else 0)
        parts.append(_DESCRIPTOR.pack(operation.code, action or 0, flags, len(operation.usage)))
        if timeouts:
            parts.append(_timeouts(operation))
    body = b"".join(parts)
    return len(body).to_bytes(4, "big") + body


def _one_command(found: list[Operation], timeouts: bool) -> bytes:
    if not found:
        return _HEADER_ONE.pack(_NOT_SUPPORTED, 0)
    usage = found[0].usage
    support = _AS_STANDARD | (_CTDP_ONE if timeouts else 0)
    return (
        _HEADER_ONE.pack(support, len(usage)) + usage + (_timeouts(found[0]) if timeouts else b"")
    )


def _timeouts(operation: Operation) -> bytes:
    return _TIMEOUTS.pack(_TIMEOUTS_BODY_BYTES, 0, operation.timeout_s)
