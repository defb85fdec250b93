# SPDX-License-Identifier: Apache-2.0
"""Which deferred commands exclude each other, and in which order they go."""

from __future__ import annotations

import threading

import pytest

from lioshell.runner.command import GOOD, Command, Deferred
from lioshell.runner.scsi.holds import Hold, Holds

WAIT_S = 10


def _done():
    return GOOD


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (((0, 4),), ((4, 8),), False),
        (((0, 4),), ((3, 8),), True),
        (((3, 8),), ((0, 4),), True),
        (((0, 1), (9, 10)), ((5, 9),), False),
        (((0, 1), (9, 10)), ((5, 6), (9, 12)), True),
        (((5, 6),), ((0, 64),), True),
        ((), ((0, 64),), False),
    ],
)
def test_overlapping_extents_conflict_where_one_is_exclusive(first, second, expected) -> None:
    for exclusive in ((True, True), (True, False), (False, True)):
        a, b = Hold(first, exclusive[0]), Hold(second, exclusive[1])
        assert a.conflicts(b) is expected
    assert not Hold(first, False).conflicts(Hold(second, False))


def _start(deferred, finished, name):
    def run():
        deferred.run()
        finished.append(name)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_an_exclusive_command_waits_for_those_before_and_holds_up_those_after() -> None:
    holds = Holds()
    gate = threading.Event()
    finished: list[str] = []

    def slow():
        gate.wait(WAIT_S)
        return GOOD

    before = holds.defer(slow, ((0, 8),), exclusive=False)
    swap = holds.defer(_done, ((4, 5),), exclusive=True)
    after = holds.defer(_done, ((4, 6),), exclusive=False)
    elsewhere = holds.defer(_done, ((8, 9),), exclusive=True)
    threads = [
        _start(before, finished, "before"),
        _start(swap, finished, "swap"),
        _start(after, finished, "after"),
    ]
    _start(elsewhere, finished, "elsewhere").join(WAIT_S)
    assert finished == ["elsewhere"]
    gate.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert set(finished) == {"elsewhere", "before", "swap", "after"}
    assert holds.active == []


def test_a_dropped_command_holds_nobody_up() -> None:
    holds = Holds()
    holds.defer(_done, ((0, 9),), exclusive=True).drop()
    assert holds.active == []
    assert holds.defer(_done, ((0, 9),), exclusive=True).run() is GOOD


def test_a_command_that_raises_lets_go() -> None:
    holds = Holds()

    def fail():
        raise ValueError("a bug")

    deferred = holds.defer(fail, ((0, 1),), exclusive=True)
    with pytest.raises(ValueError, match="a bug"):
        deferred.run()
    assert holds.active == []


@pytest.mark.usefixtures("all_parts")
def test_a_write_goes_on_where_nothing_excludes_it(bench) -> None:
    view = memoryview(bytearray(b"\x11" * 512))
    disk = bench.disk
    bench.handler.blocking = False
    shared = disk.holds.defer(_done, ((0, 64),), exclusive=False)
    other = disk.holds.defer(_done, ((4, 64),), exclusive=True)
    cdb = bytes((0x2A, 0, 0, 0, 0, 3, 0, 0, 1, 0))
    assert disk.execute(Command(cdb, [view], 512)) is GOOD
    for hold in (shared, other):
        hold.drop()


@pytest.mark.usefixtures("all_parts")
def test_a_write_is_deferred_while_its_blocks_are_held(bench) -> None:
    view = memoryview(bytearray(b"\x11" * 512))
    cdb = bytes((0x2A, 0, 0, 0, 0, 3, 0, 0, 1, 0))
    disk = bench.disk
    bench.handler.blocking = False
    assert disk.execute(Command(cdb, [view], 512)) is GOOD
    held = disk.holds.defer(_done, ((3, 4),), exclusive=True)
    view[:] = b"\x22" * 512
    write = disk.execute(Command(cdb, [view], 512))
    assert isinstance(write, Deferred)
    assert bench.handler.memory[3 * 512] == 0x11
    assert held.run() is GOOD
    assert write.run() is GOOD
    assert bench.handler.memory[3 * 512] == 0x22
    assert disk.holds.active == []


@pytest.mark.parametrize(
    ("cdb", "size"),
    [
        ("35 00 00 00 00 00 00 00 00 00", 0),
        ("2a 08 00 00 00 00 00 00 01 00", 512),
        ("28 08 00 00 00 00 00 00 01 00", 512),
    ],
)
def test_what_waits_for_the_medium_is_deferred(bench, cdb, size) -> None:
    view = memoryview(bytearray(size))
    answer = bench.disk.execute(Command(bytes.fromhex(cdb), [view] if size else [], size))
    assert isinstance(answer, Deferred)
    assert bench.handler.calls == []
    assert answer.run() is GOOD or size == 0
    assert bench.handler.calls
