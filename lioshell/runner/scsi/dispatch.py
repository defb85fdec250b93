# SPDX-License-Identifier: Apache-2.0
"""What a command is to a unit, and how a table of commands is dispatched.

A command's usage map says which bits of its CDB are looked at (SPC-4 6.35.3): the operation code,
the service action where there is one, and a one for every bit that is evaluated.
"""

from __future__ import annotations

from types import MethodType

from lioshell.runner.scsi.cdb import NACA
from lioshell.runner.scsi.sense import INVALID_CDB, INVALID_OPERATION_CODE, invalid_field
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.unit import Unit

    Run = Callable[[Command], Response | Deferred]
    # Any: a table belongs to one kind of unit, and its functions take that one.
    Execute = Callable[[Any, Command], Response | Deferred]

_SERVICE_ACTION: Final = 0x1F
_VARIABLE_LENGTH: Final = 0x7F
_VARIABLE_CONTROL_BYTE: Final = 1
_ADDITIONAL_LENGTH: Final = 0x18


class Operation(NamedTuple):
    """A command: operation code, service action or None, usage map of its CDB, what executes it.

    `execute` is None for a command that the kernel answers before it reaches the ring. With
    `checks_cdb` it looks at length and CONTROL itself, because every nanosecond counts there.
    `timeout_s` is the recommended command timeout. `provisioned` ones are there only where blocks
    can be unmapped.
    """

    code: int
    service_action: int | None
    name: str
    usage: bytes
    execute: Execute | None
    checks_cdb: bool = False
    timeout_s: int = 30
    provisioned: bool = False


def transfer(name: str, usage: str, execute: Execute) -> Operation:
    """A command whose CDB `execute` checks itself; `usage` is the map in hex."""
    data = bytes.fromhex(usage)
    return Operation(data[0], None, name, data, execute, checks_cdb=True)


def plain(
    name: str,
    usage: str,
    execute: Execute | None,
    timeout_s: int = 30,
    provisioned: bool = False,
) -> Operation:
    """A command without service action; `usage` is the map in hex."""
    data = bytes.fromhex(usage)
    return Operation(
        data[0], None, name, data, execute, timeout_s=timeout_s, provisioned=provisioned
    )


def action(name: str, usage: str, execute: Execute, provisioned: bool = False) -> Operation:
    """A command whose service action is in byte 1 of its map."""
    data = bytes.fromhex(usage)
    return Operation(
        data[0], data[1] & _SERVICE_ACTION, name, data, execute, provisioned=provisioned
    )


def variable(
    name: str, service_action: int, flags: str, execute: Execute, timeout_s: int = 30
) -> Operation:
    """A command of 32 bytes, LBA at 12, length at 28 (SBC-3 5.14 and its kind)."""
    usage = (
        f"7f 04 00 00 00 00 00 18 {service_action:04x} {flags} 00 {'ff' * 8} {'00' * 8} ffffffff"
    )
    return Operation(0x7F, service_action, name, bytes.fromhex(usage), execute, timeout_s=timeout_s)


def dispatch_table(unit: Unit, operations: tuple[Operation, ...]) -> list[Run]:
    """Return what executes a command, by operation code: 256 entries."""
    table: list[Run] = [_unsupported] * 256
    by_action: dict[int, dict[int, Run]] = {}
    for operation in operations:
        if operation.execute is None:
            continue
        run: Run = MethodType(operation.execute, unit)
        if not operation.checks_cdb:
            variable = operation.code == _VARIABLE_LENGTH
            length = len(operation.usage)
            run = _checked(run, length, _VARIABLE_CONTROL_BYTE if variable else length - 1)
        if operation.service_action is None:
            table[operation.code] = run
        else:
            by_action.setdefault(operation.code, {})[operation.service_action] = run
    for code, actions in by_action.items():
        table[code] = (
            _by_long_service_action(actions)
            if code == _VARIABLE_LENGTH
            else _by_service_action(actions)
        )
    return table


def _unsupported(_command: Command) -> Response:
    return INVALID_OPERATION_CODE


def _checked(run: Run, length: int, control_byte: int) -> Run:
    """Refuse a CDB that is too short, or whose CONTROL byte has NACA (SAM-5 5.2)."""

    def checked(command: Command) -> Response | Deferred:
        cdb = command.cdb
        if len(cdb) < length:
            return INVALID_CDB
        if cdb[control_byte] & NACA:
            return invalid_field(control_byte, 2)
        return run(command)

    return checked


def _by_service_action(actions: dict[int, Run]) -> Run:
    def by_service_action(command: Command) -> Response | Deferred:
        cdb = command.cdb
        if len(cdb) < 2:
            return INVALID_CDB
        run = actions.get(cdb[1] & _SERVICE_ACTION)
        # The operation code is known, so the service action is the field that is not.
        return invalid_field(1, 4) if run is None else run(command)

    return by_service_action


def _by_long_service_action(actions: dict[int, Run]) -> Run:
    def by_service_action(command: Command) -> Response | Deferred:
        cdb = command.cdb
        if len(cdb) < 10:
            return INVALID_CDB
        run = actions.get(cdb[8] << 8 | cdb[9])
        if run is None:
            return invalid_field(8)
        # All of them have 32 bytes (SBC-3 5.14): ADDITIONAL CDB LENGTH is what follows its byte.
        return run(command) if cdb[7] == _ADDITIONAL_LENGTH else invalid_field(7)

    return by_service_action
