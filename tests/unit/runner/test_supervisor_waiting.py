# SPDX-License-Identifier: Apache-2.0
"""Storage that hangs, is slow or fails, and scans that fail: no other device waits for them."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import RunnerError
from lioshell.kernel.sim import uio
from lioshell.kernel.sim.uio import SimUio, SimUioHandle
from lioshell.runner.command import GOOD, Command, Deferred, LogicalUnit, Response
from tests.patience import eventually
from tests.unit.runner.supervisor_bench import (
    BLOCK,
    LONG_S,
    Bench,
    RamUnit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lioshell.kernel.ports import UioDevice


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(str(tmp_path))
    yield bench
    for runner in bench.runners:
        runner.supervisor.close()
        runner.loop.close()


def test_6_2_19_a_storage_that_does_not_open_delays_no_other(bench: Bench) -> None:
    gate = threading.Event()

    def make_unit(device: UioDevice) -> LogicalUnit | None:
        if device.name == "vol0":
            gate.wait(LONG_S)
        return bench.make_unit(device)

    bench.device("vol0")
    bench.device("vol1")
    runner = bench.runner(make_unit)
    runner.supervisor._openings.patience_s = 0.05
    runner.loop.start_thread()
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "opening", "vol1": "served"}
    runner.supervisor.scan()
    assert len(runner.reports) == 1
    assert "has not answered" in runner.reports[0]
    gate.set()
    eventually(lambda: runner.states() == {"vol0": "served", "vol1": "served"})


def test_a_storage_that_opens_after_the_end_is_closed_again(bench: Bench) -> None:
    gate = threading.Event()

    def make_unit(device: UioDevice) -> LogicalUnit | None:
        gate.wait(LONG_S)
        return bench.make_unit(device)

    bench.device()
    runner = bench.runner(make_unit)
    runner.supervisor._openings.patience_s = 0.05
    runner.supervisor.scan()
    runner.supervisor.release_all()
    gate.set()
    eventually(lambda: "vol0" in bench.units and bench.units["vol0"].closed)
    assert "vol0" not in {n for n, s in runner.states().items() if s == "served"}


class SyncUnit(RamUnit):
    """Its SYNCHRONIZE CACHE hangs until `gate` opens."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self.gate = gate
        self.begun = threading.Event()

    def execute(self, command: Command) -> Response | Deferred:
        if command.cdb[0] != 0x35:
            return super().execute(command)

        def sync() -> Response:
            self.begun.set()
            self.gate.wait(LONG_S)
            return GOOD

        return Deferred(sync)


def test_what_hangs_at_the_end_keeps_its_device_and_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lioshell.runner.supervisor.SETTLE_TIMEOUT_S", 0.1)
    gate = threading.Event()
    unit = SyncUnit(gate)
    bench.device("vol0")
    bench.device("vol1")
    runner = bench.runner(lambda d: unit if d.name == "vol0" else bench.make_unit(d))
    runner.loop.start_thread()
    runner.supervisor.scan()
    disk = bench.disk("vol0")
    nexus = disk._nexus
    with nexus._state.locked():
        nexus._settled = True
        assert nexus._ring.queue(bytes([0x35]) + bytes(9))
    nexus._to_user.signal()
    assert unit.begun.wait(LONG_S)
    runner.supervisor.release_all()
    assert any("1 commands are still in its handler" in text for text in runner.reports)
    first, second = SimUio(bench.sim).devices()
    SimUio(bench.sim).open(second).close()
    with pytest.raises(OSError, match="busy"):
        SimUio(bench.sim).open(first)
    gate.set()
    eventually(lambda: unit.closed)
    SimUio(bench.sim).open(first).close()
    disk.close()


def test_an_open_that_fails_otherwise_is_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.device()
    runner = bench.runner()

    def refuse(self: SimUio, device: UioDevice) -> SimUioHandle:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(SimUio, "open", refuse)
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "broken"}
    assert "Permission denied" in runner.reports[0]
    assert bench.units["vol0"].closed


def test_a_slow_storage_delays_no_other_device(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = threading.Event()
    opening = threading.Event()

    def make(device: UioDevice) -> LogicalUnit | None:
        if device.name == "slow":
            opening.set()
            opened.wait(LONG_S)
        return bench.make_unit(device)

    runner = bench.runner(make)
    runner.loop.start_thread()
    runner.supervisor.watch()
    bench.device("vol0")
    eventually(lambda: runner.states() == {"vol0": "served"})
    bench.device("slow")
    assert opening.wait(LONG_S)
    with bench.disk("vol0") as disk:
        disk.write(0, b"!" * BLOCK)
    # Nor does it keep a clean stop from ending: what it opens later is closed again.
    monkeypatch.setattr("lioshell.runner.supervisor.RELEASE_TIMEOUT_S", 0.05)
    runner.supervisor.release_all()
    assert bench.units["vol0"].closed
    opened.set()
    eventually(lambda: "slow" in bench.units and bench.units["slow"].closed)
    assert runner.states() == {}
    SimUio(bench.sim).open(SimUio(bench.sim).devices()[1]).close()


def test_a_failing_scan_is_reported_and_the_next_one_happens(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = bench.runner()
    runner.loop.start_thread()
    runner.supervisor.watch()

    def fail(self: SimUio) -> list[UioDevice]:
        raise OSError(errno.EIO, "sysfs fails")

    with monkeypatch.context() as patch:
        patch.setattr(SimUio, "devices", fail)
        bench.device("vol0")
        eventually(lambda: bool(runner.reports))
        assert "sysfs fails" in runner.reports[0]
    bench.device("vol1")
    eventually(lambda: runner.states() == {"vol0": "served", "vol1": "served"})


def test_removal_in_the_middle_of_traffic(bench: Bench) -> None:
    runner = bench.runner()
    runner.loop.start_thread()
    runner.supervisor.watch()
    bench.device("busy")
    bench.device("calm")
    eventually(lambda: runner.states() == {"busy": "served", "calm": "served"})
    removed: list[RunnerError] = []
    writing = threading.Event()

    def hammer() -> None:
        with bench.disk("busy") as disk:
            try:
                while True:
                    disk.write(0, b"b" * BLOCK)
                    writing.set()
            except RunnerError as error:
                removed.append(error)

    writer = threading.Thread(target=hammer)
    writer.start()
    with bench.disk("calm") as disk:
        disk.write(0, b"c" * BLOCK)
        assert writing.wait(LONG_S)
        uio.unregister(bench.sim, "uio0")
        writer.join(LONG_S)
        assert "has been removed" in str(removed[0])
        eventually(lambda: runner.states() == {"calm": "served"})
        assert disk.read(0, 1) == b"c" * BLOCK
