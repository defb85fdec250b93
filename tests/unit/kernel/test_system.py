# SPDX-License-Identifier: Apache-2.0
"""The real machine: preparing it, modules, block and SCSI devices; sysfs is a folder here."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import ExitCode, HostError
from lioshell.kernel import modules
from lioshell.kernel.open import open_real
from lioshell.kernel.system import RealSystem

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    (tmp_path / "sys" / "module").mkdir(parents=True)
    return tmp_path / "sys"


@pytest.fixture
def system(tmp_path: Path, sysfs: Path) -> RealSystem:
    (tmp_path / "config").mkdir()
    return RealSystem(
        str(tmp_path / "config"), sysfs_root=str(sysfs), modules_root=str(tmp_path / "modules")
    )


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


class Modprobe:
    """Stands for subprocess.run; remembers what was asked of modprobe."""

    def __init__(self, returncode: int = 0, stderr: str = "", makes: Path | None = None) -> None:
        self.calls: list[list[str]] = []
        self._returncode, self._stderr, self._makes = returncode, stderr, makes

    def __call__(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        assert not options.get("shell")
        self.calls.append(command)
        if self._makes is not None:
            self._makes.mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, self._returncode, "", self._stderr)


def test_module_that_is_loaded(sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modprobe = Modprobe()
    monkeypatch.setattr(subprocess, "run", modprobe)
    (sysfs / "module" / "tcm_loop").mkdir()
    modules.load_module("tcm-loop", sysfs_root=str(sysfs))
    assert modprobe.calls == []


def test_module_that_is_built_in(
    tmp_path: Path, sysfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modprobe = Modprobe()
    monkeypatch.setattr(subprocess, "run", modprobe)
    folder = tmp_path / "modules" / os.uname().release
    folder.mkdir(parents=True)
    (folder / "modules.builtin").write_text("kernel/drivers/target/target_core_mod.ko\n")
    options = {"sysfs_root": str(sysfs), "modules_root": str(tmp_path / "modules")}
    modules.load_module("target_core_mod", **options)
    assert modprobe.calls == []
    assert not modules.is_loaded("target_core", **options)


@pytest.mark.usefixtures("root")
def test_module_is_loaded_by_modprobe(sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modprobe = Modprobe()
    monkeypatch.setattr(subprocess, "run", modprobe)
    modules.load_module("tcm_loop", sysfs_root=str(sysfs), modules_root="/nowhere")
    assert modprobe.calls == [["modprobe", "--", "tcm_loop"]]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("modprobe: FATAL: Module x not found in directory /lib/modules/1\n", "has no module x"),
        ("modprobe: ERROR: could not insert 'x': Operation not permitted\n", "not permitted"),
        ("", "exit code 1"),
    ],
)
def test_module_that_cannot_be_loaded(
    sysfs: Path, monkeypatch: pytest.MonkeyPatch, stderr: str, message: str
) -> None:
    monkeypatch.setattr(subprocess, "run", Modprobe(1, stderr))
    with pytest.raises(HostError, match=message) as caught:
        modules.load_module("x", sysfs_root=str(sysfs), modules_root="/nowhere")
    assert caught.value.hint
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (FileNotFoundError(errno.ENOENT, "modprobe"), "no modprobe"),
        (subprocess.TimeoutExpired("modprobe", 60), "did not end"),
    ],
)
def test_modprobe_itself_fails(
    sysfs: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, message: str
) -> None:
    def run(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(HostError, match=message):
        modules.load_module("x", sysfs_root=str(sysfs), modules_root="/nowhere")


@pytest.mark.usefixtures("nobody")
def test_only_root_loads_modules(sysfs: Path) -> None:
    with pytest.raises(HostError, match="only root"):
        modules.load_module("x", sysfs_root=str(sysfs), modules_root="/nowhere")


@pytest.mark.usefixtures("nobody")
def test_prepared_already(system: RealSystem, tmp_path: Path) -> None:
    (tmp_path / "config" / "target").mkdir()
    system.prepare()
    with pytest.raises(HostError, match="Only root"):
        system.require_root()


@pytest.mark.usefixtures("nobody")
def test_prepare_without_root(system: RealSystem) -> None:
    with pytest.raises(HostError, match="only root") as caught:
        system.prepare()
    assert "--sim" in caught.value.hint


@pytest.mark.usefixtures("root")
def test_prepare_on_a_kernel_without_lio(
    system: RealSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = "modprobe: FATAL: Module target_core_mod not found in directory /lib/modules/1"
    monkeypatch.setattr(subprocess, "run", Modprobe(1, stderr))
    with pytest.raises(HostError, match="no LIO in this kernel") as caught:
        system.prepare()
    assert "--sim" in caught.value.hint


@pytest.mark.usefixtures("root")
def test_prepare_loads_what_is_missing(
    system: RealSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modprobe = Modprobe(makes=tmp_path / "config" / "target")
    monkeypatch.setattr(subprocess, "run", modprobe)
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(tmp_path / "config"))
    monkeypatch.setattr(system, "_knows_configfs", lambda: True)
    system.prepare()
    assert modprobe.calls == [["modprobe", "--", "target_core_mod"]]


@pytest.mark.usefixtures("root")
def test_prepare_that_ends_without_a_target_folder(
    system: RealSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", Modprobe())
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    with pytest.raises(HostError, match="is not there"):
        system.prepare()


def test_mount_that_fails(system: RealSystem, tmp_path: Path) -> None:
    other = RealSystem(str(tmp_path / "nothing"))
    with pytest.raises(HostError, match="cannot be mounted"):
        other._mount()


NODE = SimpleNamespace(st_mode=stat.S_IFBLK | 0o660, st_rdev=os.makedev(8, 16))


class Device:
    """Stands for /dev/sdx: stat, open and the three ioctls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, busy: bool = False) -> None:
        self.busy = busy
        monkeypatch.setattr(os, "stat", self.stat)
        monkeypatch.setattr(os, "open", self.open)
        monkeypatch.setattr(fcntl, "ioctl", self.ioctl)
        self._stat, self._open = os.stat, os.open

    def stat(self, path: object, **options: object) -> object:
        return NODE if path == "/dev/sdx" else os.lstat(str(path))

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        assert path == "/dev/sdx"
        if self.busy and flags & os.O_EXCL:
            raise OSError(errno.EBUSY, "busy")
        return os.memfd_create("sdx")

    def ioctl(self, descriptor: int, request: int, answer: bytearray) -> int:
        number = {0x80081272: 1 << 40, 0x1268: 4096, 0x125E: 1}[request]
        answer[:] = number.to_bytes(len(answer), "little")
        return 0


@pytest.mark.parametrize("busy", [False, True])
def test_block_device(
    system: RealSystem, sysfs: Path, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    folder = sysfs / "dev" / "block" / "8:16" / "device"
    folder.mkdir(parents=True)
    (folder / "type").write_text("5\n")
    with monkeypatch.context() as patch:
        Device(patch, busy)
        found = system.block_device("/dev/sdx")
    assert found is not None
    assert (found.path, found.size_bytes, found.block_size_bytes) == ("/dev/sdx", 1 << 40, 4096)
    assert (found.read_only, found.scsi_type, found.in_use) == (True, 5, busy)


def test_what_is_no_block_device(system: RealSystem, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in ("/dev/null", str(tmp_path / "file"), str(tmp_path), "/dev/nothing"):
        assert system.block_device(path) is None


def test_block_device_that_cannot_be_opened(
    system: RealSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda *_: NODE)

        def no_medium(*_: object) -> int:
            raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM))

        patch.setattr(os, "open", no_medium)
        with pytest.raises(HostError, match="No medium found"):
            system.block_device("/dev/sdx")


@pytest.mark.parametrize("number", [errno.ENXIO, errno.ENODEV, errno.ENOENT])
def test_a_disk_that_goes_while_it_is_looked_at(
    system: RealSystem, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda *_: NODE)

        def gone(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        patch.setattr(os, "open", gone)
        assert system.block_device("/dev/sdx") is None


def test_scsi_address(system: RealSystem, sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = sysfs / "devices" / "host2" / "2:0:3:4"
    (device / "block" / "sdx").mkdir(parents=True)
    (sysfs / "bus" / "scsi" / "devices").mkdir(parents=True)
    (sysfs / "bus" / "scsi" / "devices" / "2:0:3:4").symlink_to(device)
    (sysfs / "dev" / "block" / "8:16").mkdir(parents=True)
    (sysfs / "dev" / "block" / "8:16" / "device").symlink_to(device)
    assert system.scsi_address("2:0:3:4") == (2, 0, 3, 4)
    for other in ("2:0:3:5", "2:0:3", "sdx", "a:b:c:d", "/dev/null", "/dev/nothing"):
        assert system.scsi_address(other) is None
    with monkeypatch.context() as patch:
        real = os.stat
        patch.setattr(os, "stat", lambda p, **o: NODE if p == "/dev/sdx" else real(p, **o))
        assert system.scsi_address("/dev/sdx") == (2, 0, 3, 4)
    assert system.disks_at("2:0:3", 4) == ["/dev/sdx"]
    assert system.disks_at("2:0:3", 5) == []


def test_open_real() -> None:
    kernel = open_real("/somewhere/config", run_dir="/somewhere/run")
    assert not kernel.simulated
    assert kernel.run_dir == "/somewhere/run"
    assert kernel.configfs.location == "/somewhere/config/target"
