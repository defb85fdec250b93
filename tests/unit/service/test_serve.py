# SPDX-License-Identifier: Apache-2.0
import fcntl
import os
import signal
import threading

import pytest

from lioshell.errors import LockedError
from lioshell.kernel.sim.initiator import SimDisk
from lioshell.service import hosting
from lioshell.service.hosting import service_lock, service_lock_path
from tests.patience import eventually

BLOCK = b"0123456789abcdef" * 32


def write_and_read(machine, lba=3):
    with SimDisk.open(machine.sim, "core/user_0/vol0") as disk:
        disk.write(lba, BLOCK)
        disk.flush()
        return disk.read(lba, 1)


def test_a_service_serves_what_is_created_later(machine):
    machine.run("ls")
    service = machine.serve()
    path = machine.create()

    assert machine.problem() == ""
    assert write_and_read(machine) == BLOCK
    with open(path, "rb") as file:
        assert file.read()[3 * 512 : 4 * 512] == BLOCK
    assert machine.service_pid() == service.pid


def test_a_second_service_is_refused(machine):
    machine.run("ls")
    machine.serve()

    result = machine.run("serve", code=4)

    assert "runs already" in result.stderr


def test_a_lock_that_somebody_only_looks_at_is_waited_for(machine):
    machine.run("ls")
    os.makedirs(machine.kernel.run_dir, exist_ok=True)
    path = service_lock_path(machine.kernel.run_dir)
    with open(path, "w") as file:
        # What service_runs() and a service that is being killed do, longer.
        fcntl.flock(file, fcntl.LOCK_SH)
        timer = threading.Timer(1, lambda: fcntl.flock(file, fcntl.LOCK_UN))
        timer.start()
        service = machine.serve()
        timer.join()
    machine.create()

    assert service.poll() is None
    assert machine.service_pid() == service.pid


def test_a_holder_that_never_answers_is_told(machine, monkeypatch):
    monkeypatch.setattr(hosting, "_ATTACH_TIMEOUT_S", 0.2)
    os.makedirs(machine.kernel.run_dir, exist_ok=True)
    with open(service_lock_path(machine.kernel.run_dir), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with (
            pytest.raises(LockedError, match="does not answer"),
            service_lock(machine.kernel.run_dir),
        ):
            pytest.fail("there is no lock")


def test_a_service_that_was_started_for_a_device_makes_room_for_one_that_stays(machine):
    machine.create()
    write_and_read(machine)
    temporary = machine.service_pid()

    service = machine.serve()
    eventually(lambda: machine.problem() == "", seconds=30)

    assert machine.service_pid() == service.pid != temporary
    with SimDisk.open(machine.sim, "core/user_0/vol0") as disk:
        assert disk.read(3, 1) == BLOCK
    assert service.poll() is None


def test_sigterm_ends_it_and_the_next_one_takes_over(machine):
    machine.run("ls")
    first = machine.serve()
    machine.create()
    write_and_read(machine)
    first.send_signal(signal.SIGTERM)

    assert first.wait(30) == 0
    blocked = machine.kernel.configfs.read("core/user_0/vol0/action/block_dev")
    assert blocked == "blocked"
    assert machine.problem() == "no runner"

    machine.serve()
    eventually(lambda: machine.problem() == "", seconds=30)
    with SimDisk.open(machine.sim, "core/user_0/vol0") as disk:
        assert disk.read(3, 1) == BLOCK


def test_sigkill_loses_nothing(machine):
    machine.run("ls")
    first = machine.serve()
    machine.create()
    write_and_read(machine)
    first.kill()
    first.wait(30)

    assert "no runner" in machine.run("ls").stdout
    refused = machine.run("/loopback", "create", "naa.5001405000000001")
    refused = machine.run(
        "/loopback/naa.5001405000000001/luns", "create", "/backstores/user:file/vol0", code=3
    )
    assert "Nobody serves" in refused.stderr
    assert machine.kernel.configfs.folders("loopback/naa.5001405000000001/tpgt_1/lun") == []

    machine.serve()
    eventually(lambda: machine.problem() == "", seconds=30)
    assert write_and_read(machine, 5) == BLOCK


def test_a_one_liner_starts_a_service_that_ends_with_the_last_device(machine):
    machine.create("vol0")
    pid = machine.service_pid()
    machine.create("vol1")

    assert pid is not None
    assert machine.service_pid() == pid
    assert write_and_read(machine) == BLOCK

    machine.run("/backstores/user:file", "delete", "vol0")
    machine.run("/backstores/user:file", "delete", "vol1")
    eventually(lambda: machine.service_pid() is None, seconds=30)
    eventually(lambda: not os.path.exists(f"/proc/{pid}") or _is_zombie(pid), seconds=30)


def _is_zombie(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_a_log_that_nobody_reads_any_more_does_not_stop_it(machine):
    machine.run("ls")
    service = machine.serve()
    service.stderr.close()

    machine.create("vol0")
    machine.create("vol1")

    assert service.poll() is None
    assert write_and_read(machine) == BLOCK


def test_a_missing_backing_file_is_said_and_never_made_again(machine):
    path = machine.create()
    os.kill(machine.service_pid(), signal.SIGKILL)
    eventually(lambda: machine.service_pid() is None, seconds=30)
    os.unlink(path)

    machine.serve()

    eventually(lambda: path in machine.problem(), seconds=30)
    assert not os.path.exists(path)
    assert "No such file" in machine.run("ls").stdout or path in machine.run("ls").stdout


def test_the_end_of_a_broken_start_is_told(machine):
    machine.run("ls")
    os.makedirs(f"{machine.sim}/run/hosts")
    os.rmdir(f"{machine.sim}/run/hosts")
    with open(f"{machine.sim}/run/hosts", "w"):
        pass

    result = machine.run(
        "/backstores/user:file", "create", "vol0", "1M", f"{machine.folder}/a.img", code=1
    )

    assert "The service did not start" in result.stderr
