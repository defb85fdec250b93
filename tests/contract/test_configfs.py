# SPDX-License-Identifier: Apache-2.0
"""What configfs itself promises: names, links, modes, and the errno of each refusal."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from .conftest import refused

if TYPE_CHECKING:
    from lioshell.kernel.ports import ConfigfsPort, Kernel

    from .conftest import Objects


def test_target_folder(configfs: ConfigfsPort) -> None:
    assert {"core", "version", "dbroot"} <= set(configfs.listdir(""))
    assert configfs.read("version").startswith("Target Engine Core ConfigFS Infrastructure")
    assert configfs.location.endswith("/target")
    assert configfs.read("core/alua/lu_gps/default_lu_gp/lu_gp_id") == "0"


def test_exists_and_kinds(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.ramdisk()
    assert configfs.is_dir(device)
    assert configfs.exists(f"{device}/enable")
    assert not configfs.is_dir(f"{device}/enable")
    assert not configfs.is_link(device)
    assert not configfs.exists(f"{device}/nothing")
    assert "enable" not in configfs.folders(device)
    assert set(configfs.folders(device)) >= {"action", "alua", "attrib", "pr", "statistics", "wwn"}
    assert configfs.links(device) == []


def test_folder_numbers(configfs: ConfigfsPort, kernel: Kernel, objects: Objects) -> None:
    device = objects.ramdisk()
    hba = device.rpartition("/")[0]
    numbers = configfs.folder_numbers("core")
    assert sorted(numbers) == sorted(configfs.folders("core"))
    for name, number in numbers.items():
        assert number == os.stat(f"{configfs.location}/core/{name}").st_ino
    assert configfs.folder_numbers("core") == numbers
    configfs.mkdir(f"{hba}/other")
    configfs.rmdir(f"{hba}/other")
    assert configfs.folder_numbers("core") == numbers
    if kernel.simulated:
        # Its file system may give a number twice.
        return
    seen = set()
    for _ in range(20):
        configfs.mkdir("core/rd_mcp_77")
        seen.add(configfs.folder_numbers("core")["rd_mcp_77"])
        configfs.rmdir("core/rd_mcp_77")
    assert len(seen) == 20


def test_modes(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.device("rd_mcp")
    assert configfs.is_writable(f"{device}/control")
    assert configfs.is_writable(f"{device}/enable")
    assert not configfs.is_writable(f"{device}/info")
    with refused(errno.EACCES):
        configfs.read(f"{device}/control")
    with refused(errno.EACCES):
        configfs.write(f"{device}/info", "x")


def test_write_of_nothing(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.device("rd_mcp")
    with refused(errno.EFAULT):
        configfs.write(f"{device}/attrib/emulate_caw", "")


def test_write_of_more_than_a_page(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.device("rd_mcp")
    with refused(errno.E2BIG):
        configfs.write(f"{device}/udev_path", "x" * 5000)


@pytest.mark.parametrize(
    ("operation", "path", "code"),
    [
        ("mkdir", "core/rd_mcp_0/x/y", errno.ENOENT),
        ("mkdir", "core/alua", errno.EEXIST),
        ("mkdir", "core/alua/x", errno.EPERM),
        ("mkdir", "version/x", errno.ENOTDIR),
        ("mkdir", "core/" + "x" * 256, errno.ENAMETOOLONG),
        ("mkdir", "nosuchfabric", errno.EINVAL),
        ("rmdir", "core/nothing_0", errno.ENOENT),
        ("rmdir", "core", errno.EPERM),
        ("rmdir", "core/alua/lu_gps", errno.EPERM),
        ("rmdir", "version", errno.ENOTDIR),
        ("unlink", "version", errno.EPERM),
        ("unlink", "nothing", errno.ENOENT),
        ("unlink", "core", errno.EISDIR),
        ("listdir", "nothing", errno.ENOENT),
        ("listdir", "version", errno.ENOTDIR),
        ("read", "nothing", errno.ENOENT),
        ("read", "core", errno.EISDIR),
        ("readlink", "core", errno.EINVAL),
        ("is_writable", "nothing", errno.ENOENT),
    ],
)
def test_refusals(configfs: ConfigfsPort, operation: str, path: str, code: int) -> None:
    with refused(code):
        getattr(configfs, operation)(path)


def test_write_to_what_is_no_attribute(configfs: ConfigfsPort) -> None:
    with refused(errno.ENOENT):
        configfs.write("nothing", "1")
    with refused(errno.EISDIR):
        configfs.write("core", "1")


@pytest.mark.parametrize(
    "name",
    [
        "foo",
        "foo_0",
        "fileio",
        "fileio_",
        "fileio_x",
        "fileio_1x",
        "fileio_-1",
        "rd_mcp",
        "rd_dr_0",
    ],
)
def test_no_hba(configfs: ConfigfsPort, name: str) -> None:
    with refused(errno.EINVAL):
        configfs.mkdir(f"core/{name}")


def test_links(configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str) -> None:
    device = objects.ramdisk()
    lun = objects.mkdir(f"{iscsi_tpg}/lun/lun_0")
    link = objects.symlink(device, f"{lun}/abcdef0123")
    assert configfs.is_link(link)
    assert configfs.is_dir(link)
    assert configfs.links(lun) == ["abcdef0123"]
    assert configfs.readlink(link) == device
    assert configfs.folders(lun) == ["statistics"]


def test_links_that_cannot_be(configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str) -> None:
    device = objects.ramdisk()
    other = objects.ramdisk("other")
    lun = objects.mkdir(f"{iscsi_tpg}/lun/lun_0")
    with refused(errno.ENOENT):
        configfs.symlink("core/nothing_0/x", f"{lun}/l")
    with refused(errno.EFAULT):
        configfs.symlink(device.rpartition("/")[0], f"{lun}/l")
    with refused(errno.EFAULT):
        configfs.symlink(iscsi_tpg, f"{lun}/l")
    with refused(errno.EPERM):
        configfs.symlink(device, f"{iscsi_tpg}/l")
    with refused(errno.ENODEV):
        configfs.symlink(objects.device("rd_mcp", "unconfigured"), f"{lun}/l")
    objects.symlink(device, f"{lun}/l")
    with refused(errno.EEXIST):
        configfs.symlink(other, f"{lun}/l")
    with refused(errno.EEXIST):
        configfs.symlink(other, f"{lun}/second")
