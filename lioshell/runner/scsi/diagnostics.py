# SPDX-License-Identifier: Apache-2.0
"""SEND DIAGNOSTIC, LOG SENSE and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS."""

from __future__ import annotations

from lioshell.runner.command import Deferred
from lioshell.runner.scsi.data_in import no_data, parameter_data
from lioshell.runner.scsi.sense import invalid_field
from lioshell.runner.scsi.storage_error import flush_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

_SELFTEST: Final = 0x04


def send_diagnostic(unit: Unit, command: Command) -> Response | Deferred:
    """SEND DIAGNOSTIC, SPC-4 6.42: the default self-test writes the cache to the medium."""
    cdb = command.cdb
    if cdb[1] & 0xE0:
        return invalid_field(1, 7)
    if cdb[3] or cdb[4]:
        return invalid_field(3)
    if not cdb[1] & _SELFTEST:
        return no_data(command)

    def self_test() -> Response:
        try:
            unit.handler.flush()
        except OSError as error:
            return flush_failed(error)
        return no_data(command)

    return Deferred(self_test)


# LOG SENSE, CDB bytes 1 and 2.
_SP: Final = 0x01
_PPC: Final = 0x02
_PAGE_CODE: Final = 0x3F
_SPF: Final = 0x40

_SUPPORTED_PAGES: Final = 0x00
_INFORMATIONAL_EXCEPTIONS: Final = 0x2F
_PAGES: Final = (_SUPPORTED_PAGES, _INFORMATIONAL_EXCEPTIONS)
_ALL_SUBPAGES: Final = 0xFF
# Parameter 0000h in binary list format: no exception, and no temperature is known.
_NO_EXCEPTION: Final = bytes((0, 0, 0x03, 4, 0, 0, 0xFF, 0))


def log_sense(_unit: Unit, command: Command) -> Response:
    """LOG SENSE, SPC-4 6.8: which pages there are, and that nothing is wrong."""
    cdb = command.cdb
    if cdb[1] & _SP:
        return invalid_field(1, 0)
    if cdb[1] & _PPC:
        return invalid_field(1, 1)
    code, subpage = cdb[2] & _PAGE_CODE, cdb[3]
    if code not in _PAGES:
        return invalid_field(2, 5)
    if subpage == 0:
        body = bytes(_PAGES) if code == _SUPPORTED_PAGES else _NO_EXCEPTION
        head = bytes((code, 0))
    elif subpage == _ALL_SUBPAGES and code == _SUPPORTED_PAGES:
        pairs = ((0, 0), (0, _ALL_SUBPAGES), (_INFORMATIONAL_EXCEPTIONS, 0))
        body = b"".join(bytes(pair) for pair in pairs)
        head = bytes((code | _SPF, subpage))
    else:
        return invalid_field(3)
    pointer = int.from_bytes(cdb[5:7], "big")
    if pointer:
        # There is no parameter code beyond 0000h.
        return invalid_field(5)
    payload = head + len(body).to_bytes(2, "big") + body
    return parameter_data(command, payload, int.from_bytes(cdb[7:9], "big"))


# ABORT TASK and LOGICAL UNIT RESET: what the kernel's target core does for every backstore
# (drivers/target/target_core_transport.c, target_tmr_work).
_FUNCTIONS: Final = bytes((0x88, 0))
_REPD: Final = 0x80


def report_supported_task_management_functions(_unit: Unit, command: Command) -> Response:
    """REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS, SPC-4 6.36, with times of 0: none is promised."""
    cdb = command.cdb
    allocation_length = int.from_bytes(cdb[6:10], "big")
    if allocation_length < 4:
        return invalid_field(6)
    payload = _FUNCTIONS + bytes((0, 12)) + bytes(12) if cdb[2] & _REPD else _FUNCTIONS + bytes(2)
    return parameter_data(command, payload, allocation_length)
