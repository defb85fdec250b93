# SPDX-License-Identifier: Apache-2.0
"""user:nbd on real servers: qemu-nbd and nbdkit."""

from __future__ import annotations

import os
import random
import subprocess
import time

import pytest

from lioshell.errors import ConflictError, LioshellError, NotFoundError
from lioshell.runner.handlers.nbd import NbdHandler
from lioshell.testing import Initiator
from lioshell.testing.initiator import rw16, sense_of
from tests.engines.nbd_servers import Server, Wire
from tests.engines.packages import needs
from tests.handler_suite import Case, HandlerSuite, Storage

pytestmark = needs("qemu-utils", "nbdkit", "openssl")

SIZE = 4 << 20
COMMUNICATION_TIMEOUT = (0xB, 0x08, 0x01)


class Servers:
    """Starts a server of a new image at each call; `last` is the newest of them."""

    def __init__(self, folder):
        self._folder = folder
        self._started = []

    def __call__(self, *options, size_bytes=SIZE):
        image = self._folder / f"{len(self._started)}.img"
        image.touch()
        os.truncate(image, size_bytes)
        self._started.append(Server.of_qemu(self._folder, str(image), *options))
        self.image = str(image)
        return self.last

    @property
    def last(self):
        return self._started[-1]

    def outage(self):
        return self.last.outage()

    def stop(self):
        for server in self._started:
            server.kill()


@pytest.fixture
def servers(tmp_path):
    servers = Servers(tmp_path)
    yield servers
    servers.stop()


class NbdSuite(HandlerSuite):
    """What is different for exports: they are made and removed on their servers."""

    def test_what_was_prepared_is_removed_again(self, case):
        storage = Storage(case)
        storage.open().close()
        storage.remove()
        storage.open().close()


class TestQemuNbd(NbdSuite):
    @pytest.fixture
    def case(self, servers):
        return Case(
            "nbd",
            lambda: servers().uri,
            examples=5,
            grows=False,
            exclusive=False,
            outage=servers.outage,
        )


class TestACutConnection(NbdSuite):
    @pytest.fixture
    def case(self, servers, tmp_path):
        wires = []

        def new():
            wires.append(Wire(tmp_path, servers().socket))
            return wires[-1].uri

        def outage():
            return wires[-1].outage()

        yield Case(
            "nbd",
            new,
            examples=2,
            grows=False,
            exclusive=False,
            outage=outage,
        )
        for wire in wires:
            wire.close()


class TestNbdkit(NbdSuite):
    @pytest.fixture
    def case(self, tmp_path):
        started = []

        def new():
            words = ("nbdkit", "--foreground", "-U", "SOCKET", "-e", "vol", "memory", str(SIZE))
            started.append(Server(tmp_path, *words))
            return started[-1].uri

        yield Case("nbd", new, examples=3, grows=False, exclusive=False)
        for server in started:
            server.kill()


def test_connections_that_are_cut_all_the_time_lose_nothing(servers, tmp_path):
    wire = Wire(tmp_path, servers().socket)
    chance = random.Random(5)
    model = bytearray(SIZE)
    with Initiator.of(f"nbd/{wire.uri}", SIZE) as disk:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            written = {lba: chance.randbytes(512 * 64) for lba in range(0, 8192, 64)}
            places = iter(chance.sample(sorted(written), 24))

            def following(places=places, written=written):
                lba = next(places, None)
                if lba is None:
                    return None
                if chance.random() < 0.1:
                    wire.cut()
                model[lba * 512 : (lba + 64) * 512] = written[lba]
                return rw16(0x8A, lba, 64), written[lba], 0

            assert not any(answer.status for answer in disk.keep_busy(following, 16))
            lba = chance.randrange(8192 - 256)
            wire.cut()
            assert disk.read(lba, 256) == model[lba * 512 : (lba + 256) * 512]
        assert int(disk.device.unit.handler.status()["reconnects"]) > 3
        disk.flush()
    wire.close()
    with open(servers.image, "rb") as file:
        assert file.read() == model


def test_commands_wait_for_a_lost_server_and_then_fail(servers):
    server = servers()
    with Initiator.of(f"nbd/{server.uri};timeout=1", SIZE) as disk:
        disk.write(0, b"a" * 512)
        with server.outage():
            for cdb, data, size in (
                (rw16(0x8A, 8, 1), b"b" * 512, 0),
                (rw16(0x88, 0, 1), b"", 512),
                (rw16(0x91, 0, 0), b"", 0),
            ):
                began = time.monotonic()
                answer = disk.execute(cdb, data, size)
                assert answer.status == 2
                assert sense_of(answer) == COMMUNICATION_TIMEOUT
                assert time.monotonic() - began >= 0.9
            assert disk.device.unit.handler.status()["connection"].startswith("down for")
        # A flush that failed for want of a server has lost nothing.
        disk.flush()
        assert disk.read(0, 1) == b"a" * 512
        assert disk.device.unit.handler.status()["connection"] == "up"


def test_a_server_that_stops_answering_is_left(servers):
    """Its socket stays open, so only the time tells."""
    server = servers()
    with Initiator.of(f"nbd/{server.uri};timeout=2", SIZE) as disk:
        disk.write(0, b"a" * 512)
        server.pause()
        try:
            answer = disk.execute(rw16(0x88, 0, 1), b"", 512)
            assert sense_of(answer) == COMMUNICATION_TIMEOUT
        finally:
            server.resume()
        assert disk.read(0, 1) == b"a" * 512


def test_an_export_that_comes_back_with_another_size_is_not_used(servers):
    server = servers()
    with Initiator.of(f"nbd/{server.uri};timeout=1", SIZE) as disk:
        with server.outage():
            os.truncate(servers.image, SIZE // 2)
        answer = disk.execute(rw16(0x88, 0, 1), b"", 512)
        assert sense_of(answer) == COMMUNICATION_TIMEOUT
        assert "has 2097152 bytes now" in disk.device.unit.handler.status()["connection"]
        with server.outage():
            os.truncate(servers.image, SIZE)
        assert disk.read(0, 1) == bytes(512)


def test_an_export_that_was_resized_on_its_server(servers):
    server = servers()
    handler = NbdHandler.open(server.uri, SIZE, 512)
    with server.outage():
        os.truncate(servers.image, 2 * SIZE)
    with pytest.raises(LioshellError, match="8388608"):
        handler.resize(3 * SIZE)
    handler.resize(2 * SIZE)
    found = memoryview(bytearray(512))
    handler.write([memoryview(b"z" * 512)], 2 * SIZE - 512, True)
    handler.read([found], 2 * SIZE - 512)
    assert found == b"z" * 512
    handler.close()


def test_a_read_only_export(servers):
    server = servers("--read-only")
    with Initiator.of(f"nbd/{server.uri}", SIZE) as disk:
        disk.refused(rw16(0x8A, 0, 1), (7, 0x27, 0), b"x" * 512)
        assert disk.read(0, 1) == bytes(512)


def test_what_is_there_is_told(servers):
    handler = NbdHandler.open(servers().uri, SIZE, 512)
    handler.write([memoryview(b"x" * 65536)], 1 << 20, False)
    told = list(handler.allocation(0, SIZE))
    assert sum(extent.size_bytes for extent in told) == SIZE
    assert [extent.mapped for extent in told] == [False, True, False]
    handler.discard(1 << 20, 65536)
    assert not any(extent.mapped for extent in handler.allocation(0, SIZE))
    handler.close()


@pytest.mark.parametrize(
    ("uri", "error", "words"),
    [
        ("nbd+unix:///none?socket={socket}", NotFoundError, "no such export"),
        ("nbd+unix:///vol?socket={socket}.not", LioshellError, "No such file"),
        ("nbds+unix:///vol?socket={socket}", LioshellError, "refuses TLS"),
        ("nbd://127.0.0.1:1/vol", LioshellError, "refused"),
    ],
)
def test_a_server_that_cannot_be_used(servers, uri, error, words):
    with pytest.raises(error, match=words) as caught:
        NbdHandler.open(uri.format(socket=servers().socket), SIZE, 512)
    assert caught.value.hint


def test_a_size_that_is_not_the_exports(servers):
    server = servers()
    assert NbdHandler.size_of(server.uri) == SIZE
    with pytest.raises(ConflictError, match="4194304"):
        NbdHandler.open(server.uri, SIZE * 2, 512)


@pytest.fixture
def certificates(tmp_path):
    """Make a folder of certificates as QEMU wants them, for a server called storage.test."""
    folder = tmp_path / "pki"
    folder.mkdir()

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca-key.pem", "-out", "ca-cert.pem", "-subj", "/CN=ca")
    for who, name in (("server", "storage.test"), ("client", "target")):
        openssl(
            "req", *key, "-keyout", f"{who}-key.pem", "-out", f"{who}.csr", "-subj", f"/CN={name}"
        )
        (folder / "names").write_text(f"subjectAltName=DNS:{name}")
        openssl(
            *("x509", "-req", "-in", f"{who}.csr", "-CA", "ca-cert.pem", "-CAkey", "ca-key.pem"),
            *("-CAcreateserial", "-out", f"{who}-cert.pem", "-extfile", "names"),
        )
    return folder


def test_tls(servers, certificates):
    credentials = f"tls-creds-x509,id=tls,endpoint=server,dir={certificates},verify-peer=yes"
    server = servers("--object", credentials, "--tls-creds", "tls")
    with pytest.raises(LioshellError) as caught:
        NbdHandler.open(server.uri, SIZE, 512)
    assert "nbds" in caught.value.hint
    uri = server.uri.replace("nbd+", "nbds+") + f"&tls-certificates={certificates}"
    with pytest.raises(LioshellError, match=r"TLS with .* failed"):
        NbdHandler.open(f"{uri}&tls-hostname=other.test", SIZE, 512)
    with Initiator.of(f"nbd/{uri}&tls-hostname=storage.test", SIZE) as disk:
        data = random.Random(1).randbytes(1 << 20)
        disk.write(64, data)
        assert disk.read(64, 2048) == data
        with server.outage():
            pass
        assert disk.read(64, 2048) == data
