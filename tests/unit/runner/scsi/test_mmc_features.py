# SPDX-License-Identifier: Apache-2.0
"""GET CONFIGURATION."""

from __future__ import annotations

import pytest

from .optical_bench import OpticalBench, disc


def configuration(bench, kind: int = 0, first: int = 0) -> tuple[int, dict[int, tuple[int, bytes]]]:
    """Return the current profile and the features: code -> flags and data."""
    cdb = bytes((0x46, kind)) + first.to_bytes(2, "big") + bytes((0, 0, 0, 2, 0, 0))
    data = bench.good(cdb, 512)
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    features, place = {}, 8
    while place < len(data):
        code, flags, length = (
            int.from_bytes(data[place : place + 2], "big"),
            *data[place + 2 : place + 4],
        )
        features[code] = (flags, data[place + 4 : place + 4 + length])
        assert length % 4 == 0
        place += 4 + length
    assert list(features) == sorted(features)
    return int.from_bytes(data[6:8], "big"), features


@pytest.mark.parametrize(
    ("handler", "profile"),
    [
        (disc(64), 0x08),
        (disc(64, read_only=False), 0x12),
        (None, 0),
    ],
)
def test_the_profile_is_the_disc_s(handler, profile) -> None:
    found, features = configuration(OpticalBench(handler))
    assert found == profile
    flags, listed = features[0]
    current = {listed[n] << 8 | listed[n + 1] for n in range(0, len(listed), 4) if listed[n + 2]}
    assert current == ({profile} if profile else set())
    assert features[0x10][0] & 1 == (profile != 0)
    assert features[0x1E][0] & 1 == (profile == 0x08)
    assert features[0x20][0] & 1 == (profile == 0x12)
    assert flags & 3 == 3


def test_a_large_image_is_a_dvd(monkeypatch) -> None:
    bench = OpticalBench(disc(64))
    monkeypatch.setattr("lioshell.runner.scsi.optical._CD_BLOCKS", 63)
    assert configuration(bench)[0] == 0x10


def test_what_can_be_written_is_told(monkeypatch) -> None:
    _, features = configuration(OpticalBench(disc(64, read_only=False)))
    assert features[0x20] == (0x05, bytes.fromhex("0000003f 00000800 0010 0000"))


def test_one_feature_the_current_ones_and_those_from_one_on() -> None:
    bench = OpticalBench(disc(64))
    assert list(configuration(bench, 2, 0x20)[1]) == [0x20]
    assert list(configuration(bench, 2, 0x21)[1]) == []
    assert 0x20 not in configuration(bench, 1)[1]
    assert min(configuration(bench, 0, 0x11)[1]) == 0x1E
    assert bench.failure("46 03 00 00 00 00 00 00 ff 00", 255) == (5, 0x24, 0)


def test_the_length_is_told_whatever_fits() -> None:
    bench = OpticalBench(disc(64))
    whole = bench.good("46 00 00 00 00 00 00 02 00 00", 512)
    assert bench.good("46 00 00 00 00 00 00 00 08 00", 8) == whole[:8]
