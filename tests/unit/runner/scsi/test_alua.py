# SPDX-License-Identifier: Apache-2.0
"""REPORT TARGET PORT GROUPS, and what INQUIRY says of ports."""

from __future__ import annotations

import pytest

from lioshell.runner.scsi.alua import PortGroup

ONE = PortGroup(0, 0, 0x0F, ports=(1,))
TWO = PortGroup(16, 2, 0x0F, preferred=True, status=2, ports=(1, 0x203))


def rtpg(length: int = 255, form: int = 0) -> bytes:
    return bytes((0xA3, 0x0A | form, 0, 0, 0, 0)) + length.to_bytes(4, "big") + bytes(2)


@pytest.fixture
def groups(bench):
    def give(*found: PortGroup) -> None:
        bench.disk.port_groups = lambda: found

    return give


def test_all_groups_with_their_ports(bench, groups) -> None:
    groups(ONE, TWO)
    data = bench.send(rtpg(), 255).data
    assert data == bytes.fromhex(
        "0000001c 00 0f 0000 00 00 00 01 0000 0001 82 0f 0010 00 02 00 02 0000 0001 0000 0203"
    )


def test_the_extended_header(bench, groups, invalid_field) -> None:
    groups(ONE)
    data = bench.send(rtpg(form=0x20), 255).data
    assert data[:8] == bytes.fromhex("00000010 10 00 00 00")
    assert bench.send(rtpg(form=0x40), 255).response.sense == invalid_field(1, 7)


@pytest.mark.parametrize("length", [0, 3, 4, 15])
def test_allocation_length_truncates(bench, groups, length) -> None:
    groups(ONE)
    sent = bench.send(rtpg(length), 64)
    assert sent.response.read_len == length
    assert sent.area[length:] == bytes(64 - length)


def test_a_unit_that_knows_of_no_group(bench) -> None:
    assert bench.send(rtpg(), 255).data == bytes(4)
    assert bench.send("12 00 00 00 24 00", 36).data[5] & 0x30 == 0


def test_where_there_is_one_group_every_port_can_be_told_its_own(bench, groups) -> None:
    groups(ONE)
    assert bench.send("12 00 00 00 24 00", 36).data[5] & 0x30 == 0x10
    page = bench.send("12 01 83 00 ff 00", 255).data
    assert page.endswith(bytes.fromhex("01 14 00 04 0000 0001 01 15 00 04 0000 0000"))
    assert int.from_bytes(page[2:4], "big") == len(page) - 4
    groups(TWO)
    page = bench.send("12 01 83 00 ff 00", 255).data
    assert page.endswith(bytes.fromhex("01 15 00 04 0000 0010"))
    assert bytes.fromhex("01 14 00 04") not in page


def test_where_there_are_more_no_port_is_told_a_wrong_one(bench, groups) -> None:
    groups(ONE, TWO)
    assert bench.send("12 00 00 00 24 00", 36).data[5] & 0x30 == 0
    assert bytes.fromhex("01 15 00 04") not in bench.send("12 01 83 00 ff 00", 255).data
