# SPDX-License-Identifier: Apache-2.0
"""`lioshell serve --process-per-device`: one process for each disk, started again when it dies."""

from __future__ import annotations

import os
import signal

import pytest

from lioshell.errors import ExitCode
from lioshell.kernel.sim.initiator import SimDisk
from tests.patience import eventually

LONG_S = 30.0


@pytest.fixture
def service(cli, process):
    cli.ok("ls")
    running = process.start("serve", "--process-per-device")
    yield running
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=LONG_S)


def server_of(cli, name):
    fields = cli("-o", "json", f"/backstores/user:file/{name}", "info").json["result"]
    return fields.get("served_by")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_each_device_has_a_process_and_a_death_harms_no_other(cli, process, service, tmp_path):
    for name in ("vol0", "vol1"):
        made = process("/backstores/user:file", "create", name, "1M", str(tmp_path / name))
        assert made.code == 0, made
    first, second = server_of(cli, "vol0"), server_of(cli, "vol1")
    assert first and second
    assert len({first, second, service.pid}) == 3
    with (
        SimDisk.open(str(cli.sim), "core/user_0/vol0", LONG_S) as disk,
        SimDisk.open(str(cli.sim), "core/user_1/vol1", LONG_S) as other,
    ):
        disk.write(0, b"x" * 512)
        os.kill(first, signal.SIGKILL)
        other.write(0, b"y" * 512)
        # The initiator only waits: the parent starts another process for the device.
        assert disk.read(0, 1) == b"x" * 512
    assert server_of(cli, "vol0") not in (None, first)
    assert server_of(cli, "vol1") == second
    assert process("--yes", "/backstores/user:file", "delete", "vol1").code == 0
    eventually(lambda: not alive(second), seconds=30)
    last = server_of(cli, "vol0")
    service.send_signal(signal.SIGTERM)
    service.wait(LONG_S)
    assert service.returncode == 0
    assert not alive(last)


@pytest.mark.parametrize(
    "word",
    [
        "--slow=never",
        "--slow=0",
        "--slow=-1",
        "--spin-us",
        "--spin-us=-1",
        "--spin-us=2000000",
        "--what",
    ],
)
def test_bad_words_of_serve(cli, word):
    assert cli("serve", word).code == ExitCode.USAGE
