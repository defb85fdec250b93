# SPDX-License-Identifier: Apache-2.0
"""A save, or a restore, that is killed at any of its steps loses nothing.

A child process is killed before and after each step that it does to the file system, and in the
middle of each write. The long form kills it at every system call that writes, with strace:
LIOSHELL_STRACE=1.
"""

from __future__ import annotations

import builtins
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import pytest

from lioshell.config import save as saving
from lioshell.config import saved_file
from lioshell.lio.root import Lio
from lioshell.specs import Specs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEPS = ("open", "mkdir", "rename", "replace", "unlink", "link", "fsync", "chmod", "rmdir")


class Killer:
    """Kills this process at a step: `number` counts from 1."""

    def __init__(self, number: int, when: str) -> None:
        self.step = 0
        self._is_armed = False
        self._number = number
        self._when = when

    def killing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that is a step."""

        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            if not self._is_armed:
                return call(*arguments, **keywords)
            self.step += 1
            own = self.step
            if (own, self._when) == (self._number, "before"):
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*arguments, **keywords)
            finally:
                if (own, self._when) == (self._number, "after"):
                    os.kill(os.getpid(), signal.SIGKILL)

        return wrapped

    def install(self) -> None:
        """Make steps of what this process does to the file system once it knows what to save."""
        dump = saving.dump

        def dumped(lio: Lio) -> Any:
            document = dump(lio)
            self._is_armed = True
            return document

        saving.dump = dumped
        for name in STEPS:
            setattr(os, name, self.killing(getattr(os, name)))
        opening, killer = builtins.open, self

        class Halves:
            """A file whose writes are two steps each."""

            def __init__(self, file: Any) -> None:
                self._file = file

            def __getattr__(self, name: str) -> Any:
                return getattr(self._file, name)

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *error: object) -> None:
                self._file.close()

            def write(self, data: bytes) -> int:
                half = len(data) // 2
                killer.killing(lambda: (self._file.write(data[:half]), self._file.flush()))()
                return int(self._file.write(data[half:])) + half

        def halves(file: Any, *arguments: Any, **keywords: Any) -> Any:
            opened = opening(file, *arguments, **keywords)
            return Halves(opened) if isinstance(file, int) else opened

        builtins.open = halves


def child(work: Callable[[], object], number: int, when: str) -> int:
    """Run some work in a child process that is killed at a step; return its wait status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            Killer(number, when).install()
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


@pytest.mark.parametrize("name", ["saveconfig.json", "saved.yaml"])
def test_the_file_is_the_old_one_or_the_new_one(cli, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lio = Lio(cli.kernel(), Specs())

    def save() -> None:
        saving.save(lio, str(path), max_backups=3)

    cli.ok("/backstores/ramdisk create r0 1M", "/iscsi set discovery_auth userid=me password=old")
    save()
    folder = sorted(p for p in tmp_path.rglob("*") if p.is_file() and cli.sim not in p.parents)
    old_files = {p: p.read_bytes() for p in folder}
    old = saved_file.read(str(path))
    cli.ok("/backstores/ramdisk create r1 1M", "/iscsi set discovery_auth password=new")
    save()
    new = saved_file.read(str(path))
    assert old != new

    seen, number, ended = set(), 0, False
    while not ended:
        number += 1
        for when in ("before", "after"):
            for file, data in old_files.items():
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(data)
            status = child(save, number, when)
            found = saved_file.read(str(path))
            assert found in (old, new), (number, when)
            assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
            ended = ended or not os.WIFSIGNALED(status)
            seen.add((os.WIFSIGNALED(status), found == new))
            # What was left behind harms no later save.
            save()
            assert saved_file.read(str(path)) == new
        assert number < 400
    print(f"{name}: killed at {2 * number - 2} steps")
    assert seen == {(True, False), (True, True), (False, True)}
    left = [p for p in tmp_path.rglob(".*") if p.is_file()]
    assert all(p.stat().st_mode & 0o077 == 0 for p in left)


def test_a_second_restore_finishes_what_a_killed_one_began(cli, tmp_path: Path) -> None:
    """Killed at each change of configfs; and what was running is cleared first."""
    from lioshell.kernel.sim.faults import Faults

    class Kills(Faults):
        def check(self, operation: str, path: str) -> int:
            if super().check(operation, path):
                os.kill(os.getpid(), signal.SIGKILL)
            return 0

    iqn = "iqn.2003-01.com.example:disk1"
    tpg = f"/iscsi/{iqn}/tpg1"
    cli.ok(
        f"/backstores/fileio create f0 {tmp_path}/f0.img 1M",
        "/backstores/ramdisk create r0 1M",
        f"/iscsi create {iqn}",
        f"{tpg}/luns create /backstores/fileio/f0",
        f"{tpg}/acls create iqn.1994-05.com.redhat:client1",
        f"{tpg}/acls/iqn.1994-05.com.redhat:client1 set auth userid=me password=sesame",
        f"{tpg} set attribute login_timeout=20",
        "/loopback create naa.5001405a1b2c3d4e",
        "/loopback/naa.5001405a1b2c3d4e/luns create /backstores/ramdisk/r0",
        "saveconfig",
    )
    saved = json.loads(cli.saveconfig.read_text())
    number, killed = 0, 0
    while True:
        number += 1
        kernel = cli.kernel(Kills(number))
        words = ("restoreconfig", "clear_existing=true")
        status = child(lambda k=kernel, w=words: cli(*w, kernel=k), 0, "")
        if not os.WIFSIGNALED(status):
            break
        killed += 1
        # A save in between loses nothing, whatever is half made.
        cli.ok("saveconfig")
        carried = json.loads(cli.saveconfig.read_text())
        assert carried.pop("lioshell")["not_restored"]
        carried.pop("lioshell", None)
        assert without_nexus(carried) == without_nexus(saved), kernel
        how = ("restoreconfig",) if number % 2 else ("restoreconfig", "--retry")
        if number % 4 == 0:
            how = ("restoreconfig", "clear_existing=true")
        result = cli(*how)
        assert result.code == 0, (number, result)
        cli.ok("saveconfig")
        assert json.loads(cli.saveconfig.read_text()) == saved, (number, how)
    print(f"killed at {killed} steps")
    assert killed > 40
    cli.ok("saveconfig")
    assert json.loads(cli.saveconfig.read_text()) == saved


def without_nexus(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "lioshell"}


@pytest.mark.skipif(
    os.environ.get("LIOSHELL_STRACE") != "1" or shutil.which("strace") is None,
    reason="the long form, which needs strace: LIOSHELL_STRACE=1",
)
def test_every_system_call_that_writes(cli) -> None:
    cli.ok("/backstores/ramdisk create r0 1M", "saveconfig")
    old = cli.saveconfig.read_bytes()
    cli.ok("/backstores/ramdisk create r1 1M")
    calls = "write,pwrite64,fsync,rename,unlink,mkdir,link,chmod,fchmod,ftruncate,flock,close"
    killed = 0
    for number in range(1, 2000):
        cli.saveconfig.write_bytes(old)
        inject = f"inject={calls}:signal=SIGKILL:when={number}"
        command = ["strace", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject]
        done = subprocess.run(
            [*command, sys.executable, "-m", "lioshell", f"--sim={cli.sim}", "saveconfig"],
            check=False,
        )
        found = json.loads(cli.saveconfig.read_bytes())
        assert len(found["storage_objects"]) in (1, 2)
        assert cli.saveconfig.read_bytes() == old or len(found["storage_objects"]) == 2
        if done.returncode == 0:
            break
        killed += 1
    print(f"killed at {killed} system calls")
    assert killed > 20
    assert len(found["storage_objects"]) == 2
