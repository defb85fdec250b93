# SPDX-License-Identifier: Apache-2.0
"""REPORT SUPPORTED OPERATION CODES: what it reports, and that it is so."""

from __future__ import annotations

import pytest

from lioshell.runner.scsi.opcodes import OPERATIONS

NOT_SUPPORTED = bytes.fromhex("00 01 00 00")
TIMEOUTS = bytes.fromhex("000a 0000 00000000 0000001e")


def ask(bench, options: int, code: int = 0, action: int = 0, length: int = 4096):
    cdb = bytes((0xA3, 0x0C, options, code)) + action.to_bytes(2, "big")
    return bench.send(cdb + length.to_bytes(4, "big") + bytes(2), 4096)


def test_all_commands(bench) -> None:
    data = ask(bench, 0).data
    assert int.from_bytes(data[:4], "big") == len(data) - 4 == 8 * len(OPERATIONS)
    reported = [
        (entry[0], int.from_bytes(entry[2:4], "big") if entry[5] & 1 else None, entry[7])
        for entry in (data[start : start + 8] for start in range(4, len(data), 8))
    ]
    assert reported == [
        (operation.code, operation.service_action, len(operation.usage)) for operation in OPERATIONS
    ]
    assert data[4:12] == bytes.fromhex("00 00 0000 00 00 0006")
    assert bytes.fromhex("9e 00 0010 00 01 0010") in data


def test_all_commands_with_timeouts(bench) -> None:
    data = ask(bench, 0x80).data
    assert int.from_bytes(data[:4], "big") == len(data) - 4 == 20 * len(OPERATIONS)
    assert data[4:24] == bytes.fromhex("00 00 0000 00 02 0006") + TIMEOUTS
    assert bytes.fromhex("a3 00 000c 00 03 000c") + TIMEOUTS in data


def test_one_command(bench) -> None:
    usage = bytes.fromhex("28 f8 ff ff ff ff 00 ff ff 04")
    assert ask(bench, 1, 0x28).data == bytes.fromhex("00 03 00 0a") + usage
    assert ask(bench, 0x81, 0x28).data == bytes.fromhex("00 83 00 0a") + usage + TIMEOUTS
    assert ask(bench, 3, 0x28).data == bytes.fromhex("00 03 00 0a") + usage


def test_one_service_action(bench) -> None:
    expected = bytes.fromhex("00 03 00 10 9e 10") + b"\xff" * 12 + bytes.fromhex("01 04")
    assert ask(bench, 2, 0x9E, 0x10).data == expected
    assert ask(bench, 3, 0x9E, 0x10).data == expected


def test_what_the_kernel_answers_itself_is_reported(bench) -> None:
    expected = bytes.fromhex("00 03 00 0c a0 00 ff 00 00 00 ff ff ff ff 00 00")
    assert ask(bench, 1, 0xA0).data == expected


@pytest.mark.parametrize(
    ("options", "code", "action"),
    [
        (1, 0x9C, 0),  # WRITE ATOMIC (16)
        (0x81, 0x9C, 0),
        (2, 0x7F, 0x07),  # XDWRITEREAD (32)
        (3, 0x48, 0),
        (2, 0x9E, 0x11),  # a service action that is not there
        (3, 0x9E, 0x11),
        (3, 0x28, 1),  # a service action of a command that has none
    ],
)
def test_not_supported(bench, options, code, action) -> None:
    assert ask(bench, options, code, action).data == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("options", "code", "action"),
    [
        (1, 0x9E, 0),
        (1, 0xA3, 0x0C),
        (2, 0x28, 0),
        (2, 0x12, 1),
        (4, 0, 0),
        (7, 0x28, 0),
        (0x87, 0, 0),
    ],
)
def test_options_that_do_not_fit_the_command_are_refused(
    bench, invalid_field, options, code, action
) -> None:
    assert ask(bench, options, code, action).response == (2, invalid_field(2, 2), None)


@pytest.mark.parametrize("length", [0, 1, 4, 100])
def test_allocation_length_truncates(bench, length) -> None:
    sent = ask(bench, 0, length=length)
    assert sent.response.read_len == length
    assert sent.area == ask(bench, 0).data[:length] + bytes(4096 - length)


def test_recommended_timeouts_grow_with_the_work(bench) -> None:
    def recommended(code: int) -> int:
        return int.from_bytes(ask(bench, 0x81, code).data[-4:], "big")

    assert recommended(0x28) < recommended(0x35) < recommended(0x42) < recommended(0x04)


def test_a_variable_length_command(bench) -> None:
    data = ask(bench, 2, 0x7F, 0x0B).data
    assert data[:4] == bytes.fromhex("00 03 00 20")
    usage = data[4:]
    assert usage[:12] == bytes.fromhex("7f 04 00 00 00 00 00 18 00 0b f8 00")
    assert usage[12:20] == b"\xff" * 8
    assert usage[28:] == b"\xff" * 4


def test_a_disk_that_is_not_thin_reports_no_unmap(make_bench) -> None:
    thick = make_bench(thin=False)
    assert ask(thick, 1, 0x42).data == NOT_SUPPORTED
    assert ask(thick, 2, 0x9E, 0x12).data == NOT_SUPPORTED
    assert ask(thick, 1, 0x93).data[1] == 3
    assert thick.send("42 00 00 00 00 00 00 00 00 00").response.sense[12] == 0x20


def test_each_command_that_is_reported_is_dispatched_and_no_other(bench) -> None:
    with_actions = {operation.code for operation in OPERATIONS if operation.service_action}
    for code in range(256):
        if code == 0xA0:
            continue
        for action in (0, 3, 0x0C, 0x10, 0x12):
            supported = ask(bench, 3, code, action).data[1] & 7 == 3
            cdb = bytearray(32)
            cdb[0], cdb[1] = code, action
            if code == 0x7F:
                cdb[1], cdb[7], cdb[9] = 0, 0x18, action
            sent = bench.send(bytes(cdb), 256 * 512)
            codes = sent.response.sense[12:14]
            pointer = sent.response.sense[15:18]
            refused = codes == b"\x20\0" or (
                codes == b"\x24\0" and pointer == (b"\xc0\0\x08" if code == 0x7F else b"\xcc\0\1")
            )
            if code in with_actions or action == 0:
                assert supported is not refused, f"{code:02x}/{action:02x}"
