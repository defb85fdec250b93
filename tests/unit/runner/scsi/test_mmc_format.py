# SPDX-License-Identifier: Apache-2.0
"""FORMAT UNIT of a rewritable disc."""

from __future__ import annotations

import pytest

from .optical_bench import SECTOR, OpticalBench, disc

CDB = "04 11 00 00 00 00"


def parameters(blocks: int = 64, kind: int = 0, length: int = 8) -> bytes:
    header = bytes((0, 0)) + length.to_bytes(2, "big")
    return header + blocks.to_bytes(4, "big") + bytes((kind << 2, 0, 0x08, 0))


@pytest.mark.parametrize("blocks", [64, 0, 0xFFFFFFFF])
def test_every_sector_is_zeroed(blocks) -> None:
    bench = OpticalBench(disc(64, read_only=False))
    assert bench.failure(CDB, out=parameters(blocks)) is None
    assert bench.handler.memory == bytes(64 * SECTOR)
    assert bench.handler.calls[-1] == "flush"


@pytest.mark.parametrize(
    ("cdb", "out", "sense"),
    [
        ("04 01 00 00 00 00", parameters(), (5, 0x24, 0)),
        ("04 12 00 00 00 00", parameters(), (5, 0x24, 0)),
        (CDB, parameters()[:11], (5, 0x1A, 0)),
        (CDB, parameters(length=16), (5, 0x26, 0)),
        (CDB, parameters(63), (5, 0x26, 0)),
        (CDB, parameters(kind=0x10), (5, 0x26, 0)),
    ],
)
def test_what_is_refused_changes_nothing(cdb, out, sense) -> None:
    bench = OpticalBench(disc(64, read_only=False))
    assert bench.failure(cdb, out=out) == sense
    assert bench.handler.calls == []


def test_an_image_is_not_formatted() -> None:
    bench = OpticalBench(disc(64))
    assert bench.failure(CDB, out=parameters()) == (7, 0x27, 0)


def test_errors_of_the_storage() -> None:
    bench = OpticalBench(disc(64, read_only=False))
    bench.handler.flush_error = OSError(5, "gone")
    assert bench.failure(CDB, out=parameters()) == (3, 0x0C, 0)
    bench.handler.write_error = OSError(28, "full")
    assert bench.failure(CDB, out=parameters()) == (7, 0x27, 7)
