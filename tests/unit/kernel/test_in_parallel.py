# SPDX-License-Identifier: Apache-2.0
"""Many calls at once: each path once, refusals by path, and Ctrl-C begins nothing more."""

import threading

import pytest

from lioshell.errors import KernelError
from lioshell.kernel import in_parallel as module
from lioshell.kernel.in_parallel import in_parallel


def test_each_once_and_what_was_refused():
    done = []

    def do(path):
        if path.endswith("3"):
            raise KernelError("unlink", path, 1)
        done.append(path)

    paths = [f"p{n}" for n in range(100)]
    refused = in_parallel(do, paths)
    assert sorted(done) == sorted(path for path in paths if not path.endswith("3"))
    assert sorted(refused) == sorted(path for path in paths if path.endswith("3"))
    assert in_parallel(do, []) == {}


def test_they_wait_together():
    together = threading.Barrier(8)
    assert in_parallel(lambda path: together.wait(10), [str(n) for n in range(8)]) == {}


def test_ctrl_c_begins_nothing_more(monkeypatch):
    begun, go_on = [], threading.Event()
    join = threading.Thread.join

    def interrupted(thread, timeout=None):
        if not go_on.is_set():
            go_on.set()
            raise KeyboardInterrupt
        join(thread, timeout)

    def do(path):
        begun.append(path)
        go_on.wait(10)

    monkeypatch.setattr(module, "_THREADS", 2)
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_parallel(do, [str(n) for n in range(1000)])
    assert len(begun) < 1000
