# SPDX-License-Identifier: Apache-2.0
"""tests/patience.py: a machine that stands still uses up no patience."""

import pytest

from tests import patience


@pytest.fixture
def clock(monkeypatch):
    times = []
    monkeypatch.setattr(patience.time, "monotonic", lambda: times[0])
    monkeypatch.setattr(patience.time, "sleep", lambda pause_s: times.append(times.pop() + pause_s))
    times.append(100.0)
    return times


def test_patience_ends_with_what_was_looked_at(clock):
    waiting = patience.Patience(3)
    looks = 0
    while waiting.lasts():
        clock[0] += 0.5
        looks += 1
    assert looks == 6


def test_a_machine_that_stood_still_is_looked_at_again(clock):
    waiting = patience.Patience(30)
    clock[0] += 45
    assert waiting.lasts()


def test_what_does_not_happen_fails(clock):
    with pytest.raises(AssertionError, match="no LUN"):
        patience.eventually(lambda: False, seconds=2, what="no LUN")
    assert 102 <= clock[0] < 102.1
    patience.eventually(lambda: True)
