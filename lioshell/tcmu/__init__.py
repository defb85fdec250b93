# SPDX-License-Identifier: Apache-2.0
"""Disks of this machine that are objects of a Python program, through TCMU and loopback.

    from lioshell import tcmu
    with tcmu.attach(MyDisk(), name="vol0", size="5GiB", directory="/run/disks") as disk:
        print(disk.path)

MyDisk has pread(n, offset) and pwrite(data, offset), as os has them. docs/library.md begins with
the shortest program, and docs/api.md lists everything.
"""

from __future__ import annotations

from lioshell.runner.command import Response
from lioshell.runner.handlers.base import Handler
from lioshell.tcmu.attachment import AttachedDisk, attach, detach
from lioshell.tcmu.commands import CommandHandler, ScsiCommand
from lioshell.tcmu.emulate import (
    caching_mode_page,
    emulate,
    emulate_compare_and_write,
    emulate_extended_copy,
    emulate_format_unit,
    emulate_inquiry,
    emulate_log_sense,
    emulate_maintenance_in,
    emulate_mode_select,
    emulate_mode_sense,
    emulate_orwrite,
    emulate_pre_fetch,
    emulate_read,
    emulate_read_capacity,
    emulate_read_capacity_16,
    emulate_read_defect_data,
    emulate_receive_copy_results,
    emulate_request_sense,
    emulate_send_diagnostic,
    emulate_service_action_in,
    emulate_standard_inquiry,
    emulate_start_stop_unit,
    emulate_synchronize_cache,
    emulate_test_unit_ready,
    emulate_unmap,
    emulate_variable_length,
    emulate_verify,
    emulate_vpd_inquiry,
    emulate_write,
    emulate_write_and_verify,
    emulate_write_same,
    fixed_string,
)
from lioshell.tcmu.identity import InquiryInfo, NaaWwn, generate_serial, generate_wwn
from lioshell.tcmu.storage import Readable

__all__ = [
    "AttachedDisk",
    "CommandHandler",
    "Handler",
    "InquiryInfo",
    "NaaWwn",
    "Readable",
    "Response",
    "ScsiCommand",
    "attach",
    "caching_mode_page",
    "detach",
    "emulate",
    "emulate_compare_and_write",
    "emulate_extended_copy",
    "emulate_format_unit",
    "emulate_inquiry",
    "emulate_log_sense",
    "emulate_maintenance_in",
    "emulate_mode_select",
    "emulate_mode_sense",
    "emulate_orwrite",
    "emulate_pre_fetch",
    "emulate_read",
    "emulate_read_capacity",
    "emulate_read_capacity_16",
    "emulate_read_defect_data",
    "emulate_receive_copy_results",
    "emulate_request_sense",
    "emulate_send_diagnostic",
    "emulate_service_action_in",
    "emulate_standard_inquiry",
    "emulate_start_stop_unit",
    "emulate_synchronize_cache",
    "emulate_test_unit_ready",
    "emulate_unmap",
    "emulate_variable_length",
    "emulate_verify",
    "emulate_vpd_inquiry",
    "emulate_write",
    "emulate_write_and_verify",
    "emulate_write_same",
    "fixed_string",
    "generate_serial",
    "generate_wwn",
]
