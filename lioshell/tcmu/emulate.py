# SPDX-License-Identifier: Apache-2.0
"""What a disk does with each SCSI command, for handlers of commands that want a part of it.

Each takes the command that `handle_command` got, executes it to its end, and returns what to
answer; a command of another kind raises UsageError. `emulate` takes any.
"""

from __future__ import annotations

from dataclasses import replace

from lioshell.errors import UsageError
from lioshell.runner.scsi import vpd
from lioshell.tcmu.commands import CommandDisk
from lioshell.tcmu.storage import ObjectHandler
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Response
    from lioshell.tcmu.commands import ScsiCommand
    from lioshell.tcmu.identity import InquiryInfo
    from lioshell.tcmu.storage import Readable

_READS: Final = (0x08, 0x28, 0x88, 0xA8)
_WRITES: Final = (0x0A, 0x2A, 0x8A, 0xAA)
_EVPD: Final = 0x01


def emulate(command: ScsiCommand) -> Response:
    """Execute any command as the disk does without a handler."""
    return command.unit.emulate(command.command)


def emulate_read(command: ScsiCommand, storage: Readable | None = None) -> Response:
    """READ (6), (10), (12) or (16), from another `storage` where one is given (SBC-3 5.11)."""
    return _moved(command, _READS, storage)


def emulate_write(command: ScsiCommand, storage: Readable | None = None) -> Response:
    """WRITE (6), (10), (12) or (16), to another `storage` where one is given (SBC-3 5.33)."""
    return _moved(command, _WRITES, storage)


def emulate_standard_inquiry(command: ScsiCommand, info: InquiryInfo | None = None) -> Response:
    """INQUIRY without EVPD; `info` says what the disk is called instead."""
    _require(command, not command.cdb[1] & _EVPD)
    return _introduced(command, info)


def emulate_vpd_inquiry(command: ScsiCommand, info: InquiryInfo | None = None) -> Response:
    """INQUIRY with EVPD: a vital product data page; `info` is used where a page tells it."""
    _require(command, bool(command.cdb[1] & _EVPD))
    return _introduced(command, info)


def emulate_inquiry(command: ScsiCommand, info: InquiryInfo | None = None) -> Response:
    """INQUIRY: standard data, or the page that it asks for (SPC-4 6.6)."""
    return _introduced(command, info)


def emulate_read_capacity_16(command: ScsiCommand) -> Response:
    """READ CAPACITY (16) (SBC-3 5.16)."""
    _require(command, command.cdb[1] & 0x1F == 0x10)
    return _executed(command, 0x9E)


def emulate_test_unit_ready(command: ScsiCommand) -> Response:
    """TEST UNIT READY (SPC-4 6.47)."""
    return _executed(command, 0x00)


def emulate_request_sense(command: ScsiCommand) -> Response:
    """REQUEST SENSE (SPC-4 6.39)."""
    return _executed(command, 0x03)


def emulate_service_action_in(command: ScsiCommand) -> Response:
    """SERVICE ACTION IN (16): READ CAPACITY (16), GET LBA STATUS (SBC-3 5.16, 5.6)."""
    return _executed(command, 0x9E)


def emulate_read_capacity(command: ScsiCommand) -> Response:
    """READ CAPACITY (10) or (16) (SBC-3 5.15, 5.16)."""
    return _executed(command, 0x25, 0x9E)


def emulate_mode_sense(command: ScsiCommand) -> Response:
    """MODE SENSE (6) or (10): WCE is whether the storage has `flush` (SPC-4 6.13)."""
    return _executed(command, 0x1A, 0x5A)


def emulate_mode_select(command: ScsiCommand) -> Response:
    """MODE SELECT (6) or (10) (SPC-4 6.11)."""
    return _executed(command, 0x15, 0x55)


def emulate_synchronize_cache(command: ScsiCommand) -> Response:
    """SYNCHRONIZE CACHE (10) or (16) (SBC-3 5.28)."""
    return _executed(command, 0x35, 0x91)


def emulate_pre_fetch(command: ScsiCommand) -> Response:
    """PRE-FETCH (10) or (16) (SBC-3 5.8)."""
    return _executed(command, 0x34, 0x90)


def emulate_verify(command: ScsiCommand) -> Response:
    """VERIFY of any length (SBC-3 5.29)."""
    return _executed(command, 0x2F, 0x8F, 0xAF)


def emulate_write_and_verify(command: ScsiCommand) -> Response:
    """WRITE AND VERIFY of any length (SBC-3 5.37)."""
    return _executed(command, 0x2E, 0x8E, 0xAE)


def emulate_write_same(command: ScsiCommand) -> Response:
    """WRITE SAME (10) or (16) (SBC-3 5.41)."""
    return _executed(command, 0x41, 0x93)


def emulate_compare_and_write(command: ScsiCommand) -> Response:
    """COMPARE AND WRITE (SBC-3 5.2)."""
    return _executed(command, 0x89)


def emulate_orwrite(command: ScsiCommand) -> Response:
    """ORWRITE (16) (SBC-3 5.7)."""
    return _executed(command, 0x8B)


def emulate_variable_length(command: ScsiCommand) -> Response:
    """The commands of 32 bytes: READ, WRITE, VERIFY and their kind (SBC-3 5.14)."""
    return _executed(command, 0x7F)


def emulate_unmap(command: ScsiCommand) -> Response:
    """UNMAP; there is one where the storage has `discard` (SBC-3 5.28)."""
    return _executed(command, 0x42)


def emulate_extended_copy(command: ScsiCommand) -> Response:
    """EXTENDED COPY within the disk (SPC-4 6.3)."""
    return _executed(command, 0x83)


def emulate_receive_copy_results(command: ScsiCommand) -> Response:
    """RECEIVE COPY STATUS and OPERATING PARAMETERS (SPC-4 6.19)."""
    return _executed(command, 0x84)


def emulate_format_unit(command: ScsiCommand) -> Response:
    """FORMAT UNIT (SBC-3 5.3)."""
    return _executed(command, 0x04)


def emulate_read_defect_data(command: ScsiCommand) -> Response:
    """READ DEFECT DATA (10) or (12): there are none (SBC-3 5.17)."""
    return _executed(command, 0x37, 0xB7)


def emulate_start_stop_unit(command: ScsiCommand) -> Response:
    """START STOP UNIT (SBC-3 5.25)."""
    return _executed(command, 0x1B)


def emulate_send_diagnostic(command: ScsiCommand) -> Response:
    """SEND DIAGNOSTIC (SPC-4 6.42)."""
    return _executed(command, 0x1D)


def emulate_log_sense(command: ScsiCommand) -> Response:
    """LOG SENSE (SPC-4 6.8)."""
    return _executed(command, 0x4D)


def emulate_maintenance_in(command: ScsiCommand) -> Response:
    """REPORT TARGET PORT GROUPS, SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS."""
    return _executed(command, 0xA3)


def caching_mode_page(*, write_cache: bool) -> bytes:
    """Return the caching mode page of 20 bytes, WCE as told (SBC-3 6.5.5)."""
    return bytes((0x08, 0x12, 0x04 if write_cache else 0)) + bytes(17)


def fixed_string(text: str, length: int) -> bytes:
    """Return an ASCII data field: cut or padded with spaces to its length (SPC-4 4.3.1)."""
    return vpd.ascii_field(text, length)


def _require(command: ScsiCommand, is_so: bool) -> None:
    if not is_so:
        raise UsageError(
            f"{command.cdb[: command.cdb_length].hex(' ')} is a command of another kind",
            hint="Use tcmu.emulate(command), which takes any.",
        )


def _executed(command: ScsiCommand, *codes: int) -> Response:
    _require(command, command.opcode in codes)
    return emulate(command)


def _moved(command: ScsiCommand, codes: tuple[int, ...], storage: Readable | None) -> Response:
    _require(command, command.opcode in codes)
    if storage is None:
        return emulate(command)
    unit = command.unit
    handler = ObjectHandler(storage, unit.geometry.size_bytes, 1)
    return CommandDisk(unit.identity, unit.geometry, handler).emulate(command.command)


def _introduced(command: ScsiCommand, info: InquiryInfo | None) -> Response:
    _require(command, command.opcode == 0x12)
    if info is None:
        return emulate(command)
    unit = command.unit
    identity = replace(
        unit.identity(), vendor=info.vendor, product=info.product, revision=info.revision
    )
    other = CommandDisk(identity, unit.geometry, unit.handler)
    other.port_groups = unit.port_groups
    return other.emulate(command.command)
