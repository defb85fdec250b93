# SPDX-License-Identifier: Apache-2.0
from lioshell.shell.visited import Visited


def test_back_and_forward():
    visited = Visited("/")
    visited.add("/a")
    visited.add("/a")
    visited.add("/b")
    assert next(visited.step(-1)) == "/a"
    assert next(visited.step(-1)) == "/"
    assert list(visited.step(-1)) == []
    assert next(visited.step(1)) == "/a"


def test_going_elsewhere_forgets_what_was_ahead():
    visited = Visited("/")
    visited.add("/a")
    assert next(visited.step(-1)) == "/"
    visited.add("/b")
    assert list(visited.step(1)) == []
    assert next(visited.step(-1)) == "/"


def test_where_all_are_refused_one_stays():
    visited = Visited("/")
    visited.add("/a")
    visited.add("/b")
    assert list(visited.step(-1)) == ["/a", "/"]
    assert next(visited.step(-1)) == "/a"
