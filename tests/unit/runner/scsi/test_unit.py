# SPDX-License-Identifier: Apache-2.0
"""Identity, geometry and when the identity is asked for."""

from __future__ import annotations

import pytest

from lioshell.errors import RunnerError
from lioshell.runner.scsi.unit import Geometry, Identity

INQUIRY_80 = "12 01 80 00 ff 00"


@pytest.mark.parametrize(
    ("serial", "naa"),
    [
        # From a uuid, as rtslib and lioshell write it: its first 25 hex digits.
        ("6c0c2a0e-4f6b-4d8e-9a51-0f2c7b1e33d4", "60014056c0c2a0e4f6b4d8e9a510f2c7"),
        ("ABCDEF", "6001405abcdef0000000000000000000"),
        ("abc", "6001405abc0000000000000000000000"),
        # Letters that are no hex digits are skipped, not refused.
        ("vol-9z8", "6001405980000000000000000000000" + "0"),
        ("0", "60014050000000000000000000000000"),
    ],
)
def test_naa_is_what_the_kernel_would_give_a_backstore_of_its_own(serial, naa) -> None:
    assert Identity(unit_serial=serial).naa() == bytes.fromhex(naa)


def test_naa_has_the_company_id_that_was_set() -> None:
    assert Identity(unit_serial="12", company_id=0xABCDEF).naa().hex().startswith("6abcdef12")


@pytest.mark.parametrize("serial", ["", "xyz", "---"])
def test_no_hex_digit_no_naa(serial) -> None:
    assert Identity(unit_serial=serial).naa() is None


@pytest.mark.parametrize(
    ("size", "block"),
    [(0, 512), (511, 512), (1000, 512), (4096, 0), (4096, 256), (4096, 1000), (-512, 512)],
)
def test_a_geometry_that_is_none_is_refused(size, block) -> None:
    with pytest.raises(RunnerError) as caught:
        Geometry(size, block)
    assert caught.value.hint


def test_geometry_counts_blocks() -> None:
    assert Geometry(1 << 20, 4096).blocks == 256


def test_the_serial_is_asked_for_at_the_first_inquiry_and_kept(make_bench) -> None:
    asked = []

    def identify() -> Identity:
        asked.append(1)
        return Identity(unit_serial="abc123")

    bench = make_bench(identity=identify)
    assert bench.send("00 00 00 00 00 00").response.status == 0
    assert not asked
    assert bench.send(INQUIRY_80, 255).data[4:] == b"abc123"
    assert bench.send(INQUIRY_80, 255).data[4:] == b"abc123"
    assert len(asked) == 1
    bench.disk.forget_identity()
    bench.send(INQUIRY_80, 255)
    assert len(asked) == 2


def test_a_serial_that_is_not_there_yet_is_asked_for_again(make_bench) -> None:
    serials = iter(["", "abc123"])
    bench = make_bench(identity=lambda: Identity(unit_serial=next(serials)))
    assert bench.send(INQUIRY_80, 255).data[4:] == b"    "
    assert bench.send(INQUIRY_80, 255).data[4:] == b"abc123"
