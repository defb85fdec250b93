# SPDX-License-Identifier: Apache-2.0
"""The table of commands and its dispatch."""

from __future__ import annotations

import pytest

from lioshell.runner.scsi.opcodes import OPERATIONS

SERVED = [operation for operation in OPERATIONS if operation.execute is not None]
LENGTH_BY_GROUP = (6, 10, 10, None, 16, 12, None, None)


def ids(operation) -> str:
    return operation.name


def test_the_commands_that_a_disk_must_have_are_there() -> None:
    served = {(operation.code, operation.service_action) for operation in SERVED}
    plain = (
        "00 03 04 08 0a 12 15 1a 1b 1d 25 28 2a 2e 2f 34 35 37 41 42 4d 55 5a 83 88 89 8a 8b"
        " 8e 8f 90 91 93 a8 aa ae af b7"
    )
    with_action = {0x7F: range(9, 15), 0x84: (0, 3), 0x9E: (0x10, 0x12), 0xA3: (0x0A, 0x0C, 0x0D)}
    assert served == {(code, None) for code in bytes.fromhex(plain)} | {
        (code, action) for code, actions in with_action.items() for action in actions
    }


def test_the_table_is_in_order_and_names_no_command_twice() -> None:
    keys = [(operation.code, operation.service_action or 0) for operation in OPERATIONS]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("operation", OPERATIONS, ids=ids)
def test_usage_map_has_the_code_and_the_length_of_its_group(operation) -> None:
    assert operation.usage[0] == operation.code
    length = 32 if operation.code == 0x7F else LENGTH_BY_GROUP[operation.code >> 5]
    assert len(operation.usage) == length


def plain_cdb(operation) -> bytearray:
    """A CDB of nothing but what tells which command it is."""
    cdb = bytearray(len(operation.usage))
    cdb[0] = operation.code
    if operation.code == 0x7F:
        cdb[7], cdb[9] = 0x18, operation.service_action
    else:
        cdb[1] = operation.service_action or 0
    return cdb


@pytest.mark.parametrize("operation", SERVED, ids=ids)
def test_a_served_command_is_not_an_invalid_operation_code(bench, operation) -> None:
    cdb = plain_cdb(operation)
    assert bench.send(bytes(cdb), 256 * 512).response.sense[12:13] != b"\x20"


@pytest.mark.parametrize("operation", SERVED, ids=ids)
def test_a_short_cdb_is_refused(bench, sense, operation) -> None:
    cdb = bytes(plain_cdb(operation))
    for length in range(2, len(operation.usage)):
        sent = bench.send(cdb[:length], 256 * 512)
        assert sent.response == (2, sense(5, 0x24, 0), None)
    assert bench.handler.calls == []


@pytest.mark.parametrize("operation", SERVED, ids=ids)
def test_naca_is_refused_as_the_usage_map_says(bench, invalid_field, operation) -> None:
    control = 1 if operation.code == 0x7F else len(operation.usage) - 1
    assert operation.usage[control] == 0x04
    cdb = plain_cdb(operation)
    cdb[control] = 4
    sent = bench.send(bytes(cdb), 256 * 512)
    assert sent.response.sense == invalid_field(control, 2)


@pytest.mark.parametrize("operation", SERVED, ids=ids)
def test_bits_outside_the_usage_map_change_nothing(make_bench, operation) -> None:
    def answer(cdb: bytes):
        bench = make_bench(300)
        bench.handler.memory[:] = bytes(range(240)) * 640
        sent = bench.send(cdb, 256 * 512)
        return sent.response, sent.area, bench.handler.memory

    plain = plain_cdb(operation)
    if operation.code in (0x1A, 0x5A):
        plain[2] = 0x3F
    if operation.code == 0x1B:
        plain[4] = 1
    noisy = bytearray(plain)
    for index in range(1, len(noisy)):
        ignored = ~operation.usage[index] & 0xFF
        if operation.code == 0x7F and index < 10:
            continue
        if index == 1 and operation.service_action is not None:
            ignored &= 0xE0
        noisy[index] |= ignored
    assert answer(bytes(noisy)) == answer(bytes(plain))


def test_every_other_operation_code_is_invalid(bench, sense) -> None:
    served = {operation.code for operation in SERVED}
    for code in set(range(256)) - served:
        sent = bench.send(bytes((code,)) + bytes(15), 64)
        assert sent.response == (2, sense(5, 0x20, 0), None)


@pytest.mark.parametrize(
    ("code", "known"), [(0x84, (0, 3)), (0x9E, (0x10, 0x12)), (0xA3, (0x0A, 0x0C, 0x0D))]
)
def test_every_other_service_action_is_an_invalid_field(bench, invalid_field, code, known) -> None:
    for action in set(range(32)) - set(known):
        sent = bench.send(bytes((code, action)) + bytes(14), 64)
        assert sent.response == (2, invalid_field(1, 4), None)


@pytest.mark.parametrize("code", [0x7F, 0x84, 0x9E, 0xA3])
def test_a_cdb_without_its_service_action(bench, sense, code) -> None:
    assert bench.send(bytes((code,)), 64).response.sense == sense(5, 0x24, 0)


def test_a_variable_length_cdb_of_another_length_or_action(bench, invalid_field) -> None:
    cdb = bytearray(32)
    cdb[0], cdb[7], cdb[9] = 0x7F, 0x18, 0x07
    assert bench.send(bytes(cdb), 512).response.sense == invalid_field(8)
    cdb[9], cdb[7] = 0x09, 0x10
    assert bench.send(bytes(cdb), 512).response.sense == invalid_field(7)
