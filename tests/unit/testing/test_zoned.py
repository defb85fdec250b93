# SPDX-License-Identifier: Apache-2.0
"""The checks of zoned disks find one that breaks its rules."""

from __future__ import annotations

import pytest

from lioshell.runner import tuning
from lioshell.runner.handlers.zbc import ZbcHandler
from lioshell.runner.zones import ZoneTable
from lioshell.testing import CommandFailedError, Initiator
from lioshell.testing.conformance import checks_of
from lioshell.testing.verify import verify
from lioshell.testing.zoned import in_order, report_zones

SIZE = 4 << 20


@pytest.fixture
def disk(tmp_path):
    path = f"{tmp_path}/a.zbc"
    ZbcHandler.prepare(f"{path};zone_size=1M", SIZE, 512)
    return lambda: Initiator.of(f"zbc/{path}", SIZE)


def failing(disk) -> set[str]:
    """Return the names of the checks that find something."""
    found = set()
    for number in range(len(_names(disk))):
        with disk() as one:
            check = checks_of(one)[number]
            try:
                check(one)
            except CommandFailedError:
                found.add(check.__name__)
    return found


def _names(disk) -> list[str]:
    with disk() as one:
        return [check.__name__ for check in checks_of(one)]


def test_a_disk_that_keeps_the_rules(disk) -> None:
    assert failing(disk) == set()


def test_pointers_that_do_not_move(disk, monkeypatch) -> None:
    monkeypatch.setattr(ZoneTable, "end_write", lambda *_: None)
    assert "writes_in_order" in failing(disk)


def test_writes_anywhere(disk, monkeypatch) -> None:
    monkeypatch.setattr(ZoneTable, "_check_sequential", lambda *_: None)
    assert failing(disk) == {"refuses_what_is_out_of_order"}


def test_a_reset_that_leaves_data(disk, monkeypatch) -> None:
    monkeypatch.setattr(ZbcHandler, "erase", lambda *_: None)
    assert "empties_what_is_reset" in failing(disk)


def test_writes_that_are_lost_are_found(disk, monkeypatch) -> None:
    # In the loop's thread, which this is about.
    monkeypatch.delenv(tuning.VARIABLE, raising=False)
    plain = ZbcHandler.try_write
    monkeypatch.setattr(
        ZbcHandler, "try_write", lambda self, b, o: len(b[0]) == 4096 or plain(self, b, o)
    )
    with pytest.raises(CommandFailedError):
        verify(disk, 0.3, seed=1)


def test_writes_in_order_go_on_for_ever(disk) -> None:
    with disk() as one:
        for _, (cdb, data, size) in zip(range(60), in_order(one, 256), strict=False):
            one.good(cdb, data, size)
        assert len(report_zones(one)) == 4
