# SPDX-License-Identifier: Apache-2.0
"""user:qcow on QEMU's own programs, and the images that tcmu-runner's qcow handler damages."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lioshell.errors import ConflictError, LioshellError, NotFoundError, UsageError
from lioshell.runner.handlers.qcow import QcowHandler
from lioshell.testing import Initiator
from lioshell.testing.initiator import rw16, sense_of
from tests.engines.packages import needs
from tests.handler_suite import Case, HandlerSuite

pytestmark = needs("qemu-utils")

SIZE = 4 << 20
CLUSTER = 64 << 10
BACKING_FORMAT = bytes.fromhex("e2792aca")
"""The header extension with the backing file's format (docs/interop/qcow2.txt of QEMU)."""
KILLS = int(os.environ.get("LIOSHELL_QCOW_KILLS", "3"))
"""How often a serving process is killed; the long form is LIOSHELL_QCOW_KILLS=50."""


def qemu_img(*words):
    done = subprocess.run(["qemu-img", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def check(path):
    """Ask qemu-img whether an image is whole."""
    told = json.loads(qemu_img("check", "--output=json", str(path)))
    assert told.get("corruptions", 0) == told.get("leaks", 0) == told["check-errors"] == 0


def contents(path, image_format="qcow2"):
    """Return what an image holds, as qemu-img reads it."""
    raw = f"{path}.raw"
    qemu_img("convert", "-f", image_format, "-O", "raw", str(path), raw)
    found = Path(raw).read_bytes()
    os.unlink(raw)
    return found


def daemon_of(disk):
    return disk.device.unit.handler._daemon.pid


def newest_daemon():
    """Return the number of this process' newest qemu-nbd."""
    words = ["ps", "-o", "pid=,stat=,comm=", "--ppid", str(os.getpid()), "--sort=start_time,pid"]
    rows = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    alive = [row.split() for row in rows if "qemu-nbd" in row and " Z" not in row]
    return int(alive[-1][0])


@contextlib.contextmanager
def killed():
    """Kill qemu-nbd; it is started again meanwhile."""
    os.kill(newest_daemon(), signal.SIGKILL)
    yield


class QcowSuite(HandlerSuite):
    @pytest.fixture
    def paths(self, tmp_path):
        numbers = itertools.count()
        return lambda: f"{tmp_path}/{next(numbers)}.img"


class TestQcow2(QcowSuite):
    @pytest.fixture
    def case(self, paths):
        return Case("qcow", paths, examples=3, steps=25, outage=killed)


class TestQcow2Writethrough(QcowSuite):
    @pytest.fixture
    def case(self, paths):
        return Case("qcow", lambda: f"{paths()};cache=writethrough", examples=1, steps=20)


class TestVmdk(QcowSuite):
    @pytest.fixture
    def case(self, paths):
        new = lambda: f"{paths()};format=vmdk"  # noqa: E731 - as short as its neighbours
        return Case("qcow", new, examples=1, steps=20, grows=False)


class TestQcow2WithABackingFile(QcowSuite):
    @pytest.fixture
    def case(self, paths):
        def new():
            base = paths()
            qemu_img("create", "-q", "-f", "qcow2", base, str(SIZE))
            return f"{paths()};backing={base}"

        return Case("qcow", new, examples=1, steps=20)


# Images that tcmu-runner damages (its qcow.c) --------------------------------------------------


@pytest.fixture
def base(tmp_path):
    """Make an image that is full of random bytes, and return its path and them."""
    data = random.Random(9).randbytes(SIZE)
    raw, path = tmp_path / "base.raw", tmp_path / "base.qcow2"
    raw.write_bytes(data)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", str(raw), str(path))
    return str(path), data


def test_a_write_to_an_overlay_keeps_the_rest_of_the_cluster(base, tmp_path):
    """Its allocating write fills the rest with zeros instead of the backing file's data."""
    path, expected = base
    overlay = f"{tmp_path}/overlay.qcow2"
    model = bytearray(expected)
    config = f"{overlay};backing={path}"
    undo = QcowHandler.prepare(config, SIZE, 512)
    with Initiator.of(f"qcow/{config}", SIZE) as disk:
        for offset, size in (
            (0, 4096),
            (CLUSTER + 512, 4096),
            (5 * CLUSTER - 512, 1024),
            (SIZE - 4096, 512),
        ):
            disk.write(offset // 512, b"n" * size)
            model[offset : offset + size] = b"n" * size
        assert b"".join(disk.read(lba, 2048) for lba in range(0, SIZE // 512, 2048)) == model
    assert contents(overlay) == model
    check(overlay)
    assert contents(path) == expected
    undo()
    assert not os.path.exists(overlay)


def zero_clusters(path, *, allocated):
    """Make an image of data, of which the second and third cluster are zero clusters."""
    data = random.Random(4).randbytes(4 * CLUSTER)
    qemu_img("create", "-q", "-f", "qcow2", path, str(SIZE))
    raw = f"{path}.data"
    Path(raw).write_bytes(data)
    command = f"write -z {'' if allocated else '-u '}{CLUSTER} {2 * CLUSTER}"
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", f"write -s {raw} 0 {4 * CLUSTER}", "-c", command, path],
        check=True,
        capture_output=True,
    )
    return data[:CLUSTER] + bytes(2 * CLUSTER) + data[3 * CLUSTER :] + bytes(SIZE - 4 * CLUSTER)


@pytest.mark.parametrize("allocated", [True, False])
def test_zero_clusters_are_read_and_written(tmp_path, allocated):
    """It reads preallocated ones one byte beside, and copies the image's head into others."""
    path = f"{tmp_path}/zero.qcow2"
    model = bytearray(zero_clusters(path, allocated=allocated))
    with Initiator.of(f"qcow/{path}", SIZE) as disk:
        assert disk.read(0, 1024) == model[: 1024 * 512]
        for offset in (CLUSTER + 4096, 2 * CLUSTER + 512):
            disk.write(offset // 512, b"w" * 512)
            model[offset : offset + 512] = b"w" * 512
        assert disk.read(0, 1024) == model[: 1024 * 512]
    assert contents(path) == model
    check(path)


def test_an_overlay_that_is_larger_than_its_base(base, tmp_path):
    """It takes the overlay's size for the base's, and refuses or misreads it."""
    path, expected = base
    overlay = f"{tmp_path}/large.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", path, "-F", "qcow2", overlay, str(2 * SIZE))
    with Initiator.of(f"qcow/{overlay}", 2 * SIZE) as disk:
        assert disk.read(SIZE // 512 - 8, 16) == expected[-4096:] + bytes(4096)


def test_clusters_of_two_mebibytes_compressed_or_by_zstd(base, tmp_path):
    """It knows 64 KiB at most, and no zstd; it opens incompatible images without a look."""
    path, expected = base
    for number, options in enumerate(
        (
            ["-o", "cluster_size=2M"],
            ["-c", "-o", "compression_type=zstd"],
            ["-o", "extended_l2=on,cluster_size=128k"],
            ["-o", "lazy_refcounts=on"],
        )
    ):
        made = f"{tmp_path}/{number}.qcow2"
        qemu_img("convert", "-f", "qcow2", "-O", "qcow2", *options, path, made)
        model = bytearray(expected)
        with Initiator.of(f"qcow/{made}", SIZE) as disk:
            assert disk.read(0, 2048) == expected[: 1 << 20]
            disk.write(7, b"o" * 512)
            model[7 * 512 : 8 * 512] = b"o" * 512
        assert contents(made) == model
        check(made)


def test_a_raw_image_that_begins_like_qcow2_stays_raw(tmp_path):
    """What a guest writes names no file of the host."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"geheim" * 100_000)
    forged = f"{tmp_path}/forged.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", str(secret), "-F", "raw", forged, str(SIZE))
    head = Path(forged).read_bytes()[:65536]
    path = f"{tmp_path}/disk.raw"
    config = f"{path};format=raw"
    QcowHandler.prepare(config, SIZE, 512)
    with Initiator.of(f"qcow/{config}", SIZE) as disk:
        disk.write(0, head)
    with Initiator.of(f"qcow/{config}", SIZE) as disk:
        assert disk.read(0, 128) == head
    overlay = f"{tmp_path}/over.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", path, "-F", "raw", overlay, str(SIZE))
    # Today's qemu-img makes no image that does not say it; older ones did.
    whole = Path(overlay).read_bytes()
    assert whole.count(BACKING_FORMAT) == 1
    Path(overlay).write_bytes(whole.replace(BACKING_FORMAT, b"none"))
    with pytest.raises(ConflictError, match="does not say which format"):
        QcowHandler.open(overlay, SIZE, 512)


# The engine dies ---------------------------------------------------------------------------------


def test_what_was_not_flushed_survives_the_death_of_qemu(tmp_path):
    """New clusters are in QEMU's memory only, until a flush."""
    path = f"{tmp_path}/a.qcow2"
    QcowHandler.prepare(path, SIZE, 512)
    chance = random.Random(2)
    model = bytearray(SIZE)
    with Initiator.of(f"qcow/{path}", SIZE) as disk:
        for _ in range(KILLS):
            for _ in range(40):
                lba = chance.randrange(SIZE // 512 - 8)
                data = chance.randbytes(4096)
                disk.write(lba, data)
                model[lba * 512 : lba * 512 + 4096] = data
            os.kill(daemon_of(disk), signal.SIGKILL)
            for lba in range(0, SIZE // 512, 1024):
                assert disk.read(lba, 1024) == model[lba * 512 : (lba + 1024) * 512]
        assert disk.device.unit.handler.status()["reconnects"] == str(KILLS)
    assert contents(path) == model
    check(path)


RUNNER = """
import sys
from lioshell.testing import Initiator
path = sys.argv[1]
disk = Initiator.of(f"qcow/{path}", int(sys.argv[2]))
print("ready", flush=True)
for line in sys.stdin:
    lba, byte = map(int, line.split())
    disk.write(lba, bytes([byte]) * 4096)
    print("done", flush=True)
"""


def test_what_was_acknowledged_survives_the_death_of_the_runner(tmp_path):
    """Its qemu-nbd flushes and ends, and the next runner waits for that."""
    path = f"{tmp_path}/a.qcow2"
    QcowHandler.prepare(path, SIZE, 512)
    chance = random.Random(3)
    model = bytearray(SIZE)
    for _ in range(KILLS):
        runner = subprocess.Popen(
            [sys.executable, "-c", RUNNER, path, str(SIZE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert runner.stdout.readline() == "ready\n"
        for _ in range(60):
            lba, byte = chance.randrange(SIZE // 512 - 8), chance.randrange(1, 256)
            runner.stdin.write(f"{lba} {byte}\n")
            runner.stdin.flush()
            assert runner.stdout.readline() == "done\n"
            model[lba * 512 : lba * 512 + 4096] = bytes([byte]) * 4096
        runner.kill()
        runner.wait()
        runner.stdin.close()
        runner.stdout.close()
    with Initiator.of(f"qcow/{path}", SIZE) as disk:
        for lba in range(0, SIZE // 512, 1024):
            assert disk.read(lba, 1024) == model[lba * 512 : (lba + 1024) * 512]
    check(path)


def test_signals_for_all_of_a_terminal_or_a_unit_do_not_end_qemu(tmp_path):
    path = f"{tmp_path}/a.qcow2"
    QcowHandler.prepare(path, SIZE, 512)
    with Initiator.of(f"qcow/{path}", SIZE) as disk:
        pid = daemon_of(disk)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
        assert os.getpgid(pid) != os.getpgid(0)
        disk.write(0, b"s" * 512)
        assert daemon_of(disk) == pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_qemu_that_stops_is_replaced_and_commands_end(tmp_path):
    path = f"{tmp_path}/a.qcow2"
    QcowHandler.prepare(path, SIZE, 512)
    with Initiator.of(f"qcow/{path};timeout=2", SIZE) as disk:
        disk.write(0, b"s" * 512)
        os.kill(daemon_of(disk), signal.SIGSTOP)
        answer = disk.execute(rw16(0x88, 0, 1), b"", 512)
        assert answer.status == 0 or sense_of(answer) == (0xB, 8, 1)
        deadline = time.monotonic() + 30
        while disk.execute(rw16(0x88, 0, 1), b"", 512).status:
            assert time.monotonic() < deadline
        assert disk.read(0, 1) == b"s" * 512


# Bad input ----------------------------------------------------------------------------------------


def test_an_image_that_a_virtual_machine_uses(tmp_path):
    path = f"{tmp_path}/a.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, str(SIZE))
    other = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        other.stdin.write(b"write 0 512\n")
        other.stdin.flush()
        other.stdout.readline()
        with pytest.raises(ConflictError, match="another program uses it"):
            QcowHandler.open(path, SIZE, 512)
    finally:
        other.communicate(timeout=20)
    QcowHandler.open(path, SIZE, 512).close()


def test_what_is_no_image_of_the_format(tmp_path):
    path = tmp_path / "a.img"
    path.write_bytes(b"x" * SIZE)
    for words in (str(path), f"{path};format=vmdk"):
        with pytest.raises(LioshellError) as caught:
            QcowHandler.open(words, SIZE, 512)
        assert "format=" in caught.value.hint
    assert path.read_bytes() == b"x" * SIZE


def test_an_image_that_is_not_there_is_not_made_by_opening_it(tmp_path):
    with pytest.raises(NotFoundError):
        QcowHandler.open(f"{tmp_path}/none.qcow2", SIZE, 512)
    with pytest.raises(NotFoundError):
        QcowHandler.prepare(f"{tmp_path}/none/a.qcow2", SIZE, 512)
    assert list(tmp_path.iterdir()) == []


def test_an_encrypted_image_is_refused(tmp_path):
    path = f"{tmp_path}/a.qcow2"
    qemu_img(
        *("create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=geheim"),
        *("-o", "encrypt.format=aes,encrypt.key-secret=s", path, "4M"),
    )
    with pytest.raises(ConflictError, match="encrypted"):
        QcowHandler.open(path, SIZE, 512)


def test_a_backing_file_that_is_another_one(base, tmp_path):
    path, _ = base
    overlay = f"{tmp_path}/o.qcow2"
    QcowHandler.prepare(overlay, SIZE, 512)
    with pytest.raises(ConflictError, match="has none"):
        QcowHandler.prepare(f"{overlay};backing={path}", SIZE, 512)
    with pytest.raises(LioshellError):
        QcowHandler.prepare(f"{tmp_path}/n.qcow2;backing={tmp_path}/none", SIZE, 512)
    with pytest.raises(LioshellError):
        QcowHandler.prepare(f"{tmp_path}/n.qcow2;backing={path};backing_format=vmdk", SIZE, 512)
    assert not os.path.exists(f"{tmp_path}/n.qcow2")


def test_what_qemu_cannot_make_leaves_nothing_behind(tmp_path):
    with pytest.raises(LioshellError) as caught:
        QcowHandler.prepare(f"{tmp_path}/a.vhd;format=vpc", 1 << 42, 512)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_shrunk_and_grown_image(tmp_path):
    path = f"{tmp_path}/a.qcow2"
    QcowHandler.prepare(path, SIZE, 512)
    handler = QcowHandler.open(path, SIZE, 512)
    handler.write([memoryview(b"e" * 512)], SIZE - 512, False)
    handler.resize(SIZE // 2)
    handler.resize(SIZE)
    found = memoryview(bytearray(512))
    handler.read([found], SIZE - 512)
    assert found == bytes(512)
    with pytest.raises(LioshellError):
        handler.resize(1 << 62)
    assert handler.size_bytes == SIZE
    handler.read([found], 0)
    handler.close()
    assert QcowHandler.size_of(path) == SIZE
    check(path)


@pytest.mark.parametrize(
    "config",
    [
        "a.qcow2",
        "/a;format=none",
        "/a;cache=maybe",
        "/a;backing=b",
        "/a;backing=/a",
        "/a;timeout=0",
        "/a,b",
        "/" + "a" * 300,
        "/a;colour=red",
    ],
)
def test_what_is_no_configuration(config):
    with pytest.raises(UsageError) as caught:
        QcowHandler.check_config(config)
    assert caught.value.hint
