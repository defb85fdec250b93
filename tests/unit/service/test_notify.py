# SPDX-License-Identifier: Apache-2.0
import os
import socket

import pytest

from lioshell.service.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    """A service manager's socket and the address that it gives to its services."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.settimeout(5)
    if request.param == "file":
        address = str(tmp_path / "notify")
        listener.bind(address)
    else:
        address = f"@lioshell-test-{os.getpid()}"
        listener.bind("\0" + address[1:])
    yield listener, address
    listener.close()


def test_what_the_manager_is_told(manager):
    listener, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})

    notifier.ready("2 devices\nserved")
    notifier.alive()
    notifier.more_time(1.5)
    notifier.stopping("bye")

    assert [listener.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=2 devices served",
        b"WATCHDOG=1",
        b"EXTEND_TIMEOUT_USEC=1500000",
        b"STOPPING=1\nSTATUS=bye",
    ]


def test_without_a_manager_nobody_is_told():
    notifier = Notifier({"WATCHDOG_USEC": "60000000"})
    notifier.ready("here")

    assert notifier.watchdog_s == 0.0


def test_a_manager_that_is_gone_does_not_matter(tmp_path):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("here")


@pytest.mark.parametrize(
    ("pid", "expected"),
    [(None, 30.0), (str(os.getpid()), 30.0), ("1", 0.0)],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(pid, expected):
    environment = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "60000000"}
    if pid is not None:
        environment["WATCHDOG_PID"] = pid

    assert Notifier(environment).watchdog_s == expected
