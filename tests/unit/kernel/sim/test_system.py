# SPDX-License-Identifier: Apache-2.0
"""The simulated machine: its disks, its modules, its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lioshell.errors import HostError
from lioshell.kernel.open import open_sim
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.system import SimSystem
from lioshell.specs import Specs

SPECS = Specs(cache_folder="")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "sim")


@pytest.fixture
def system(folder: str) -> SimSystem:
    system = SimSystem(folder, SPECS)
    system.prepare()
    return system


def test_a_fresh_machine_has_two_disks(system: SimSystem, folder: str) -> None:
    for name, address in (("sdb", (0, 0, 0, 0)), ("sdc", (0, 0, 1, 0))):
        disk = system.block_device(f"/dev/{name}")
        assert disk is not None
        assert (disk.size_bytes, disk.block_size_bytes) == (1 << 30, 512)
        assert (disk.read_only, disk.in_use, disk.scsi_type) == (False, False, 0)
        assert system.scsi_address(f"/dev/{name}") == address
        text = ":".join(map(str, address))
        assert system.scsi_address(text) == address
        assert system.disks_at("0:0:" + str(address[2]), 0) == [f"/dev/{name}"]
        # Sparse: a try costs no space.
        assert os.stat(f"{folder}/dev/{name}").st_blocks == 0
    assert os.stat(folder).st_mode & 0o777 == 0o700


def test_what_is_no_disk(system: SimSystem, tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("x")
    Path(folder, "dev", "uio0").write_text("")
    os.symlink(tmp_path / "file", f"{folder}/dev/outside")
    for path in (
        *("/dev/null", "/dev/vda", "/dev/sdd", "/dev/uio0", "/dev/outside", "/dev"),
        *(str(tmp_path / "file"), "sdb", f"/dev/../{folder}/dev/sdb"),
    ):
        assert system.block_device(path) is None
        assert system.scsi_address(path) is None
    assert system.disks_at("7:0:0", 0) == []
    assert system.scsi_address("7:0:0:0") is None


def test_a_disk_of_ones_own(system: SimSystem, folder: str) -> None:
    path = Path(folder, "dev", "vg", "lv")
    path.parent.mkdir()
    path.write_bytes(b"\0" * 4096)
    path.chmod(0o400)
    disk = system.block_device("/dev/vg/lv")
    assert disk is not None
    assert (disk.size_bytes, disk.read_only, disk.scsi_type) == (4096, True, None)


def test_a_claimed_disk_is_in_use(system: SimSystem, folder: str) -> None:
    configfs = SimConfigfs(folder, SPECS)
    for path in ("core/iblock_0", "core/iblock_0/b"):
        configfs.mkdir(path)
    configfs.write("core/iblock_0/b/control", "udev_path=/dev/sdb")
    configfs.write("core/iblock_0/b/enable", "1")
    disk = system.block_device("/dev/sdb")
    assert disk is not None
    assert disk.in_use
    configfs.rmdir("core/iblock_0/b")
    disk = system.block_device("/dev/sdb")
    assert disk is not None
    assert not disk.in_use


def test_prepare_keeps_what_is_there(system: SimSystem, folder: str) -> None:
    SimConfigfs(folder, SPECS).mkdir("iscsi")
    os.unlink(f"{folder}/dev/sdc")
    SimSystem(folder, SPECS).prepare()
    assert SimConfigfs(folder, SPECS).is_dir("iscsi")
    assert system.block_device("/dev/sdc") is None


def test_modules(system: SimSystem, folder: str) -> None:
    system.load_module("target_core_user")
    system.load_module("target_core_user")
    assert os.path.isdir(f"{folder}/sys/module/target_core_user")
    with pytest.raises(HostError, match="no module nosuch"):
        system.load_module("nosuch")


def test_mkdir_of_a_fabric_loads_its_module(system: SimSystem, folder: str) -> None:
    SimConfigfs(folder, SPECS).mkdir("loopback")
    assert os.path.isdir(f"{folder}/sys/module/tcm_loop")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HostError, match="cannot be made"):
        SimSystem(str(tmp_path / "file" / "sim"), SPECS).prepare()


def test_open_sim(folder: str) -> None:
    kernel = open_sim(folder, SPECS)
    kernel.system.prepare()
    kernel.system.require_root()
    assert kernel.simulated
    assert kernel.run_dir == f"{folder}/run"
    assert kernel.configfs.location == f"{folder}/config/target"
    assert kernel.uio.devices() == []
