# SPDX-License-Identifier: Apache-2.0
"""A tcmu-runner beside us: its lock says that it runs, a client of D-Bus what it has."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

import pytest

from lioshell.kernel import tcmu_runner
from lioshell.kernel.tcmu_runner import TcmuRunner

BUSCTL = """#!/bin/sh
echo "$@" >> "{log}"
case "$*" in
*GetManagedObjects*)
    echo -n 'a{{oa{{sa{{sv}}}}}} 2 "/org/kernel/TCMUService1/rbd" 1 "org.kernel.TCMUService1" '
    echo '1 "ConfigDesc" s "x" "/org/kernel/TCMUService1/glfs" 0';;
*good*) echo 'bs true ""';;
*) echo 'bs false "no such pool"';;
esac
"""
DBUS_SEND = """#!/bin/sh
echo "$@" >> "{log}"
echo 'method return time=1.0 sender=:1.1'
echo '   array [ dict entry( object path "/org/kernel/TCMUService1/fbo" array [ ] ) ]'
echo '   dict entry( object path "/org/kernel/TCMUService1/HandlerManager1" array [ ] )'
"""


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "tcmu.lock"
    path.touch()
    return path


@pytest.fixture
def running(lock):
    """Another process that holds the lock, as tcmu-runner does."""
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX);"
        "print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(lock)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


@pytest.fixture
def client(tmp_path, monkeypatch):
    def install(name, text):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        script = folder / name
        script.write_text(text.format(log=tmp_path / "calls"))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return tmp_path / "calls"

    return install


def test_one_that_does_not_run_is_not_asked(lock, client):
    calls = client("busctl", BUSCTL)
    for path in (lock, lock.with_name("none")):
        runner = TcmuRunner(str(path))
        assert runner.process() == 0
        assert runner.subtypes() == frozenset()
    assert not calls.exists()


def test_our_own_lock_is_nobodys(lock):
    with open(lock, "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert TcmuRunner(str(lock)).process() == 0


def test_what_it_has_registered(lock, running, client):
    calls = client("busctl", BUSCTL)
    runner = TcmuRunner(str(lock))
    assert runner.process() == running
    assert runner.subtypes() == {"rbd", "glfs"}
    assert runner.subtypes() == {"rbd", "glfs"}
    asked = calls.read_text().splitlines()
    assert len(asked) == 1
    assert "--auto-start=no" in asked[0]


def test_with_the_other_client(lock, running, client):
    client("dbus-send", DBUS_SEND)
    assert TcmuRunner(str(lock)).subtypes() == {"fbo"}


def test_what_it_says_of_a_configuration(client):
    client("busctl", BUSCTL)
    runner = TcmuRunner()
    assert runner.problem("rbd", "good/image") == ""
    assert runner.problem("rbd", "bad/image") == "no such pool"


def test_a_client_that_fails_or_is_missing_or_hangs(lock, running, client, monkeypatch):
    client("busctl", "#!/bin/sh\nexit 1\n")
    assert TcmuRunner(str(lock)).subtypes() == frozenset()
    client("busctl", "#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(tcmu_runner, "_TIMEOUT_S", -0.8)
    assert TcmuRunner(str(lock)).subtypes() == frozenset()
    monkeypatch.setenv("PATH", os.devnull)
    assert TcmuRunner(str(lock)).subtypes() == frozenset()
