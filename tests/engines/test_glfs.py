# SPDX-License-Identifier: Apache-2.0
"""user:glfs on a real Gluster volume of one brick."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lioshell.errors import ConflictError, LioshellError, NotFoundError, RunnerError
from lioshell.runner.handlers import glfs
from lioshell.runner.handlers.glfs import GlfsHandler
from lioshell.runner.handlers.gluster import volume
from tests.engines.daemons import free_port
from tests.engines.gluster_volume import PACKAGES, GlusterVolume
from tests.engines.packages import needs
from tests.handler_suite import Case, HandlerSuite

pytestmark = needs(*PACKAGES)

SIZE = 4 << 20
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def gluster(tmp_path_factory):
    with GlusterVolume(tmp_path_factory.mktemp("gluster") / "g") as engine:
        yield engine


@pytest.fixture
def config(gluster):
    """Return the configuration of a file of SIZE bytes."""
    name = f"t{next(NUMBERS)}.img"
    with (gluster.brick / name).open("wb"):
        # A brick finds out by itself what was put into its folder.
        os.truncate(gluster.brick / name, SIZE)
    return f"v0@{gluster.host}/{name}"


def opened(config, **options):
    return GlfsHandler.open(config, SIZE, 512, **options)


class TestGlfs(HandlerSuite):
    @pytest.fixture
    def case(self, gluster):
        return Case(
            "glfs",
            lambda: f"v0@{gluster.host}/s{next(NUMBERS)}.img",
            examples=4,
            steps=30,
            outage=gluster.without_brick,
            outage_s=2.0,
        )


class TestGlfsSync(HandlerSuite):
    @pytest.fixture
    def case(self, gluster):
        return Case(
            "glfs",
            lambda: f"v0@{gluster.host}/s{next(NUMBERS)}.img;sync",
            block_size_bytes=4096,
            examples=1,
            steps=15,
            outage=gluster.without_brick,
        )


SERVE_AND_WRITE = """
import sys, time
from lioshell.runner.handlers.glfs import GlfsHandler
handler = GlfsHandler.open(sys.argv[1], int(sys.argv[2]), 512)
for number in range(64):
    handler.write([memoryview(bytearray([number + 1]) * 4096)], number * 4096, False)
print("ready", flush=True)
time.sleep(600)
"""


def test_what_was_acknowledged_outlives_a_killed_process_and_so_does_no_lock(config):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", SERVE_AND_WRITE, config, str(SIZE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            with pytest.raises(ConflictError):
                opened(config)
        finally:
            process.kill()
    handler = opened(config)
    try:
        found = bytearray(64 * 4096)
        handler.read([memoryview(found)], 0)
        assert found == b"".join(bytes([number + 1]) * 4096 for number in range(64))
    finally:
        handler.close()


def test_who_lost_the_file_to_another_client_writes_no_more(gluster, config, monkeypatch):
    monkeypatch.setattr(glfs, "_INTERVAL_S", 6.0)
    first = opened(config)
    second = None
    try:
        results = []
        data = memoryview(bytearray(b"\x11") * 512)
        with gluster.without_brick():
            time.sleep(1)
            first.submit_write([data], 0, False, results.append)
            time.sleep(0.5)
            assert results == []  # it waits
        deadline = time.monotonic() + 5
        while second is None:
            try:
                second = opened(config)
            except LioshellError:
                assert time.monotonic() < deadline
        while not results:
            time.sleep(0.1)
        assert isinstance(results[0], OSError)
        assert "lost" in first.status()["volume"]
        with pytest.raises(OSError):
            first.discard(0, 512)
        found = bytearray(512)
        second.read([memoryview(found)], 0)
        assert found == bytes(512)
    finally:
        first.close()
        if second is not None:
            second.close()


def test_a_file_that_gluster_does_not_open_again_is_opened_by_us(gluster, config):
    gluster.gluster("volume", "set", "v0", "client.strict-locks", "on")
    try:
        handler = opened(config)
        try:
            data = memoryview(bytearray(b"\x11") * 512)
            handler.write([data], 0, False)
            with gluster.without_brick():
                time.sleep(1)
            handler.write([data], 512, False)
            with pytest.raises(ConflictError):
                opened(config)
            found = bytearray(1024)
            handler.read([memoryview(found)], 0)
            assert found == b"\x11" * 1024
        finally:
            handler.close()
    finally:
        gluster.gluster("volume", "reset", "v0", "client.strict-locks")


def test_commands_end_while_no_brick_comes_back(gluster, config, monkeypatch):
    monkeypatch.setattr(glfs, "PATIENCE_S", 1.5)
    handler = opened(config)
    try:
        with gluster.without_brick():
            time.sleep(1)
            with pytest.raises(OSError, match="not connected") as caught:
                handler.read([memoryview(bytearray(512))], 0)
            assert caught.value.errno
            with pytest.raises(OSError, match="not connected"):
                handler.discard(0, 4096)
            assert "not answer" in handler.status()["volume"]
        deadline = time.monotonic() + 30
        while handler.status()["volume"] != "connected":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        handler.read([memoryview(bytearray(512))], 0)
    finally:
        handler.close()


def test_another_size_given_by_others_is_told(gluster, config):
    handler = opened(config)
    try:
        assert handler.status() == {"volume": "connected"}
        os.truncate(gluster.brick / config.rpartition("/")[2], SIZE // 2)
        with pytest.raises(OSError, match="ends here"):
            handler.read([memoryview(bytearray(512))], SIZE - 512)
    finally:
        handler.close()


def test_more_buffers_than_one_call_takes(config):
    handler = opened(config)
    try:
        data = os.urandom(1500 * 512)
        out = memoryview(bytearray(data))
        handler.write([out[i : i + 512] for i in range(0, len(data), 512)], 512, True)
        found = bytearray(len(data))
        into = memoryview(found)
        handler.read([into[i : i + 512] for i in range(0, len(data), 512)], 512)
        assert found == data
    finally:
        handler.close()


def test_what_is_not_there(gluster):
    host = gluster.host
    (gluster.brick / "folder").mkdir(exist_ok=True)
    for config, kind in (
        (f"v0@{host}/nothing.img", NotFoundError),
        (f"v0@{host}/no/folder.img", NotFoundError),
        (f"v0@{host}/folder", ConflictError),
        (f"nothing@{host}/a.img", LioshellError),
        ("v0@no-such-host.invalid/a.img", LioshellError),
    ):
        with pytest.raises(kind) as caught:
            opened(config)
        assert caught.value.hint
    assert GlfsHandler.size_of(f"v0@{host}/nothing.img") is None
    with pytest.raises(NotFoundError):
        GlfsHandler.prepare(f"v0@{host}/no/folder.img", SIZE, 512)


def test_a_second_host_is_asked(gluster, config):
    here = config.replace(f"@{gluster.host}", "@no-such-host.invalid")
    opened(f"{here};backup={gluster.host}").close()


def test_a_server_that_does_not_answer_is_an_error_in_bounded_time(monkeypatch):
    begin = time.monotonic()
    with pytest.raises(RunnerError):
        opened(f"v0@127.0.0.1/a.img;port={free_port()}")
    monkeypatch.setattr(volume, "OPEN_TIMEOUT_S", 2.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(RunnerError, match="no answer") as caught:
            opened(f"v0@127.0.0.1/a.img;port={silent.getsockname()[1]}")
    assert "gluster volume status" in caught.value.hint
    assert time.monotonic() - begin < 60
