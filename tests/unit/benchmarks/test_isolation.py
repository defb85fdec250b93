# SPDX-License-Identifier: Apache-2.0
"""Wake-ups are counted of the threads that are there before and after."""

import os
import threading
import time

from benchmarks.measure.isolation import wakeups, woken_since


def test_a_thread_that_ended_does_not_make_it_less():
    assert woken_since({"a": 100, "gone": 5000}, {"a": 103, "new": 2}) == 5


def test_a_thread_that_waits_is_counted():
    before = wakeups(os.getpid())
    thread = threading.Thread(target=lambda: [time.sleep(0.001) for _ in range(20)])
    thread.start()
    time.sleep(0.002)
    during = wakeups(os.getpid())
    thread.join()
    assert len(during) >= len(before)
    time.sleep(0.001)
    assert woken_since(before, wakeups(os.getpid())) >= 2
