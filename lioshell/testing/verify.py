# SPDX-License-Identifier: Apache-2.0
"""Random writes and reads with many in flight, compared with a copy in memory, across a reopen."""

from __future__ import annotations

import random
import time

from lioshell.testing.initiator import CommandFailedError, describe
from lioshell.testing.zoned import verify_zones
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lioshell.testing.initiator import Initiator

_DEPTH = 16
_AREA_BYTES = 8 << 20


def verify(
    open_disk: Callable[[], AbstractContextManager[Initiator]], seconds: float, seed: int
) -> tuple[int, int]:
    """Write and read for `seconds`, reopen, compare all of it; return commands and bytes compared.

    Raises CommandFailedError for a command that failed or data that differ.
    """
    chance = random.Random(seed)  # noqa: S311 - a repeatable sequence is wanted, not a secret
    with open_disk() as disk:
        is_zoned = disk.is_zoned
    if is_zoned:
        return verify_zones(open_disk, seconds, seed)
    with open_disk() as disk:
        blocks, size = disk.capacity()
        blocks = min(blocks, _AREA_BYTES // size)
        model = bytearray(blocks * size)
        for lba in range(0, blocks, 1024):
            count = min(1024, blocks - lba)
            disk.write(lba, bytes(count * size))
        commands = _mix(disk, model, blocks, size, chance, seconds)
        disk.flush()
        _compare(disk, model, blocks, size)
    with open_disk() as disk:
        _compare(disk, model, blocks, size)
    return commands, 2 * len(model)


def _mix(
    disk: Initiator,
    model: bytearray,
    blocks: int,
    size: int,
    chance: random.Random,
    seconds: float,
) -> int:
    """Keep commands on disjoint ranges in flight; return how many were answered."""
    end = time.monotonic() + seconds
    in_flight: dict[int, tuple[int, int, bytes]] = {}
    busy: set[int] = set()
    answered = 0
    while time.monotonic() < end or in_flight:
        while len(in_flight) < _DEPTH and time.monotonic() < end:
            count = chance.choice((1, 1, 8, 8, 8, 32, 128))
            lba = chance.randrange(max(1, blocks - count))
            count = min(count, blocks - lba)
            wanted = range(lba, lba + count)
            if not busy.isdisjoint(wanted):
                break
            data = chance.randbytes(count * size) if chance.random() < 0.5 else b""
            fua = 8 if data and chance.random() < 0.02 else 0
            cdb = disk.transfer(lba, count, writes=bool(data), flags=fua)
            cmd_id = disk.submit(cdb, data, 0 if data else count * size)
            if cmd_id is None:
                break
            busy.update(wanted)
            in_flight[cmd_id] = (lba, count, data)
        if not in_flight:
            continue
        for answer in disk.completions():
            lba, count, data = in_flight.pop(answer.cmd_id)
            busy.difference_update(range(lba, lba + count))
            answered += 1
            place = slice(lba * size, (lba + count) * size)
            if answer.status:
                raise CommandFailedError(f"block {lba}: {describe(answer)}")
            if data:
                model[place] = data
            elif answer.data_in != model[place]:
                raise CommandFailedError(f"{count} blocks at {lba} are not what was written")
    return answered


def _compare(disk: Initiator, model: bytearray, blocks: int, size: int) -> None:
    for lba in range(0, blocks, 256):
        count = min(256, blocks - lba)
        if disk.read(lba, count) != model[lba * size : (lba + count) * size]:
            raise CommandFailedError(f"{count} blocks at {lba} are not what was written")
