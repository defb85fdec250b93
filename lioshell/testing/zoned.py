# SPDX-License-Identifier: Apache-2.0
"""What a zoned disk must do: its checks, writes that are verified, and writes in order.

Every check begins with zones that have been reset. Sequential zones are written one command at a
time each, as Linux does; several zones are written at once.
"""

from __future__ import annotations

import itertools
import os
import random
import struct
import time

from lioshell.testing.initiator import CommandFailedError, describe
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Final

    from lioshell.testing.initiator import Initiator

    Command = tuple[bytes, bytes, int]

_CONVENTIONAL: Final = 0x1
_PREFERRED: Final = 0x3
_EMPTY, _FULL = 0x1, 0xE
_UNALIGNED: Final = (0x5, 0x21, 0x04)
_BOUNDARY: Final = (0x5, 0x21, 0x05)
_INVALID_FIELD: Final = (0x5, 0x24, 0x00)
_FINISH, _RESET = 0x02, 0x04
_REPORT_BYTES: Final = 1 << 20
_PARTIAL: Final = 0x80
_DESCRIPTOR: Final = struct.Struct(">BBxxxxxxQQQ")
_AT_ONCE: Final = 4


class ZoneTold(NamedTuple):
    """A zone as REPORT ZONES tells it; addresses and lengths in blocks."""

    kind: int
    condition: int
    blocks: int
    start: int
    pointer: int


def report_zones(disk: Initiator) -> list[ZoneTold]:
    """REPORT ZONES: all of them. Raises CommandFailedError."""
    told: list[ZoneTold] = []
    total, _ = disk.capacity()
    lba = 0
    while lba < total:
        data = disk.good(
            struct.pack(">BBQIBx", 0x95, 0, lba, _REPORT_BYTES, 0x80), b"", _REPORT_BYTES
        )
        count = struct.unpack_from(">I", data)[0] // 64
        if not count:
            raise CommandFailedError(f"REPORT ZONES tells no zone at block {lba}")
        for place in range(64, 64 + count * 64, 64):
            kind, attributes, blocks, start, pointer = struct.unpack_from(
                ">BBxxxxxxQQQ", data, place
            )
            told.append(ZoneTold(kind & 0xF, attributes >> 4, blocks, start, pointer))
        lba = told[-1].start + told[-1].blocks
    return told


def manage(action: int, lba: int = 0, *, every: bool = False) -> bytes:
    """Return a CDB of ZBC OUT for the zone at `lba`, or for every zone."""
    return struct.pack(">BBQxxxxBx", 0x94, action, lba, every)


def sequential_zones(disk: Initiator) -> list[ZoneTold]:
    """Reset every zone, and return those that have a write pointer."""
    disk.good(manage(_RESET, every=True))
    return [zone for zone in report_zones(disk) if zone.kind != _CONVENTIONAL]


def _expect(condition: object, text: str) -> None:
    if not condition:
        raise CommandFailedError(text)


def reports_its_zones(disk: Initiator) -> None:
    """REPORT ZONES: one behind the other from block 0 to the last, empty after a reset."""
    zones = sequential_zones(disk)
    every = report_zones(disk)
    ends = [zone.start + zone.blocks for zone in every]
    _expect([zone.start for zone in every] == [0, *ends[:-1]], "zones do not follow each other")
    _expect(ends[-1] == disk.capacity()[0], "the zones are not the whole disk")
    for zone in zones:
        empty = zone.condition == _EMPTY and zone.pointer == zone.start
        _expect(empty, f"the zone at block {zone.start} is not empty after its reset")


def writes_in_order(disk: Initiator) -> None:
    """A zone takes writes at its pointer, which moves, until it is full; and gives them back."""
    zone = sequential_zones(disk)[0]
    _, size = disk.capacity()
    half = min(zone.blocks // 2, (1 << 20) // size) or 1
    data = os.urandom(half * size)
    written, told = 0, zone
    while written < zone.blocks:
        count = min(half, zone.blocks - written)
        disk.write(zone.start + written, data[: count * size], fua=written > 0)
        written += count
        told = next(z for z in report_zones(disk) if z.start == zone.start)
        if written < zone.blocks:
            _expect(told.pointer == zone.start + written, "the write pointer is somewhere else")
        found = disk.read(zone.start + written - count, count)
        _expect(found == data[: count * size], "a zone does not hold what was written")
    _expect(told.condition == _FULL, "a zone that was written to its end is not full")
    disk.flush()


def refuses_what_is_out_of_order(disk: Initiator) -> str | None:
    """UNALIGNED WRITE beside the pointer, WRITE BOUNDARY VIOLATION across a zone's end."""
    zones = sequential_zones(disk)
    first = zones[0]
    if first.kind == _PREFERRED:
        return "it is host-aware: every write is taken"
    _, size = disk.capacity()
    block = b"\x11" * size
    disk.refused(disk.transfer(first.start + 1, 1, writes=True), _UNALIGNED, block)
    disk.write(first.start, block)
    disk.refused(disk.transfer(first.start, 1, writes=True), _UNALIGNED, block)
    if len(zones) > 1:
        end = first.start + first.blocks
        disk.refused(disk.transfer(end - 1, 2, writes=True), _BOUNDARY, block * 2)
    disk.good(manage(_FINISH, first.start))
    disk.refused(disk.transfer(first.start, 1, writes=True), _INVALID_FIELD, block)
    return None


def empties_what_is_reset(disk: Initiator) -> None:
    """A zone that is reset reads as zeros and is written from its beginning."""
    zone = sequential_zones(disk)[-1]
    _, size = disk.capacity()
    disk.write(zone.start, b"\x22" * size)
    disk.good(manage(_RESET, zone.start))
    _expect(disk.read(zone.start, 1) == bytes(size), "a zone that was reset holds old data")
    disk.write(zone.start, b"\x33" * size)
    _expect(disk.read(zone.start, 1) == b"\x33" * size, "a zone cannot be written after its reset")


def in_order(disk: Initiator, count: int) -> Iterator[Command]:
    """Yield writes of `count` blocks at the write pointers, for ever; one in flight at a time."""
    zones = [zone for zone in sequential_zones(disk) if zone.blocks >= count]
    _, size = disk.capacity()
    payload = b"\x5a" * (count * size)
    while zones:
        for zone in zones:
            last = zone.start + zone.blocks - count
            for lba in range(zone.start, last + 1, count):
                yield disk.transfer(lba, count, writes=True), payload, 0
            yield manage(_FINISH, zone.start), b"", 0
        yield manage(_RESET, every=True), b"", 0


class _Writing:
    """One zone, what it should hold, and the write that is in flight to it."""

    def __init__(self, zone: ZoneTold, size: int) -> None:
        self.zone = zone
        self.data = bytearray(zone.blocks * size)
        self.pointer = zone.start


def verify_zones(
    open_disk: Callable[[], AbstractContextManager[Initiator]], seconds: float, seed: int
) -> tuple[int, int]:
    """Write zones in order and reset them for `seconds`, several at once; reopen, compare.

    Returns commands and bytes compared. Raises CommandFailedError.
    """
    chance = random.Random(seed)  # noqa: S311 - a repeatable sequence is wanted, not a secret
    with open_disk() as disk:
        _, size = disk.capacity()
        writings = [_Writing(zone, size) for zone in sequential_zones(disk)[:_AT_ONCE]]
        commands = _write_them(disk, writings, size, chance, seconds)
        disk.flush()
        _compare(disk, writings, size)
    with open_disk() as disk:
        _compare(disk, writings, size)
    return commands, 2 * sum(len(writing.data) for writing in writings)


def _write_them(
    disk: Initiator, writings: list[_Writing], size: int, chance: random.Random, seconds: float
) -> int:
    end = time.monotonic() + seconds
    in_flight: dict[int, _Writing] = {}
    answered = 0
    while time.monotonic() < end or in_flight:
        idle = [w for w in writings if w not in in_flight.values()]
        for writing in itertools.takewhile(lambda _: time.monotonic() < end, idle):
            cmd_id = _next_write(disk, writing, size, chance)
            if cmd_id is not None:
                in_flight[cmd_id] = writing
        for answer in disk.completions() if in_flight else []:
            writing = in_flight.pop(answer.cmd_id)
            answered += 1
            if answer.status:
                raise CommandFailedError(f"zone at {writing.zone.start}: {describe(answer)}")
    return answered


def _next_write(disk: Initiator, writing: _Writing, size: int, chance: random.Random) -> int | None:
    zone = writing.zone
    left = zone.start + zone.blocks - writing.pointer
    if not left or chance.random() < 0.01:
        cmd_id = disk.submit(manage(_RESET, zone.start))
        if cmd_id is not None:
            writing.pointer = zone.start
            writing.data[:] = bytes(len(writing.data))
        return cmd_id
    count = min(chance.choice((1, 8, 8, 32, 128)), left)
    data = chance.randbytes(count * size)
    flags = 8 if chance.random() < 0.02 else 0
    cdb = disk.transfer(writing.pointer, count, writes=True, flags=flags)
    cmd_id = disk.submit(cdb, data)
    if cmd_id is not None:
        place = (writing.pointer - zone.start) * size
        writing.data[place : place + len(data)] = data
        writing.pointer += count
    return cmd_id


def _compare(disk: Initiator, writings: list[_Writing], size: int) -> None:
    told = {zone.start: zone for zone in report_zones(disk)}
    for writing in writings:
        zone = writing.zone
        found = told[zone.start]
        full = writing.pointer == zone.start + zone.blocks
        if found.condition == _FULL if full else found.pointer == writing.pointer:
            for lba in range(0, zone.blocks, 256):
                count = min(256, zone.blocks - lba)
                wanted = writing.data[lba * size : (lba + count) * size]
                if disk.read(zone.start + lba, count) != wanted:
                    raise CommandFailedError(f"{count} blocks at {zone.start + lba} differ")
        else:
            raise CommandFailedError(f"the zone at {zone.start} has another write pointer")
