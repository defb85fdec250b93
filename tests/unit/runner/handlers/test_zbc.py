# SPDX-License-Identifier: Apache-2.0
"""The file of a zoned disk: made once, never formatted again, and whole after every end."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from lioshell.errors import ConflictError, LioshellError, NotFoundError, RunnerError, UsageError
from lioshell.runner.handlers import zone_file
from lioshell.runner.handlers.zbc import ZbcHandler
from lioshell.runner.zones import CLOSED, EMPTY, FULL, IMPLICIT_OPEN
from lioshell.testing import Initiator
from lioshell.testing.conformance import checks_of
from lioshell.testing.verify import verify

MIB = 1 << 20
SIZE = 8 * MIB


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "a.zbc")


def make(config: str, size: int = SIZE, block: int = 512) -> None:
    ZbcHandler.prepare(config, size, block)


def opened(config: str, size: int = SIZE, block: int = 512) -> ZbcHandler:
    return ZbcHandler.open(config, size, block)


def put(handler: ZbcHandler, lba: int, data: bytes) -> None:
    """Write as the unit does."""
    count = len(data) // 512
    handler.zones.begin_write(lba, count)
    handler.write([memoryview(data)], lba * 512, False)
    handler.zones.end_write(lba, count, False)


def test_a_new_file_has_its_zones(path) -> None:
    make(f"{path};zone_size=1M;conventional=2;max_open=3")
    handler = opened(path)
    assert [zone.blocks for zone in handler.zones] == [2048] * 8
    assert [zone.condition for zone in handler.zones] == [0, 0, *[EMPTY] * 6]
    assert handler.zones.max_open == 3
    assert handler.size_bytes == SIZE == ZbcHandler.size_of(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(path).st_size == SIZE + 4096
    assert handler.status()["zones"] == "2 conventional, 6 empty"
    handler.close()


def test_the_defaults_fit_a_small_disk(path) -> None:
    make(path, 64 * MIB)
    handler = opened(path, 64 * MIB)
    assert len(handler.zones) == 16
    assert handler.status()["zone_size_bytes"] == str(4 * MIB)
    assert handler.zones.is_host_managed
    handler.close()


def test_it_is_not_formatted_by_its_options(path) -> None:
    config = f"{path};zone_size=1M;conventional=1"
    make(config)
    handler = opened(config)
    put(handler, 2048, b"kept" * 128)
    handler.close()
    make(config)
    for again in (config, path, f"model-HM/zsize-1/conv-1@{path}"):
        handler = opened(again)
        assert handler.zones[1].pointer == 2049
        found = bytearray(512)
        handler.read([memoryview(found)], 2048 * 512)
        assert found == b"kept" * 128
        handler.close()


@pytest.mark.parametrize(
    "other", ["zone_size=2M", "conventional=2", "model=host-aware", "max_open=2"]
)
def test_options_that_contradict_the_file_are_refused(path, other) -> None:
    make(f"{path};zone_size=1M;conventional=1;max_open=3")
    before = Path(path).read_bytes()
    for act in (make, opened):
        with pytest.raises(ConflictError, match="made otherwise") as caught:
            act(f"{path};{other}")
        assert caught.value.hint
    assert Path(path).read_bytes() == before


def test_another_size_or_block_is_refused(path) -> None:
    make(path)
    with pytest.raises(ConflictError, match=f"{SIZE} bytes") as caught:
        opened(path, SIZE * 2)
    assert str(SIZE) in caught.value.hint
    with pytest.raises(ConflictError, match="blocks of 512"):
        opened(path, SIZE, 4096)
    assert ZbcHandler.block_size_of(path, 4096) == 512
    assert ZbcHandler.block_size_of(f"lba-4096@{path}.new", 512) == 4096


def test_a_plain_file_is_not_taken_for_zones(path) -> None:
    with open(path, "wb") as file:
        file.truncate(SIZE + 4096)
        file.write(b"precious")
    for act in (make, opened, ZbcHandler.size_of):
        with pytest.raises(ConflictError, match="holds no zones"):
            act(path)
    with open(path, "rb") as file:
        assert file.read(8) == b"precious"


@pytest.mark.parametrize(
    "kind", ["missing", "folder", "fifo", "link", "locked", "empty", "no folder"]
)
def test_what_is_no_file_of_ours(path, tmp_path, kind) -> None:
    holder = None
    if kind == "folder":
        os.mkdir(path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        os.symlink("/nowhere/at/all", path)
    elif kind == "locked":
        make(path)
        holder = opened(path)
    elif kind == "empty":
        open(path, "wb").close()
    elif kind == "no folder":
        path = f"{tmp_path}/no/such/a.zbc"
    with pytest.raises(LioshellError) as caught:
        opened(path)
    assert caught.value.hint
    if kind == "missing":
        assert isinstance(caught.value, NotFoundError)
    if kind != "missing":
        with pytest.raises(LioshellError):
            make(path)
    if holder is not None:
        holder.close()


def test_a_failure_leaves_no_file(path, monkeypatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zone_file, "write_all", full)
    with pytest.raises(RunnerError, match="No space left"):
        make(path)
    assert not os.path.exists(path)


def test_a_creation_that_is_cut_short_is_no_disk(path, monkeypatch) -> None:
    """The header is written last: a machine that stops before has no zoned disk there."""
    calls = []
    plain = zone_file._write

    def stop_at_header(descriptor, data, offset):
        calls.append(offset)
        if offset == 0:
            raise KeyboardInterrupt
        plain(descriptor, data, offset)

    monkeypatch.setattr(zone_file, "_write", stop_at_header)
    monkeypatch.setattr(os, "unlink", lambda path: None)
    with pytest.raises(KeyboardInterrupt):
        make(path)
    assert calls[-1] == 0
    with pytest.raises(ConflictError, match="holds no zones"):
        opened(path)


def test_what_was_prepared_is_removed(path) -> None:
    undo = ZbcHandler.prepare(path, SIZE, 512)
    undo()
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (4, b"\x07\0\0\0"),  # model
        (8, b"\0" * 8),  # blocks
        (16, b"\x01\0\0\0"),  # block size
        (20, b"\x03\0\0\0"),  # zone size
        (24, b"\xff\xff\0\0"),  # number of zones
        (28, b"\xff\0\0\0"),  # conventional ones
        (48, b"\x05"),  # start of zone 0
        (48 + 64 + 8, b"\x05"),  # length of zone 1
        (48 + 3 * 64 + 16, b"\0\0\0\0"),  # a pointer before its zone
        (48 + 3 * 64 + 24, b"\x09"),  # kind
        (48 + 3 * 64 + 24, b"\x01"),  # conventional with a pointer
        (48 + 3 * 64 + 25, b"\x08"),  # condition
    ],
)
def test_damaged_zones_are_refused_and_not_mended(path, place, value) -> None:
    make(f"{path};zone_size=1M;conventional=1")
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(value)
    with open(path, "rb") as file:
        before = file.read(4096)
    with pytest.raises(ConflictError, match=r"damaged|bytes") as caught:
        opened(path)
    assert caught.value.hint
    with open(path, "rb") as file:
        assert file.read(4096) == before


def test_a_file_of_tcmu_runner(path) -> None:
    """Its layout: struct zbc_meta, an array of struct zbc_zone, data from the next page on."""
    header = struct.pack("<IIQIIIIIIII", 0x555A4243, 0x14, 16384, 512, 2048, 8, 1, 3, 1, 0, 0)
    zones = struct.pack("<QQQBBBB36x", 0, 2048, 2**64 - 1, 1, 0, 0, 0)
    for number in range(1, 8):
        start = number * 2048
        condition = {1: FULL, 2: IMPLICIT_OPEN}.get(number, EMPTY)
        pointer = {1: start + 2048, 2: start + 8}.get(number, start)
        zones += struct.pack("<QQQBBBB36x", start, 2048, pointer, 2, condition, 0, 0)
    with open(path, "wb") as file:
        file.write((header + zones).ljust(4096, b"\0"))
        file.truncate(4096 + SIZE)
        file.seek(4096 + 2 * MIB)
        file.write(b"theirs!!" * 512)
    handler = opened(f"model-HM/lba-512/zsize-1/conv-1/open-3@{path}")
    assert [zone.condition for zone in handler.zones][:4] == [0, FULL, IMPLICIT_OPEN, EMPTY]
    found = bytearray(4096)
    handler.read([memoryview(found)], 2 * MIB)
    assert found == b"theirs!!" * 512
    put(handler, 4096 + 8, b"ours" * 128)
    handler.close()
    with open(path, "rb") as file:
        record = struct.unpack_from("<QQQBB", file.read(4096), 48 + 2 * 64)
    assert record == (4096, 2048, 4096 + 9, 2, IMPLICIT_OPEN)


WRITER = """
import sys
from lioshell.runner.handlers.zbc import ZbcHandler
handler = ZbcHandler.open(sys.argv[1], int(sys.argv[2]), 512)
for number in range(1, 8):
    for lba in range(number * 2048, (number + 1) * 2048, 8):
        data = lba.to_bytes(8, "big") * 512
        handler.zones.begin_write(lba, 8)
        handler.write([memoryview(data)], lba * 512, False)
        handler.zones.end_write(lba, 8, False)
        print(lba, flush=True)
"""


def test_a_process_that_is_killed_loses_no_acknowledged_write(path) -> None:
    config = f"{path};zone_size=1M;conventional=1;max_open=2"
    make(config)
    words = [sys.executable, "-c", WRITER, path, str(SIZE)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
        acknowledged = [int(writer.stdout.readline()) for _ in range(300)]
        os.kill(writer.pid, signal.SIGKILL)
        # The last line may be cut short: then it was not acknowledged.
        rest = writer.stdout.read()
        acknowledged += [int(line) for line in rest[: rest.rfind("\n") + 1].splitlines()]
    handler = opened(path)
    for lba in acknowledged:
        zone = handler.zones[lba // 2048]
        assert zone.pointer >= lba + 8, zone
        found = bytearray(4096)
        handler.read([memoryview(found)], lba * 512)
        assert found == lba.to_bytes(8, "big") * 512
    handler.close()


def test_the_pointer_is_written_behind_the_data_and_before_the_sync(path, monkeypatch) -> None:
    """What a sync made durable has its write pointer: data, then pointer, then one sync of both."""
    make(f"{path};zone_size=1M;conventional=1")
    handler = opened(path)
    calls = []
    for name in ("pwritev", "fdatasync"):
        plain = getattr(os, name)

        def recorded(*arguments, name=name, plain=plain):
            calls.append((name, arguments[2] >= 4096 if name == "pwritev" else None))
            return plain(*arguments)

        monkeypatch.setattr(os, name, recorded)
    put(handler, 2048, b"a" * 512)
    handler.flush()
    # The zone is opened, then the block, then the pointer.
    expected = [("pwritev", False), ("pwritev", True), ("pwritev", False), ("fdatasync", None)]
    assert calls == expected
    handler.close()


def test_conditions_outlive_the_process(path) -> None:
    make(f"{path};zone_size=1M;conventional=1")
    handler = opened(path)
    put(handler, 2048, b"a" * 512)
    handler.zones.close(1)
    handler.zones.open(2)
    handler.close()
    handler = opened(path)
    assert [handler.zones[n].condition for n in (1, 2)] == [CLOSED, 3]
    handler.close()


@pytest.mark.parametrize(
    "config",
    [
        "",
        "relative.zbc",
        "/srv/a,b.zbc",
        "/srv/",
        "/srv/a.zbc;zone_size=3M",
        "/srv/a.zbc;zone_size=0",
        "/srv/a.zbc;model=drive-managed",
        "/srv/a.zbc;max_open=0",
        "/srv/a.zbc;color=red",
        "/srv/a.zbc;conventional=-1",
        "model-XX@/srv/a.zbc",
        "lba-513@/srv/a.zbc",
        "zsize-3@/srv/a.zbc",
        "size-3@/srv/a.zbc",
        "model-HM/@/srv/a.zbc",
        "model-HM@srv/a.zbc",
        "conv-1@/srv/a.zbc;conventional=1",
        "/srv/" + "a" * 300,
        "/srv/\x00",
    ],
)
def test_configurations_that_are_refused(config) -> None:
    with pytest.raises(UsageError) as caught:
        ZbcHandler.check_config(config)
    assert caught.value.hint


def test_zones_that_do_not_fit(path) -> None:
    with pytest.raises(UsageError, match="cannot be conventional"):
        make(f"{path};zone_size=8M")
    with pytest.raises(UsageError, match="cannot be conventional"):
        make(f"{path};zone_size=1M;conventional=8")
    with pytest.raises(UsageError, match="less than one block"):
        make(f"{path};zone_size=512", SIZE, 4096)
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    "config", ["conventional=1", "conventional=0", "model=host-aware", "sync;zone_size=2M"]
)
def test_it_does_what_every_zoned_disk_must(path, config) -> None:
    make(f"{path};{config}")

    def disk() -> Initiator:
        return Initiator.of(f"zbc/{path}", SIZE)

    with disk() as one:
        for check in checks_of(one):
            check(one)
        assert one.reports == []
    commands, compared = verify(disk, 0.3, seed=5)
    assert commands > 10
    assert compared >= 2 * MIB
