# SPDX-License-Identifier: Apache-2.0
"""user:rbd on a real Ceph cluster: one monitor, one OSD with BlueStore, on loopback."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lioshell.errors import ConflictError, LioshellError, NotFoundError, RunnerError, UsageError
from lioshell.runner.handlers import rbd, registry
from lioshell.runner.handlers.ceph import cluster, lock
from lioshell.runner.handlers.rbd import RbdHandler
from lioshell.testing import Initiator
from lioshell.testing.initiator import rw16, sense_of
from tests.engines.ceph_cluster import PACKAGES, CephCluster
from tests.engines.daemons import free_port
from tests.engines.packages import needs
from tests.handler_suite import Case, HandlerSuite

pytestmark = needs(*PACKAGES)

SIZE = 8 << 20
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def ceph(tmp_path_factory):
    with CephCluster(tmp_path_factory.mktemp("ceph") / "c") as cluster:
        yield cluster


@pytest.fixture
def image(ceph):
    """Return the configuration of an image of SIZE bytes, with the name that `rbd` has for it."""
    name = f"rbd/t{next(NUMBERS)}"
    ceph.rbd("create", name, "--size", f"{SIZE}B")
    return f"{name};conf={ceph.conf}"


def name_of(config):
    return config.partition(";")[0]


def opened(config, **options):
    return RbdHandler.open(config, SIZE, 512, **options)


class TestRbd(HandlerSuite):
    @pytest.fixture
    def case(self, ceph):
        return Case(
            "rbd",
            lambda: f"rbd/s{next(NUMBERS)};conf={ceph.conf}",
            examples=3,
            steps=25,
            outage=ceph.without_osd,
            outage_s=3.0,
        )


class TestRbdNamespace(HandlerSuite):
    @pytest.fixture
    def case(self, ceph):
        if "tenant" not in ceph.rbd("namespace", "ls", "rbd"):
            ceph.rbd("namespace", "create", "rbd/tenant")
        return Case(
            "rbd",
            lambda: f"rbd/tenant/s{next(NUMBERS)};conf={ceph.conf};id=admin",
            block_size_bytes=4096,
            examples=1,
            steps=15,
        )


SERVE_AND_WRITE = """
import os, sys, time
from lioshell.runner.handlers.rbd import RbdHandler
handler = RbdHandler.open(sys.argv[1], int(sys.argv[2]), 512)
for number in range(64):
    handler.write([memoryview(bytearray([number + 1]) * 4096)], number * 4096, False)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def other_process(image):
    """A process that serves the image and has written 64 blocks of 4 KiB, each its own byte."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", SERVE_AND_WRITE, image, str(SIZE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_a_killed_owner_is_followed_at_once_and_nothing_acknowledged_is_lost(
    ceph, image, other_process
):
    with pytest.raises(ConflictError) as caught:
        opened(image)
    assert str(other_process.pid) in caught.value.message
    other_process.kill()
    other_process.wait()
    begin = time.monotonic()
    handler = opened(image)
    assert time.monotonic() - begin < lock.WATCH_TIMEOUT_S / 2  # its watch is still there
    try:
        found = bytearray(64 * 4096)
        handler.read([memoryview(found)], 0)
        assert found == b"".join(bytes([number + 1]) * 4096 for number in range(64))
    finally:
        handler.close()
    # What the dead one may have sent is refused by the cluster.
    assert "listed 1 entries" in ceph.ceph("osd", "blocklist", "ls")


def test_a_stopped_owner_keeps_its_image_and_is_fenced_when_its_lock_is_broken(
    ceph, image, other_process
):
    other_process.send_signal(signal.SIGSTOP)
    with pytest.raises(ConflictError):
        opened(image)
    other_process.send_signal(signal.SIGCONT)
    opened_here = RbdHandler.open(image, SIZE, 512, read_only=True)
    try:
        opened_here.read([memoryview(bytearray(4096))], 0)
    finally:
        opened_here.close()


def test_who_was_fenced_reports_it(ceph, image):
    handler = opened(image)
    try:
        ceph.ceph("osd", "blocklist", "add", handler._cluster.address)
        with pytest.raises(OSError, match=r"shutdown|endpoint"):
            handler.write([memoryview(bytearray(512))], 0, False)
        told = handler.status()
        assert "ours" not in told.get("lock", "")
    finally:
        handler.close()


def test_somebody_who_uses_librbd_is_not_robbed(ceph, image, monkeypatch):
    monkeypatch.setattr(lock, "WATCH_TIMEOUT_S", 2.0)
    command = ["rbd", "-c", ceph.conf, "bench", "--rbd-cache=false", "--io-type=write"]
    command += ["--io-size=4K", "--io-total=10G", name_of(image)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as bench:
        try:
            for line in bench.stdout:
                if b"OPS/SEC" in line:
                    break
            next(bench.stdout)
            with pytest.raises(ConflictError, match="in use by the client"):
                opened(image)
            assert bench.poll() is None
        finally:
            bench.kill()


def test_prepare_leaves_an_image_in_use_alone(image):
    handler = opened(image)
    try:
        begin = time.monotonic()
        with pytest.raises(ConflictError, match="another device of this process"):
            RbdHandler.prepare(image, SIZE, 512)
        assert time.monotonic() - begin < 10
    finally:
        handler.close()


def test_a_snapshot_is_read_only_and_stays_as_it_was(ceph, image):
    handler = opened(image)
    handler.write([memoryview(bytearray(b"\x11") * 512)], 0, False)
    handler.close()
    ceph.rbd("snap", "create", f"{name_of(image)}@before")
    snapshot = image.replace(";", "@before;", 1)
    handler = opened(image)
    frozen = opened(snapshot)
    try:
        handler.write([memoryview(bytearray(b"\x22") * 512)], 0, False)
        found = bytearray(512)
        frozen.read([memoryview(found)], 0)
        assert found == b"\x11" * 512
        assert frozen.read_only
        with pytest.raises(OSError, match="Read-only"):
            frozen.write([memoryview(found)], 0, False)
    finally:
        frozen.close()
        handler.close()
    with pytest.raises(UsageError):
        RbdHandler.prepare(image.replace(";", "@no;", 1).replace("rbd/", "rbd/no"), SIZE, 512)


def test_another_size_given_by_others_is_told_and_followed(ceph, image):
    handler = opened(image)
    try:
        assert handler.status()["lock"] == "ours"
        assert handler.status()["cluster"].startswith("HEALTH_")
        ceph.rbd("resize", name_of(image), "--size", "16M")
        assert "16" in handler.status()["image"]
        handler.resize(16 << 20)
        assert handler.size_bytes == 16 << 20
        handler.write([memoryview(bytearray(512))], (16 << 20) - 512, False)
        ceph.rbd("resize", name_of(image), "--size", "8M", "--allow-shrink")
        with pytest.raises(OSError, match="Input/output"):
            handler.read([memoryview(bytearray(512))], (16 << 20) - 512)
    finally:
        handler.close()


def test_what_is_not_safe_to_serve_is_refused(ceph, image):
    name = name_of(image)
    ceph.rbd("config", "image", "set", name, "rbd_cache", "true")
    with pytest.raises(ConflictError, match="cache"):
        opened(image)
    ceph.rbd("config", "image", "rm", name, "rbd_cache")
    ceph.rbd("feature", "disable", name, "object-map", "fast-diff", "exclusive-lock")
    with pytest.raises(ConflictError) as caught:
        opened(image)
    assert f"feature enable {name} exclusive-lock" in caught.value.hint


def test_holes_are_told_from_data(image):
    handler = opened(image)
    try:
        handler.write([memoryview(bytearray(512))], 4 << 20, False)
        extents = list(handler.allocation(0, SIZE))
        assert sum(extent.size_bytes for extent in extents) == SIZE
        assert not extents[0].mapped
        assert any(extent.mapped for extent in extents)
        handler.discard(0, SIZE)
        assert not any(extent.mapped for extent in handler.allocation(0, SIZE))
    finally:
        handler.close()


def test_more_buffers_than_one_call_takes(image):
    handler = opened(image)
    try:
        data = os.urandom(1500 * 512)
        out = memoryview(bytearray(data))
        handler.write([out[i : i + 512] for i in range(0, len(data), 512)], 512, False)
        found = bytearray(len(data))
        into = memoryview(found)
        handler.read([into[i : i + 512] for i in range(0, len(data), 512)], 512)
        assert found == data
    finally:
        handler.close()


def test_what_is_not_there(ceph, tmp_path):
    for config, kind, word in (
        (f"rbd/nothing;conf={ceph.conf}", NotFoundError, "no image"),
        (f"nopool/a;conf={ceph.conf}", NotFoundError, "no pool"),
        (f"rbd/nospace/a;conf={ceph.conf}", NotFoundError, "no image"),
        (f"rbd/a;conf={tmp_path}/no.conf", NotFoundError, "no configuration file"),
        (f"rbd/a;conf={ceph.conf};keyring={tmp_path}/no", NotFoundError, "keyring"),
    ):
        with pytest.raises(kind, match=word) as caught:
            opened(config)
        assert caught.value.hint
    assert RbdHandler.size_of(f"rbd/nothing;conf={ceph.conf}") is None
    with pytest.raises(LioshellError):
        RbdHandler.prepare(f"rbd/nospace/a;conf={ceph.conf}", SIZE, 512)


@pytest.fixture
def impatient(monkeypatch):
    """Seconds that are fewer than those of everyday."""
    for name in ("CONNECT_TIMEOUT_S", "OPERATION_TIMEOUT_S", "CLOSE_TIMEOUT_S"):
        monkeypatch.setattr(cluster, name, 2)
    monkeypatch.setattr(rbd, "CLOSE_TIMEOUT_S", 1)


def test_a_cluster_that_does_not_answer_is_an_error_in_bounded_time(
    ceph, image, tmp_path, impatient
):
    conf = tmp_path / "dead.conf"
    nobody = f"v2:127.0.0.1:{free_port()}"
    conf.write_text(f"[global]\nmon host = {nobody}\nauth client required = none\n")
    begin = time.monotonic()
    with pytest.raises(RunnerError, match="does not answer"):
        opened(f"rbd/a;conf={conf}")
    assert time.monotonic() - begin < 40
    handler = opened(image)
    with ceph.without_osd():
        begin = time.monotonic()
        with pytest.raises(RunnerError, match="does not answer"):
            opened(image)
        handler.close()
        assert time.monotonic() - begin < 60
    # Closed without telling the cluster, but closed.
    deadline = time.monotonic() + 60
    while True:
        try:
            opened(image).close()
            break
        except RunnerError:
            assert time.monotonic() < deadline


def test_with_a_time_out_commands_fail_while_no_osd_answers(ceph, image):
    with Initiator.of(f"rbd/{image};osd_op_timeout=2", SIZE) as disk:
        disk.write(0, b"\x33" * 512, fua=True)
        with ceph.without_osd():
            answer = disk.execute(rw16(0x88, 0, 1), data_in_bytes=512, timeout_s=60)
            assert sense_of(answer) == (0xB, 0x08, 0x01)
        deadline = time.monotonic() + 60
        while disk.execute(rw16(0x88, 0, 1), data_in_bytes=512).status:
            assert time.monotonic() < deadline
        assert disk.read(0, 1) == b"\x33" * 512


def test_secrets_are_not_taken(image):
    with pytest.raises(UsageError) as caught:
        registry.for_new("rbd", f"{image};key=AQBSsecret==")
    assert "keyring" in caught.value.hint
    assert "AQBS" not in caught.value.message
