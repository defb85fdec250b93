# SPDX-License-Identifier: Apache-2.0
"""Nobody waits longer than they want to, and only the newest question is worked on."""

import threading

from lioshell.shell.newest_only import NewestOnly

LONG_S = 30.0


def test_a_quick_answer_is_given_at_once_and_remembered():
    worked = []
    asked = NewestOnly(lambda q: worked.append(q) or q * 2, lambda: None)
    assert asked.ask(3, LONG_S) == 6
    assert asked.ask(3, LONG_S) == 6
    assert worked == [3]
    asked.forget()
    assert asked.ask(3, LONG_S) == 6
    assert worked == [3, 3]


def test_a_slow_answer_comes_later_and_questions_in_between_are_dropped():
    go_on, begun, late = threading.Event(), threading.Event(), threading.Semaphore(0)
    worked = []

    def work(question):
        worked.append(question)
        begun.set()
        go_on.wait(LONG_S)
        return question.upper()

    asked = NewestOnly(work, late.release)
    assert asked.ask("a", 0) is None
    assert begun.wait(LONG_S)
    assert asked.ask("ab", 0) is None
    assert asked.ask("abc", 0) is None
    go_on.set()
    # Told of the answer to "a", which nobody waits for any more, and to the newest.
    assert late.acquire(timeout=LONG_S)
    assert late.acquire(timeout=LONG_S)
    assert asked.ask("abc", 0) == "ABC"
    assert worked == ["a", "abc"]
