# SPDX-License-Identifier: Apache-2.0
"""The simulated initiator against a runner, a slow one, a dead one and none."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import ConflictError, NotFoundError, RunnerError
from lioshell.kernel.sim import uio
from lioshell.kernel.sim.initiator import SimDisk
from lioshell.kernel.sim.uio import SimUio
from lioshell.runner.command import GOOD, Command, Response
from lioshell.runner.device import ServedDevice
from lioshell.runner.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BLOCK = 512
BLOCKS = 8192
PATH = "core/user_0/vol0"
ILLEGAL = Response(2, bytes([0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0]))


class RamUnit:
    """Just enough of a disk."""

    def __init__(self) -> None:
        self.memory = bytearray(BLOCK * BLOCKS)
        self.log: list[int] = []
        self.on_command: Callable[[Command], None] | None = None

    def execute(self, command: Command) -> Response:
        cdb = command.cdb
        self.log.append(cdb[0])
        if self.on_command is not None:
            self.on_command(command)
        start = int.from_bytes(cdb[2:10], "big") * BLOCK
        if cdb[0] == 0x12:
            return Response(0, b"", command.scatter(bytes([cdb[1], cdb[2]]) + b"\0\0LIO"))
        if cdb[0] == 0x9E:
            data = (BLOCKS - 1).to_bytes(8, "big") + BLOCK.to_bytes(4, "big")
            return Response(0, b"", command.scatter(data.ljust(32, b"\0")))
        if cdb[0] == 0x88:
            command.scatter(self.memory[start : start + command.size_bytes])
            return GOOD
        if cdb[0] == 0x8A:
            self.memory[start : start + command.size_bytes] = command.gather(command.size_bytes)
            return GOOD
        if cdb[0] == 0x91:
            return GOOD
        return ILLEGAL

    def close(self) -> None:
        self.log.append(-1)


class Bench:
    def __init__(self, sim: str) -> None:
        self.sim = sim
        self.name = uio.register(sim, 0, "vol0", "test/x", max_data_area_mb=2, cmd_ring_size_mb=1)
        self.unit = RamUnit()
        self.loops: list[Loop] = []

    def serve(self, on_command: Callable[[Command], None] | None = None) -> Loop:
        """Start a runner as a plain one: no block, no reset."""
        self.unit.on_command = on_command
        port = SimUio(self.sim)
        device = port.devices()[0]
        loop = Loop()
        loop.add(ServedDevice(device, port.open(device), self.unit, print))
        loop.start_thread()
        self.loops.append(loop)
        return loop

    def disk(self, timeout_s: float = 20.0) -> SimDisk:
        return SimDisk.open(self.sim, PATH, timeout_s)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(str(tmp_path))
    yield bench
    for loop in bench.loops:
        loop.close()


def test_a_disk_works(bench: Bench) -> None:
    bench.serve()
    with bench.disk() as disk:
        assert disk.capacity() == (BLOCKS, BLOCK)
        assert disk.inquiry() == b"\0\0\0\0LIO"
        assert disk.inquiry(0x83, 4) == b"\1\x83\0\0"
        data = bytes(range(256)) * 2 * 3000
        disk.write(7, data)
        assert disk.read(7, 3000) == data
        disk.flush()
        assert bench.unit.memory[7 * BLOCK : 3007 * BLOCK] == data
    # 1.5 MB went in pieces.
    assert bench.unit.log.count(0x8A) == 2
    assert bench.unit.log.count(0x88) == 2


def test_answers_are_given_as_they_are(bench: Bench) -> None:
    bench.serve()
    with bench.disk() as disk:
        answer = disk.execute(bytes([0xC5]) + bytes(9))
        assert answer.status == 2
        assert answer.sense[:3] == b"\x70\0\5"
        assert disk.execute(bytes(6)).status == 2
        with pytest.raises(ValueError, match="no multiple"):
            disk.write(0, b"x" * 100)


def fail_reads(command: Command) -> None:
    if command.cdb[0] == 0x88:
        raise OSError("bad sector")


def wait(event: threading.Event) -> None:
    event.wait(20)


def test_a_failed_command_says_how(bench: Bench) -> None:
    bench.serve(on_command=fail_reads)
    with bench.disk() as disk, pytest.raises(RunnerError, match=r"READ\(16\).*4/44/00"):
        disk.read(0, 1)


def test_many_rounds_wrap_the_ring(bench: Bench) -> None:
    bench.serve()
    with bench.disk() as disk:
        for index in range(3000):
            disk.write(index, index.to_bytes(4, "big") * 128)
        for index in range(0, 3000, 97):
            assert disk.read(index, 1) == index.to_bytes(4, "big") * 128
        start = disk._nexus._ring.head
        for _ in range(1024 * 1024 // 136 - 3000):
            assert disk.execute(bytes([0x91]) + bytes(15)).status == 0
        assert start > 300000


def test_an_unknown_disk_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="core/user_0/none"):
        SimDisk.open(bench.sim, "core/user_0/none")


def test_one_initiator_at_a_time(bench: Bench) -> None:
    with bench.disk(), pytest.raises(ConflictError, match="Another initiator"):
        bench.disk()
    bench.disk().close()


def test_nobody_serves(bench: Bench) -> None:
    with bench.disk(timeout_s=0.1) as disk:
        with pytest.raises(RunnerError, match="Nobody has served") as caught:
            disk.capacity()
        assert "lioshell --sim serve" in caught.value.hint
        # The command is still in the ring; who comes later answers it and the next one.
        bench.serve()
        disk._nexus._timeout_s = 20.0
        assert disk.capacity() == (BLOCKS, BLOCK)


def test_blocked_and_nobody_serves(bench: Bench) -> None:
    uio.set_blocked(bench.sim, "uio0", True)
    with bench.disk(timeout_s=0.1) as disk, pytest.raises(RunnerError, match="Nobody has served"):
        disk.capacity()


def test_a_runner_that_hangs_is_told_apart(bench: Bench) -> None:
    go_on = threading.Event()
    bench.serve(on_command=lambda command: wait(go_on))
    with bench.disk(timeout_s=0.1) as disk:
        with pytest.raises(RunnerError, match="has not answered"):
            disk.execute(bytes(6))
        go_on.set()
        disk._nexus._timeout_s = 20.0
        # The late answer is dropped, the ring goes on.
        assert disk.capacity() == (BLOCKS, BLOCK)


def test_a_blocked_device_holds_commands_until_it_is_unblocked(bench: Bench) -> None:
    bench.serve()
    uio.set_blocked(bench.sim, "uio0", True)
    timer = threading.Timer(0.1, uio.set_blocked, (bench.sim, "uio0", False))
    timer.start()
    with bench.disk() as disk:
        assert disk.capacity() == (BLOCKS, BLOCK)
    timer.join()


def test_a_command_in_flight_is_sent_again_after_a_reset(bench: Bench) -> None:
    """Takeover: the first runner dies with a command in hand, the second gets it again."""
    results: list[bytes] = []
    with bench.disk() as disk:
        bench.unit.memory[:BLOCK] = b"new!" * 128
        disk._block_size_bytes = BLOCK
        reader = threading.Thread(target=lambda: results.append(disk.read(0, 1)))
        reader.start()
        # Somebody opens the device, sees the command, and dies without an answer.
        port = SimUio(bench.sim)
        handle = port.open(port.devices()[0])
        while handle.map[12:16] == bytes(4):
            handle.read_event()
        handle.close()
        uio.set_blocked(bench.sim, "uio0", True)
        uio.reset_ring(bench.sim, "uio0", 1)
        bench.serve()
        assert bench.unit.log == []
        uio.set_blocked(bench.sim, "uio0", False)
        reader.join(20)
    assert results == [b"new!" * 128]
    assert bench.unit.log == [0x88]


def test_a_hard_reset_fails_the_command(bench: Bench) -> None:
    answers: list[int] = []
    with bench.disk() as disk:
        sender = threading.Thread(target=lambda: answers.append(disk.execute(bytes(6)).status))
        sender.start()
        port = SimUio(bench.sim)
        handle = port.open(port.devices()[0])
        while handle.map[12:16] == bytes(4):
            handle.read_event()
        uio.reset_ring(bench.sim, "uio0", 2)
        sender.join(20)
        handle.close()
    assert answers == [2]


def test_what_was_answered_before_a_reset_counts(bench: Bench) -> None:
    """block_dev completes what the ring holds: such a command must not run twice."""
    with bench.disk() as disk:
        bench.serve()
        assert disk.capacity() == (BLOCKS, BLOCK)
        nexus = disk._nexus
        with nexus._state.locked():
            cmd_id = nexus._ring.queue(bytes([0x91]) + bytes(15))
        assert cmd_id is not None
        nexus._to_user.signal()
        while not nexus._ring.idle:
            pass
        uio.set_blocked(bench.sim, "uio0", True)
        uio.reset_ring(bench.sim, "uio0", 1)
        completion = nexus._finish(cmd_id, time.monotonic() + 20)
        assert completion is not None
        assert (completion.cmd_id, completion.status) == (cmd_id, 0)
    assert bench.unit.log.count(0x91) == 1


def test_a_dead_initiators_commands_are_waited_for(bench: Bench) -> None:
    disk = bench.disk()
    with disk._nexus._state.locked():
        disk._nexus._ring.queue(bytes([0x8A]) + bytes(15), b"x" * BLOCK)
    disk.close()
    with bench.disk(timeout_s=0.1) as disk:
        with pytest.raises(RunnerError, match="Nobody has served"):
            disk.capacity()
        bench.serve()
        disk._nexus._timeout_s = 20.0
        assert disk.capacity() == (BLOCKS, BLOCK)
    assert bench.unit.log == [0x8A, 0x9E]


def test_a_broken_ring_fails_commands_until_it_is_reset(bench: Bench) -> None:
    port = SimUio(bench.sim)
    handle = port.open(port.devices()[0])
    with bench.disk(timeout_s=0.2) as disk:
        with pytest.raises(RunnerError):
            disk.execute(bytes(6))
        # A runner gone mad answers an id that is not in flight.
        handle.map[132:134] = b"\xee\xee"
        handle.map[64:68] = handle.map[12:16]
        for _ in range(2):
            answer = disk.execute(bytes(6))
            assert (answer.status, answer.sense[2], answer.sense[12]) == (2, 2, 8)
        handle.close()
        uio.reset_ring(bench.sim, "uio0", 1)
        bench.serve()
        disk._nexus._timeout_s = 20.0
        assert disk.capacity() == (BLOCKS, BLOCK)


def test_a_transfer_beyond_the_data_area_is_refused_by_the_core(bench: Bench) -> None:
    with bench.disk() as disk:
        answer = disk.execute(bytes([0x88]) + bytes(15), data_in_bytes=4 * 1024 * 1024)
    assert (answer.status, answer.sense[2], answer.sense[12]) == (2, 5, 0x24)


def test_removal_while_waiting_is_told(bench: Bench) -> None:
    timer = threading.Timer(0.1, uio.unregister, (bench.sim, "uio0"))
    timer.start()
    with bench.disk() as disk:
        with pytest.raises(RunnerError, match="has been removed"):
            disk.capacity()
        with pytest.raises(RunnerError, match="has been removed"):
            disk.capacity()
    timer.join()
