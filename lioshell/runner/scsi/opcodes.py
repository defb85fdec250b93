# SPDX-License-Identifier: Apache-2.0
"""The commands of a disk: one table for their dispatch and for REPORT SUPPORTED OPERATION CODES."""

from __future__ import annotations

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
from lioshell.runner.scsi.dispatch import Operation, action, plain, transfer, variable
from lioshell.runner.scsi.supported_opcodes import report_supported_operation_codes
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_FLUSH_S: Final = 60
_RANGE_S: Final = 120
_FORMAT_S: Final = 3600

OPERATIONS: Final = (
    plain("TEST UNIT READY", "00 00 00 00 00 04", readiness.test_unit_ready),
    plain("REQUEST SENSE", "03 01 00 00 ff 04", readiness.request_sense),
    plain("FORMAT UNIT", "04 f7 00 00 00 04", formatting.format_unit, _FORMAT_S),
    transfer("READ (6)", "08 1f ff ff ff 04", block.read_6),
    transfer("WRITE (6)", "0a 1f ff ff ff 04", block.write_6),
    plain("INQUIRY", "12 03 ff ff ff 04", inquiry.inquiry),
    plain("MODE SELECT (6)", "15 11 00 00 ff 04", mode.mode_select_6, _FLUSH_S),
    plain("MODE SENSE (6)", "1a 08 ff ff ff 04", mode.mode_sense_6),
    plain("START STOP UNIT", "1b 00 00 0f f3 04", readiness.start_stop_unit),
    plain("SEND DIAGNOSTIC", "1d e4 00 ff ff 04", diagnostics.send_diagnostic, _FLUSH_S),
    plain("READ CAPACITY (10)", "25 00 ff ff ff ff 00 00 01 04", capacity.read_capacity_10),
    # DPO is accepted like FUA: the page cache keeps no priorities, so every block has the lowest.
    transfer("READ (10)", "28 f8 ff ff ff ff 00 ff ff 04", block.read_10),
    transfer("WRITE (10)", "2a f8 ff ff ff ff 00 ff ff 04", block.write_10),
    plain("WRITE AND VERIFY (10)", "2e f6 ff ff ff ff 00 ff ff 04", verify.write_and_verify_10),
    plain("VERIFY (10)", "2f f6 ff ff ff ff 00 ff ff 04", verify.verify_10),
    plain("PRE-FETCH (10)", "34 00 ff ff ff ff 00 ff ff 04", cache.pre_fetch_10),
    plain(
        "SYNCHRONIZE CACHE (10)",
        "35 00 ff ff ff ff 00 ff ff 04",
        cache.synchronize_cache_10,
        _FLUSH_S,
    ),
    plain("READ DEFECT DATA (10)", "37 00 1f 00 00 00 00 ff ff 04", formatting.read_defect_data_10),
    plain("WRITE SAME (10)", "41 fe ff ff ff ff 00 ff ff 04", write_same.write_same_10, _RANGE_S),
    plain("UNMAP", "42 01 00 00 00 00 00 ff ff 04", unmap.unmap, _RANGE_S, provisioned=True),
    plain("LOG SENSE", "4d 03 3f ff 00 ff ff ff ff 04", diagnostics.log_sense),
    plain("MODE SELECT (10)", "55 11 00 00 00 00 00 ff ff 04", mode.mode_select_10, _FLUSH_S),
    plain("MODE SENSE (10)", "5a 18 ff ff 00 00 00 ff ff 04", mode.mode_sense_10),
    variable("READ (32)", 0x09, "f8", block.read_32),
    variable("VERIFY (32)", 0x0A, "f6", verify.verify_32),
    variable("WRITE (32)", 0x0B, "f8", block.write_32),
    variable("WRITE AND VERIFY (32)", 0x0C, "f6", verify.write_and_verify_32),
    variable("WRITE SAME (32)", 0x0D, "ff", write_same.write_same_32, _RANGE_S),
    variable("ORWRITE (32)", 0x0E, "f8", compare.orwrite_32),
    plain(
        "EXTENDED COPY (LID1)", f"83 00 {'00' * 8} ffffffff 00 04", xcopy.extended_copy, _RANGE_S
    ),
    action("RECEIVE COPY STATUS", f"84 00 ff {'00' * 7} ffffffff 00 04", xcopy.copy_status),
    action(
        "RECEIVE COPY OPERATING PARAMETERS",
        f"84 03 {'00' * 8} ffffffff 00 04",
        xcopy.operating_parameters,
    ),
    transfer("READ (16)", f"88 f8 {'ff' * 12} 00 04", block.read_16),
    plain("COMPARE AND WRITE", f"89 f8 {'ff' * 8} 000000 ff 00 04", compare.compare_and_write),
    transfer("WRITE (16)", f"8a f8 {'ff' * 12} 00 04", block.write_16),
    plain("ORWRITE (16)", f"8b f8 {'ff' * 12} 00 04", compare.orwrite_16),
    plain("WRITE AND VERIFY (16)", f"8e f6 {'ff' * 12} 00 04", verify.write_and_verify_16),
    plain("VERIFY (16)", f"8f f6 {'ff' * 12} 00 04", verify.verify_16),
    plain("PRE-FETCH (16)", f"90 00 {'ff' * 12} 00 04", cache.pre_fetch_16),
    plain(
        "SYNCHRONIZE CACHE (16)",
        f"91 00 {'ff' * 12} 00 04",
        cache.synchronize_cache_16,
        _FLUSH_S,
    ),
    plain("WRITE SAME (16)", f"93 ff {'ff' * 12} 00 04", write_same.write_same_16, _RANGE_S),
    action("READ CAPACITY (16)", f"9e 10 {'ff' * 12} 01 04", capacity.read_capacity_16),
    action("GET LBA STATUS", f"9e 12 {'ff' * 12} 00 04", unmap.get_lba_status, provisioned=True),
    # drivers/target/target_core_device.c, passthrough_parse_cdb: the kernel's own.
    plain("REPORT LUNS", "a0 00 ff 00 00 00 ff ff ff ff 00 00", None),
    action(
        "REPORT TARGET PORT GROUPS",
        "a3 ea 00 00 00 00 ff ff ff ff 00 04",
        alua.report_target_port_groups,
    ),
    action(
        "REPORT SUPPORTED OPERATION CODES",
        "a3 0c 87 ff ff ff ff ff ff ff 00 04",
        report_supported_operation_codes,
    ),
    action(
        "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
        "a3 0d 80 00 00 00 ff ff ff ff 00 04",
        diagnostics.report_supported_task_management_functions,
    ),
    transfer("READ (12)", f"a8 f8 {'ff' * 8} 00 04", block.read_12),
    transfer("WRITE (12)", f"aa f8 {'ff' * 8} 00 04", block.write_12),
    plain("WRITE AND VERIFY (12)", f"ae f6 {'ff' * 8} 00 04", verify.write_and_verify_12),
    plain("VERIFY (12)", f"af f6 {'ff' * 8} 00 04", verify.verify_12),
    plain("READ DEFECT DATA (12)", f"b7 1f {'ff' * 8} 00 04", formatting.read_defect_data_12),
)
"""Ordered by operation code and service action."""


def operations_of(provisioned: bool) -> tuple[Operation, ...]:
    """Return the commands of a disk whose blocks can be unmapped or not."""
    return tuple(o for o in OPERATIONS if provisioned or not o.provisioned)
