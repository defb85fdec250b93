# SPDX-License-Identifier: Apache-2.0
"""Every exit code of the contract, each by a case that can happen."""

from __future__ import annotations

import fcntl
import os
import signal

import pytest

from lioshell.kernel.sim.faults import Faults
from lioshell.lio import lock
from tests.patience import eventually

IQN = "iqn.2003-01.com.example:disk1"


def test_0_done(cli):
    assert cli("/backstores/ramdisk", "create", "r0", "1M").code == 0


def test_1_some_of_several_objects_failed(cli, tmp_path):
    cli.ok(f"/backstores/fileio create f0 {tmp_path}/f0.img 1M", "saveconfig")
    (tmp_path / "f0.img").unlink()
    result = cli("restoreconfig", "clear_existing=true")

    assert result.code == 1
    assert "hint: " in result.err


def test_1_a_file_that_is_no_saved_configuration(cli, tmp_path):
    (tmp_path / "saved").write_text("{")
    assert cli("restoreconfig", str(tmp_path / "saved")).code == 1


@pytest.mark.parametrize(
    "argv",
    [
        ("--bogus",),
        ("-o",),
        ("bogus",),
        ("-c", "ls 'open"),
        ("-c", "/backstores/ramdisk create r0 size=1M size=2M"),
        ("/backstores/ramdisk", "create", "r0", "none"),
        ("/backstores/ramdisk", "create", "r0"),
        ("/backstores/ramdisk", "create", "r0", "1M", "bogus=1"),
        ("ls", "/", "deep"),
        ("completion", "tcsh"),
        ("serve", "bogus"),
    ],
)
def test_2_not_understood(cli, argv):
    result = cli(*argv)
    assert result.code == 2
    assert result.err.startswith(("error: ", "ls 'open", "/backstores"))


@pytest.mark.parametrize(
    "line",
    [
        "ls /nowhere",
        "/backstores/ramdisk delete none",
        f"/iscsi create {IQN}",
        f"/iscsi/{IQN} delete 7",
        f"/iscsi/{IQN}/tpg1/luns create /backstores/ramdisk/none",
        f"/iscsi/{IQN}/tpg1 set attribute none=1",
        f"/iscsi/{IQN}/tpg1 get none",
        "restoreconfig /nowhere/saveconfig.json",
    ],
)
def test_3_not_found_or_a_conflict(cli, line):
    cli.ok(f"/iscsi create {IQN}")
    assert cli("-c", line).code == 3


def test_4_another_process_changes_the_configuration(cli, monkeypatch):
    cli("ls")
    (cli.sim / "run").mkdir()
    defaults = {**lock.ChangeLock.__init__.__kwdefaults__, "timeout_s": 0.1}
    monkeypatch.setattr(lock.ChangeLock.__init__, "__kwdefaults__", defaults)
    with (cli.sim / "run/lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("process 42 (delete)")
        file.flush()
        result = cli("/backstores/ramdisk", "create", "r0", "1M")
        assert cli("ls").code == 0

    assert result.code == 4
    assert "process 42 (delete)" in result.err
    assert cli("-o", "json", "ls", "/backstores/ramdisk").json["result"]["children"] == []


@pytest.mark.parametrize(
    "line",
    [
        f"/iscsi/{IQN}/tpg1 set attribute default_cmdsn_depth=100000",
        f"/iscsi/{IQN}/tpg1 set parameter MaxConnections=0",
        f"/iscsi/{IQN}/tpg1/portals create 0.0.0.0 3260",
    ],
)
def test_5_the_kernel_refused(cli, line):
    cli.ok(f"/iscsi create {IQN}")
    result = cli("-c", line)

    assert result.code == 5
    assert f"{cli.sim}/config/target/iscsi/{IQN}" in result.err
    assert "Invalid argument" in result.err


def test_5_the_kernel_failed(cli):
    result = cli("/backstores/ramdisk", "create", "r0", "1M", faults=Faults(1))
    assert result.code == 5
    assert "Input/output error" in result.err


def test_6_the_environment(cli, tmp_path):
    (tmp_path / "file").write_text("")
    result = cli(f"--sim={tmp_path}/file/sim", "ls", sim=False)

    assert result.code == 6
    assert "hint: " in result.err


def test_130_interrupted_while_it_waits_for_a_line(process):
    running = process.start()
    running.stdin.write("pwd\n")
    running.stdin.flush()
    eventually(lambda: blocked_in_read(running.pid), seconds=30)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)

    assert running.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    assert out == "/\n"


def test_130_interrupted_while_it_waits_for_the_lock(cli, process):
    cli.ok("/backstores/ramdisk create r0 1M")
    before = cli.tree()
    with (cli.sim / "run/lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        running = process.start("/backstores/ramdisk", "delete", "r0")
        eventually(lambda: opened(running.pid, str(cli.sim / "run/lock")), seconds=30)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)

    assert running.returncode == 130
    assert "Traceback" not in err
    assert cli.tree() == before


def blocked_in_read(pid: int) -> bool:
    """Tell whether a process sleeps in a read of a pipe (proc(5), wchan and syscall)."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            words = file.read().split()
    except OSError:
        return False
    read = ("0", "63")  # on x86-64, and on arm64 and riscv
    return words[:1] != [] and words[0] in read and words[1] == "0x0"


def opened(pid: int, path: str) -> bool:
    """Tell whether a process has a file open."""
    folder = f"/proc/{pid}/fd"
    try:
        return any(os.readlink(f"{folder}/{name}") == path for name in os.listdir(folder))
    except OSError:
        return False
