# SPDX-License-Identifier: Apache-2.0
"""The loop's thread goes before others, and takes nobody else with it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lioshell.runner import priority, tuning
from lioshell.runner.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_loop(ask: Callable[[], int]) -> int:
    loop = Loop()
    loop.start_thread()
    while not loop.running:
        time.sleep(0.001)
    try:
        return loop.call(ask)
    finally:
        loop.close()


def possible() -> int:
    """Return the priority that a thread of this process can be given."""
    found: list[int] = []

    def attempt() -> None:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), priority.NICE)
        found.append(nice())

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture
def may(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A system that lets anybody; what was asked of it."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "setpriority", lambda _, who, value: asked.append((who, value)))
    monkeypatch.delenv(tuning.VARIABLE, raising=False)
    return asked


def test_the_loops_thread_alone_is_raised(may: list[tuple[int, int]]) -> None:
    thread = in_loop(threading.get_native_id)
    assert may == [(thread, priority.NICE)]
    assert thread != threading.get_native_id()


def test_the_kernel_does_it_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tuning.VARIABLE, raising=False)
    before = nice()
    assert before == 0, "tests run at the usual priority"
    assert in_loop(nice) == possible()
    assert nice() == before


def test_who_may_not_serves_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(which: int, who: int, value: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.delenv(tuning.VARIABLE, raising=False)
    monkeypatch.setattr(os, "setpriority", refuse)
    assert in_loop(nice) == nice()


def test_another_nice_value_was_chosen_by_somebody(
    monkeypatch: pytest.MonkeyPatch, may: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(os, "getpriority", lambda _, who: 5)
    priority.serve_first()
    assert may == []


def test_it_can_be_left_out(monkeypatch: pytest.MonkeyPatch, may: list[tuple[int, int]]) -> None:
    monkeypatch.setenv(tuning.VARIABLE, tuning.PRIORITY)
    priority.serve_first()
    assert may == []


@pytest.mark.parametrize(
    ("leads", "chosen", "expected"), [(True, 0, "-10"), (False, 0, "0"), (True, 5, "0")]
)
def test_only_the_session_of_a_service_is_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, leads: bool, chosen: int, expected: str
) -> None:
    file = tmp_path / "autogroup"
    file.write_text("0")
    monkeypatch.delenv(tuning.VARIABLE, raising=False)
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid() if leads else 1)
    monkeypatch.setattr(os, "getpriority", lambda *_: chosen)
    monkeypatch.setattr(priority, "_AUTOGROUP", str(file))
    priority.session_first()
    assert file.read_text() == expected


def test_a_kernel_without_sessions_groups_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(tuning.VARIABLE, raising=False)
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid())
    monkeypatch.setattr(priority, "_AUTOGROUP", str(tmp_path / "no" / "file"))
    priority.session_first()
