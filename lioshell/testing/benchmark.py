# SPDX-License-Identifier: Apache-2.0
"""How fast a handler is behind ring and SCSI emulation, without a kernel and its wake-ups.

The initiator is Python in the same process and takes its share: compare rows of one run.
"""

from __future__ import annotations

import random
import time

from lioshell.testing.initiator import CommandFailedError, describe
from lioshell.testing.zoned import in_order
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

    from lioshell.testing.initiator import Initiator

_CASES: Final = (
    ("random read", 4096, 1, False),
    ("random write", 4096, 1, True),
    ("random read", 4096, 16, False),
    ("random write", 4096, 16, True),
    ("sequential read", 1 << 20, 4, False),
    ("sequential write", 1 << 20, 4, True),
)
_ZONED_CASES: Final = (
    ("random read", 4096, 1, False),
    ("write in order", 4096, 1, True),
    ("random read", 4096, 16, False),
    ("sequential read", 1 << 20, 4, False),
    ("write in order", 1 << 20, 1, True),
)


class Figure(NamedTuple):
    """One row: what was done, and commands and bytes a second."""

    name: str
    size_bytes: int
    depth: int
    commands_per_s: float
    bytes_per_s: float


def benchmark(disk: Initiator, seconds: float) -> list[Figure]:
    """Measure each case for `seconds`. Raises CommandFailedError when a command fails."""
    cases = _ZONED_CASES if disk.is_zoned else _CASES
    return [_measure(disk, *case, seconds) for case in cases]


def _measure(
    disk: Initiator, name: str, size_bytes: int, depth: int, writes: bool, seconds: float
) -> Figure:
    blocks, block = disk.capacity()
    count = max(1, size_bytes // block)
    places = max(1, blocks // count)
    payload = b"\x5a" * (count * block) if writes else b""
    is_random = name.startswith("random")
    chance = random.Random(1)  # noqa: S311 - the same places in every run, no secret
    ordered = in_order(disk, count) if disk.is_zoned and writes else None
    begin = time.perf_counter()
    end = begin + seconds
    issued = 0

    def next_command() -> tuple[bytes, bytes, int] | None:
        nonlocal issued
        if time.perf_counter() > end:
            return None
        if ordered is not None:
            return next(ordered, None)
        place = chance.randrange(places) if is_random else issued % places
        issued += 1
        cdb = disk.transfer(place * count, count, writes=writes)
        return cdb, payload, 0 if writes else count * block

    answers = disk.keep_busy(next_command, depth)
    spent = time.perf_counter() - begin
    for answer in answers:
        if answer.status:
            raise CommandFailedError(f"{name}: {describe(answer)}")
    per_s = len(answers) / spent
    return Figure(name, count * block, depth, per_s, per_s * count * block)
