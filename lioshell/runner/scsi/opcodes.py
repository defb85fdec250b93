# SPDX-License-Identifier: Apache-2.0
"""The commands of a disk: one table for their dispatch and for REPORT SUPPORTED OPERATION CODES.

A command's usage map says which bits of its CDB are looked at (SPC-4 6.35.3): the operation code,
the service action where there is one, and a one for every bit that is evaluated.
"""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Final, NamedTuple

from lioshell.runner.scsi import (
    alua,
    block,
    cache,
    capacity,
    compare,
    diagnostics,
    formatting,
    inquiry,
    mode,
    readiness,
    unmap,
    verify,
    write_same,
    xcopy,
)
from lioshell.runner.scsi.cdb import NACA
from lioshell.runner.scsi.sense import INVALID_CDB, INVALID_OPERATION_CODE, invalid_field
from lioshell.runner.scsi.supported_opcodes import report_supported_operation_codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.unit import Unit

    Run = Callable[[Command], Response | Deferred]
    Execute = Callable[[Unit, Command], Response | Deferred]

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


def _transfer(name: str, usage: str, execute: Execute) -> Operation:
    data = bytes.fromhex(usage)
    return Operation(data[0], None, name, data, execute, checks_cdb=True)


def _plain(
    name: str,
    usage: str,
    execute: Execute | None,
    timeout_s: int = 30,
    provisioned: bool = False,
) -> Operation:
    data = bytes.fromhex(usage)
    return Operation(
        data[0], None, name, data, execute, timeout_s=timeout_s, provisioned=provisioned
    )


def _action(name: str, usage: str, execute: Execute, provisioned: bool = False) -> Operation:
    data = bytes.fromhex(usage)
    action = data[1] & _SERVICE_ACTION
    return Operation(data[0], action, name, data, execute, provisioned=provisioned)


def _variable(
    name: str, action: int, flags: str, execute: Execute, timeout_s: int = 30
) -> Operation:
    """A command of 32 bytes, LBA at 12, length at 28 (SBC-3 5.14 and its kind)."""
    usage = f"7f 04 00 00 00 00 00 18 {action:04x} {flags} 00 {'ff' * 8} {'00' * 8} ffffffff"
    return Operation(0x7F, action, name, bytes.fromhex(usage), execute, timeout_s=timeout_s)


_FLUSH_S: Final = 60
_RANGE_S: Final = 120
_FORMAT_S: Final = 3600

OPERATIONS: Final = (
    _plain("TEST UNIT READY", "00 00 00 00 00 04", readiness.test_unit_ready),
    _plain("REQUEST SENSE", "03 01 00 00 ff 04", readiness.request_sense),
    _plain("FORMAT UNIT", "04 f7 00 00 00 04", formatting.format_unit, _FORMAT_S),
    _transfer("READ (6)", "08 1f ff ff ff 04", block.read_6),
    _transfer("WRITE (6)", "0a 1f ff ff ff 04", block.write_6),
    _plain("INQUIRY", "12 03 ff ff ff 04", inquiry.inquiry),
    _plain("MODE SELECT (6)", "15 11 00 00 ff 04", mode.mode_select_6, _FLUSH_S),
    _plain("MODE SENSE (6)", "1a 08 ff ff ff 04", mode.mode_sense_6),
    _plain("START STOP UNIT", "1b 00 00 0f f3 04", readiness.start_stop_unit),
    _plain("SEND DIAGNOSTIC", "1d e4 00 ff ff 04", diagnostics.send_diagnostic, _FLUSH_S),
    _plain("READ CAPACITY (10)", "25 00 ff ff ff ff 00 00 01 04", capacity.read_capacity_10),
    # DPO is accepted like FUA: the page cache keeps no priorities, so every block has the lowest.
    _transfer("READ (10)", "28 f8 ff ff ff ff 00 ff ff 04", block.read_10),
    _transfer("WRITE (10)", "2a f8 ff ff ff ff 00 ff ff 04", block.write_10),
    _plain("WRITE AND VERIFY (10)", "2e f6 ff ff ff ff 00 ff ff 04", verify.write_and_verify_10),
    _plain("VERIFY (10)", "2f f6 ff ff ff ff 00 ff ff 04", verify.verify_10),
    _plain("PRE-FETCH (10)", "34 00 ff ff ff ff 00 ff ff 04", cache.pre_fetch_10),
    _plain(
        "SYNCHRONIZE CACHE (10)",
        "35 00 ff ff ff ff 00 ff ff 04",
        cache.synchronize_cache_10,
        _FLUSH_S,
    ),
    _plain(
        "READ DEFECT DATA (10)", "37 00 1f 00 00 00 00 ff ff 04", formatting.read_defect_data_10
    ),
    _plain("WRITE SAME (10)", "41 fe ff ff ff ff 00 ff ff 04", write_same.write_same_10, _RANGE_S),
    _plain("UNMAP", "42 01 00 00 00 00 00 ff ff 04", unmap.unmap, _RANGE_S, provisioned=True),
    _plain("LOG SENSE", "4d 03 3f ff 00 ff ff ff ff 04", diagnostics.log_sense),
    _plain("MODE SELECT (10)", "55 11 00 00 00 00 00 ff ff 04", mode.mode_select_10, _FLUSH_S),
    _plain("MODE SENSE (10)", "5a 18 ff ff 00 00 00 ff ff 04", mode.mode_sense_10),
    _variable("READ (32)", 0x09, "f8", block.read_32),
    _variable("VERIFY (32)", 0x0A, "f6", verify.verify_32),
    _variable("WRITE (32)", 0x0B, "f8", block.write_32),
    _variable("WRITE AND VERIFY (32)", 0x0C, "f6", verify.write_and_verify_32),
    _variable("WRITE SAME (32)", 0x0D, "ff", write_same.write_same_32, _RANGE_S),
    _variable("ORWRITE (32)", 0x0E, "f8", compare.orwrite_32),
    _plain(
        "EXTENDED COPY (LID1)", f"83 00 {'00' * 8} ffffffff 00 04", xcopy.extended_copy, _RANGE_S
    ),
    _action("RECEIVE COPY STATUS", f"84 00 ff {'00' * 7} ffffffff 00 04", xcopy.copy_status),
    _action(
        "RECEIVE COPY OPERATING PARAMETERS",
        f"84 03 {'00' * 8} ffffffff 00 04",
        xcopy.operating_parameters,
    ),
    _transfer("READ (16)", f"88 f8 {'ff' * 12} 00 04", block.read_16),
    _plain("COMPARE AND WRITE", f"89 f8 {'ff' * 8} 000000 ff 00 04", compare.compare_and_write),
    _transfer("WRITE (16)", f"8a f8 {'ff' * 12} 00 04", block.write_16),
    _plain("ORWRITE (16)", f"8b f8 {'ff' * 12} 00 04", compare.orwrite_16),
    _plain("WRITE AND VERIFY (16)", f"8e f6 {'ff' * 12} 00 04", verify.write_and_verify_16),
    _plain("VERIFY (16)", f"8f f6 {'ff' * 12} 00 04", verify.verify_16),
    _plain("PRE-FETCH (16)", f"90 00 {'ff' * 12} 00 04", cache.pre_fetch_16),
    _plain(
        "SYNCHRONIZE CACHE (16)",
        f"91 00 {'ff' * 12} 00 04",
        cache.synchronize_cache_16,
        _FLUSH_S,
    ),
    _plain("WRITE SAME (16)", f"93 ff {'ff' * 12} 00 04", write_same.write_same_16, _RANGE_S),
    _action("READ CAPACITY (16)", f"9e 10 {'ff' * 12} 01 04", capacity.read_capacity_16),
    _action("GET LBA STATUS", f"9e 12 {'ff' * 12} 00 04", unmap.get_lba_status, provisioned=True),
    # drivers/target/target_core_device.c, passthrough_parse_cdb: the kernel's own.
    _plain("REPORT LUNS", "a0 00 ff 00 00 00 ff ff ff ff 00 00", None),
    _action(
        "REPORT TARGET PORT GROUPS",
        "a3 ea 00 00 00 00 ff ff ff ff 00 04",
        alua.report_target_port_groups,
    ),
    _action(
        "REPORT SUPPORTED OPERATION CODES",
        "a3 0c 87 ff ff ff ff ff ff ff 00 04",
        report_supported_operation_codes,
    ),
    _action(
        "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
        "a3 0d 80 00 00 00 ff ff ff ff 00 04",
        diagnostics.report_supported_task_management_functions,
    ),
    _transfer("READ (12)", f"a8 f8 {'ff' * 8} 00 04", block.read_12),
    _transfer("WRITE (12)", f"aa f8 {'ff' * 8} 00 04", block.write_12),
    _plain("WRITE AND VERIFY (12)", f"ae f6 {'ff' * 8} 00 04", verify.write_and_verify_12),
    _plain("VERIFY (12)", f"af f6 {'ff' * 8} 00 04", verify.verify_12),
    _plain("READ DEFECT DATA (12)", f"b7 1f {'ff' * 8} 00 04", formatting.read_defect_data_12),
)
"""Ordered by operation code and service action."""


def operations_of(provisioned: bool) -> tuple[Operation, ...]:
    """Return the commands of a disk whose blocks can be unmapped or not."""
    return tuple(o for o in OPERATIONS if provisioned or not o.provisioned)


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
