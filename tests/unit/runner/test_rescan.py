# SPDX-License-Identifier: Apache-2.0
"""Scans outside the loop: none is lost, none runs beside another."""

from __future__ import annotations

import threading
import time

from lioshell.runner.rescan import Rescan
from tests.patience import eventually

LONG_S = 20.0


def test_requests_during_a_scan_are_one_more_scan() -> None:
    go_on = threading.Semaphore(0)
    scans: list[int] = []
    together: list[int] = []

    def scan() -> None:
        together.append(1)
        assert len(together) == 1
        scans.append(threading.get_ident())
        go_on.acquire(timeout=LONG_S)
        together.clear()

    failures: list[Exception] = []
    rescan = Rescan(scan, failures.append)
    rescan.request()
    eventually(lambda: len(scans) == 1)
    for _ in range(5):
        rescan.request()
    go_on.release()
    eventually(lambda: len(scans) == 2)
    go_on.release()
    eventually(lambda: rescan._thread is None)
    assert len(scans) == 2
    assert failures == []
    assert threading.get_ident() not in scans
    rescan.request()
    go_on.release()
    eventually(lambda: len(scans) == 3)


def test_a_failure_is_told_and_the_next_request_answered() -> None:
    failures: list[Exception] = []

    def scan() -> None:
        raise ValueError("no")

    rescan = Rescan(scan, failures.append)
    for count in (1, 2):
        rescan.request()
        while len(failures) < count:
            time.sleep(0.002)
        eventually(lambda: rescan._thread is None)
    assert [str(error) for error in failures] == ["no", "no"]
