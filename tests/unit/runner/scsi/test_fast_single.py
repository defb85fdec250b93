# SPDX-License-Identifier: Apache-2.0
"""A plain command that is alone in its ring: answered by one call, or left as it was."""

from __future__ import annotations

import errno
import os
import time

import pytest

from lioshell.runner.command import Response
from lioshell.testing.initiator import rw16
from tests.unit.runner.scsi.test_fast_path import BLOCK, BLOCKS, Bench, rw10

pytestmark = pytest.mark.usefixtures("all_parts")

FUA = 0x08


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("read", [rw10(0x28, 3, 2), rw16(0x88, 3, 2)], ids=["10", "16"])
def test_a_read_is_answered(bench, read):
    cmd_id = bench.queue(read, b"", 2 * BLOCK)
    began = time.monotonic()
    assert bench.device.answer_one(began) >= began
    (done,) = bench.kernel.collect()
    assert (done.cmd_id, done.status) == (cmd_id, 0)
    assert done.data_in == bytes([3] * BLOCK + [4] * BLOCK)
    assert (bench.harness.notified, bench.device.statistics.commands) == (1, 1)


@pytest.mark.parametrize("write", [rw10(0x2A, 3, 2), rw16(0x8A, 3, 2)], ids=["10", "16"])
def test_a_write_is_answered(bench, write):
    bench.queue(write, b"x" * 2 * BLOCK)
    assert bench.device.answer_one(time.monotonic())
    (done,) = bench.kernel.collect()
    assert done.status == 0
    assert bench.path.read_bytes()[2 * BLOCK : 6 * BLOCK] == (
        bytes([2] * BLOCK) + b"x" * 2 * BLOCK + bytes([5] * BLOCK)
    )


def test_it_goes_round_the_ring(bench):
    ring = bench.device.ring
    assert ring.ring_size % 128 == 0, "the kernel would have to fill the end"
    for number in range(ring.ring_size // 128 * 2 + 3):
        bench.queue(rw10(0x28, number % BLOCKS, 1), b"", BLOCK)
        assert bench.device.answer_one(time.monotonic())
        (done,) = bench.kernel.collect()
        assert (done.status, done.data_in) == (0, bytes([number % BLOCKS & 0xFF] * BLOCK))


def left(bench):
    """Whether the commands in the ring are left there, and nobody is told."""
    notified = bench.harness.notified
    assert bench.device.answer_one(time.monotonic()) == 0.0
    return bench.kernel.collect() == [] and bench.harness.notified == notified


@pytest.mark.parametrize(
    ("cdb", "size"),
    [
        (rw10(0x2A, 3, 1, FUA), BLOCK),
        (rw10(0x2A, BLOCKS, 1), BLOCK),
        (rw10(0x2A, BLOCKS - 1, 2), 2 * BLOCK),
        (rw16(0x8A, BLOCKS, 1), BLOCK),
        (rw10(0x2A, 3, 2), BLOCK),
        (rw10(0x2A, 3, 1, control=4), BLOCK),
        (rw10(0x2A, 3, 1, group=1), BLOCK),
        (bytes(6), 0),
    ],
)
def test_what_is_not_plain_is_left_and_then_answered(bench, cdb, size):
    before = bench.path.read_bytes()
    bench.queue(cdb, b"x" * size)
    assert left(bench)
    assert bench.path.read_bytes() == before
    assert len(bench.answers()) == 1


def test_two_commands_are_left(bench):
    bench.queue(rw10(0x28, 3, 1), b"", BLOCK)
    bench.queue(rw10(0x28, 4, 1), b"", BLOCK)
    assert left(bench)
    assert [done.data_in[0] for done in bench.answers()] == [3, 4]


def test_writes_are_left_while_they_need_care(bench):
    disk = bench.disk
    hold = None
    for protect in ("modes", "hold", "workers"):
        if protect == "modes":
            disk.set_modes(True, True)
        elif protect == "hold":
            disk.set_modes(False, True)
            hold = disk.holds.defer(lambda: None, ((9, 10),), exclusive=True)
        else:
            hold.run()
            disk.direct_file.write_limit_bytes = 0
        bench.queue(rw10(0x2A, 3, 1), b"x" * BLOCK)
        assert left(bench)
        assert len(bench.answers()) == 1


def test_a_unit_attention_is_not_passed_by(bench):
    bench.disk.report_attention(Response(2, bytes((0x70, 0, 6)) + bytes(15)))
    bench.queue(rw10(0x28, 3, 1), b"", BLOCK)
    assert left(bench)
    assert bench.answers()[0].status == 2


def test_a_failure_is_left_for_who_knows_what_to_answer(bench, monkeypatch):
    def failing(*_):
        raise OSError(errno.EIO, "gone")

    bench.queue(rw10(0x28, 3, 1), b"", BLOCK)
    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", failing)
        assert left(bench)
    assert bench.answers()[0].status == 0


def test_one_that_took_long_is_remembered(bench, monkeypatch):
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda *words: time.sleep(0.03) or real(*words))
    bench.device.statistics.set_slow(0.02)
    bench.queue(rw10(0x28, 3, 1), b"", BLOCK)
    if bench.disk.direct_file.read_flags:
        bench.disk.direct_file.read_flags = 0
    assert bench.device.answer_one(time.monotonic())
    assert [slow.cdb for slow in bench.device.statistics.slow] == [rw10(0x28, 3, 1)]
