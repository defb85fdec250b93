# SPDX-License-Identifier: Apache-2.0
"""The zones of a file against a model of them: random writes and management, across reopening."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.unit.runner.scsi.zoned_bench import (
    BLOCK,
    CLOSE,
    FINISH,
    MIB,
    OPEN,
    RESET,
    ZONE,
    ZonedBench,
)

EXAMPLES = int(os.environ.get("LIOSHELL_ZONE_EXAMPLES", "25"))
CONVENTIONAL, ZONES, MAX_OPEN = 1, 6, 2
EMPTY, IMPLICIT, EXPLICIT, CLOSED, FULL = 1, 2, 3, 4, 0xE
UNALIGNED, BOUNDARY, FULL_ZONE, NO_RESOURCES = (5, 33, 4), (5, 33, 5), (5, 36, 0), (7, 85, 14)


class ZoneModel(RuleBasedStateMachine):
    """A disk of one conventional zone and five that are written in order, two open at once."""

    folder: str

    @initialize(aware=st.booleans())
    def begin(self, aware: bool) -> None:
        self.aware = aware
        path = os.path.join(self.folder, "model.zbc")
        if os.path.exists(path):
            os.unlink(path)
        model = ";model=host-aware" if aware else ""
        config = f";conventional={CONVENTIONAL};max_open={MAX_OPEN}{model}"
        self.bench = ZonedBench(path, config, size_bytes=ZONES * MIB)
        self.data = bytearray(ZONES * MIB)
        self.pointer = [ZONE * n for n in range(ZONES)]
        self.condition = [0] * CONVENTIONAL + [EMPTY] * (ZONES - CONVENTIONAL)
        self.opened: list[int] = []
        self.last = list(self.pointer)
        self.fresh = [True] * ZONES
        self.seed = 0

    def make_room(self) -> bool:
        """Model of the resources: the zone that a write opened first goes, never an explicit."""
        if len(self.opened) < MAX_OPEN:
            return True
        for number in self.opened:
            if self.condition[number] == IMPLICIT:
                self.leave(number)
                return True
        return self.aware

    def leave(self, number: int) -> None:
        self.opened.remove(number)
        empty = self.pointer[number] == number * ZONE
        self.condition[number] = EMPTY if empty else CLOSED

    def expected_of_write(self, lba: int, count: int) -> tuple[int, int, int] | None:
        first, last = lba // ZONE, (lba + count - 1) // ZONE
        if self.aware:
            return None
        if first < CONVENTIONAL:
            return BOUNDARY if last >= CONVENTIONAL else None
        if first != last:
            return BOUNDARY
        again = (lba, lba + count) == (self.last[first], self.pointer[first])
        if self.fresh[first] and again:
            return None
        if self.condition[first] == FULL:
            return FULL_ZONE
        return None if lba == self.pointer[first] else UNALIGNED

    @rule(
        number=st.integers(0, ZONES - 1),
        offset=st.sampled_from(["pointer", "last", "start", 1, 100, ZONE - 1]),
        count=st.sampled_from([1, 8, 255, ZONE // 2, ZONE, ZONE + 1]),
        fua=st.booleans(),
    )
    def write(self, number: int, offset: int | str, count: int, fua: bool) -> None:
        start = number * ZONE
        places = {"pointer": self.pointer[number], "last": self.last[number], "start": start}
        lba = places[offset] if isinstance(offset, str) else start + offset
        count = min(count, ZONES * ZONE - lba)
        if count <= 0:
            return
        if offset == "last" and self.pointer[number] > lba:
            count = self.pointer[number] - lba
        self.seed += 1
        data = self.seed.to_bytes(4, "big") * (count * BLOCK // 4)
        expected = self.expected_of_write(lba, count)
        if expected is None:
            for touched in range(lba // ZONE, (lba + count - 1) // ZONE + 1):
                if self.condition[touched] in (EMPTY, CLOSED):
                    if not self.make_room():
                        expected = NO_RESOURCES
                        break
                    self.condition[touched] = IMPLICIT
                    self.opened.append(touched)
        assert self.bench.write(lba, data, flags=8 if fua else 0) == expected
        if expected is None:
            self.data[lba * BLOCK : (lba + count) * BLOCK] = data
            self.move(lba, count)

    def move(self, lba: int, count: int) -> None:
        for number in range(lba // ZONE, (lba + count - 1) // ZONE + 1):
            if number < CONVENTIONAL:
                continue
            end = min(lba + count, (number + 1) * ZONE)
            self.last[number] = max(lba, number * ZONE)
            self.pointer[number] = max(self.pointer[number], end)
            self.fresh[number] = False
            if self.pointer[number] == (number + 1) * ZONE and self.condition[number] != FULL:
                self.condition[number] = FULL
                if number in self.opened:
                    self.opened.remove(number)

    @rule(number=st.integers(CONVENTIONAL, ZONES - 1))
    def reset(self, number: int) -> None:
        assert self.bench.manage(RESET, number * ZONE) is None
        if self.condition[number] == EMPTY:
            return
        if number in self.opened:
            self.opened.remove(number)
        self.condition[number] = EMPTY
        self.pointer[number] = self.last[number] = number * ZONE
        self.fresh[number] = False
        self.data[number * MIB : (number + 1) * MIB] = bytes(MIB)

    @rule(number=st.integers(CONVENTIONAL, ZONES - 1))
    def finish(self, number: int) -> None:
        assert self.bench.manage(FINISH, number * ZONE) is None
        if number in self.opened:
            self.opened.remove(number)
        self.condition[number] = FULL
        self.pointer[number] = (number + 1) * ZONE

    @rule(number=st.integers(CONVENTIONAL, ZONES - 1))
    def open(self, number: int) -> None:
        expected = None
        before = self.condition[number]
        if before not in (FULL, EXPLICIT):
            if before == IMPLICIT:
                self.opened.remove(number)
            elif not self.make_room():
                expected = NO_RESOURCES
            if expected is None:
                self.condition[number] = EXPLICIT
                self.opened.append(number)
        assert self.bench.manage(OPEN, number * ZONE) == expected

    @rule(number=st.integers(CONVENTIONAL, ZONES - 1))
    def close(self, number: int) -> None:
        assert self.bench.manage(CLOSE, number * ZONE) is None
        if number in self.opened:
            self.leave(number)

    @rule()
    def reopen(self) -> None:
        self.bench.reopen()
        self.fresh = [True] * ZONES
        # In the order of their numbers from now on: when they were opened is not kept.
        self.opened.sort()

    @rule()
    def compare(self) -> None:
        told = self.bench.report()
        assert [zone.condition for zone in told] == self.condition
        for number, zone in enumerate(told):
            if zone.condition not in (0, FULL):
                assert zone.pointer == self.pointer[number]
        assert self.bench.read(0, ZONES * ZONE) == self.data

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            try:
                self.compare()
            finally:
                self.bench.disk.close()


def test_zones_against_a_model(tmp_path) -> None:
    machine = type("ZoneModel", (ZoneModel,), {"folder": str(tmp_path)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
