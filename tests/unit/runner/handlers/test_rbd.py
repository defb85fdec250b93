# SPDX-License-Identifier: Apache-2.0
"""What of user:rbd needs no cluster; the rest is in tests/engines/test_rbd.py."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lioshell.errors import ConflictError, HostError, UsageError
from lioshell.runner.handlers import registry, shared_library
from lioshell.runner.handlers.ceph import lock
from lioshell.runner.handlers.ceph.name import parse
from lioshell.runner.handlers.rbd import RbdHandler


@pytest.mark.parametrize(
    ("config", "parts", "text"),
    [
        ("rbd/a", ("rbd", "", "a", ""), "rbd/a"),
        ("rbd/ns/a@s;id=client.bob", ("rbd", "ns", "a", "s"), "rbd/ns/a@s"),
        ("p;;x/a", ("p;x", "", "a", ""), "p;x/a"),
    ],
)
def test_configurations(config, parts, text) -> None:
    name = parse(config)
    assert name[:4] == parts
    assert str(name) == text


def test_options() -> None:
    name = parse("rbd/a;conf=/etc/x.conf;id=client.bob;keyring=/etc/k;osd_op_timeout=7")
    assert name[4:] == ("/etc/x.conf", "bob", "/etc/k", 7)
    assert name.command == "rbd -c /etc/x.conf --id bob --keyring /etc/k"


@pytest.mark.parametrize(
    "config",
    [
        *("rbd", "rbd/", "/a", "a/b/c/d", "rbd//a", "rbd/a@", "rbd/@s", "rbd/a@s@t", "r@x/a"),
        *("rbd/a;conf=x", "rbd/a;id=", "rbd/a;what=1", "rbd/a;osd_op_timeout=x", "rbd/a,b"),
        *("rbd/a\nb", "rbd/" + "a" * 300, "rbd/a;id=a;id=b", "rbd/a;key=AQBSsecret=="),
    ],
)
def test_what_names_no_image(config) -> None:
    with pytest.raises(UsageError) as caught:
        registry.for_new("rbd", config) if shared_library.is_there("librbd.so.1") else (
            RbdHandler.check_config(config)
        )
    assert caught.value.hint
    assert "AQBS" not in str(caught.value) + caught.value.hint


def test_without_its_library_it_says_what_to_install_and_harms_nothing(monkeypatch) -> None:
    monkeypatch.setattr(shared_library, "is_there", lambda _: False)
    missing = RbdHandler.unavailable()
    assert missing is not None
    assert "apt install librbd1" in missing.hint
    with pytest.raises(HostError, match="not available"):
        registry.for_new("rbd", "rbd/a")
    assert registry.find("file").unavailable() is None


class _Image:
    """An image whose lock somebody has."""

    def __init__(self, owner: str, watchers: list[str], record: str = "") -> None:
        self.held_by = owner
        self.watching = watchers
        self.record = record
        self.broken: list[str] = []

    def has_exclusive_lock(self) -> bool:
        return True

    def owner(self) -> str:
        return self.held_by

    def watchers(self) -> list[str]:
        return self.watching

    def metadata(self, key: str) -> str:
        assert key == lock.KEY
        return self.record

    def set_metadata(self, key: str, value: str) -> None:
        assert key == lock.KEY
        self.record = value

    def break_lock(self, owner: str) -> None:
        self.broken.append(owner)
        self.held_by = ""

    def lock(self) -> None:
        assert not self.held_by
        self.held_by = "us"


class _Cluster:
    name = parse("rbd/a")

    def __init__(self, address: str, live: tuple[str, ...] = ()) -> None:
        self.address = address
        self._live = live

    def is_of_this_process(self, address: str) -> bool:
        return address in self._live


def _taken_by_a_process(address: str) -> tuple[subprocess.Popen[str], str]:
    """Return a living process and what it has written down as the owner."""
    code = (
        "import sys, time; from tests.unit.runner.handlers.test_rbd import _Cluster, _Image, lock;"
        f"image = _Image('', []); lock.take(_Cluster({address!r}), image, 0.0);"
        "print(image.record, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert process.stdout is not None
    return process, process.stdout.readline()


def test_a_living_process_keeps_its_lock_and_a_killed_one_does_not() -> None:
    process, record = _taken_by_a_process("them")
    try:
        image = _Image("them", ["them"], record)
        with pytest.raises(ConflictError, match=f"process {process.pid}"):
            lock.take(_Cluster("me"), image, 5.0)  # type: ignore[arg-type]
        assert not image.broken
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie is dead
        lock.take(_Cluster("me"), image, 0.0)  # type: ignore[arg-type]
        assert image.broken == ["them"]
        assert '"me"' in image.record
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize(
    "record", ["", "{}", "[]", "no json", '{"address": "them"}', '{"address": "others", "pid": 1}']
)
def test_who_is_not_known_to_be_dead_keeps_its_lock(record) -> None:
    image = _Image("them", ["them", "me"], record)
    with pytest.raises(ConflictError, match="the client them"):
        lock.take(_Cluster("me"), image, 0.0)  # type: ignore[arg-type]
    assert not image.broken
    image.watching = ["me"]
    lock.take(_Cluster("me"), image, 0.0)  # type: ignore[arg-type]
    assert image.broken == ["them"]


def test_another_device_of_this_process() -> None:
    image = _Image("", [])
    lock.take(_Cluster("me"), image, 0.0)  # type: ignore[arg-type]
    image.held_by, image.watching = "me", ["me"]
    with pytest.raises(ConflictError, match="another device of this process"):
        lock.take(_Cluster("me too", ("me", "me too")), image, 0.0)  # type: ignore[arg-type]
    # It was closed while the cluster did not answer.
    lock.take(_Cluster("me too", ("me too",)), image, 0.0)  # type: ignore[arg-type]
    assert image.broken == ["me"]
