# SPDX-License-Identifier: Apache-2.0
"""The service that restores: real processes on a simulated kernel."""

import os
import signal
import socket

import pytest

from lioshell.config.unrestored import unrestored
from lioshell.service.control import ask_all
from tests.patience import eventually

NAA = "naa.5001405000000001"


@pytest.fixture
def saved(machine):
    """A saved configuration of a fileio and a user: object, as after a boot."""
    (machine.folder / "f0.img").write_bytes(bytes(1 << 20))
    machine.create()
    machine.run("/backstores/fileio", "create", "f0", str(machine.folder / "f0.img"))
    machine.run("/loopback", "create", NAA)
    for name in ("user:file/vol0", "fileio/f0"):
        machine.run(f"/loopback/{NAA}/luns", "create", f"/backstores/{name}")
    machine.run("saveconfig")
    machine.run("--yes", "clearconfig", "confirm=True")
    eventually(lambda: machine.service_pid() is None, seconds=30)
    os.unlink(f"{machine.sim}/run/applied")


def served(machine):
    """Tell whether the only device is served; restored, it may have another HBA number."""
    answers = ask_all(f"{machine.sim}/run", {"op": "status"})
    return [state for answer in answers for state in answer["devices"].values()] == [""]


def left(machine):
    return [one.path for one in unrestored(f"{machine.sim}/run")]


def test_it_restores_and_serves(machine, saved):
    service = machine.serve("--restore")
    eventually(lambda: "lun1" in machine.run("ls", "/loopback").stdout, seconds=30)
    eventually(lambda: served(machine), seconds=30)

    assert left(machine) == []
    assert machine.run("plan").returncode == 0
    service.terminate()
    assert service.wait(30) == 0
    assert "lun1" in machine.run("ls", "/loopback").stdout


def test_a_missing_file_is_told_and_nothing_is_forgotten(machine, saved):
    os.rename(machine.folder / "f0.img", machine.folder / "away")
    service = machine.serve("--restore", "--wait=0")
    eventually(lambda: served(machine), seconds=30)
    eventually(lambda: left(machine) != [], seconds=30)

    assert left(machine)[0] == "/backstores/fileio/f0"
    os.rename(machine.folder / "away", machine.folder / "f0.img")
    machine.run("restoreconfig", "--retry")
    assert left(machine) == []
    service.terminate()
    assert "f0.img is missing" in service.stderr.read()


def test_a_service_that_starts_again_restores_nothing_twice(machine, saved):
    first = machine.serve("--restore")
    eventually(lambda: "lun1" in machine.run("ls", "/loopback").stdout, seconds=30)
    machine.run(f"/loopback/{NAA}/luns", "delete", "1")
    first.send_signal(signal.SIGKILL)
    first.wait(30)

    machine.serve("--restore")
    eventually(lambda: served(machine), seconds=30)
    assert "lun1" not in machine.run("ls", "/loopback").stdout


def test_what_another_tool_made_before_is_brought_in_line(machine, saved):
    machine.run("/backstores/fileio", "create", "f0", str(machine.folder / "f0.img"))
    machine.serve("--restore")

    eventually(lambda: "lun1" in machine.run("ls", "/loopback").stdout, seconds=30)
    assert left(machine) == []


def test_the_configuration_goes_at_the_end_where_that_is_asked_for(machine, saved):
    service = machine.serve("--restore", "--on-stop=remove")
    eventually(lambda: "lun1" in machine.run("ls", "/loopback").stdout, seconds=30)
    eventually(lambda: served(machine), seconds=30)
    service.terminate()

    assert service.wait(30) == 0
    assert NAA not in machine.run("ls", "/loopback").stdout
    assert "f0" not in machine.run("ls", "/backstores/fileio").stdout
    assert machine.run("restoreconfig").returncode == 0


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_broken_file_does_not_keep_devices_from_being_served(machine, text):
    machine.create()
    os.makedirs(f"{machine.sim}/etc/target", exist_ok=True)
    with open(f"{machine.sim}/etc/target/saveconfig.json", "w") as file:
        file.write(text)
    service = machine.serve("--restore")
    eventually(lambda: served(machine), seconds=30)

    service.terminate()
    assert "is not restored" in service.stderr.read()


def test_the_manager_hears_that_it_is_ready_only_once_everything_is_there(
    machine, saved, monkeypatch
):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(30)
    manager.bind(str(machine.folder / "notify"))
    machine.environment["NOTIFY_SOCKET"] = str(machine.folder / "notify")
    machine.serve("--restore")
    told = []
    while not told or not told[-1].startswith("READY=1"):
        told.append(manager.recv(4096).decode())
    manager.close()

    assert served(machine)
    assert "lun1" in machine.run("ls", "/loopback").stdout
    assert told[-1] == "READY=1\nSTATUS=1 user: device served; everything is restored"
    assert any(text.startswith("STATUS=restoring") for text in told)
