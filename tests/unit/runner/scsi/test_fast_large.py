# SPDX-License-Identifier: Apache-2.0
"""Large plain commands by the fast path: one at a time, whatever stands behind them."""

from __future__ import annotations

import time

import pytest

from lioshell.errors import RunnerError
from lioshell.runner import tuning
from lioshell.runner.abi import MAILBOX_HEAD_WORD
from tests.unit.runner.scsi.test_fast_path import BLOCK, Bench, rw10

FUA = 0x08

pytestmark = pytest.mark.usefixtures("all_parts")


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def everything_is_large(all_parts, bench, monkeypatch):
    """Have what is longer than a block told of by itself, as what is above 128 KiB is."""
    monkeypatch.setattr("lioshell.runner.scsi.fast_path.LARGE_BYTES", BLOCK)
    monkeypatch.setattr(tuning, "LARGE_BYTES", BLOCK)
    bench.device._fast._look_at_storage()


@pytest.mark.parametrize(("flags", "by_the_general_path"), [(0, 1), (0x10, 3)])
def test_large_transfers_are_told_of_one_by_one(bench, general, flags, by_the_general_path):
    for _ in range(3):
        bench.queue(rw10(0x2A, 3, 2, flags), b"x" * 2 * BLOCK)
    for notified in (1, 2):
        assert bench.device.drain() is True
        assert len(bench.kernel.collect()) == 1
        assert bench.harness.notified == notified
    bench.device.drain()
    assert len(bench.kernel.collect()) == 1
    assert bench.device.settled
    assert len(general) == by_the_general_path


def test_a_large_transfer_is_executed_once_where_others_stand_behind_it(bench):
    queued_at = time.monotonic()
    for lba in range(3, 7):
        # One of them is not plain: what is learned of the others' age counts for it.
        bench.queue(rw10(0x28, lba, 2, FUA if lba == 5 else 0), b"", 2 * BLOCK)
    bench.queue(rw10(0x28, 9, 1), b"", BLOCK)
    for lbas in ([3], [4], [5, 6]):
        assert bench.device.drain() is True
        expected = [bytes([lba] * BLOCK + [lba + 1] * BLOCK) for lba in lbas]
        assert [done.data_in for done in bench.kernel.collect()] == expected
        # What stands behind it was there before: the kernel's time-out counts from then.
        assert bench.device.age.not_before <= queued_at
    bench.device.drain()
    assert [c.data_in[0] for c in bench.kernel.collect()] == [9]
    assert bench.device.statistics.commands == 5
    assert not bench.device._fast.large


@pytest.mark.parametrize("head", [1 << 20, 64])
def test_a_head_that_breaks_the_rules_is_seen_where_the_last_transfer_was_large(
    bench, general, head
):
    for _ in range(2):
        bench.queue(rw10(0x2A, 3, 2), b"x" * 2 * BLOCK)
        bench.device.drain()
    assert bench.device._fast.large
    executed = len(general)
    bench.queue(rw10(0x2A, 3, 2), b"y" * 2 * BLOCK)
    bench.device.ring.words[MAILBOX_HEAD_WORD] = (
        head if head > bench.device.ring.ring_size else bench.device.ring.cursor + head
    )
    with pytest.raises(RunnerError, match="ring is broken"):
        bench.device.drain()
    assert len(general) == executed
    assert b"y" * 2 * BLOCK not in bench.path.read_bytes()
