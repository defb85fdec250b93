# SPDX-License-Identifier: Apache-2.0
"""The machine's knob of grace periods: set for a while, and put back whatever happens."""

import pytest

from lioshell.kernel.expedite import expedited


@pytest.fixture
def knob(tmp_path):
    path = tmp_path / "rcu_expedited"
    path.write_text("0\n")
    return path


def text(knob):
    # A file of sysfs is written from its beginning, and is no longer than what was written.
    return knob.read_text()[:1]


def test_it_is_set_and_put_back(knob, tmp_path):
    run = tmp_path / "run"
    with expedited(str(knob), str(run)):
        assert text(knob) == "1"
    assert text(knob) == "0"
    assert list(run.iterdir()) == []


def test_it_is_put_back_after_a_failure(knob, tmp_path):
    with pytest.raises(KeyboardInterrupt), expedited(str(knob), str(tmp_path / "run")):
        raise KeyboardInterrupt
    assert text(knob) == "0"


def test_what_somebody_else_has_set_stays(knob, tmp_path):
    knob.write_text("1\n")
    with expedited(str(knob), str(tmp_path / "run")):
        assert text(knob) == "1"
    assert text(knob) == "1"


def test_what_a_kill_left_is_put_back_by_the_next(knob, tmp_path):
    run = str(tmp_path / "run")
    killed = expedited(str(knob), run)
    killed.__enter__()
    assert text(knob) == "1"
    with expedited(str(knob), run):
        assert text(knob) == "1"
    assert text(knob) == "0"
    with pytest.raises(StopIteration):
        next(killed.gen)


@pytest.mark.parametrize("there", [True, False])
def test_without_it_or_the_right_nothing_happens(knob, tmp_path, there):
    if there:
        (tmp_path / "run").write_text("no folder")
    else:
        knob.unlink()
    with expedited(str(knob), str(tmp_path / "run")):
        assert not there or text(knob) == "0"
