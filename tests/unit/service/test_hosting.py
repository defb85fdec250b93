# SPDX-License-Identifier: Apache-2.0
import os
import time

import pytest

from lioshell.errors import HostError, RunnerError
from lioshell.kernel.sim.initiator import SimDisk
from lioshell.lio.backstore_create import create_user
from lioshell.lio.root import Lio
from lioshell.service.detached import start
from lioshell.service.hosting import Hosting, SessionHosting
from lioshell.specs import Specs, default_folders
from tests.patience import eventually

PATH = "core/user_0/vol0"


@pytest.fixture
def kernel(machine):
    kernel = machine.kernel
    kernel.system.prepare()
    return kernel


def make_device(kernel, machine, *, with_file=True):
    path = machine.folder / "vol0.img"
    if with_file:
        path.write_bytes(bytes(1 << 20))
    lio = Lio(kernel, Specs(default_folders()))
    return create_user(lio, "vol0", 1 << 20, f"file/{path}")


def test_a_session_serves_its_own_devices_and_hands_them_over(kernel, machine):
    reports = []
    hosting = SessionHosting(
        kernel, lambda: start(kernel, [f"--sim={machine.sim}"]), reports.append
    )
    make_device(kernel, machine)

    assert hosting.devices_changed([PATH]) == ["vol0 is served by this session."]
    assert hosting.problem(PATH) == ""
    assert hosting.served_here() == [PATH]
    with SimDisk.open(machine.sim, PATH) as disk:
        disk.write(0, b"x" * 512)

    hosting.hand_over()
    assert hosting.served_here() == []
    assert hosting.problem(PATH) == ""
    assert machine.service_pid() != os.getpid()
    with SimDisk.open(machine.sim, PATH) as disk:
        assert disk.read(0, 1) == b"x" * 512


def test_a_session_hands_over_to_a_service_that_was_started_after_it(kernel, machine):
    hosting = SessionHosting(kernel, lambda: pytest.fail("a service runs"), lambda _: None)
    make_device(kernel, machine)
    hosting.devices_changed([PATH])
    service = machine.serve()
    eventually(lambda: hosting.problem(PATH) == "", seconds=30)

    hosting.hand_over()

    assert machine.service_pid() == service.pid
    assert machine.problem() == ""


def test_a_session_leaves_the_devices_to_a_service_that_runs(kernel, machine):
    service = machine.serve()
    hosting = SessionHosting(kernel, lambda: pytest.fail("a service runs"), lambda _: None)
    make_device(kernel, machine)

    assert hosting.devices_changed([PATH]) == [
        f"vol0 is served by the service (process {service.pid})."
    ]
    assert hosting.served_here() == []


def test_a_device_that_cannot_be_served_is_an_error_that_says_why(kernel, machine):
    hosting = SessionHosting(kernel, lambda: None, lambda _: None)
    make_device(kernel, machine, with_file=False)
    try:
        with pytest.raises(RunnerError) as caught:
            hosting.devices_changed([PATH])
        assert "vol0.img" in str(caught.value)
    finally:
        hosting.close()


def test_a_closed_session_leaves_its_devices_blocked(kernel, machine):
    hosting = SessionHosting(kernel, lambda: None, lambda _: None)
    make_device(kernel, machine)
    hosting.devices_changed([PATH])
    hosting.close()

    assert kernel.configfs.read(f"{PATH}/action/block_dev") == "blocked"
    assert Hosting(kernel, lambda: None).problem(PATH) == "no runner"


def test_a_device_whose_subtype_lacks_something_says_what(kernel, machine, monkeypatch):
    from lioshell.runner.handlers.base import Unavailable
    from lioshell.runner.handlers.file import FileHandler

    make_device(kernel, machine)
    lacks = Unavailable("no library", "Install it with: apt install library")
    monkeypatch.setattr(FileHandler, "unavailable", classmethod(lambda _: lacks))
    hosting = SessionHosting(kernel, lambda: None, lambda _: None)
    with pytest.raises(HostError) as caught:
        hosting.devices_changed([PATH])
    assert caught.value.exit_code == 6
    assert "apt install library" in caught.value.hint
    monkeypatch.undo()
    assert hosting.devices_changed([PATH]) == ["vol0 is served by this session."]
    hosting.close()


def test_a_device_deleted_while_it_is_served(kernel, machine):
    hosting = SessionHosting(kernel, lambda: None, lambda _: None)
    made = make_device(kernel, machine)
    hosting.devices_changed([PATH])
    made.delete()

    eventually(lambda: hosting.served_here() == [], seconds=30)
    hosting.close()
    assert not kernel.configfs.exists("core/user_0")


def test_a_storage_that_opens_slowly_is_waited_for(kernel, machine, monkeypatch):
    from lioshell.runner.handlers import registry
    from lioshell.runner.openings import Openings

    real = registry.make_unit

    def slow(*arguments, **options):
        time.sleep(0.5)
        return real(*arguments, **options)

    monkeypatch.setattr(registry, "make_unit", slow)
    monkeypatch.setattr(Openings.__init__, "__defaults__", (0.05,))
    hosting = SessionHosting(kernel, lambda: None, lambda _: None)
    make_device(kernel, machine)
    assert hosting.devices_changed([PATH]) == ["vol0 is served by this session."]
    hosting.close()
