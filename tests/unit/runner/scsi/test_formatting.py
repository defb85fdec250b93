# SPDX-License-Identifier: Apache-2.0
"""FORMAT UNIT and READ DEFECT DATA."""

from __future__ import annotations

import errno

import pytest


@pytest.mark.parametrize("thin", [True, False])
@pytest.mark.parametrize(
    ("cdb", "parameters"),
    [
        ("04 00 00 00 00 00", b""),
        ("04 10 00 00 00 00", bytes(4)),
        ("04 10 00 00 00 00", bytes.fromhex("00 02 00 00")),  # IMMED
        ("04 30 00 00 00 00", bytes(8)),
    ],
)
def test_format_unit_zeroes_all(make_bench, thin, cdb, parameters) -> None:
    bench = make_bench(thin=thin)
    bench.handler.memory[:] = b"\xff" * len(bench.handler.memory)
    assert bench.send(cdb, out=parameters).response.status == 0
    assert not any(bench.handler.memory)
    assert bench.handler.calls[-1] == "flush"
    assert bench.handler.calls[0].startswith("discard" if thin else "write")


@pytest.mark.parametrize(
    ("cdb", "parameters", "expected"),
    [
        ("04 80 00 00 00 00", b"", (0x24, (0xCF, 0, 1))),  # protection information
        ("04 01 00 00 00 00", b"", (0x24, (0xCA, 0, 1))),  # a format of the defect list
        ("04 10 00 00 00 00", bytes(3), (0x1A, (0, 0, 0))),
        ("04 30 00 00 00 00", bytes(4), (0x1A, (0, 0, 0))),
        ("04 10 00 00 00 00", bytes.fromhex("01 00 00 00"), (0x26, (0x8A, 0, 0))),
        ("04 10 00 00 00 00", bytes.fromhex("00 08 00 00"), (0x26, (0x8B, 0, 1))),
        ("04 10 00 00 00 00", bytes.fromhex("00 00 00 08"), (0x26, (0x80, 0, 2))),
        ("04 30 00 00 00 00", bytes.fromhex("00 00 00 01 00 00 00 00"), (0x26, (0x80, 0, 3))),
        ("04 30 00 00 00 00", bytes.fromhex("00 00 00 00 00 00 00 08"), (0x26, (0x80, 0, 4))),
    ],
)
def test_what_is_not_done_is_refused(bench, sense, cdb, parameters, expected) -> None:
    code, pointer = expected
    assert bench.send(cdb, out=parameters).response.sense == sense(5, code, 0, pointer=pointer)
    assert bench.handler.calls == []


def test_read_only_and_errors(bench, make_bench, sense) -> None:
    # tcmu-runner ignores write errors here (weakness 8 of the inventory).
    sent = make_bench(read_only=True).send("04 00 00 00 00 00")
    assert sent.response.sense == sense(7, 0x27, 0)
    bench.handler.discard_error = OSError(errno.EIO, "")
    assert bench.send("04 00 00 00 00 00").response.sense == sense(3, 0x0C, 0)
    bench.handler.discard_error = None
    bench.handler.flush_error = OSError(errno.EIO, "")
    assert bench.send("04 00 00 00 00 00").response.sense == sense(3, 0x0C, 0)


def test_more_than_2_to_the_32_blocks_come_to_an_end(make_bench) -> None:
    # tcmu-runner loops for ever (weakness 8 of the inventory).
    bench = make_bench(1, claim_blocks=(1 << 32) + 3)
    zeroed: list[tuple[int, int]] = []
    bench.handler.discard = lambda offset, size: zeroed.append((offset, size))
    assert bench.send("04 00 00 00 00 00").response.status == 0
    assert sum(size for _, size in zeroed) == ((1 << 32) + 3) * 512
    assert zeroed[-1][0] + zeroed[-1][1] == ((1 << 32) + 3) * 512


@pytest.mark.parametrize("lists", [0x00, 0x08, 0x10, 0x1D])
def test_defect_lists_are_empty(bench, lists) -> None:
    sent = bench.send(bytes((0x37, 0, lists, 0, 0, 0, 0, 0, 64, 0)), 64)
    assert sent.data == bytes((0, lists, 0, 0))
    sent = bench.send(bytes((0xB7, lists)) + bytes(7) + bytes((64, 0, 0)), 64)
    assert sent.data == bytes((0, lists)) + bytes(6)
