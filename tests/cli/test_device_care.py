# SPDX-License-Identifier: Apache-2.0
"""A device that is served is asked how it does, resized and repaired from another process."""

from __future__ import annotations

import os

import pytest

from lioshell.errors import ExitCode
from lioshell.kernel.sim.initiator import SimDisk
from lioshell.kernel.sim.uio import is_blocked

READ_CAPACITY_16 = bytes((0x9E, 0x10)) + bytes(11) + bytes((32, 0, 0))
PATH = "/backstores/user:file/vol0"


@pytest.fixture
def volume(cli, process, tmp_path):
    """A user: disk of 1 MiB, with the service that a one-liner started for it."""
    path = tmp_path / "vol0.img"
    result = process("/backstores/user:file", "create", "vol0", "1M", str(path), "cmd_time_out=12")
    assert result.code == 0, result
    return path


@pytest.fixture
def disk(cli, volume):
    with SimDisk.open(str(cli.sim), "core/user_0/vol0") as opened:
        yield opened


def test_create_sets_the_time_out(cli, volume):
    shown = cli("-o", "json", PATH, "get", "attribute", "cmd_time_out").json["result"]
    assert "12" in str(shown)


def test_create_refuses_a_time_out_that_is_none(cli, process, tmp_path):
    result = process(
        "/backstores/user:file", "create", "bad", "1M", str(tmp_path / "b"), "cmd_time_out=soon"
    )
    assert result.code == ExitCode.USAGE
    assert not (tmp_path / "b").exists()
    assert cli("-o", "json", "ls", "/backstores/user:file").json["result"]["children"] == []


def test_info_tells_of_the_commands(cli, disk):
    disk.read(0, 1)
    fields = cli("-o", "json", PATH, "info").json["result"]
    assert fields["commands"] >= 1
    assert fields["failures"] == 0
    assert fields["in_flight"] == []
    assert fields["slow"] == []
    assert fields["served_by"] != os.getpid()
    assert "commands:" in cli.ok(f"{PATH} info")


def test_info_tells_what_the_handler_tells(cli, process, tmp_path):
    (tmp_path / "base").write_bytes(bytes(1 << 20))
    line = f"/backstores/user:overlay create vol1 1M {tmp_path}/o.cow base={tmp_path}/base"
    assert process("-c", line).code == 0
    path = "/backstores/user:overlay/vol1"
    fields = cli("-o", "json", "-c", f"{path} info").json["result"]
    assert fields["storage"] == {"written": "0 of 1048576 bytes"}
    assert "storage_written: 0 of 1048576 bytes" in cli.ok(f"{path} info")


def test_6_2_21_a_disk_grows_and_the_initiator_is_told(cli, process, volume, disk):
    before = disk.capacity()
    disk.write(0, b"x" * 512)
    result = process(PATH, "resize", "3M")
    assert (result.code, result.out) == (0, "vol0 has 3.0MiB now.\n"), result
    assert volume.stat().st_size == 3 << 20
    answer = disk.execute(READ_CAPACITY_16, data_in_bytes=32)
    assert (answer.status, answer.sense[2] & 0xF, answer.sense[12:14]) == (2, 6, b"\x2a\x09")
    assert disk.capacity().blocks == before.blocks * 3
    assert disk.read(0, 1) == b"x" * 512
    disk.write(3 * 2048 - 1, b"e" * 512)
    assert cli("-o", "json", PATH, "info").json["result"]["size_bytes"] == 3 << 20


def test_a_disk_shrinks_only_when_that_is_agreed_to(cli, process, volume, disk):
    refused = process(PATH, "resize", "512K")
    assert refused.code == ExitCode.CONFLICT
    assert "lost" in refused.err
    assert "--yes" in refused.err
    assert volume.stat().st_size == 1 << 20
    result = process("--yes", PATH, "resize", "512K")
    assert result.code == 0, result
    assert volume.stat().st_size == 512 << 10
    disk.execute(bytes(6))
    assert disk.capacity().blocks == 1024


def test_the_new_size_survives_the_end_of_the_server(cli, process, volume, disk):
    assert process(PATH, "resize", "2M").code == 0
    process.end_services()
    assert process("/backstores/user:file", "ls").code == 0
    assert process("--yes", PATH, "repair").code == 0
    assert cli("-o", "json", PATH, "info").json["result"]["runner"] == "serving"
    disk.execute(bytes(6))
    assert disk.capacity().blocks == 4096


def test_a_size_that_is_none_changes_nothing(cli, volume, disk):
    for size in ("0", "100", "1000", "-1", "many", "99999P"):
        result = cli("--yes", PATH, "resize", size)
        assert result.code in (ExitCode.USAGE, ExitCode.FAILED), (size, result)
        assert volume.stat().st_size == 1 << 20
        assert disk.capacity().blocks == 2048


def test_repair_explains_and_asks_before_it_acts(cli, process, disk):
    refused = process(PATH, "repair")
    assert refused.code == ExitCode.CONFLICT
    assert "commands in flight retried" in refused.err
    assert "--yes" in refused.err
    done = process("--yes", PATH, "repair")
    assert done.code == 0, done
    assert "reset the ring" in done.out
    assert not is_blocked(str(cli.sim), "uio0")
    disk.write(0, b"y" * 512)


def test_repair_of_what_is_no_device(process, volume):
    assert process("--yes", PATH, "repair", "everything").code == ExitCode.USAGE
    assert process("--yes", PATH, "repair", "netlink").code == 0
