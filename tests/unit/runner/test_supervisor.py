# SPDX-License-Identifier: Apache-2.0
"""Which devices are served, taken over and given up: on simulated devices, between runners."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import LockedError, RunnerError
from lioshell.kernel.sim import uio
from lioshell.kernel.sim.uio import SimUio
from tests.patience import eventually
from tests.unit.runner.supervisor_bench import (
    BLOCK,
    LONG_S,
    Bench,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lioshell.kernel.ports import UioDevice
    from lioshell.runner.command import LogicalUnit


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(str(tmp_path))
    yield bench
    for runner in bench.runners:
        runner.supervisor.close()
        runner.loop.close()


def test_a_scan_serves_what_there_is(bench: Bench) -> None:
    bench.device("vol0")
    bench.device("vol1")
    bench.device("other", "rbd/pool/image")
    runner = bench.runner()
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "served", "vol1": "served", "other": "no-handler"}
    assert runner.reports == []
    runner.loop.start_thread()
    with bench.disk("vol1") as disk:
        disk.write(3, b"abcd" * 128)
        assert disk.read(3, 1) == b"abcd" * 128
    assert bench.units["vol1"].memory[3 * BLOCK : 4 * BLOCK] == b"abcd" * 128


def test_takeover_blocks_resets_and_unblocks_in_this_order(bench: Bench) -> None:
    bench.device()
    runner = bench.runner()
    runner.supervisor.scan()
    assert runner.configfs.log == [("block_dev", "1"), ("reset_ring", "1"), ("block_dev", "0")]
    runner.supervisor.scan()
    assert len(runner.configfs.log) == 3


def test_a_device_of_others_is_not_touched(bench: Bench) -> None:
    bench.device("other", "rbd/pool/image")
    runner = bench.runner()
    runner.supervisor.scan()
    assert runner.configfs.log == []
    handle = SimUio(bench.sim).open(SimUio(bench.sim).devices()[0])
    handle.close()


def test_two_runners_do_not_share_a_device(bench: Bench) -> None:
    bench.device()
    first, second = bench.runner(), bench.runner()
    first.loop.start_thread()
    first.supervisor.scan()
    unit = bench.units["vol0"]
    for _ in range(3):
        second.supervisor.scan()
    assert second.states() == {"vol0": "foreign"}
    assert len(second.reports) == 1
    assert "another process" in second.reports[0]
    assert second.configfs.log == []
    assert bench.units["vol0"].closed
    with bench.disk() as disk:
        disk.write(0, b"1" * BLOCK)
    assert unit.memory[:BLOCK] == b"1" * BLOCK
    first.supervisor.release_all()
    second.supervisor.scan()
    assert second.states() == {"vol0": "served"}
    assert first.states() == {}


HANGING_RUNNER = """
import sys, time
from lioshell.kernel.sim.uio import SimUio
from lioshell.runner.command import GOOD
from lioshell.runner.device import ServedDevice
from lioshell.runner.loop import Loop

class Unit:
    def execute(self, command):
        print(command.cdb[0], flush=True)
        time.sleep(1000)
    def close(self):
        pass

port = SimUio(sys.argv[1])
device = port.devices()[0]
loop = Loop()
loop.add(ServedDevice(device, port.open(device), Unit(), print))
print("ready", flush=True)
loop.run()
"""


def test_a_runner_that_is_killed_loses_nothing(bench: Bench) -> None:
    """SIGKILL with a write in hand: the next runner gets it, the initiator only waits."""
    bench.device()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with bench.disk() as disk:
                disk.write(5, b"data" * 128)
        except RunnerError as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    runner = bench.runner()
    runner.loop.start_thread()
    with subprocess.Popen(
        [sys.executable, "-c", HANGING_RUNNER, bench.sim], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        runner.supervisor.scan()
        assert runner.states() == {"vol0": "foreign"}
        writer.start()
        assert first.stdout.readline() == f"{0x8A}\n"
        first.send_signal(signal.SIGKILL)
        first.wait()
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "served"}
    writer.join(LONG_S)
    assert not writer.is_alive()
    assert failures == []
    assert bench.units["vol0"].memory[5 * BLOCK : 6 * BLOCK] == b"data" * 128


def test_a_clean_stop_answers_what_is_queued_and_leaves_the_device_blocked(bench: Bench) -> None:
    bench.device()
    first = bench.runner()
    first.supervisor.scan()
    unit = bench.units["vol0"]
    disk = bench.disk()
    nexus = disk._nexus
    with nexus._state.locked():
        nexus._settled = True
        cmd_id = nexus._ring.queue(bytes([0x8A]) + bytes(15), b"last" * 128)
    assert cmd_id is not None
    # The loop does not run: releasing alone answers the command.
    first.supervisor.release_all()
    assert first.states() == {}
    assert unit.closed
    assert unit.memory[:BLOCK] == b"last" * 128
    assert uio.is_blocked(bench.sim, "uio0")
    completion = nexus._finish(cmd_id, time.monotonic() + LONG_S)
    assert completion is not None
    assert completion.status == 0
    disk.close()
    # Whoever comes next unblocks.
    second = bench.runner()
    second.loop.start_thread()
    second.supervisor.scan()
    assert not uio.is_blocked(bench.sim, "uio0")
    with bench.disk() as disk:
        disk.write(1, b"next" * 128)


def test_a_stop_may_leave_the_device_unblocked(bench: Bench) -> None:
    bench.device()
    runner = bench.runner()
    runner.loop.start_thread()
    runner.supervisor.scan()
    runner.supervisor.release_all(leave_blocked=False)
    assert not uio.is_blocked(bench.sim, "uio0")
    SimUio(bench.sim).open(SimUio(bench.sim).devices()[0]).close()


def test_after_a_release_only_an_explicit_scan_attaches_again(bench: Bench) -> None:
    runner = bench.runner()
    runner.loop.start_thread()
    runner.supervisor.watch()
    bench.device("vol0")
    eventually(lambda: runner.states() == {"vol0": "served"})
    runner.supervisor.release_all()
    bench.device("vol1")
    runner.loop.call(lambda: None)
    time.sleep(0.05)
    assert runner.states() == {}
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "served", "vol1": "served"}


def test_devices_that_come_and_go_are_noticed(bench: Bench) -> None:
    runner = bench.runner()
    runner.loop.start_thread()
    runner.supervisor.watch()
    runner.supervisor.watch()
    name = bench.device("vol0")
    eventually(lambda: runner.states() == {"vol0": "served"})
    with bench.disk() as disk:
        disk.write(0, b"x" * BLOCK)
    unit = bench.units["vol0"]
    uio.unregister(bench.sim, name)
    eventually(lambda: runner.states() == {})
    eventually(lambda: unit.closed)
    assert runner.reports == []
    # The same number and name again: not taken for the one that went.
    bench.device("vol0")
    eventually(lambda: runner.states() == {"vol0": "served"} and bench.units["vol0"] is not unit)
    with bench.disk() as disk:
        disk.write(0, b"y" * BLOCK)


def test_a_device_made_anew_at_once_is_served(bench: Bench) -> None:
    """Removal and creation may be seen as one event, with an equal device before and after."""
    runner = bench.runner()
    runner.loop.start_thread()
    runner.supervisor.watch()
    for _ in range(20):
        bench.device("vol0")
        runner.supervisor.scan()
        uio.unregister(bench.sim, "uio0")
        bench.device("vol0")
        with bench.disk() as disk:
            disk.write(0, b"z" * BLOCK)
        uio.unregister(bench.sim, "uio0")
    eventually(lambda: runner.states() == {})


def test_a_scan_drops_what_vanished_without_an_event(bench: Bench) -> None:
    bench.device("vol0")
    bench.device("vol1")
    runner = bench.runner()
    runner.supervisor.scan()
    uio.unregister(bench.sim, "uio0")
    runner.supervisor.scan()
    assert runner.states() == {"vol1": "served"}
    assert bench.units["vol0"].closed


def test_serving_only_what_a_session_made(bench: Bench) -> None:
    for name in ("vol0", "vol1", "vol2"):
        bench.device(name)
    runner = bench.runner()
    runner.supervisor.serve_only(["core/user_0/vol1"])
    assert runner.states() == {"vol1": "served"}
    assert set(bench.units) == {"vol1"}
    runner.supervisor.serve_only(["core/user_0/vol1", "core/user_0/vol2"])
    assert runner.states() == {"vol1": "served", "vol2": "served"}
    runner.supervisor.serve_only(["core/user_0/vol2"])
    assert runner.states() == {"vol2": "served"}
    assert bench.units["vol1"].closed
    assert uio.is_blocked(bench.sim, "uio1")


@pytest.mark.parametrize(
    "error", [RunnerError("no such file"), OSError(errno.ENOENT, "gone", "/srv/x"), ValueError("?")]
)
def test_6_2_18_a_storage_that_cannot_be_opened_is_shown_and_tried_again(
    bench: Bench, error: Exception
) -> None:
    bench.device()
    works: list[bool] = []

    def make(device: UioDevice) -> LogicalUnit | None:
        if not works:
            raise error
        return bench.make_unit(device)

    runner = bench.runner(make)
    runner.supervisor.scan()
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "broken"}
    assert len(runner.reports) == 1
    assert "core/user_0/vol0 is not served" in runner.reports[0]
    assert runner.configfs.log == []
    works.append(True)
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "served"}


def test_a_locked_storage_of_a_foreign_device_is_foreign(bench: Bench) -> None:
    bench.device()
    owner = SimUio(bench.sim).open(SimUio(bench.sim).devices()[0])

    def make(device: UioDevice) -> LogicalUnit | None:
        raise LockedError("the file is locked")

    runner = bench.runner(make)
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "foreign"}
    owner.close()


@pytest.mark.parametrize("refused", ["block_dev", "reset_ring"])
def test_a_refused_takeover_leaves_nothing_behind(bench: Bench, refused: str) -> None:
    bench.device()
    runner = bench.runner()
    runner.configfs.refuse = refused
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "broken"}
    assert bench.units["vol0"].closed
    assert not uio.is_blocked(bench.sim, "uio0")
    SimUio(bench.sim).open(SimUio(bench.sim).devices()[0]).close()
    runner.configfs.refuse = ""
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "served"}


def test_a_device_that_is_still_being_enabled_is_waited_for(bench: Bench) -> None:
    """The uio device appears in the middle of the write to `enable`."""
    bench.device()
    runner = bench.runner()
    answers = iter(["0", "0", "1"])
    runner.configfs.enabled = lambda: next(answers)
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "served"}


def test_an_enable_that_does_not_end_hangs_nobody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lioshell.runner.gate.ENABLE_TIMEOUT_S", 0.05)
    bench.device()
    runner = bench.runner()
    runner.configfs.enabled = lambda: "0"
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "broken"}
    assert "not finished enabling" in runner.reports[0]
    assert runner.configfs.log == []
    SimUio(bench.sim).open(SimUio(bench.sim).devices()[0]).close()


def test_a_device_that_goes_while_it_is_taken_over_is_no_news(bench: Bench) -> None:
    bench.device()
    runner = bench.runner()

    def remove() -> str:
        uio.unregister(bench.sim, "uio0")
        return "1"

    runner.configfs.enabled = remove
    runner.supervisor.scan()
    assert runner.states() == {}
    assert runner.reports == []
    assert bench.units["vol0"].closed


def test_a_ring_of_another_version_is_broken(bench: Bench) -> None:
    bench.device()
    with open(f"{bench.sim}/dev/uio0", "r+b") as file:
        file.write(b"\x07")
    runner = bench.runner()
    runner.supervisor.scan()
    assert runner.states() == {"vol0": "broken"}
    assert "version 7" in runner.reports[0]
    assert bench.units["vol0"].closed
    SimUio(bench.sim).open(SimUio(bench.sim).devices()[0]).close()


def test_a_broken_ring_is_blocked_shown_and_stopped_until_it_is_readmitted(bench: Bench) -> None:
    bench.device("vol0")
    bench.device("vol1")
    runner = bench.runner()
    runner.loop.start_thread()
    runner.supervisor.scan()
    disk = bench.disk("vol0")
    nexus = disk._nexus
    with nexus._state.locked():
        assert nexus._ring.queue_raw(b"\xff" * 64)
    nexus._to_user.signal()
    eventually(lambda: runner.states().get("vol0") == "broken")
    eventually(lambda: bool(runner.reports))
    assert "ring is broken" in runner.reports[0]
    eventually(lambda: uio.is_blocked(bench.sim, "uio0"))
    with bench.disk("vol1") as other:
        other.write(0, b"1" * BLOCK)
    for _ in range(3):
        runner.supervisor.scan()
        assert runner.states() == {"vol0": "broken", "vol1": "served"}
    assert len(runner.reports) == 1
    assert "'repair'" in runner.supervisor.message("core/user_0/vol0")
    runner.supervisor.readmit("core/user_0/vol0")
    assert runner.states() == {"vol0": "served", "vol1": "served"}
    disk.write(0, b"0" * BLOCK)
    disk.close()


def test_the_end_of_a_foreign_server_is_noticed(bench: Bench) -> None:
    """No scan and no uevent: the other process is killed, and its device is taken over."""
    bench.device()
    runner = bench.runner()
    runner.loop.start_thread()
    with subprocess.Popen(
        [sys.executable, "-c", HANGING_RUNNER, bench.sim], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        runner.supervisor.scan()
        assert runner.states() == {"vol0": "foreign"}
        first.send_signal(signal.SIGKILL)
        first.wait()
        eventually(lambda: runner.states() == {"vol0": "served"})
    with bench.disk() as disk:
        disk.write(0, b"1" * BLOCK)


def test_a_device_that_another_gives_up_is_taken(bench: Bench) -> None:
    bench.device()
    first, second = bench.runner(), bench.runner()
    for runner in (first, second):
        runner.loop.start_thread()
        runner.supervisor.scan()
    assert second.states() == {"vol0": "foreign"}
    first.supervisor.release_all()
    eventually(lambda: second.states() == {"vol0": "served"})


def test_a_device_that_is_given_away_comes_back_when_the_other_ends(bench: Bench) -> None:
    bench.device()
    service, session = bench.runner(), bench.runner()
    for runner in (service, session):
        runner.loop.start_thread()
    service.supervisor.scan()
    served = service.supervisor.served("core/user_0/vol0")
    assert served is not None
    service.supervisor.give_away(served)
    service.supervisor.scan()
    assert service.states() == {}
    session.supervisor.scan()
    assert session.states() == {"vol0": "served"}
    time.sleep(0.35)
    begin = time.monotonic()
    session.supervisor.release_all()
    eventually(lambda: service.states() == {"vol0": "served"})
    # It was told of the close, and did not wait for the time of who does not come.
    assert time.monotonic() - begin < 4


def test_a_device_that_nobody_comes_for_is_taken_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lioshell.runner.given.GIVEN_S", 0.1)
    bench.device()
    runner = bench.runner()
    runner.loop.start_thread()
    runner.supervisor.scan()
    served = runner.supervisor.served("core/user_0/vol0")
    assert served is not None
    runner.supervisor.give_away(served)
    eventually(lambda: runner.states() == {"vol0": "served"})
