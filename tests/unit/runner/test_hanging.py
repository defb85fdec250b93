# SPDX-License-Identifier: Apache-2.0
"""Commands that wait: on workers, in an engine, or in the loop's own thread."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lioshell.kernel.ports import UioDevice
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.command import GOOD, Command, Deferred, Response
from lioshell.runner.device import ServedDevice
from lioshell.runner.loop import Loop
from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.kernel.sim.ring import Completion

NOOP = bytes(6)
HANG = b"\xc0" + bytes(5)
SYNC = b"\xc1" + bytes(5)
LONG_S = 20.0
BUSY = 0x08
TASK_ABORTED = 0x40


class Unit:
    """C0h hangs in the loop's thread and C1h on a worker, until `gate` is opened."""

    max_in_flight = 2

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.dropped = 0
        self.closed = False
        self.waited_s: list[float] = []
        self.running = 0

    def execute(self, command: Command) -> Response | Deferred:
        if command.cdb[0] == HANG[0]:
            self.gate.wait(LONG_S)
        elif command.cdb[0] == SYNC[0]:
            return Deferred(self._sync, self._drop)
        return GOOD

    def _sync(self) -> Response:
        self.running += 1
        assert self.gate.wait(LONG_S)
        return GOOD

    def _drop(self) -> None:
        self.dropped += 1

    def waited(self, seconds: float) -> None:
        self.waited_s.append(seconds)

    def close(self) -> None:
        self.closed = True


class Bench:
    """A device in a loop, the test being its initiator."""

    def __init__(self, name: str, time_out_s: float = 0.0) -> None:
        self.harness = RingHarness()
        self.kernel = self.harness.producer
        self.unit = Unit()
        self.reports: list[str] = []
        device = UioDevice(name, 0, name, "test/", self.harness.device.map_size_bytes)
        self.device = ServedDevice(
            device, self.harness, self.unit, self.reports.append, lambda: time_out_s
        )

    def send(self, cdb: bytes = NOOP) -> int:
        cmd_id = self.kernel.queue(cdb)
        assert cmd_id
        self.harness.wake()
        return cmd_id

    def answers(self, count: int = 1) -> list[Completion]:
        done: list[Completion] = []

        def all_there() -> bool:
            done.extend(self.kernel.collect())
            return len(done) >= count

        eventually(all_there)
        assert not self.kernel.broken
        return done


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pair(loop) -> Iterator[tuple[Bench, Bench]]:
    pair = Bench("uio0"), Bench("uio1")
    for bench in pair:
        loop.add(bench.device)
    loop.start_thread()
    yield pair
    for bench in pair:
        bench.unit.gate.set()
    eventually(lambda: all(b.device.closed or b.device.settled for b in pair))


def test_a_worker_that_hangs_delays_neither_its_device_nor_another(pair) -> None:
    hanging, _ = pair
    sync = hanging.send(SYNC)
    for bench in pair:
        noop = bench.send()
        assert [c.cmd_id for c in bench.answers()] == [noop]
    hanging.unit.gate.set()
    assert [c.cmd_id for c in hanging.answers()] == [sync]


def test_a_device_uses_no_more_workers_than_it_may(pair) -> None:
    hanging, other = pair
    for _ in range(10):
        hanging.send(SYNC)
    eventually(lambda: hanging.unit.running == 2)
    other.send(SYNC)
    eventually(lambda: other.unit.running == 1)
    assert hanging.unit.running == 2
    assert len(hanging.device.in_flight()) == 10
    hanging.unit.gate.set()
    assert len(hanging.answers(10)) == 10
    assert hanging.device.in_flight() == []


def test_a_leader_that_hangs_is_replaced_and_gives_its_device_back(pair, loop) -> None:
    hanging, other = pair
    command = hanging.send(HANG)
    for _ in range(3):
        other.send()
        other.answers()
    assert hanging.kernel.collect() == []
    assert hanging.device.in_flight()[0][0][0] == HANG[0]
    hanging.unit.gate.set()
    assert [c.cmd_id for c in hanging.answers()] == [command]
    after = hanging.send()
    assert [c.cmd_id for c in hanging.answers()] == [after]
    assert hanging.device.statistics.hangs == 1
    eventually(lambda: bool(hanging.unit.waited_s))


def test_both_devices_may_hang_and_the_loop_still_listens(pair, loop) -> None:
    for bench in pair:
        bench.send(HANG)
    eventually(lambda: all(b.device.statistics.hangs for b in pair))
    assert loop.call(lambda: "here") == "here"
    for bench in pair:
        bench.unit.gate.set()
        assert bench.answers()[0].status == 0


def test_a_foreground_loop_that_was_deposed_runs_on_until_it_is_stopped() -> None:
    loop = Loop()
    hanging, other = Bench("uio0"), Bench("uio1")
    loop.add(hanging.device)
    loop.add(other.device)
    thread = threading.Thread(target=loop.run)
    thread.start()
    hanging.send(HANG)
    eventually(lambda: hanging.device.statistics.hangs == 1)
    hanging.unit.gate.set()
    hanging.answers()
    other.send()
    other.answers()
    assert thread.is_alive()
    loop.stop()
    thread.join(LONG_S)
    assert not thread.is_alive()
    loop.close()


def test_a_device_is_closed_once_its_handler_lets_go(pair, loop) -> None:
    hanging, _ = pair
    hanging.send(SYNC)
    eventually(lambda: hanging.unit.running == 1)
    loop.remove("uio0")
    assert not hanging.unit.closed
    assert not hanging.harness.map.closed
    hanging.unit.gate.set()
    eventually(lambda: hanging.unit.closed and hanging.harness.map.closed)


def test_a_device_that_is_removed_while_its_thread_hangs_is_closed_later(pair, loop) -> None:
    hanging, other = pair
    hanging.send(HANG)
    eventually(lambda: hanging.device.statistics.hangs == 1)
    loop.remove("uio0")
    other.send()
    other.answers()
    assert not hanging.harness.map.closed
    hanging.unit.gate.set()
    eventually(lambda: hanging.unit.closed and hanging.harness.map.closed)


def test_settle_waits_for_what_is_on_workers(pair, loop) -> None:
    hanging, _ = pair
    hanging.send(SYNC)
    assert not loop.settle(hanging.device, 0.05)
    hanging.unit.gate.set()
    assert loop.settle(hanging.device, LONG_S)
    assert hanging.kernel.collect()[0].status == 0


def test_what_an_initiator_gave_up_is_not_started(pair) -> None:
    hanging, _ = pair
    ids = [hanging.send(SYNC) for _ in range(4)]
    eventually(lambda: hanging.unit.running == 2)
    assert hanging.kernel.queue_tmr(1, [ids[3], 999])
    hanging.harness.wake()
    aborted = hanging.answers()
    assert [(c.cmd_id, c.status) for c in aborted] == [(ids[3], TASK_ABORTED)]
    assert hanging.unit.dropped == 1
    hanging.unit.gate.set()
    assert {c.cmd_id for c in hanging.answers(3)} == set(ids[:3])
    assert hanging.unit.running == 3


def test_a_command_older_than_the_kernels_patience_is_not_started(loop) -> None:
    bench = Bench("uio0", time_out_s=1.5)
    loop.add(bench.device)
    loop.start_thread()
    first, second, third = (bench.send(SYNC) for _ in range(3))
    eventually(lambda: bench.unit.running == 2)
    bench.kernel.expire(third)
    time.sleep(1.6)
    bench.unit.gate.set()
    answers = {c.cmd_id: c.status for c in bench.answers(3)}
    assert answers == {first: 0, second: 0, third: BUSY}
    assert bench.unit.running == 2
    assert bench.unit.dropped == 1


def test_commands_that_waited_in_the_ring_too_long_are_sent_again() -> None:
    bench = Bench("uio0", time_out_s=30)
    bench.send()
    bench.device.age.not_before -= 31
    assert bench.device.service() is False
    assert bench.answers()[0].status == BUSY
    assert "waited for up to 31 s" in bench.reports[0]
    bench.device.age.not_before = time.monotonic() - 29
    bench.send()
    bench.device.service()
    assert bench.answers()[0].status == 0
    bench.device.close()


def test_a_ring_that_is_never_empty_does_not_make_its_commands_old(monkeypatch) -> None:
    monkeypatch.setattr("lioshell.runner.device.BUDGET_COMMANDS", 10)
    bench = Bench("uio0", time_out_s=1.2)
    for _ in range(100):
        bench.kernel.queue(NOOP)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert bench.device.drain() is True
        done = bench.kernel.collect()
        assert len(done) == 10
        assert not any(c.status for c in done)
        for _ in range(10):
            bench.kernel.queue(NOOP)
        time.sleep(0.005)
    bench.device.drain_all()
    bench.device.close()


def test_an_idle_loop_is_not_taken_for_a_stopped_one(loop) -> None:
    bench = Bench("uio0", time_out_s=1.0)
    loop.add(bench.device)
    loop.start_thread()
    time.sleep(2.5)
    bench.send()
    assert bench.answers()[0].status == 0


class EngineUnit:
    """Every command is finished by hand."""

    def __init__(self) -> None:
        self.finish: list[Callable[[Response], None]] = []
        self.fail = False

    def execute(self, command: Command) -> Response | Deferred:
        def submit(finish: Callable[[Response], None]) -> None:
            if self.fail:
                raise ValueError("no engine")
            self.finish.append(finish)

        return Deferred(lambda: GOOD, submit=submit)

    def close(self) -> None:
        pass


def test_an_engine_finishes_in_any_order_and_only_once() -> None:
    harness = RingHarness()
    unit = EngineUnit()
    reports: list[str] = []
    device = ServedDevice(harness.device, harness, unit, reports.append)
    loop = Loop()
    loop.add(device)
    ids = [harness.producer.queue(NOOP) for _ in range(40)]
    device.drain()
    assert len(unit.finish) == 40
    unit.finish[7](GOOD)
    unit.finish[7](Response(2, b"\x70"))
    unit.finish[3](GOOD)
    device.drain()
    assert [c.cmd_id for c in harness.producer.collect()] == [ids[7], ids[3]]
    unit.fail = True
    harness.producer.queue(NOOP)
    device.drain()
    device.drain()
    answer = harness.producer.collect()[0]
    assert answer.status == 2
    assert answer.sense[2] & 0xF == 4
    assert "no engine" in reports[0]
    for index, finish in enumerate(unit.finish):
        if index not in (3, 7):
            finish(GOOD)
    device.drain()
    assert len(harness.producer.collect()) == 38
    assert harness.producer.idle
    loop.close()


def test_no_thread_to_be_had_is_busy(monkeypatch) -> None:
    bench = Bench("uio0")
    loop = Loop()
    loop.add(bench.device)

    def no_thread(job) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(loop, "run_job", no_thread)
    bench.send(SYNC)
    bench.device.service()
    bench.device.drain()
    assert bench.answers()[0].status == BUSY
    assert bench.unit.dropped == 1
    loop.close()


def test_idle_workers_end(monkeypatch) -> None:
    from lioshell.runner.workers import Workers

    workers = Workers(idle_s=0.05)
    names: list[int] = []
    before = threading.active_count()
    for _ in range(20):
        workers.run(lambda: names.append(threading.get_ident()))
        time.sleep(0.005)
    eventually(lambda: len(names) == 20)
    eventually(lambda: threading.active_count() == before)


def test_a_hang_is_told_of(loop) -> None:
    bench = Bench("uio0")
    loop.report = bench.reports.append
    loop._watchdog.hangs_s = 0.2
    loop.add(bench.device)
    loop.start_thread()
    bench.send(SYNC)
    eventually(lambda: bool(bench.reports))
    assert "core/user_0/uio0: command c1 00 00 00 00 00" in bench.reports[0]
    bench.unit.gate.set()
    bench.answers()


def test_descriptors_and_threads_are_given_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        loop = Loop()
        bench = Bench("uio0")
        loop.add(bench.device)
        loop.start_thread()
        bench.unit.gate.set()
        bench.send(SYNC)
        bench.answers()
        loop.close()
        bench.harness.discard()
    assert len(os.listdir("/proc/self/fd")) <= before
