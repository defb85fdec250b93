# SPDX-License-Identifier: Apache-2.0
"""The fast path: what it executes, what it leaves to the general path, and that nobody can tell."""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
import time

import pytest

from lioshell.errors import RunnerError
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner import tuning
from lioshell.runner.device import BUDGET_COMMANDS, ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.scsi.fast_path import FastPath
from lioshell.runner.scsi.unit import Identity
from lioshell.testing.initiator import rw16

BLOCK = 512
BLOCKS = 256
SIZE = BLOCK * BLOCKS

pytestmark = pytest.mark.usefixtures("all_parts")


def rw10(code, lba, blocks, flags=0, group=0, control=0):
    return (
        bytes((code, flags))
        + lba.to_bytes(4, "big")
        + bytes((group,))
        + blocks.to_bytes(2, "big")
        + bytes((control,))
    )


class Bench:
    """A disk on a file, filled with what tells the blocks apart, behind a ring."""

    def __init__(self, folder, name="vol0", data_bytes=1 << 20):
        self.path = folder / f"{name}.img"
        self.path.write_bytes(bytes(i // BLOCK & 0xFF for i in range(SIZE)))
        self.harness = RingHarness(data_bytes=data_bytes)
        self.kernel = self.harness.producer
        self.disk = registry.make_unit(f"file/{self.path}", size_bytes=SIZE, identity=Identity("1"))
        self.reports = []
        self.device = ServedDevice(
            self.harness.device, self.harness, self.disk, self.reports.append
        )

    def queue(self, cdb, data_out=b"", data_in_bytes=0):
        cmd_id = self.kernel.queue(cdb, data_out, data_in_bytes)
        assert cmd_id is not None
        return cmd_id

    def answers(self):
        while self.device.service():
            pass
        done = self.kernel.collect()
        assert not self.kernel.broken
        return done

    def execute(self, cdb, data_out=b"", data_in_bytes=0):
        self.queue(cdb, data_out, data_in_bytes)
        (answer,) = self.answers()
        return answer

    def close(self):
        self.device.close()
        # No buffer was kept.
        assert self.harness.map.closed
        self.harness.discard()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


PLAIN = [
    (rw10(0x28, 3, 8), b"", 8 * BLOCK),
    (rw10(0x28, BLOCKS - 1, 1), b"", BLOCK),
    (rw10(0x2A, 0, 2), b"w" * 2 * BLOCK, 0),
    (rw16(0x88, 255, 1), b"", BLOCK),
    (rw16(0x8A, 9, 1), b"v" * BLOCK, 0),
]
NOT_PLAIN = [
    (bytes(6), b"", 0),
    (bytes((0x08, 0, 0, 3, 1, 0)), b"", BLOCK),
    (rw10(0x28, BLOCKS, 1), b"", BLOCK),
    (rw10(0x28, BLOCKS - 1, 2), b"", 2 * BLOCK),
    (rw10(0x28, 0xFFFFFFFF, 1), b"", BLOCK),
    (rw16(0x88, (1 << 64) - 1, 1), b"", BLOCK),
    (rw16(0x88, 1 << 32, 1), b"", BLOCK),
    (rw10(0x28, 3, 1, flags=0x08), b"", BLOCK),
    (rw10(0x28, 3, 1, flags=0x20), b"", BLOCK),
    (rw10(0x2A, 3, 1, flags=0x08), b"x" * BLOCK, 0),
    (rw10(0x28, 3, 1, flags=0x10), b"", BLOCK),
    (rw10(0x28, 3, 1, group=3), b"", BLOCK),
    (rw10(0x28, 3, 1, control=4), b"", BLOCK),
    (rw10(0x28, 3, 2), b"", BLOCK),
    (rw10(0x2A, 3, 1), b"x" * 2 * BLOCK, 0),
    (rw10(0x28, 3, 0), b"", 0),
    (rw10(0x28, 3, 1), b"", BLOCK + 8),
    (rw16(0x88, 3, 0), b"", BLOCK),
    (rw16(0x88, 3, 1)[:15] + b"\4", b"", BLOCK),
    (rw10(0xA8, 3, 1) + bytes(2), b"", BLOCK),
]


@pytest.mark.parametrize(("cdb", "data_out", "data_in_bytes"), PLAIN)
def test_a_plain_command_is_executed_without_the_general_path(
    bench, general, cdb, data_out, data_in_bytes
):
    answer = bench.execute(cdb, data_out, data_in_bytes)
    assert general == []
    assert (answer.status, bench.device.statistics.commands, bench.harness.notified) == (0, 1, 1)
    start = BLOCK * int.from_bytes(cdb[2:6] if len(cdb) == 10 else cdb[2:10], "big")
    size = len(data_out) or data_in_bytes
    assert bench.path.read_bytes()[start : start + size] == (data_out or answer.data_in)


@pytest.mark.parametrize(("cdb", "data_out", "data_in_bytes"), NOT_PLAIN)
def test_what_is_unusual_is_left_to_the_general_path(bench, general, cdb, data_out, data_in_bytes):
    bench.queue(rw10(0x28, 1, 1), b"", BLOCK)
    bench.queue(cdb, data_out, data_in_bytes)
    bench.queue(rw10(0x28, 2, 1), b"", BLOCK)
    before, _, after = bench.answers()
    assert general == [cdb]
    assert (before.data_in, after.data_in) == (b"\1" * BLOCK, b"\2" * BLOCK)


def test_both_paths_answer_the_same(tmp_path, monkeypatch):
    """Random commands, plain and not, in bursts that go round the ring many times."""
    chance = random.Random(7)
    fast = Bench(tmp_path, "fast")
    monkeypatch.setenv(tuning.VARIABLE, tuning.FAST_PATH)
    plain = Bench(tmp_path, "plain")
    for _ in range(400):
        for _ in range(chance.randrange(1, 12)):
            blocks = chance.choice((0, 1, 2, 8, 9))
            lba = chance.choice((0, 5, BLOCKS - 8, BLOCKS - 1, BLOCKS, chance.randrange(BLOCKS)))
            code = chance.choice((0x28, 0x28, 0x2A, 0x2A, 0x88, 0x8A))
            flags = chance.choice((0, 0, 0, 0, 0x08, 0x10, 0x20))
            control = chance.choice((0, 0, 0, 0, 0, 4))
            if code < 0x80:
                cdb = rw10(code, lba, blocks, flags, control=control)
            else:
                cdb = bytes((code, flags)) + rw16(code, lba, blocks)[2:15] + bytes((control,))
            size = (blocks + chance.choice((0, 0, 0, 0, 1))) * BLOCK
            command = chance.choice(
                (
                    (cdb, chance.randbytes(size) if code & 2 else b"", 0 if code & 2 else size),
                    (cdb, chance.randbytes(size) if code & 2 else b"", 0 if code & 2 else size),
                    (bytes(6), b"", 0),
                )
            )
            for bench in (fast, plain):
                bench.queue(*command)
        assert fast.answers() == plain.answers()
    assert fast.path.read_bytes() == plain.path.read_bytes()
    assert fast.device.statistics.commands == plain.device.statistics.commands
    for bench in (fast, plain):
        bench.close()


def test_both_paths_treat_entries_with_a_wrong_byte_the_same(tmp_path, monkeypatch):
    """Every byte of an entry between two good ones, with two values each."""
    monkeypatch.setattr("lioshell.runner.device.BUDGET_S", 60.0)
    chance = random.Random(11)
    for place in range(128):
        for value in (chance.randrange(2), chance.randrange(2, 256)):
            command = chance.choice(PLAIN)
            outcomes = []
            for without in ("", tuning.FAST_PATH):
                monkeypatch.setenv(tuning.VARIABLE, without)
                bench = Bench(tmp_path, data_bytes=64 * 1024)
                bench.device.statistics.slow_s = 60.0
                for each in (PLAIN[0], command, PLAIN[0]):
                    bench.queue(*each)
                bench.harness.map[128 + 128 + place] = value
                problem = ""
                try:
                    bench.device.drain()
                except RunnerError as error:
                    problem = str(error)
                # Mailbox, answers, and all that is beside them.
                region = bytes(bench.harness.map)
                outcomes.append(
                    (problem, bench.device.statistics.commands, region, bench.path.read_bytes())
                )
                bench.close()
            assert outcomes[0] == outcomes[1], (place, value, command)


def test_the_budget_of_a_turn_is_kept(bench, monkeypatch):
    monkeypatch.setattr("lioshell.runner.device.BUDGET_S", 60.0)
    bench.device.statistics.slow_s = 60.0
    for _ in range(BUDGET_COMMANDS + 3):
        bench.queue(rw10(0x28, 3, 1), b"", BLOCK)
    assert bench.device.drain() is True
    assert len(bench.kernel.collect()) == BUDGET_COMMANDS
    assert bench.device.drain() is False
    assert bench.device.settled


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_interrupts_it_leaves_the_command_in_the_ring(bench, monkeypatch, error):
    real = os.preadv
    for lba in range(4):
        bench.queue(rw10(0x28, lba, 1), b"", BLOCK)

    def interrupted(fd, views, offset, flags=0):
        if offset == 2 * BLOCK:
            raise error
        return real(fd, views, offset, flags)

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", interrupted)
        with pytest.raises(error):
            bench.device.service()
    assert [c.data_in[0] for c in bench.kernel.collect()] == [0, 1]
    assert bench.harness.notified == 1
    assert [c.data_in[0] for c in bench.answers()] == [2, 3]


def test_a_signal_at_any_moment_loses_and_repeats_no_answer(bench):
    """The loop may run in the main thread, where a signal's handler raises wherever it stands."""

    class InterruptionError(BaseException):
        pass

    def interrupt(_signal, frame):
        if frame.f_code is FastPath.run.__code__:
            raise InterruptionError

    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        for round_number in range(500):
            lbas = [(round_number + i) % 100 for i in range(16)]
            for lba in lbas:
                bench.queue(rw10(0x28, lba, 1), b"", BLOCK)
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + round_number % 40))
            done = []
            while len(done) < len(lbas):
                try:
                    bench.device.drain()
                except InterruptionError:
                    interrupted += 1
                done += bench.kernel.collect()
                assert not bench.kernel.broken
            assert [c.status for c in done] == [0] * 16
            assert [c.data_in[0] for c in done] == lbas
            # Nothing that is executed is forgotten or done again.
            assert bench.kernel.in_flight == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted


@pytest.mark.parametrize("name", ["preadv", "pwritev"])
def test_a_failure_is_answered_by_the_general_path(bench, monkeypatch, name):
    def failing(*_):
        raise OSError(errno.EIO, "gone")

    writing = name == "pwritev"
    cdb = rw10(0x2A if writing else 0x28, 3, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing)
        answer = bench.execute(cdb, b"x" * BLOCK if writing else b"", 0 if writing else BLOCK)
    assert (answer.status, answer.sense[2]) == (2, 3)
    assert bench.execute(cdb, b"x" * BLOCK if writing else b"", 0 if writing else BLOCK).status == 0


def test_a_file_that_ends_early_is_an_error(bench):
    os.truncate(bench.path, 4 * BLOCK)
    assert bench.execute(rw10(0x28, 3, 2), b"", 2 * BLOCK).sense[2] == 3


def test_blocks_that_are_not_in_the_page_cache_are_read_by_the_general_path(bench, monkeypatch):
    real = os.preadv

    def cold(fd, views, offset, flags=0):
        if flags:
            raise BlockingIOError(errno.EAGAIN, "cold")
        return real(fd, views, offset)

    monkeypatch.setattr(os, "preadv", cold)
    assert bench.execute(rw10(0x28, 3, 1), b"", BLOCK).data_in == b"\3" * BLOCK


def test_a_buffer_outside_the_data_area_breaks_the_ring(bench):
    bench.execute(rw10(0x28, 3, 1), b"", BLOCK)
    bench.queue(rw10(0x28, 3, 1), b"", BLOCK)
    # The ring begins at 128, which is what an entry takes.
    start = bench.kernel.head
    quads = memoryview(bench.harness.map)[: 64 * 1024].cast("Q")
    quads[(start + 48) // 8] = len(bench.harness.map) - 8
    quads.release()
    with pytest.raises(RunnerError, match="outside the data area"):
        bench.device.drain()


def test_a_unit_attention_comes_first(bench, general):
    bench.disk.set_size(SIZE)
    assert bench.execute(rw10(0x28, 3, 1), b"", BLOCK).status == 2
    assert bench.execute(rw10(0x28, 3, 1), b"", BLOCK).status == 0
    assert len(general) == 1


def test_the_new_size_counts(bench):
    bench.disk.handler.resize(SIZE // 2)
    bench.disk.set_size(SIZE // 2)
    bench.execute(bytes(6))
    assert bench.execute(rw10(0x28, BLOCKS // 2, 1), b"", BLOCK).sense[12] == 0x21
    assert bench.execute(rw10(0x28, BLOCKS // 2 - 1, 1), b"", BLOCK).status == 0


def test_a_write_that_needs_care_is_the_general_paths(bench, general):
    write = rw10(0x2A, 3, 1), b"x" * BLOCK
    bench.disk.set_modes(True, True)
    assert bench.execute(*write).sense[2] == 7
    bench.disk.set_modes(False, False)
    assert bench.execute(*write).status == 0
    bench.disk.set_modes(False, True)
    hold = bench.disk.holds.defer(lambda: None, ((9, 10),), exclusive=True)
    assert bench.execute(*write).status == 0
    hold.drop()
    assert len(general) == 3
    assert bench.execute(*write).status == 0
    assert len(general) == 3


def test_a_slow_write_is_remembered_and_the_next_is_a_workers(bench, monkeypatch, general):
    real = os.pwritev
    monkeypatch.setattr("lioshell.runner.device.BUDGET_S", 60.0)
    statistics = bench.device.statistics
    statistics.log_slow_s = statistics.slow_s = 0.3

    def slow(fd, views, offset, flags=0):
        if offset == 5 * BLOCK:
            time.sleep(0.4)
        return real(fd, views, offset, flags)

    monkeypatch.setattr(os, "pwritev", slow)
    for lba in (4, 5, 6):
        bench.queue(rw10(0x2A, lba, 1), b"x" * BLOCK)
    assert bench.device.drain() is True
    (found,) = bench.device.statistics.slow
    assert (found.cdb, found.took_s >= 0.4) == (rw10(0x2A, 5, 1), True)
    assert [c.status for c in [*bench.kernel.collect(), *bench.answers()]] == [0, 0, 0]
    assert general == [rw10(0x2A, 6, 1)]


def test_what_hangs_in_it_is_known(bench, monkeypatch):
    real, inside, go_on = os.preadv, threading.Event(), threading.Event()

    def hanging(fd, views, offset, flags=0):
        inside.set()
        assert go_on.wait(10)
        return real(fd, views, offset, flags)

    monkeypatch.setattr(os, "preadv", hanging)
    for cdb in (rw10(0x28, 3, 1), rw16(0x88, 4, 1)):
        bench.queue(cdb, b"", BLOCK)
        inside.clear()
        go_on.clear()
        thread = threading.Thread(target=bench.device.drain)
        thread.start()
        assert inside.wait(10)
        assert [found for found, _ in bench.device.in_flight()] == [cdb]
        go_on.set()
        thread.join()
    assert bench.device.in_flight() == []


def test_a_broken_head_is_refused_after_what_came_before_it(bench):
    bench.queue(rw10(0x28, 3, 1), b"", BLOCK)
    words = memoryview(bench.harness.map)[:128].cast("I")
    words[3] = 1 << 20
    words.release()
    with pytest.raises(RunnerError, match="its head stands at"):
        bench.device.drain()


def test_no_more_buffers_are_remembered_than_a_ring_can_use(tmp_path, monkeypatch):
    monkeypatch.setattr("lioshell.runner.scsi.fast_path._MOST_BUFFERS", 4)
    bench = Bench(tmp_path)
    for count in (1, 3, 7, 12, 5):
        for lba in range(count):
            bench.queue(rw10(0x28, lba, 1), b"", BLOCK)
        assert [c.data_in[0] for c in bench.answers()] == list(range(count))
    bench.close()


def test_an_unknown_part_is_refused(monkeypatch):
    from lioshell.errors import UsageError

    monkeypatch.setenv(tuning.VARIABLE, "spinning, speed")
    with pytest.raises(UsageError, match="'speed'"):
        tuning.has(tuning.SPINNING)
