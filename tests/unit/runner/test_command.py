# SPDX-License-Identifier: Apache-2.0
"""The buffers of a command, in one piece and in many."""

from __future__ import annotations

import pytest

from lioshell.runner.command import GOOD, Command, Response


def command(*sizes: int) -> tuple[Command, bytearray]:
    memory = bytearray(b"#" * sum(sizes))
    view = memoryview(memory)
    parts = []
    start = 0
    for size in sizes:
        parts.append(view[start : start + size])
        start += size
    return Command(b"", parts, sum(sizes)), memory


SHAPES = [(), (10,), (4, 6), (1, 0, 3, 6), (0, 10)]


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("length", [0, 1, 4, 5, 9, 10, 11, 99])
def test_scatter_and_gather(sizes: tuple[int, ...], length: int) -> None:
    unit, memory = command(*sizes)
    payload = bytes(range(length))
    written = unit.scatter(payload)
    assert written == min(length, sum(sizes))
    assert memory == payload[:written] + b"#" * (sum(sizes) - written)
    assert unit.gather(length) == payload[:written]


@pytest.mark.parametrize("sizes", [*SHAPES, (70000, 5, 200000)])
@pytest.mark.parametrize("offset", [0, 1, 4, 9, 10, 11, 70001])
def test_zero_fill(sizes: tuple[int, ...], offset: int) -> None:
    unit, memory = command(*sizes)
    unit.zero_fill(offset)
    kept = min(offset, sum(sizes))
    assert memory == b"#" * kept + bytes(sum(sizes) - kept)


def test_a_gathered_copy_is_a_copy() -> None:
    unit, memory = command(4)
    copy = unit.gather(4)
    memory[:] = b"...."
    assert copy == b"####"


def test_a_plain_response_is_good_with_all_of_its_data() -> None:
    assert Response(0) == GOOD
    assert GOOD == (0, b"", None)
