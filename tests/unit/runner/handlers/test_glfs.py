# SPDX-License-Identifier: Apache-2.0
"""What of user:glfs needs no volume; the rest is in tests/engines/test_glfs.py."""

from __future__ import annotations

import threading

import pytest

from lioshell.errors import HostError, UsageError
from lioshell.runner.handlers import registry, shared_library
from lioshell.runner.handlers.glfs import GlfsHandler
from lioshell.runner.handlers.gluster.name import parse
from lioshell.runner.handlers.gluster.volume import within
from tests.patience import eventually


def test_configurations() -> None:
    name = parse("vol-1@storage.example/luns/vol0.img;port=24010;backup=[fd00::1];sync;log=/tmp/l")
    assert name == (
        *("vol-1", ("storage.example", "fd00::1"), "/luns/vol0.img"),
        *(24010, True, "/tmp/l"),
    )
    assert str(name) == "vol-1@storage.example/luns/vol0.img"
    assert parse("v@h/a") == ("v", ("h",), "/a", 24007, False, "")


@pytest.mark.parametrize(
    "config",
    [
        *("v@h", "v@h/", "@h/a", "v@/a", "v/a", "v@h/a/", "v@h/../a", "v@h/a//b", "v@h/./a"),
        *("v@h/a;port=0", "v@h/a;port=65536", "v@h/a;port=x", "v@h/a;backup=x y", "v@h/a,b"),
        *("v@h/a;log=x", "v@h/a;what", "v v@h/a", "v@h\n/a", "v@h/" + "a" * 300, "v@h:1/a"),
    ],
)
def test_what_names_no_file(config) -> None:
    with pytest.raises(UsageError) as caught:
        GlfsHandler.check_config(config)
    assert caught.value.hint


def test_without_its_library_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(shared_library, "is_there", lambda _: False)
    with pytest.raises(HostError, match="not available") as caught:
        registry.for_new("glfs", "v@h/a")
    assert "apt install libgfapi0" in caught.value.hint
    assert registry.lacking("glfs") == "no libgfapi.so.0"
    assert registry.lacking("rbd") == "no librbd.so.1"
    assert registry.lacking("file") == ""


def test_what_hangs_is_given_up_and_disposed_of_when_it_ends() -> None:
    go_on = threading.Event()
    disposed: list[int] = []

    def hang() -> int:
        go_on.wait()
        return 7

    with pytest.raises(TimeoutError):
        within(0.05, hang, disposed.append)
    assert disposed == []
    go_on.set()
    eventually(lambda: disposed == [7], seconds=10)


def test_what_ends_in_time_is_returned_or_raised() -> None:
    assert within(10, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 / 0)
