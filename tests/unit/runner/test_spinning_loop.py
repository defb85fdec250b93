# SPDX-License-Identifier: Apache-2.0
"""A loop that looks at its rings: every command is answered, hanging or idle ones harm none."""

from __future__ import annotations

import time

import pytest

from lioshell.runner.loop import Loop
from lioshell.runner.spinning import Spinning
from tests.patience import eventually
from tests.unit.runner.spinning_bench import NOOP, Bench

pytestmark = pytest.mark.usefixtures("all_parts")


@pytest.mark.parametrize("spin_us", [0, 1000000])
def test_every_command_is_answered_whoever_is_first(spin_us):
    """Commands with all kinds of pauses between them, and a second device that is rarely used."""
    benches = [Bench(), Bench("uio1")]
    loop = Loop(spin_us=spin_us)
    for bench in benches:
        loop.add(bench.device)
    loop.start_thread()
    for index in range(300):
        bench = benches[index % 50 == 0]
        bench.kernel.queue(NOOP)
        bench.harness.wake()
        while not bench.kernel.idle:
            assert bench.harness.wait(10)
        assert len(bench.kernel.collect()) == 1
        time.sleep((index % 7) * 1e-4)
    assert loop.call(lambda: 5) == 5
    loop.remove("uio1")
    benches[0].harness.remove()
    eventually(lambda: not loop.devices(), seconds=10)
    loop.close()
    for bench in benches:
        bench.harness.discard()


def test_one_that_hangs_does_not_take_those_with_it_that_were_found_beside_it(monkeypatch):
    benches = [Bench(), Bench("uio1")]
    loop = Loop(spin_us=0)
    for bench in benches:
        loop.add(bench.device)
    loop.start_thread()
    benches[0].unit.gate.clear()
    benches[0].kernel.queue(bytes((0x1B, 0, 0, 0, 0, 0)))
    benches[1].kernel.queue(NOOP)
    both = [[(bench.device.fileno(), bench.device) for bench in benches]]
    monkeypatch.setattr(Spinning, "look", lambda *_: both.pop() if both else [])
    loop.post(lambda: None)
    assert benches[1].harness.wait(10)
    assert len(benches[1].kernel.collect()) == 1
    benches[0].unit.gate.set()
    assert benches[0].harness.wait(10)
    loop.close()
    for bench in benches:
        bench.harness.discard()


def test_an_idle_loop_sleeps():
    bench = Bench()
    loop = Loop(spin_us=1000)
    loop.add(bench.device)
    loop.start_thread()
    for _ in range(50):
        bench.kernel.queue(NOOP)
        bench.harness.wake()
        assert bench.harness.wait(10)
        bench.kernel.collect()
    time.sleep(0.05)
    turns = loop.turns
    time.sleep(0.3)
    assert loop.turns == turns
    loop.close()
    bench.harness.discard()
