# SPDX-License-Identifier: Apache-2.0
"""INQUIRY: standard data and the rules of its CDB."""

from __future__ import annotations

import pytest

from lioshell.runner.scsi.unit import Identity


def test_standard_data(bench) -> None:
    data = bench.send("12 00 00 00 ff 00", 255).data
    assert data[:8] == bytes.fromhex("00 00 06 02 45 08 00 02")
    assert data[8:16] == b"LIO-ORG "
    assert data[16:32] == b"vol0            "
    assert data[32:36] == b"0001"
    assert data[36:58] == bytes(22)
    assert data[58:64] == bytes.fromhex("00a0 0460 04c0")
    assert len(data) == 74 == data[4] + 5


def test_names_are_cut_padded_and_kept_ascii(make_bench) -> None:
    identity = Identity(
        unit_serial="1", name="vol0", vendor="TEN LETTERS", product="é\t" + "p" * 20, revision="1"
    )
    data = make_bench(identity=identity).send("12 00 00 00 24 00", 36).data
    assert data[8:36] == b"TEN LETT" + b"__pppppppppppppp" + b"1   "


def test_a_unit_without_any_name_says_what_it_is(make_bench) -> None:
    data = make_bench(identity=Identity).send("12 00 00 00 24 00", 36).data
    assert data[16:32] == b"TCMU device     "


@pytest.mark.parametrize("length", [0, 1, 4, 5, 36, 73, 74, 255])
def test_allocation_length_truncates(bench, length) -> None:
    sent = bench.send(f"12 00 00 00 {length:02x} 00", 255)
    assert sent.response.read_len == min(length, 74)
    full = bench.send("12 00 00 00 ff 00", 255).data
    assert sent.area == full[:length] + bytes(255 - min(length, 74))


def test_allocation_length_has_two_bytes(bench) -> None:
    assert bench.send("12 00 00 01 00 00", 256).response.read_len == 74


def test_fewer_buffers_than_data_truncate(bench) -> None:
    sent = bench.send("12 00 00 00 ff 00", 5, cuts=3)
    assert sent.response.read_len is None
    assert sent.data == bytes.fromhex("00 00 06 02 45")


@pytest.mark.parametrize(
    ("cdb", "pointer"),
    [
        ("12 02 00 00 ff 00", (1, 1)),  # CmdDt
        ("12 03 80 00 ff 00", (1, 1)),  # CmdDt and EVPD
        ("12 00 80 00 ff 00", (2,)),  # a page without EVPD
        ("12 01 8f 00 ff 00", (2,)),  # a page that is not there
        ("12 01 ff 00 ff 00", (2,)),
        ("12 00 00 00 ff 04", (5, 2)),  # NACA
    ],
)
def test_bad_fields(bench, invalid_field, cdb, pointer) -> None:
    assert bench.send(cdb, 255).response == (2, invalid_field(*pointer), None)
