# SPDX-License-Identifier: Apache-2.0
"""A machine that lacks something: LIO, configfs, root, a module, a library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lioshell.errors import HostError

from .conftest import CHECKOUT, listing

if TYPE_CHECKING:
    from lioshell.kernel.ports import Kernel

TARGET = "/sys/kernel/config/target"


def has_lio() -> bool:
    if os.path.isdir(TARGET):
        return True
    if shutil.which("modprobe") is None:
        return False
    return subprocess.run(["modprobe", "-n", "-q", "target_core_mod"]).returncode == 0


without_lio = pytest.mark.skipif(has_lio(), reason="this machine's kernel has LIO")


def lacks_something(result: Any, *texts: str) -> None:
    """Check that a run ended as the contract says of what the machine lacks."""
    assert result.code == 6, result
    assert result.out == ""
    assert 1 <= len(result.err.splitlines()) <= 3
    assert "hint: " in result.err
    for text in texts:
        assert text in result.err, result.err


# LIO


@without_lio
@pytest.mark.parametrize("words", [("ls",), ("/backstores/ramdisk", "create", "r0", "1M"), ()])
def test_no_lio_in_the_kernel(process, words):
    lacks_something(process(*words, sim=False), "--sim")


@without_lio
def test_no_lio_in_the_kernel_for_the_service(process):
    lacks_something(process("serve", sim=False), "--sim")


@without_lio
def test_no_lio_for_another_user(tmp_path, other_user):
    run = other_user(tmp_path)

    lacks_something(run("ls", sim=False), "only root", "--sim")
    assert run("ls").code == 0


@without_lio
def test_no_lio_in_json(process):
    result = process("-o", "json", "ls", sim=False)
    assert result.code == 6
    assert result.json["error"]["code"] == "environment"
    assert "--sim" in result.json["error"]["hint"]


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is told to be root first")
def test_configfs_at_a_folder_that_is_not_there(process, tmp_path):
    missing = tmp_path / "none"
    lacks_something(process(f"--configfs={missing}", "ls", sim=False), "--sim")
    assert not missing.exists()


# Root


def test_another_user_may_look_but_not_change(cli, tmp_path, other_user):
    """On the folder of a simulated kernel, as if it were a configfs that is mounted there."""
    cli.ok("/backstores/ramdisk create r0 1M", "/iscsi create iqn.2003-01.com.example:a")
    run = other_user(cli.sim)
    configfs = f"--configfs={cli.sim}/config"
    before = cli.tree()

    looked = run(configfs, "ls", sim=False)
    assert looked.code == 0
    assert "r0" in looked.out
    for line in (
        "/backstores/ramdisk create r1 1M",
        "/backstores/ramdisk delete r0",
        "/iscsi create",
        "/iscsi set discovery_auth enable=0",
        "saveconfig",
        "restoreconfig",
        "serve",
    ):
        words = line.split()
        lacks_something(run(configfs, *words, sim=False), "nly root", "--sim")
    assert cli.tree() == before


def test_another_users_mistakes_are_told_as_such(cli, other_user):
    cli("ls")
    run = other_user(cli.sim)
    assert run(f"--configfs={cli.sim}/config", "ls", "/nowhere", sim=False).code == 3
    assert run(f"--configfs={cli.sim}/config", "/iscsi", "crate", sim=False).code == 2


# Modules


class WithoutModules:
    """A machine whose kernel lacks some modules."""

    def __init__(self, system: Any, missing: set[str]) -> None:
        self._system = system
        self._missing = missing

    def load_module(self, module: str) -> None:
        if module in self._missing:
            raise HostError(f"This kernel has no module {module}", hint="Boot another kernel.")
        self._system.load_module(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)


def without(kernel: Kernel, *missing: str) -> Kernel:
    return kernel._replace(system=WithoutModules(kernel.system, set(missing)))


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("target_core_file", "/backstores/fileio create f0 FILE 1M"),
        ("target_core_iblock", "/backstores/block create b0 /dev/sdb"),
        ("target_core_pscsi", "/backstores/pscsi create p0 /dev/sdc"),
        ("target_core_user", "/backstores/user:file create u0 1M FILE"),
        ("iscsi_target_mod", "/iscsi create"),
        ("iscsi_target_mod", "/iscsi set discovery_auth enable=0"),
        ("tcm_loop", "/loopback create"),
    ],
)
def test_a_missing_module(cli, tmp_path, module, line):
    kernel = without(cli.kernel(), module)
    before, files = cli.tree(), listing(tmp_path)
    line = line.replace("FILE", str(tmp_path / "file.img"))

    lacks_something(cli("-c", line, kernel=kernel), module)
    assert cli.tree() == before
    assert not (tmp_path / "file.img").exists()
    assert cli("ls", kernel=kernel).code == 0
    assert [f for f in listing(tmp_path) if f not in files and "sim/" not in f] == []


def test_a_missing_module_costs_a_restore_only_what_needs_it(cli):
    cli.ok("/backstores/ramdisk create r0 1M", "/loopback create", "/iscsi create", "saveconfig")
    result = cli("restoreconfig", "clear_existing=true", kernel=without(cli.kernel(), "tcm_loop"))

    assert result.code == 1
    assert "not restored: /loopback/" in result.err
    assert "no module tcm_loop" in result.err
    assert "1 of 5" in result.err
    assert "r0" in cli("ls").out


# Libraries


def test_a_missing_library(tmp_path):
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "lioshell", f"--sim={tmp_path}/sim", "ls"],
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 6
    assert "is missing" in done.stderr
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr
