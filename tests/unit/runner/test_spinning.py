# SPDX-License-Identifier: Apache-2.0
"""Spinning: for how long rings are looked at, what is noticed meanwhile, when it is not done."""

from __future__ import annotations

import itertools
import os

import pytest

from lioshell.runner import spinning, tuning
from lioshell.runner.loop import Loop
from lioshell.runner.spinning import SPIN_US, Spinning, usual_spin_us
from lioshell.shell.known_preferences import PREFERENCES
from tests.unit.runner.spinning_bench import NOOP, Bench

FD = 7

pytestmark = pytest.mark.usefixtures("all_parts")


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.close()


def look(made, *, called=lambda _now: False, one=None, serve=None):
    """Look with callbacks that leave what is found in its ring, and look no more."""
    return made.look(called, one or (lambda *_: 0.0), serve or (lambda *_: 0.0))


class Clock:
    """time.monotonic() that moves by a step with every look at it."""

    def __init__(self, monkeypatch, step_s=1e-6):
        self.now = 100.0
        self.step_s = step_s
        monkeypatch.setattr(spinning.time, "monotonic", self)
        monkeypatch.setattr(spinning.os, "sched_yield", lambda: None)

    def __call__(self):
        self.now += self.step_s
        return self.now


def slept(made, clock, pause_s, by_device=True):
    """One turn without a find: it slept for `pause_s`."""
    assert look(made) == []
    clock.now += pause_s
    made.slept(clock(), by_device)


def looked_s(made, clock, bench):
    """For how long it looks now, in vain."""
    made.noticed(FD, bench.device)
    before = clock.now
    assert look(made) == []
    looked = clock.now - before
    made.slept(clock(), by_device=False)
    return looked


def test_it_looks_after_short_pauses_and_not_longer_than_the_limit(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    for pause_s, looks_s in ((0.1, 0), (1e-6, 20e-6), (100e-6, 400e-6), (490e-6, 500e-6)):
        slept(made, clock, pause_s)
        assert looked_s(made, clock, bench) == pytest.approx(looks_s, abs=6e-6)


def test_a_pause_now_and_then_does_not_end_it_and_many_do(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    for looks_s in (400e-6, 400e-6, 0, 0):
        slept(made, clock, 0.01)
        assert looked_s(made, clock, bench) == pytest.approx(looks_s, abs=6e-6)
    slept(made, clock, 1e-6)
    assert looked_s(made, clock, bench) == pytest.approx(400e-6, abs=6e-6)


def test_what_it_has_learned_fades(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    made.noticed(FD, bench.device)
    left = 100

    def answer(_fd, device, _now):
        nonlocal left
        left -= 1
        clock.now += 0.006
        if not left:
            device.drain()
            return 0.0
        return clock()

    # The kernel is always ahead: no pause at all.
    bench.kernel.queue(NOOP)
    assert look(made, one=answer) is None
    assert looked_s(made, clock, bench) == pytest.approx(20e-6, abs=6e-6)


def test_a_command_is_answered_without_an_event_and_the_event_read_before_the_sleep(
    bench, monkeypatch
):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    made.noticed(FD, bench.device)
    looks = []

    def arrive():
        looks.append(1)
        if len(looks) == 3:
            bench.kernel.queue(NOOP)
            bench.harness.wake()

    served = []

    def serve(fd, device, now):
        served.append((fd, device))
        assert now <= clock.now
        device.drain()
        return clock()

    monkeypatch.setattr(spinning.os, "sched_yield", arrive)
    assert look(made, serve=serve) == []
    assert served == [(FD, bench.device)]
    assert made.won == 1
    assert not bench.harness.read_event(), "the next sleep would end at once"


def test_a_command_that_is_alone_is_answered_as_such(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    made.noticed(FD, bench.device)
    bench.kernel.queue(NOOP)

    def one(_fd, device, _now):
        device.drain()
        return clock()

    assert look(made, one=one, serve=lambda *_: pytest.fail("it was answered")) == []
    assert made.won == 1


def test_after_several_commands_further_ones_gather(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(5000)
    slept(made, clock, 4e-3)
    made.noticed(FD, bench.device)
    began = []
    ended = []

    def serve(_fd, device, now):
        began.append(now)
        device.drain()
        clock.now += 200e-6
        bench.kernel.queue(NOOP)
        ended.append(clock())
        return 0.0 if len(began) == 2 else ended[-1]

    bench.kernel.queue(NOOP)
    bench.kernel.queue(NOOP)
    assert look(made, serve=serve) is None
    assert began[1] - ended[0] == pytest.approx(100e-6, abs=4e-6)


def test_what_comes_while_the_events_are_read_is_found(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    made.noticed(FD, bench.device)
    bench.kernel.queue(NOOP)
    assert look(made) is None
    bench.device.drain()
    real = bench.harness.read_event

    def late():
        bench.kernel.queue(NOOP)
        return real()

    monkeypatch.setattr(bench.harness, "read_event", late)
    assert look(made) == [(FD, bench.device)]


def test_a_device_that_is_removed_meanwhile_keeps_its_event(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    made.noticed(FD, bench.device)
    bench.kernel.queue(NOOP)
    assert look(made) is None
    bench.device.drain()
    bench.harness.remove()
    assert look(made) == []
    with pytest.raises(OSError, match="Input/output error"):
        bench.device.service()


def test_other_work_and_other_events_are_not_kept_waiting(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    asked = []

    def called(now):
        asked.append(now)
        return True

    def looks():
        made.noticed(FD, bench.device)
        return look(made, called=called)

    # Too few commands were found for a look at the rest to be cheap beside them.
    for later_s, result in ((0.0005, []), (0.002, []), (0.003, None), (0.0005, []), (0.005, None)):
        clock.now += later_s
        assert looks() == result
    made.won += 16
    clock.now += 0.0003
    assert looks() == []
    clock.now += 0.0008
    assert looks() is None
    assert len(asked) == 3


def test_it_is_not_done_while_workers_want_the_interpreter(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    loop = Loop()
    bench.unit.gate.clear()
    bench.device.attach(loop)
    bench.kernel.queue(bytes((0x35,)) + bytes(9))
    bench.device.drain()
    slept(made, clock, 100e-6)
    made.noticed(FD, bench.device)
    before = clock.now
    assert look(made) == []
    assert clock.now - before < 3e-6
    bench.unit.gate.set()
    while not bench.device.settled:
        bench.device.drain()
    loop.close()


def test_it_leaves_a_cpu_that_others_want(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(5000)
    slept(made, clock, 4e-3)
    made.noticed(FD, bench.device)
    yields = []

    def to_a_hog():
        yields.append(1)
        clock.now += 0.0015

    monkeypatch.setattr(spinning.os, "sched_yield", to_a_hog)
    for hogged in (1, 2, 2, 2):
        made.noticed(FD, bench.device)
        assert look(made) == []
        assert len(yields) == hogged
        clock.now += 1e-3
        made.slept(clock(), by_device=True)
    clock.now += 0.1
    made.noticed(FD, bench.device)
    assert look(made) == []
    assert len(yields) == 3


def test_it_sleeps_where_a_cpu_is_short_and_looks_again_after_it(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(5000)
    slept(made, clock, 4e-3)
    yields = []

    def to_others():
        yields.append(1)
        clock.now += 0.0004

    monkeypatch.setattr(spinning.os, "sched_yield", to_others)
    for short in (1, 2, 3):
        made.noticed(FD, bench.device)
        assert look(made) == []
        assert len(yields) == short
        clock.now += 1e-3
        made.slept(clock(), by_device=True)


def test_nobody_is_looked_at_who_was_forgotten(bench, monkeypatch):
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    made.noticed(FD, bench.device)
    bench.kernel.queue(NOOP)
    made.forget(FD)
    assert look(made) == []
    bench.device.drain()


def test_one_cpu_is_left_to_others(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert usual_spin_us() == 0
    assert usual_spin_us(100) == 0
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert usual_spin_us() == SPIN_US
    assert usual_spin_us(100) == 100
    assert PREFERENCES["runner_spin_us"].default == SPIN_US


def test_it_can_be_left_out(monkeypatch):
    monkeypatch.setenv(tuning.VARIABLE, tuning.SPINNING)
    loop = Loop(spin_us=500)
    loop._spinning.noticed(FD, loop)
    assert not loop._spinning.watches(FD)
    assert look(loop._spinning) == []
    loop.close()


def test_a_long_look_does_not_make_the_next_command_old(bench, monkeypatch):
    """Whoever looks is asked for other work all the time, and the loop notes when that was."""
    clock = Clock(monkeypatch)
    made = Spinning(500)
    slept(made, clock, 100e-6)
    made.noticed(FD, bench.device)
    bench.kernel.queue(NOOP)
    asked = []
    left = 1000

    def one(_fd, _device, _now):
        nonlocal left
        left -= 1
        clock.now += 50e-6
        return clock() if left else 0.0

    assert look(made, one=one, called=lambda now: bool(asked.append(now))) is None
    assert len(asked) > 40
    assert max(b - a for a, b in itertools.pairwise(asked)) < 0.006

    loop = Loop(spin_us=0)
    loop.alive_at = 0.0
    assert loop._is_called(123.0) is False
    assert loop.alive_at == 123.0
    loop._posted.append(loop.stop)
    assert loop._is_called(124.0) is True
    bench.device.answer_one = lambda now: now + 1
    assert loop._answer_one(FD, bench.device, 125.0) == 126.0
    assert bench.device.age.not_before == 125.0
    bench.device.answer_one = lambda _now: 0.0
    assert loop._answer_one(FD, bench.device, 127.0) == 0.0
    assert bench.device.age.not_before == 125.0
    loop.close()
