# SPDX-License-Identifier: Apache-2.0
"""The zones of a zoned device and the rules of their write pointers (ZBC-2 4.5), without I/O.

A change is stored before it is made, so that what was answered is never newer than what is kept.
A device that another process takes over has its commands in flight sent again: one that had been
written already finds the write pointer behind itself. So the first write to a zone since it was
opened may be exactly the last one again.
"""

from __future__ import annotations

import enum
import threading

from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    Store = Callable[[int, "Zone", bool], None]

# ZONE TYPE, ZBC-2 table 63.
CONVENTIONAL: Final = 0x1
SEQUENTIAL_REQUIRED: Final = 0x2
SEQUENTIAL_PREFERRED: Final = 0x3

# ZONE CONDITION, ZBC-2 table 64.
NOT_WRITE_POINTER: Final = 0x0
EMPTY: Final = 0x1
IMPLICIT_OPEN: Final = 0x2
EXPLICIT_OPEN: Final = 0x3
CLOSED: Final = 0x4
READ_ONLY: Final = 0xD
FULL: Final = 0xE
OFFLINE: Final = 0xF

_OPEN: Final = (IMPLICIT_OPEN, EXPLICIT_OPEN)
_NO_POINTER: Final = 0xFFFFFFFFFFFFFFFF


class Refusal(enum.Enum):
    """Why something cannot be done with a zone."""

    UNALIGNED = enum.auto()
    WRITE_BOUNDARY = enum.auto()
    READ_BOUNDARY = enum.auto()
    BEYOND_POINTER = enum.auto()
    IS_FULL = enum.auto()
    IS_READ_ONLY = enum.auto()
    IS_OFFLINE = enum.auto()
    NO_RESOURCES = enum.auto()
    NO_WRITE_POINTER = enum.auto()


class ZoneError(Exception):
    """A command that a zone does not take."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


class Zone(NamedTuple):
    """One zone: addresses and lengths in blocks; `last` is where its last write began."""

    start: int
    blocks: int
    pointer: int
    kind: int
    condition: int
    non_sequential: bool = False
    reset_recommended: bool = False
    last: int = 0

    @property
    def end(self) -> int:
        """The block behind the last one."""
        return self.start + self.blocks

    @property
    def reported_pointer(self) -> int:
        """The WRITE POINTER LBA, all ones where there is none that is valid."""
        valid = self.condition in (EMPTY, IMPLICIT_OPEN, EXPLICIT_OPEN, CLOSED)
        return self.pointer if valid else _NO_POINTER


def lay_out(blocks: int, zone_blocks: int, conventional: int, kind: int) -> list[Zone]:
    """Return the zones of a new device: conventional ones first, the last may be shorter."""
    zones = []
    for number, start in enumerate(range(0, blocks, zone_blocks)):
        size = min(zone_blocks, blocks - start)
        if number < conventional:
            zone = Zone(start, size, _NO_POINTER, CONVENTIONAL, NOT_WRITE_POINTER)
        else:
            zone = Zone(start, size, start, kind, EMPTY, last=start)
        zones.append(zone)
    return zones


class ZoneTable:
    """The zones of one open device; any thread.

    `store(number, zone, durable)` keeps a zone; it raises OSError, and then nothing has changed.
    `max_open` limits the zones that are open at once, 0: not at all; sequential write required
    zones only.
    """

    def __init__(self, zones: list[Zone], zone_blocks: int, max_open: int, store: Store) -> None:
        self._zones = zones
        self._store = store
        self._lock = threading.RLock()
        self._untouched = bytearray(b"\x01" * len(zones))
        # As sets that keep their order: the zone that was opened first is closed first.
        self._open: dict[int, dict[int, None]] = {condition: {} for condition in _OPEN}
        for number, zone in enumerate(zones):
            if zone.condition in _OPEN:
                self._open[zone.condition][number] = None
        self.zone_blocks = zone_blocks
        self.max_open = max_open
        self.is_host_managed = all(zone.kind != SEQUENTIAL_PREFERRED for zone in zones)

    def __len__(self) -> int:
        return len(self._zones)

    def __getitem__(self, number: int) -> Zone:
        return self._zones[number]

    def __iter__(self) -> Iterator[Zone]:
        return iter(tuple(self._zones))

    def touched(self, lba: int, count: int) -> range:
        """Return the numbers of the zones that hold a range of blocks."""
        return range(lba // self.zone_blocks, (lba + count - 1) // self.zone_blocks + 1)

    def extent(self, lba: int, count: int) -> tuple[int, int]:
        """Return the first block and the block behind the last of the zones that hold a range."""
        numbers = self.touched(lba, count)
        return self._zones[numbers[0]].start, self._zones[numbers[-1]].end

    def check_read(self, lba: int, count: int) -> None:
        """Refuse a read that constrained reads (URSWRZ = 0, ZBC-2 4.5.3) do not allow."""
        numbers = self.touched(lba, count)
        zones = [self._zones[number] for number in numbers]
        for zone in zones:
            if zone.condition == OFFLINE:
                raise ZoneError(Refusal.IS_OFFLINE)
        if all(zone.kind != SEQUENTIAL_REQUIRED for zone in zones):
            return
        if len(zones) > 1:
            raise ZoneError(Refusal.READ_BOUNDARY)
        zone = zones[0]
        if zone.condition not in (FULL, READ_ONLY) and lba + count > zone.pointer:
            raise ZoneError(Refusal.BEYOND_POINTER)

    # Writes -----------------------------------------------------------------------------------

    def begin_write(self, lba: int, count: int) -> None:
        """Check a write of blocks, and open its zones. Raises ZoneError and OSError."""
        with self._lock:
            numbers = self.touched(lba, count)
            for number in numbers:
                self._check_writable(number)
            if self._zones[numbers[0]].kind == SEQUENTIAL_REQUIRED:
                self._check_sequential(numbers[0], lba, count)
            elif any(self._zones[n].kind == SEQUENTIAL_REQUIRED for n in numbers):
                raise ZoneError(Refusal.WRITE_BOUNDARY)
            for number in numbers:
                zone = self._zones[number]
                if zone.condition in (EMPTY, CLOSED):
                    self._make_room(zone)
                    self._put(number, zone._replace(condition=IMPLICIT_OPEN))

    def end_write(self, lba: int, count: int, durable: bool) -> None:
        """Move the write pointers behind what was written. Raises OSError: they are not moved."""
        with self._lock:
            for number in self.touched(lba, count):
                zone = self._zones[number]
                if zone.kind == CONVENTIONAL:
                    continue
                first, end = max(lba, zone.start), min(lba + count, zone.end)
                self._put(number, _written(zone, first, end), durable)
                self._untouched[number] = 0

    def _check_writable(self, number: int) -> None:
        condition = self._zones[number].condition
        if condition == READ_ONLY:
            raise ZoneError(Refusal.IS_READ_ONLY)
        if condition == OFFLINE:
            raise ZoneError(Refusal.IS_OFFLINE)

    def _check_sequential(self, number: int, lba: int, count: int) -> None:
        zone = self._zones[number]
        if lba + count > zone.end:
            raise ZoneError(Refusal.WRITE_BOUNDARY)
        if self._untouched[number] and (lba, lba + count) == (zone.last, zone.pointer):
            return
        if zone.condition == FULL:
            raise ZoneError(Refusal.IS_FULL)
        if lba != zone.pointer:
            raise ZoneError(Refusal.UNALIGNED)

    # Zone management --------------------------------------------------------------------------

    def open(self, number: int) -> None:
        """OPEN ZONE: explicitly, until it is closed or full. Raises ZoneError and OSError."""
        with self._lock:
            zone = self._managed(number)
            if zone.condition in (FULL, EXPLICIT_OPEN):
                return
            if zone.condition != IMPLICIT_OPEN:
                self._make_room(zone)
            self._put(number, zone._replace(condition=EXPLICIT_OPEN))

    def close(self, number: int) -> None:
        """CLOSE ZONE: a zone that is open gives its resources back. Raises as `open`."""
        with self._lock:
            zone = self._managed(number)
            if zone.condition in _OPEN:
                self._put(number, zone._replace(condition=_at_rest(zone)))

    def finish(self, number: int) -> None:
        """FINISH ZONE: nothing more is written to it. Raises as `open`."""
        with self._lock:
            zone = self._managed(number)
            if zone.condition != FULL:
                self._put(number, zone._replace(condition=FULL, pointer=zone.end))

    def reset(self, number: int) -> bool:
        """RESET WRITE POINTER: empty again; tell whether it was not. Raises as `open`."""
        with self._lock:
            zone = self._managed(number)
            if zone.condition == EMPTY:
                return False
            fresh = Zone(zone.start, zone.blocks, zone.start, zone.kind, EMPTY, last=zone.start)
            self._put(number, fresh)
            self._untouched[number] = 0
            return True

    def open_all(self) -> None:
        """Open every closed zone, or none where there are too many. Raises as `open`."""
        with self._lock:
            closed = [n for n, zone in enumerate(self._zones) if zone.condition == CLOSED]
            explicit = len(self._open[EXPLICIT_OPEN])
            if self.is_host_managed and self.max_open and explicit + len(closed) > self.max_open:
                raise ZoneError(Refusal.NO_RESOURCES)
            for number in closed:
                self.open(number)

    def with_condition(self, *conditions: int) -> list[int]:
        """Return the numbers of the zones in one of these conditions."""
        return [n for n, zone in enumerate(self._zones) if zone.condition in conditions]

    def _managed(self, number: int) -> Zone:
        zone = self._zones[number]
        if zone.kind == CONVENTIONAL:
            raise ZoneError(Refusal.NO_WRITE_POINTER)
        self._check_writable(number)
        return zone

    def _make_room(self, wanted: Zone) -> None:
        """Have resources for one more open zone; one that was opened implicitly is closed."""
        implicit, explicit = (self._open[condition] for condition in _OPEN)
        if not self.max_open or len(implicit) + len(explicit) < self.max_open:
            return
        if implicit:
            number = next(iter(implicit))
            zone = self._zones[number]
            self._put(number, zone._replace(condition=_at_rest(zone)))
        elif wanted.kind == SEQUENTIAL_REQUIRED:
            raise ZoneError(Refusal.NO_RESOURCES)

    def _put(self, number: int, zone: Zone, durable: bool = False) -> None:
        before = self._zones[number]
        if zone != before or durable:
            self._store(number, zone, durable)
        self._zones[number] = zone
        if zone.condition != before.condition:
            self._open.get(before.condition, {}).pop(number, None)
            if zone.condition in _OPEN:
                self._open[zone.condition][number] = None


def _at_rest(zone: Zone) -> int:
    return EMPTY if zone.pointer == zone.start else CLOSED


def _written(zone: Zone, first: int, end: int) -> Zone:
    """Return a zone after a write of the blocks [first, end) of it (ZBC-2 4.5.3.3)."""
    if zone.kind == SEQUENTIAL_REQUIRED:
        # Below the pointer only where a write came again.
        pointer = max(zone.pointer, end)
        astray = zone.non_sequential
    else:
        astray = zone.non_sequential or first != zone.pointer
        pointer = zone.pointer if zone.condition == FULL else max(zone.pointer, end)
    condition = FULL if pointer == zone.end else zone.condition
    return zone._replace(pointer=pointer, condition=condition, non_sequential=astray, last=first)
