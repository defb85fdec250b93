# SPDX-License-Identifier: Apache-2.0
"""The loop: wake-ups, fairness, devices that come, go and break, threads."""

from __future__ import annotations

import errno
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import RunnerError
from lioshell.kernel.ports import UioDevice
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.command import GOOD, Command, Response
from lioshell.runner.device import BUDGET_COMMANDS, ServedDevice
from lioshell.runner.loop import Loop
from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.kernel.sim.ring import Completion

NOOP = bytes(6)
LONG_S = 20.0


class Unit:
    def __init__(self, execute: Callable[[Command], Response] = lambda command: GOOD) -> None:
        self.execute = execute
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Bench:
    """A device in a loop, the test being its initiator."""

    def __init__(self, name: str = "uio0", unit: Unit | None = None) -> None:
        self.harness = RingHarness()
        self.kernel = self.harness.producer
        self.unit = unit or Unit()
        listed = self.harness.device
        device = UioDevice(name, 0, name, listed.dev_config, listed.map_size_bytes)
        self.device = ServedDevice(device, self.harness, self.unit, print)

    def send(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.kernel.queue(NOOP)
        self.harness.wake()

    def answers(self, count: int = 1) -> list[Completion]:
        done: list[Completion] = []

        def all_there() -> bool:
            done.extend(self.kernel.collect())
            return len(done) >= count

        eventually(all_there)
        return done


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def test_commands_are_answered_in_a_thread(loop: Loop) -> None:
    loop.start_thread()
    bench = Bench()
    loop.add(bench.device)
    for _ in range(3):
        bench.send(5)
        assert len(bench.answers(5)) == 5


def test_what_was_queued_before_is_answered_without_a_wake_up(loop: Loop) -> None:
    bench = Bench()
    bench.kernel.queue(NOOP)
    loop.start_thread()
    loop.add(bench.device)
    assert len(bench.answers()) == 1


def test_devices_added_before_the_start_are_served(loop: Loop) -> None:
    bench = Bench()
    bench.kernel.queue(NOOP)
    loop.add(bench.device)
    assert len(bench.kernel.collect()) == 1
    loop.start_thread()
    bench.send()
    assert len(bench.answers()) == 1


def test_run_serves_until_it_is_stopped(loop: Loop) -> None:
    bench = Bench()
    seen = threading.Event()

    def execute(command: Command) -> Response:
        seen.set()
        loop.stop()
        return GOOD

    bench.unit.execute = execute
    loop.add(bench.device)
    bench.send()
    loop.run()
    assert seen.is_set()
    assert not loop.running
    # Again: a loop that was stopped can go on.
    bench.send()
    loop.run()
    assert len(bench.kernel.collect()) == 2


def test_a_signal_handler_may_stop_it(loop: Loop) -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: loop.stop())
    try:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        loop.run()
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not loop.running


def test_a_stop_before_the_start_is_not_lost(loop: Loop) -> None:
    loop.stop()
    loop.run()
    assert not loop.running


def test_a_busy_device_does_not_keep_the_others_waiting(loop: Loop) -> None:
    order: list[str] = []
    busy, quiet = Bench("uio0"), Bench("uio1")
    count = BUDGET_COMMANDS * 4

    def stop_at_the_end(command: Command) -> Response:
        order.append("busy")
        if len(order) == count + 1:
            loop.stop()
        return GOOD

    def note(command: Command) -> Response:
        order.append("quiet")
        return GOOD

    busy.unit.execute = stop_at_the_end
    quiet.unit.execute = note
    loop.add(busy.device)
    loop.add(quiet.device)
    busy.send(count)
    quiet.send()
    loop.run()
    assert order.count("busy") == count
    assert order.index("quiet") <= BUDGET_COMMANDS
    assert len(busy.kernel.collect()) == count


def test_no_wake_up_is_needed_for_the_rest_of_a_long_queue(loop: Loop) -> None:
    bench = Bench()
    loop.start_thread()
    loop.add(bench.device)
    bench.send(BUDGET_COMMANDS * 3 + 1)
    assert len(bench.answers(BUDGET_COMMANDS * 3 + 1)) == BUDGET_COMMANDS * 3 + 1


def test_a_removed_device_is_detached_and_told(loop: Loop) -> None:
    gone, other = Bench("uio0"), Bench("uio1")
    told: list[tuple[ServedDevice, Exception]] = []
    loop.on_detached = lambda device, error: told.append((device, error))
    loop.start_thread()
    loop.add(gone.device)
    loop.add(other.device)
    gone.harness.remove()
    eventually(lambda: bool(told))
    device, error = told[0]
    assert device is gone.device
    assert isinstance(error, OSError)
    assert error.errno == errno.EIO
    assert gone.unit.closed
    assert gone.harness.closed
    other.send()
    assert len(other.answers()) == 1
    assert loop.devices() == [other.device]


def test_a_broken_ring_stops_its_device_alone(loop: Loop) -> None:
    broken, other = Bench("uio0"), Bench("uio1")
    told: list[Exception] = []
    loop.on_detached = lambda device, error: told.append(error)
    loop.start_thread()
    loop.add(broken.device)
    loop.add(other.device)
    # A good command first: its slices must not keep the map open.
    broken.kernel.queue(bytes(6), b"x" * 512)
    assert broken.kernel.queue_raw(b"\xff" * 128)
    broken.harness.wake()
    eventually(lambda: bool(told))
    assert isinstance(told[0], RunnerError)
    assert broken.harness.closed
    assert len(broken.kernel.collect()) == 1
    other.send()
    assert len(other.answers()) == 1


def test_a_callback_that_raises_ends_nothing(loop: Loop) -> None:
    reports: list[str] = []
    loop.report = reports.append

    def fail(device: ServedDevice, error: Exception) -> None:
        raise ValueError("in the callback")

    loop.on_detached = fail
    gone, other = Bench("uio0"), Bench("uio1")
    loop.start_thread()
    loop.add(gone.device)
    loop.add(other.device)
    gone.harness.remove()
    eventually(lambda: bool(reports))
    assert "in the callback" in reports[0]
    other.send()
    assert len(other.answers()) == 1


def test_remove_closes_a_device_and_other_names_are_ignored(loop: Loop) -> None:
    bench = Bench()
    loop.start_thread()
    loop.add(bench.device)
    loop.remove("uio7")
    assert not bench.unit.closed
    loop.remove("uio0")
    assert bench.unit.closed
    assert bench.harness.closed
    assert loop.devices() == []


def test_removing_while_it_is_busy_is_safe(loop: Loop) -> None:
    loop.start_thread()
    for _ in range(20):
        bench = Bench()
        loop.add(bench.device)
        bench.send(BUDGET_COMMANDS * 2)
        loop.remove("uio0")
        assert bench.harness.closed
        assert not bench.kernel.broken
        bench.harness.discard()


def test_call_returns_what_the_function_returns_or_raises(loop: Loop) -> None:
    def fail() -> None:
        raise ValueError("here")

    for _ in range(2):
        with pytest.raises(ValueError, match="here"):
            loop.call(fail)
        assert loop.call(lambda: threading.current_thread().name) == (
            "lioshell-runner" if loop.running else threading.current_thread().name
        )
        loop.start_thread()
        eventually(lambda: loop.running)


def test_call_from_the_loops_own_thread_does_not_wait_for_itself(loop: Loop) -> None:
    loop.start_thread()
    assert loop.call(lambda: loop.call(lambda: 7)) == 7


def test_a_hanging_handler_is_an_error_of_who_waits(loop: Loop) -> None:
    go_on = threading.Event()

    def hang(command: Command) -> Response:
        go_on.wait(LONG_S)
        return GOOD

    bench = Bench(unit=Unit(hang))
    loop.start_thread()
    loop.add(bench.device)
    bench.send()
    try:
        with pytest.raises(RunnerError, match="busy with one command"):
            while True:
                loop.call(lambda: None, timeout_s=0.05)
    finally:
        go_on.set()
    assert len(bench.answers()) == 1


def test_readers_are_called_and_forgotten(loop: Loop) -> None:
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    calls: list[int] = []
    loop.start_thread()
    loop.add_reader(fd, lambda: calls.append(os.eventfd_read(fd)))
    os.eventfd_write(fd, 3)
    eventually(lambda: calls == [3])
    loop.remove_reader(fd)
    os.eventfd_write(fd, 4)
    loop.call(lambda: None)
    assert calls == [3]
    os.close(fd)


def test_what_is_posted_while_it_stops_is_not_lost(loop: Loop) -> None:
    for _ in range(50):
        loop.start_thread()
        loop.stop()
        assert [loop.call(lambda: 7, timeout_s=LONG_S) for _ in range(3)] == [7, 7, 7]
        loop.join()


def test_only_one_thread_runs_it(loop: Loop) -> None:
    loop.start_thread()
    loop.start_thread()
    eventually(lambda: loop.running)
    with pytest.raises(RunnerError, match="already"):
        loop.run()
    # The refused call has not disturbed the running one.
    assert loop.call(lambda: 1) == 1


def test_close_closes_the_devices_that_are_left() -> None:
    loop = Loop()
    bench = Bench()
    loop.start_thread()
    loop.add(bench.device)
    loop.close()
    loop.close()
    assert bench.harness.closed
    assert bench.unit.closed


def test_wake_ups_are_never_lost_between_two_threads(loop: Loop) -> None:
    """The initiator queues whenever it likes; the last command of a burst is answered too."""
    bench = Bench()
    loop.start_thread()
    loop.add(bench.device)
    for index in range(2000):
        bench.send(1 + index % 3)
        bench.answers(1 + index % 3)
