# SPDX-License-Identifier: Apache-2.0
"""Several processes on one kernel: at once, and one that serves what the others make."""

from __future__ import annotations

import json
import os
import signal

import pytest

from lioshell.service.hosting import service_runs
from tests.patience import eventually

IQN = "iqn.2003-01.com.example:disk1"
NAA = "naa.5001405a1b2c3d4e"


def test_two_processes_that_create_ten_objects_each(cli, process):
    cli("ls")
    running = []
    for who in "ab":
        lines = [f"/backstores/ramdisk create {who}{n} 1M" for n in range(5)]
        lines += [f"/backstores/fileio create {who}{n} {cli.folder}/{who}{n} 1M" for n in range(5)]
        words = [word for line in lines for word in ("-c", line)]
        running.append(process.start(*words))
    ends = [(*one.communicate(timeout=60), one.returncode) for one in running]

    assert [(err, code) for _, err, code in ends] == [("", 0), ("", 0)]
    tree = cli("-o", "json", "ls", "/backstores").json["result"]
    names = {kind["name"]: {o["name"] for o in kind["children"]} for kind in tree["children"]}
    wanted = {f"{who}{n}" for who in "ab" for n in range(5)}
    assert (names["ramdisk"], names["fileio"]) == (wanted, wanted)
    indexes = [n.rpartition("_")[2] for n in os.listdir(cli.sim / "config/target/core")]
    assert len(indexes) == 21
    assert len(set(indexes)) == 21


def test_two_processes_that_want_the_same_name(cli, process):
    cli("ls")
    lines = [word for n in range(5) for word in ("-c", f"/iscsi create {IQN}{n}")]
    running = [process.start("--keep-going", *lines) for _ in range(2)]
    ends = [(*one.communicate(timeout=60), one.returncode) for one in running]

    assert {code for *_, code in ends} <= {0, 3}
    created = [line for out, *_ in ends for line in out.splitlines() if "Created target" in line]
    assert len(created) == 5
    assert sum(err.count("exists already") for _, err, _ in ends) == 5
    assert len(cli("-o", "json", "ls", "/iscsi").json["result"]["children"]) == 5


@pytest.fixture
def volume(cli, process, tmp_path):
    """A user: disk that a one-liner has made, exported, with the service that it started."""
    result = process("/backstores/user:file", "create", "vol0", "1M", str(tmp_path / "vol0.img"))
    assert result.code == 0, result
    assert "is served by" in result.out
    result = process(
        *("-c", "/backstores/user:file/vol0 set attribute cmd_time_out=7"),
        *("-c", f"/loopback create {NAA}"),
        *("-c", f"/loopback/{NAA}/luns create /backstores/user:file/vol0"),
    )
    assert result.code == 0, result
    return tmp_path / "vol0.img"


def test_a_one_liner_has_its_disk_served(cli, volume):
    info = cli("-o", "json", "/backstores/user:file/vol0", "info").json["result"]
    assert info["runner"] == "serving"
    assert volume.stat().st_size == 1 << 20


def test_save_clear_restore_save_of_a_user_disk(cli, process, volume):
    cli.ok("saveconfig")
    document = json.loads(cli.saveconfig.read_text())
    (item,) = document["storage_objects"]
    assert item["config"] == f"file/{volume}"
    assert item["attributes"]["cmd_time_out"] == 7

    result = process("restoreconfig", "clear_existing=true")
    assert result.code == 0, result
    cli.ok(f"saveconfig {cli.folder}/again.json")
    assert json.loads((cli.folder / "again.json").read_text()) == document
    info = cli("-o", "json", "/backstores/user:file/vol0", "info").json["result"]
    assert info["runner"] == "serving"


def test_the_backing_file_of_a_user_disk_is_not_made_again(cli, process, volume):
    cli.ok("saveconfig")
    volume.unlink()
    result = process("restoreconfig", "clear_existing=true")

    assert result.code == 1
    assert "not restored: /backstores/user/vol0: " in result.err
    assert "is not there" in result.err
    assert not volume.exists()
    assert "vol0 ... [not restored: " in cli("ls", "/backstores").out
    assert "carried over" in cli("saveconfig").err


def test_a_service_in_the_foreground_until_it_is_told_to_stop(cli, process):
    cli("ls")
    service = process.start("serve")
    image = cli.folder / "vol0.img"
    try:
        eventually(lambda: service_runs(str(cli.sim / "run")), seconds=30)
        result = process("/backstores/user:file", "create", "vol0", "1M", str(image))
        assert result.code == 0, result
        assert f"served by the service (process {service.pid})" in result.out
        assert process("serve").code == 4
    finally:
        service.send_signal(signal.SIGTERM)
        out, err = service.communicate(timeout=30)
    assert service.returncode == 0
    assert out == ""
    assert "serving core/user_0/vol0" in err
    assert "Traceback" not in err
    summary = cli("ls", "/backstores/user:file").out
    assert "no runner" in summary


def test_a_lun_that_nobody_would_answer_for_is_refused(cli, process):
    """Without a service the LUN's scan would wait for ever."""
    image = cli.folder / "vol0.img"
    assert process("/backstores/user:file", "create", "vol0", "1M", str(image)).code == 0
    process.end_services()
    eventually(lambda: "no runner" in cli("ls").out, seconds=30)
    cli.ok(f"/loopback create {NAA}")
    before = cli.tree()
    result = cli(f"/loopback/{NAA}/luns", "create", "/backstores/user:file/vol0")

    assert result.code == 3
    assert "lioshell serve" in result.err
    assert cli.tree() == before
