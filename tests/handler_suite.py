# SPDX-License-Identifier: Apache-2.0
"""What every handler that is a disk has to do, on the ring harness; one class for each subtype.

    from tests.handler_suite import Case, HandlerSuite

    class TestQcow(HandlerSuite):
        @pytest.fixture
        def case(self, tmp_path):
            numbers = itertools.count()
            return Case("qcow", lambda: f"{tmp_path}/{next(numbers)}.qcow2", examples=3)

`Case.new` returns the configuration of storage that is not there yet, another one at each call:
`prepare` makes it, as `create` does. Where engines are slow `examples` and `steps` make the random
test short. An engine that can be taken away gives `outage`, a context manager: inside it the engine
is dead (killed, its connection cut), after it it is back; and with `hurts` what commands may be
answered with meanwhile, beside GOOD. A subtype that does not do something says so in its Case, and
the test of it is not there; nothing is skipped. Engines are installed by tests/engines/conftest.py.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lioshell.errors import ConflictError, LioshellError
from lioshell.runner.handlers import registry
from lioshell.testing import Initiator
from lioshell.testing.conformance import checks_of
from lioshell.testing.initiator import describe, rw16, sense_of
from lioshell.testing.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.runner.handlers.base import Handler

FULL = os.environ.get("LIOSHELL_HANDLER_EXAMPLES")
"""A number of examples instead of each Case's own: the long form of the random test."""

_MOST_BYTES = 4 << 20
"""The data area of the simulated ring holds this, and not all that a disk can grow to."""

CAPACITY_CHANGED = (6, 0x2A, 0x09)


@dataclass(frozen=True)
class Case:
    """A subtype, where its storage comes from, and what it does not do."""

    subtype: str
    new: Callable[[], str]
    size_bytes: int = 4 << 20
    block_size_bytes: int = 512
    examples: int = 10
    steps: int = 40
    lasts: bool = True
    """What is written is there when the storage is opened again."""
    grows: bool = True
    shrinks: bool = True
    exclusive: bool = True
    """Storage that is open cannot be opened once more."""
    sized: bool = True
    """Storage has a size of its own, and another one is refused."""
    opens_read_only: bool = True
    outage: Callable[[], AbstractContextManager[object]] | None = None
    outage_s: float = 1.0
    hurts: frozenset[tuple[int, int, int]] = frozenset()
    """Sense data that commands may end with while the engine is away; BUSY is always allowed."""


class Storage:
    """Storage of a Case that was prepared, and is removed by `remove`."""

    def __init__(self, case: Case, size_bytes: int | None = None) -> None:
        self.case = case
        self.config = case.new()
        self.size_bytes = size_bytes or case.size_bytes
        self.handler: type[Handler] = registry.for_new(case.subtype, self.config)
        self._undo = self.handler.prepare(self.config, self.size_bytes, case.block_size_bytes)

    def disk(self) -> Initiator:
        """Open it behind a ring."""
        dev_config = f"{self.case.subtype}/{self.config}"
        return Initiator.of(dev_config, self.size_bytes, self.case.block_size_bytes)

    def open(self, size_bytes: int | None = None, *, read_only: bool = False) -> Handler:
        """Open it alone."""
        size_bytes = size_bytes or self.size_bytes
        return self.handler.open(self.config, size_bytes, self.case.block_size_bytes, read_only)

    def remove(self) -> None:
        """Remove what `prepare` made."""
        self._undo()


def resize(disk: Initiator, size_bytes: int) -> None:
    """Give a disk another size as the runner does, and take the unit attention."""
    unit = disk.device.unit
    unit.handler.resize(size_bytes)
    disk.loop.call(lambda: unit.set_size(size_bytes))
    disk.refused(bytes(6), CAPACITY_CHANGED)


class Model(RuleBasedStateMachine):
    """Random commands to a disk and to a bytearray, which never differ."""

    case: ClassVar[Case]

    def __init__(self) -> None:
        super().__init__()
        self.seeds = itertools.count(1)
        self.storage: Storage | None = None
        self.disk: Initiator | None = None

    @initialize()
    def begin(self) -> None:
        self.storage = Storage(self.case)
        self.model = bytearray(self.case.size_bytes)
        self.disk = self.storage.disk()
        self.block = self.case.block_size_bytes

    def _place(self, where: float, blocks: int) -> tuple[int, int]:
        """Return LBA and number of blocks that lie inside the disk."""
        total = len(self.model) // self.block
        lba = min(int(where * total), total - 1)
        return lba, min(blocks, total - lba)

    def _transfer(self, where: float, blocks: int) -> tuple[int, int]:
        """Return a place that the ring can take in one command."""
        return self._place(where, min(blocks, _MOST_BYTES // self.block))

    def _slice(self, lba: int, blocks: int) -> slice:
        return slice(lba * self.block, (lba + blocks) * self.block)

    def _data(self, blocks: int) -> bytes:
        return random.Random(next(self.seeds)).randbytes(blocks * self.block)

    where = st.one_of(st.sampled_from([0.0, 0.5, 0.999999]), st.floats(0, 0.999999))
    blocks = st.sampled_from([1, 1, 2, 7, 8, 8, 16, 127, 128, 129, 300, 2048])

    @rule(where=where, blocks=blocks, fua=st.booleans())
    def write(self, where: float, blocks: int, fua: bool) -> None:
        lba, blocks = self._transfer(where, blocks)
        data = self._data(blocks)
        self.disk.write(lba, data, fua=fua)
        self.model[self._slice(lba, blocks)] = data

    @rule(where=where, blocks=blocks)
    def read(self, where: float, blocks: int) -> None:
        lba, blocks = self._transfer(where, blocks)
        assert self.disk.read(lba, blocks) == self.model[self._slice(lba, blocks)]

    @precondition(lambda self: self.disk is not None and self.disk.device.unit.provisioned)
    @rule(where=where, blocks=blocks)
    def unmap(self, where: float, blocks: int) -> None:
        lba, blocks = self._place(where, blocks)
        parameters = bytes((0, 22, 0, 16)) + bytes(4)
        parameters += lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + bytes(4)
        self.disk.good(bytes((0x42,)) + bytes(6) + bytes((0, 24, 0)), parameters)
        self.model[self._slice(lba, blocks)] = bytes(blocks * self.block)

    @rule(where=where, blocks=blocks, with_unmap=st.booleans())
    def write_zeroes(self, where: float, blocks: int, with_unmap: bool) -> None:
        lba, blocks = self._place(where, blocks)
        unmap = 8 if with_unmap and self.disk.device.unit.provisioned else 0
        self.disk.good(rw16(0x93, lba, blocks, unmap), bytes(self.block))
        self.model[self._slice(lba, blocks)] = bytes(blocks * self.block)

    @rule(where=where, matches=st.booleans())
    def compare_and_write(self, where: float, matches: bool) -> None:
        lba, _ = self._place(where, 1)
        place = self._slice(lba, 1)
        found, data = bytes(self.model[place]), self._data(1)
        cdb = bytes((0x89, 0)) + lba.to_bytes(8, "big") + bytes((0, 0, 0, 1, 0, 0))
        if matches:
            self.disk.good(cdb, found + data)
            self.model[place] = data
        else:
            other = bytes((found[0] ^ 1,)) + found[1:]
            self.disk.refused(cdb, (0xE, 0x1D, 0), other + data)

    @rule()
    def flush(self) -> None:
        self.disk.flush()

    @rule(count=st.integers(2, 24), seed=st.integers(0, 2**16))
    def many_at_once(self, count: int, seed: int) -> None:
        """Writes of one block each, all in flight together, at places of their own."""
        total = len(self.model) // self.block
        lbas = random.Random(seed).sample(range(total), min(count, total))
        written = {lba: self._data(1) for lba in lbas}
        commands = iter(written.items())

        def following() -> tuple[bytes, bytes, int] | None:
            lba, data = next(commands, (0, b""))
            return (rw16(0x8A, lba, 1), data, 0) if data else None

        for answer in self.disk.keep_busy(following, len(lbas)):
            assert answer.status == 0, describe(answer)
        for lba, data in written.items():
            self.model[self._slice(lba, 1)] = data

    @precondition(lambda self: self.case.lasts)
    @rule()
    def reopen(self) -> None:
        self.disk.close()
        self.disk = self.storage.disk()

    @precondition(lambda self: self.case.grows)
    @rule(factor=st.sampled_from([0.25, 0.5, 0.8, 1.1, 1.5, 2.0]), odd=st.booleans())
    def resize(self, factor: float, odd: bool) -> None:
        before = len(self.model)
        if factor < 1 and not self.case.shrinks:
            return
        wanted = int(before * factor) // self.block * self.block - odd * self.block
        if not 1 << 18 <= wanted <= self.case.size_bytes * 4 or wanted == before:
            return
        resize(self.disk, wanted)
        self.storage.size_bytes = wanted
        if wanted < before:
            del self.model[wanted:]
        else:
            self.model.extend(bytes(wanted - before))

    def teardown(self) -> None:
        try:
            if self.disk is not None:
                self._compare_all()
                if self.case.lasts:
                    self.reopen()
                    self._compare_all()
                assert self.disk.reports == []
        finally:
            if self.disk is not None:
                self.disk.close()
            if self.storage is not None:
                self.storage.remove()

    def _compare_all(self) -> None:
        step = (1 << 20) // self.block
        total = len(self.model) // self.block
        assert self.disk.capacity() == (total, self.block)
        for lba in range(0, total, step):
            count = min(step, total - lba)
            assert self.disk.read(lba, count) == self.model[self._slice(lba, count)], lba


class HandlerSuite:
    """The tests; a subclass called Test... gives them a fixture `case`."""

    @pytest.fixture
    def storage(self, case: Case) -> Iterator[Storage]:
        made = Storage(case)
        yield made
        made.remove()

    @pytest.mark.timeout(300)
    def test_random_commands_against_a_model(self, case: Case) -> None:
        machine = type("Model", (Model,), {"case": case})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=int(FULL or case.examples),
                stateful_step_count=case.steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    def test_it_says_of_itself_what_is_so(self, case: Case, storage: Storage) -> None:
        assert storage.handler.lasts == case.lasts
        assert storage.handler.unavailable() is None
        assert registry.lacking(case.subtype) == ""

    def test_it_conforms(self, storage: Storage) -> None:
        with storage.disk() as disk:
            for check in checks_of(disk):
                check(disk)
            assert disk.reports == []

    def test_many_in_flight_are_verified_across_a_reopen(self, case, storage: Storage) -> None:
        if case.lasts:
            verify(storage.disk, 0.5, seed=7)
        else:
            with storage.disk() as disk:
                verify(lambda: nullcontext(disk), 0.5, seed=7)

    def test_new_storage_reads_as_zeros(self, storage: Storage) -> None:
        with storage.disk() as disk:
            blocks, size = disk.capacity()
            for lba in (0, blocks // 2, blocks - 8):
                assert disk.read(lba, 8) == bytes(8 * size)

    def test_what_was_prepared_is_removed_again(self, case: Case) -> None:
        first = Storage(case)
        first.open().close()
        first.remove()
        if case.lasts:
            with pytest.raises(LioshellError) as caught:
                first.open()
            assert caught.value.hint

    def test_storage_in_use_is_refused(self, case: Case, storage: Storage) -> None:
        handler = storage.open()
        try:
            if case.exclusive:
                with pytest.raises(ConflictError) as caught:
                    storage.open()
                assert caught.value.hint
            else:
                storage.open().close()
        finally:
            handler.close()
        storage.open().close()

    @pytest.mark.parametrize("factor", [0.5, 2])
    def test_a_size_that_contradicts_the_storage_is_refused(
        self, case: Case, storage: Storage, factor: float
    ) -> None:
        wrong = int(case.size_bytes * factor)
        if not case.sized:
            storage.open(wrong).close()
            return
        for attempt in (
            lambda: storage.open(wrong),
            lambda: storage.handler.prepare(storage.config, wrong, case.block_size_bytes),
        ):
            with pytest.raises(LioshellError) as caught:
                attempt()
            assert caught.value.hint
        found = storage.handler.size_of(storage.config)
        assert found in (None, case.size_bytes)
        storage.open().close()

    def test_read_only(self, case: Case, storage: Storage) -> None:
        with storage.disk() as disk:
            disk.write(0, b"\x77" * case.block_size_bytes)
            disk.flush()
        if not case.opens_read_only:
            return
        handler = storage.open(read_only=True)
        try:
            assert handler.read_only
            found = bytearray(case.block_size_bytes)
            handler.read([memoryview(found)], 0)
            assert found == b"\x77" * case.block_size_bytes or not case.lasts
        finally:
            handler.close()

    def test_status_is_short_texts(self, storage: Storage) -> None:
        handler = storage.open()
        try:
            told = handler.status()
        finally:
            handler.close()
        assert all(isinstance(text, str) and text for pair in told.items() for text in pair)

    @pytest.mark.timeout(300)
    def test_no_acknowledged_byte_is_lost_in_an_outage(self, case: Case, storage: Storage) -> None:
        if case.outage is None:
            return
        with storage.disk() as disk:
            _write_through_an_outage(case, disk)


def _write_through_an_outage(case: Case, disk: Initiator) -> None:
    """Keep 8 writes in flight while the engine goes and comes back; what was GOOD is there."""
    blocks = min(512, disk.capacity()[0])
    certain: dict[int, set[bytes]] = {}
    in_flight: dict[int, tuple[int, bytes]] = {}
    chance = random.Random(3)
    failed = answered = 0

    def pump(until: float, *, submit: bool = True) -> None:
        nonlocal failed, answered
        while time.monotonic() < until or (not submit and in_flight):
            busy = {lba for lba, _ in in_flight.values()}
            while submit and len(in_flight) < 8:
                lba = chance.randrange(blocks)
                if lba in busy:
                    continue
                busy.add(lba)
                data = chance.randbytes(case.block_size_bytes)
                cmd_id = disk.submit(rw16(0x8A, lba, 1), data)
                assert cmd_id is not None
                in_flight[cmd_id] = (lba, data)
            disk.harness.wait(0.05)
            for answer in disk.harness.producer.collect():
                lba, data = in_flight.pop(answer.cmd_id)
                answered += 1
                if answer.status == 0:
                    certain[lba] = {data}
                    continue
                failed += 1
                assert answer.status == 8 or sense_of(answer) in case.hurts, describe(answer)
                # It may have been written or not.
                certain.setdefault(lba, {bytes(case.block_size_bytes)}).add(data)
            if not submit and time.monotonic() > until + 120:
                raise AssertionError(f"{len(in_flight)} commands were never answered")

    pump(time.monotonic() + 0.5)
    before = answered
    assert before, "nothing was written before the outage"
    with case.outage():
        pump(time.monotonic() + case.outage_s)
    during = answered
    pump(time.monotonic() + 0.5)
    pump(time.monotonic(), submit=False)
    assert answered > during, "nothing was written after the outage"
    disk.flush()
    for lba, possible in certain.items():
        assert disk.read(lba, 1) in possible, lba
