# SPDX-License-Identifier: Apache-2.0
"""SEND DIAGNOSTIC, LOG SENSE, REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS."""

from __future__ import annotations

import errno

import pytest


def test_the_default_self_test_flushes(bench, sense) -> None:
    assert bench.send("1d 04 00 00 00 00").response.status == 0
    assert bench.handler.calls == ["flush"]
    bench.handler.flush_error = OSError(errno.EIO, "")
    assert bench.send("1d 04 00 00 00 00").response.sense == sense(3, 0x0C, 0)
    assert bench.send("1d 00 00 00 00 00").response.status == 0


def test_other_self_tests_and_parameters_are_refused(bench, invalid_field) -> None:
    assert bench.send("1d 20 00 00 00 00").response.sense == invalid_field(1, 7)
    assert bench.send("1d 10 00 00 08 00", out=bytes(8)).response.sense == invalid_field(3)


def log(page: int, subpage: int = 0, flags: int = 0, pointer: int = 0) -> bytes:
    head = bytes((0x4D, flags, 0x40 | page, subpage, 0)) + pointer.to_bytes(2, "big")
    return head + (512).to_bytes(2, "big") + b"\0"


def test_log_pages(bench) -> None:
    assert bench.send(log(0), 512).data == bytes.fromhex("00 00 00 02 00 2f")
    assert bench.send(log(0, 0xFF), 512).data == bytes.fromhex("40 ff 00 06 00 00 00 ff 2f 00")
    assert bench.send(log(0x2F), 512).data == bytes.fromhex("2f 00 00 08 0000 03 04 00 00 ff 00")


@pytest.mark.parametrize(
    ("cdb", "pointer"),
    [
        (log(0x02), (2, 5)),
        (log(0x2F, 1), (3,)),
        (log(0x2F, 0xFF), (3,)),
        (log(0, flags=1), (1, 0)),
        (log(0, flags=2), (1, 1)),
        (log(0x2F, pointer=1), (5,)),
    ],
)
def test_log_fields_that_are_not_there(bench, invalid_field, cdb, pointer) -> None:
    assert bench.send(cdb, 512).response.sense == invalid_field(*pointer)


def test_task_management_functions(bench, invalid_field) -> None:
    assert bench.send("a3 0d 00 00 00 00 00 00 00 04 00 00", 4).data == bytes.fromhex("88000000")
    with_times = bench.send("a3 0d 80 00 00 00 00 00 00 10 00 00", 16).data
    assert with_times == bytes.fromhex("8800000c") + bytes(12)
    sent = bench.send("a3 0d 00 00 00 00 00 00 00 03 00 00", 4)
    assert sent.response.sense == invalid_field(6)
