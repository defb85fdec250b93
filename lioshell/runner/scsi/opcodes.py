# SPDX-License-Identifier: Apache-2.0
"""The commands of a disk: one table for their dispatch and for REPORT SUPPORTED OPERATION CODES.

A command's usage map says which bits of its CDB are looked at (SPC-4 6.35.3): the operation code,
the service action where there is one, and a one for every bit that is evaluated.
"""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Final, NamedTuple

from lioshell.runner.scsi import block, capacity, inquiry, mode, readiness
from lioshell.runner.scsi.cdb import NACA
from lioshell.runner.scsi.sense import INVALID_CDB, INVALID_OPERATION_CODE, invalid_field
from lioshell.runner.scsi.supported_opcodes import report_supported_operation_codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.unit import Unit

    Run = Callable[[Command], Response | Deferred]
    Execute = Callable[[Unit, Command], Response | Deferred]

_SERVICE_ACTION = 0x1F


class Operation(NamedTuple):
    """A command: operation code, service action or None, usage map of its CDB, what executes it.

    `execute` is None for a command that the kernel answers before it reaches the ring. With
    `checks_cdb` it looks at length and CONTROL itself, because every nanosecond counts there.
    """

    code: int
    service_action: int | None
    name: str
    usage: bytes
    execute: Execute | None
    checks_cdb: bool = False


def _transfer(name: str, usage: str, execute: Execute) -> Operation:
    data = bytes.fromhex(usage)
    return Operation(data[0], None, name, data, execute, checks_cdb=True)


def _plain(name: str, usage: str, execute: Execute | None) -> Operation:
    data = bytes.fromhex(usage)
    return Operation(data[0], None, name, data, execute)


def _action(name: str, usage: str, execute: Execute) -> Operation:
    data = bytes.fromhex(usage)
    return Operation(data[0], data[1] & _SERVICE_ACTION, name, data, execute)


OPERATIONS: Final = (
    _plain("TEST UNIT READY", "00 00 00 00 00 04", readiness.test_unit_ready),
    _plain("REQUEST SENSE", "03 01 00 00 ff 04", readiness.request_sense),
    _transfer("READ (6)", "08 1f ff ff ff 04", block.read_6),
    _transfer("WRITE (6)", "0a 1f ff ff ff 04", block.write_6),
    _plain("INQUIRY", "12 03 ff ff ff 04", inquiry.inquiry),
    _plain("MODE SENSE (6)", "1a 08 ff ff ff 04", mode.mode_sense_6),
    _plain("START STOP UNIT", "1b 00 00 0f f3 04", readiness.start_stop_unit),
    _plain("READ CAPACITY (10)", "25 00 ff ff ff ff 00 00 01 04", capacity.read_capacity_10),
    # DPO is accepted like FUA: the page cache keeps no priorities, so every block has the lowest.
    _transfer("READ (10)", "28 f8 ff ff ff ff 00 ff ff 04", block.read_10),
    _transfer("WRITE (10)", "2a f8 ff ff ff ff 00 ff ff 04", block.write_10),
    _plain("SYNCHRONIZE CACHE (10)", "35 00 ff ff ff ff 00 ff ff 04", block.synchronize_cache_10),
    _plain("MODE SENSE (10)", "5a 18 ff ff 00 00 00 ff ff 04", mode.mode_sense_10),
    _transfer("READ (16)", f"88 f8 {'ff' * 12} 00 04", block.read_16),
    _transfer("WRITE (16)", f"8a f8 {'ff' * 12} 00 04", block.write_16),
    _plain("SYNCHRONIZE CACHE (16)", f"91 00 {'ff' * 12} 00 04", block.synchronize_cache_16),
    _action("READ CAPACITY (16)", f"9e 10 {'ff' * 12} 01 04", capacity.read_capacity_16),
    # drivers/target/target_core_device.c, passthrough_parse_cdb: the kernel's own.
    _plain("REPORT LUNS", "a0 00 ff 00 00 00 ff ff ff ff 00 00", None),
    _action(
        "REPORT SUPPORTED OPERATION CODES",
        "a3 0c 87 ff ff ff ff ff ff ff 00 04",
        report_supported_operation_codes,
    ),
    _transfer("READ (12)", f"a8 f8 {'ff' * 8} 00 04", block.read_12),
    _transfer("WRITE (12)", f"aa f8 {'ff' * 8} 00 04", block.write_12),
)
"""Ordered by operation code and service action."""


def dispatch_table(unit: Unit, operations: tuple[Operation, ...]) -> list[Run]:
    """Return what executes a command, by operation code: 256 entries."""
    table: list[Run] = [_unsupported] * 256
    by_action: dict[int, dict[int, Run]] = {}
    for operation in operations:
        if operation.execute is None:
            continue
        run: Run = MethodType(operation.execute, unit)
        if not operation.checks_cdb:
            run = _checked(run, len(operation.usage))
        if operation.service_action is None:
            table[operation.code] = run
        else:
            by_action.setdefault(operation.code, {})[operation.service_action] = run
    for code, actions in by_action.items():
        table[code] = _by_service_action(actions)
    return table


def _unsupported(_command: Command) -> Response:
    return INVALID_OPERATION_CODE


def _checked(run: Run, length: int) -> Run:
    """Refuse a CDB that is too short, or whose CONTROL byte has NACA (SAM-5 5.2)."""

    def checked(command: Command) -> Response | Deferred:
        cdb = command.cdb
        if len(cdb) < length:
            return INVALID_CDB
        if cdb[length - 1] & NACA:
            return invalid_field(length - 1, 2)
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
