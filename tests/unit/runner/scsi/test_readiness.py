# SPDX-License-Identifier: Apache-2.0
"""TEST UNIT READY, REQUEST SENSE, START STOP UNIT."""

from __future__ import annotations

import pytest

from lioshell.runner.command import GOOD


def test_test_unit_ready(bench) -> None:
    assert bench.send("00 00 00 00 00 00").response is GOOD


def test_test_unit_ready_hands_out_nothing_to_who_expects_data(bench) -> None:
    assert bench.send("00 00 00 00 00 00", 64).data == bytes(64)


def test_request_sense_fixed(bench) -> None:
    sent = bench.send("03 00 00 00 ff 00", 255)
    assert sent.data == bytes.fromhex("70 00 00 00 00 00 00 0a") + bytes(10)


def test_request_sense_descriptor(bench) -> None:
    assert bench.send("03 01 00 00 ff 00", 255).data == bytes.fromhex("72 00 00 00 00 00 00 00")


def test_request_sense_truncates(bench) -> None:
    assert bench.send("03 00 00 00 04 00", 255).response.read_len == 4
    assert bench.send("03 00 00 00 00 00", 8).response.read_len == 0


@pytest.mark.parametrize("cdb", ["1b 00 00 00 01 00", "1b 01 00 00 01 00", "1b 00 00 00 05 00"])
def test_start(bench, cdb) -> None:
    assert bench.send(cdb).response is GOOD


@pytest.mark.parametrize(
    ("cdb", "pointer"),
    [
        ("1b 00 00 00 00 00", (4, 0)),  # STOP
        ("1b 00 00 00 02 00", (4, 1)),  # eject
        ("1b 00 00 00 03 00", (4, 1)),  # load
        ("1b 00 00 00 11 00", (4, 7)),  # ACTIVE
        ("1b 00 00 00 30 00", (4, 7)),  # STANDBY
        ("1b 00 00 01 01 00", (3, 3)),  # POWER CONDITION MODIFIER
    ],
)
def test_stop_eject_and_power_conditions_are_refused(bench, invalid_field, cdb, pointer) -> None:
    assert bench.send(cdb).response == (2, invalid_field(*pointer), None)
