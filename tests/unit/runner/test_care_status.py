# SPDX-License-Identifier: Apache-2.0
"""What `info` gets of a handler's status, whatever that does."""

from __future__ import annotations

import threading

import pytest

from lioshell.runner import care
from lioshell.runner.handlers.null import NullHandler
from lioshell.runner.scsi.disk import Disk
from lioshell.runner.scsi.unit import Geometry, Identity


def told(status):
    class Told(NullHandler):
        def status(self):
            return status()

    return care._storage_status(Disk(Identity(), Geometry(1 << 20), Told(1 << 20, read_only=False)))


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({}, {}),
        ({"health": "ok"}, {"health": "ok"}),
        ({"size": 5, 7: None}, {"size": "5", "7": "None"}),
        (["no", "mapping"], {"problem": "AttributeError: 'list' object has no attribute 'items'"}),
    ],
)
def test_what_is_told_is_text(answer, shown):
    assert told(lambda: answer) == shown


def test_what_is_raised_is_told():
    assert told(lambda: 1 / 0) == {"problem": "ZeroDivisionError: division by zero"}


def test_one_that_hangs_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(care, "_STATUS_TIMEOUT_S", 0.05)
    ending = threading.Event()
    try:
        assert told(lambda: ending.wait(30) and {}) == {"problem": "it does not answer"}
    finally:
        ending.set()


def test_a_unit_without_a_handler_tells_nothing():
    assert care._storage_status(object()) == {}
