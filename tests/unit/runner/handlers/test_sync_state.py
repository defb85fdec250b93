# SPDX-License-Identifier: Apache-2.0
"""One sync that fails is a failure of all that ran beside it and of all after it."""

from __future__ import annotations

import errno
import threading

import pytest

from lioshell.runner.handlers.sync_state import SyncState

WAIT_S = 10


def start(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_the_kernel_tells_one_of_two_and_both_fail():
    state = SyncState()
    second_is_in, second_is_done, results = threading.Event(), threading.Event(), {}

    def fails():
        try:
            with state.sync(covers_others=True):
                assert second_is_in.wait(WAIT_S)
                assert second_is_done.wait(WAIT_S)
                raise OSError(errno.EIO, "lost")
        except OSError as error:
            results["first"] = error.errno

    def is_told_that_all_is_well():
        try:
            with state.sync(covers_others=True):
                second_is_in.set()
            results["second"] = 0
        except OSError as error:
            results["second"] = error.errno

    first = start(fails)
    second = start(is_told_that_all_is_well)
    assert second_is_in.wait(WAIT_S)
    second.join(0.05)
    assert "second" not in results
    second_is_done.set()
    for thread in (first, second):
        thread.join(WAIT_S)
    assert results == {"first": errno.EIO, "second": errno.EIO}
    with pytest.raises(OSError, match="earlier sync failed"):
        state.raise_if_lost()


def test_a_write_that_syncs_its_own_data_waits_for_nobody():
    state = SyncState()
    gate = threading.Event()

    def slow():
        with state.sync(covers_others=True):
            gate.wait(WAIT_S)

    thread = start(slow)
    with state.sync(covers_others=False):
        pass
    gate.set()
    thread.join(WAIT_S)
    state.raise_if_lost()


def test_many_at_once_wait_in_no_circle():
    state = SyncState()
    barrier = threading.Barrier(8)

    def work():
        for _ in range(50):
            with state.sync(covers_others=True):
                pass

    def begin():
        barrier.wait(WAIT_S)
        work()

    threads = [start(begin) for _ in range(8)]
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_another_exception_loses_nothing():
    state = SyncState()
    with pytest.raises(ValueError, match="a bug"), state.sync(covers_others=True):
        raise ValueError("a bug")
    state.raise_if_lost()
