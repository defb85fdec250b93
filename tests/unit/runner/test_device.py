# SPDX-License-Identifier: Apache-2.0
"""A served device: every command is answered whatever its unit does."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import RunnerError
from lioshell.kernel.sim import layout
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.command import GOOD, Command, Response
from lioshell.runner.device import BUDGET_COMMANDS, ServedDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOOP = bytes(6)
INTERNAL_TARGET_FAILURE = (0x04, 0x44, 0x00)


class Unit:
    """Answers with what a function gives."""

    def __init__(self, execute: Callable[[Command], Response] = lambda command: GOOD) -> None:
        self.run = execute
        self.commands = 0
        self.closed = 0

    def execute(self, command: Command) -> Response:
        self.commands += 1
        return self.run(command)

    def close(self) -> None:
        self.closed += 1


class Bench:
    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.harness = RingHarness()
        self.kernel = self.harness.producer
        self.reports: list[str] = []
        self.device = ServedDevice(self.harness.device, self.harness, unit, self.reports.append)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(Unit())
    yield bench
    bench.device.close()
    assert bench.harness.closed
    assert bench.harness.map.closed


def test_all_commands_of_a_wake_up_are_one_notification(bench: Bench) -> None:
    ids = [bench.kernel.queue(NOOP) for _ in range(10)]
    assert bench.device.service() is False
    assert bench.harness.notified == 1
    assert [c.cmd_id for c in bench.kernel.collect()] == ids
    assert bench.device.statistics.commands == 10


def test_nothing_to_do_notifies_nobody(bench: Bench) -> None:
    assert bench.device.service() is False
    assert bench.harness.notified == 0


def test_the_budget_is_kept_and_the_rest_comes_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lioshell.runner.device.BUDGET_S", 60.0)
    bench.device.statistics.slow_s = 60.0
    for _ in range(BUDGET_COMMANDS + 3):
        bench.kernel.queue(NOOP)
    assert bench.device.drain() is True
    assert len(bench.kernel.collect()) == BUDGET_COMMANDS
    assert bench.device.drain() is False
    assert len(bench.kernel.collect()) == 3
    for _ in range(BUDGET_COMMANDS * 3):
        bench.kernel.queue(NOOP)
    bench.device.drain_all()
    assert len(bench.kernel.collect()) == BUDGET_COMMANDS * 3


@pytest.mark.parametrize(
    "error", [ValueError("no"), MemoryError(), SystemExit(3), RunnerError("x"), OSError(5, "EIO")]
)
def test_what_a_unit_raises_is_an_internal_target_failure(error: BaseException) -> None:
    def execute(command: Command) -> Response:
        if command.cdb[1]:
            raise error
        return GOOD

    bench = Bench(Unit(execute))
    for flag in (0, 1, 0):
        bench.kernel.queue(bytes([0, flag, 0, 0, 0, 0]))
    assert bench.device.drain() is False
    done = bench.kernel.collect()
    assert [c.status for c in done] == [0, 2, 0]
    sense = done[1].sense
    assert (sense[2] & 0xF, sense[12], sense[13]) == INTERNAL_TARGET_FAILURE
    assert sense[0] == 0x70
    assert len(bench.reports) == 1
    assert "00 01 00 00 00 00" in bench.reports[0]
    assert type(error).__name__ in bench.reports[0]
    bench.device.close()


@pytest.mark.parametrize("response", [None, 0, (0,), Response(-1), Response(0, b"", -5), "GOOD"])
def test_an_impossible_response_is_an_internal_target_failure(response: Response) -> None:
    bench = Bench(Unit(lambda command: response))
    bench.kernel.queue(NOOP, data_in_bytes=512)
    bench.kernel.queue(NOOP, data_in_bytes=512)
    bench.device.drain()
    done = bench.kernel.collect()
    assert [c.status for c in done] == [2, 2]
    assert done[0].sense[2] == 0x04
    bench.device.close()


def test_a_flood_of_failures_is_reported_now_and_then() -> None:
    def execute(command: Command) -> Response:
        raise KeyError("gone")

    bench = Bench(Unit(execute))
    for _ in range(10):
        for _ in range(50):
            bench.kernel.queue(NOOP)
        bench.device.drain_all()
        assert len(bench.kernel.collect()) == 50
    assert bench.device.statistics.failures == 500
    assert len(bench.reports) == 9
    assert "256 failures" in bench.reports[-1]
    bench.device.close()


def test_ctrl_c_in_a_command_is_answered_busy_and_travels_up() -> None:
    kept: list[memoryview] = []

    def execute(command: Command) -> Response:
        part = command.data[0]
        kept.append(part)
        raise KeyboardInterrupt

    bench = Bench(Unit(execute))
    bench.kernel.queue(NOOP, data_in_bytes=512)
    bench.kernel.queue(NOOP, data_in_bytes=512)
    with pytest.raises(KeyboardInterrupt):
        bench.device.drain()
    assert [c.status for c in bench.kernel.collect()] == [8]
    assert bench.harness.notified == 1
    bench.unit.run = lambda command: GOOD
    bench.device.drain()
    assert [c.status for c in bench.kernel.collect()] == [0]
    bench.device.close()
    assert bench.harness.closed


def test_ctrl_c_leaves_a_map_that_can_be_closed_at_once() -> None:
    def execute(command: Command) -> Response:
        part = command.data[0][:10]
        raise KeyboardInterrupt(len(part))

    bench = Bench(Unit(execute))
    bench.kernel.queue(NOOP, data_in_bytes=512)
    try:
        bench.device.drain()
    except KeyboardInterrupt:
        bench.device.close()
    assert bench.harness.closed
    assert bench.reports == []


def test_removal_is_told_by_service(bench: Bench) -> None:
    bench.harness.remove()
    with pytest.raises(OSError, match="Input/output") as caught:
        bench.device.service()
    assert caught.value.errno == errno.EIO


def test_a_broken_ring_is_told_and_what_came_before_is_answered(bench: Bench) -> None:
    cmd_id = bench.kernel.queue(NOOP)
    assert bench.kernel.queue_raw(b"\xff" * 128)
    with pytest.raises(RunnerError, match="ring is broken"):
        bench.device.drain()
    assert [c.cmd_id for c in bench.kernel.collect()] == [cmd_id]
    assert bench.harness.notified == 1


def test_close_closes_all_whatever_the_unit_does() -> None:
    class Stubborn(Unit):
        def close(self) -> None:
            super().close()
            raise OSError(errno.EIO, "flush failed")

    bench = Bench(Stubborn())
    bench.device.close()
    assert bench.unit.closed == 1
    assert bench.harness.closed
    assert len(bench.reports) == 1
    assert "flush failed" in bench.reports[0]


def test_buffers_in_a_dead_cycle_do_not_keep_the_device_open() -> None:
    def execute(command: Command) -> Response:
        cycle: list[object] = [command]
        cycle.append(cycle)
        return GOOD

    bench = Bench(Unit(execute))
    bench.kernel.queue(NOOP, data_in_bytes=512)
    bench.device.drain()
    bench.device.close()
    assert bench.harness.map.closed
    assert bench.reports == []


def test_a_unit_that_keeps_buffers_is_named() -> None:
    kept: list[Command] = []

    def execute(command: Command) -> Response:
        kept.append(command)
        return GOOD

    bench = Bench(Unit(execute))
    bench.kernel.queue(NOOP, data_in_bytes=512)
    bench.device.drain()
    bench.device.close()
    assert not bench.harness.map.closed
    assert "keeps buffers" in bench.reports[0]
    kept.clear()
    bench.harness.close()


def test_a_ring_of_another_version_leaves_handle_and_unit_to_the_caller() -> None:
    harness = RingHarness()
    layout.MAILBOX.pack_into(harness.map, 0, 1, 0, 128, 4096, 0)
    unit = Unit()
    with pytest.raises(RunnerError, match="version 1"):
        ServedDevice(harness.device, harness, unit, print)
    assert unit.closed == 0
    harness.close()
