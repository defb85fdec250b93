# SPDX-License-Identifier: Apache-2.0
"""Many objects: what one more of them costs, shared texts, members beyond a page, indexes."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lioshell.errors import KernelError
from lioshell.kernel.sim import members
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.numbers import free_number
from lioshell.kernel.sim.scsi_hosts import ScsiHosts
from lioshell.kernel.sim.simulation import Simulation
from lioshell.kernel.sim.system import SimSystem
from lioshell.specs import Specs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPECS = Specs(cache_folder="")
MANY = 60
DEFAULT_LU_GROUP = "core/alua/lu_gps/default_lu_gp"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    sim = str(tmp_path / "sim")
    SimSystem(sim, SPECS).prepare()
    return sim


@pytest.fixture
def configfs(folder: str) -> SimConfigfs:
    return SimConfigfs(folder, SPECS)


def ramdisk(configfs: SimConfigfs, index: int) -> str:
    device = f"core/rd_mcp_{index}/r{index}"
    configfs.mkdir(device.rpartition("/")[0])
    configfs.mkdir(device)
    configfs.write(f"{device}/control", "rd_pages=1")
    configfs.write(f"{device}/enable", "1")
    return device


def calls(do: Callable[[], object]) -> int:
    """Return how many functions are called meanwhile."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        do()
    finally:
        sys.setprofile(None)
    return counted


def exported(configfs: SimConfigfs, index: int) -> None:
    """Make a storage object, a LUN and a target with a portal and a LUN of its own."""
    device = ramdisk(configfs, index)
    target = f"iscsi/iqn.2003-01.com.example:d{index}"
    tpg = f"{target}/tpgt_1"
    acl = f"{tpg}/acls/iqn.1994-05.com.redhat:c"
    for path in (target, tpg, f"{tpg}/np/127.0.0.1:3260", f"{tpg}/lun/lun_0", acl, f"{acl}/lun_0"):
        configfs.mkdir(path)
    configfs.symlink(device, f"{tpg}/lun/lun_0/l")
    configfs.symlink(f"{tpg}/lun/lun_0", f"{acl}/lun_0/m")
    loop = f"loopback/naa.5001405000000{index:03x}"
    for path in (loop, f"{loop}/tpgt_1", f"{loop}/tpgt_1/lun/lun_0"):
        configfs.mkdir(path)
    configfs.write(f"{loop}/tpgt_1/nexus", "naa.5001405000000fff")
    configfs.symlink(device, f"{loop}/tpgt_1/lun/lun_0/l")


def test_one_more_costs_the_same_however_many_there_are(configfs: SimConfigfs) -> None:
    configfs.mkdir("iscsi")
    configfs.mkdir("loopback")
    cost = [calls(lambda i=index: exported(configfs, i)) for index in range(MANY)]
    # The first ones make the shared texts; a search for a free number doubles its steps.
    assert cost[-1] < cost[9] + 100


def test_a_change_of_a_shared_text_is_one_objects_own(configfs: SimConfigfs) -> None:
    one, two = ramdisk(configfs, 0), ramdisk(configfs, 1)
    attribute = "attrib/emulate_tas"
    there = [os.stat(f"{configfs.location}/{device}/{attribute}") for device in (one, two)]
    assert os.path.samestat(*there)
    configfs.write(f"{one}/{attribute}", "0")
    assert configfs.read(f"{two}/{attribute}") == "1"
    three = ramdisk(configfs, 2)
    assert configfs.read(f"{three}/{attribute}") == "1"
    modes = {os.stat(f"{configfs.location}/{one}/{attribute}").st_mode & 0o777}
    assert modes == {0o644}


@pytest.mark.parametrize("failures", [1, None])
def test_a_file_has_no_end_of_links(
    configfs: SimConfigfs, monkeypatch: pytest.MonkeyPatch, failures: int | None
) -> None:
    """EMLINK makes a new file to share; a file system without links shares none."""
    ramdisk(configfs, 0)
    left, real = [failures], os.link

    def link(*arguments: Any) -> None:
        if left[0] is None:
            raise OSError(errno.EPERM, "no links")
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EMLINK, "too many links")
        real(*arguments)

    monkeypatch.setattr(os, "link", link)
    device = ramdisk(configfs, 1)
    assert configfs.read(f"{device}/attrib/emulate_tas") == "1"
    assert configfs.read(f"{device}/statistics/scsi_lu/full_stat") == "0"
    configfs.write(f"{device}/attrib/emulate_tas", "0")
    assert configfs.read("core/rd_mcp_0/r0/attrib/emulate_tas") == "1"


def test_members_beyond_a_page(folder: str, configfs: SimConfigfs) -> None:
    """As the real kernel does, the attribute shows what fits into 4096 bytes."""
    name = "m" * 200
    for index in range(25):
        device = f"core/rd_mcp_{index}/{name}"
        for path in (f"core/rd_mcp_{index}", device):
            configfs.mkdir(path)
        configfs.write(f"{device}/control", "rd_pages=1")
        configfs.write(f"{device}/enable", "1")
    shown = configfs.read(f"{DEFAULT_LU_GROUP}/members").splitlines()
    assert shown == [f"rd_mcp_{index}/{name}" for index in range(19)]
    configfs.rmdir(f"core/rd_mcp_3/{name}")
    shown = configfs.read(f"{DEFAULT_LU_GROUP}/members").splitlines()
    assert len(shown) == 19
    assert shown[-1] == f"rd_mcp_19/{name}"
    # A state of before has no list of its own: what the attribute shows is all.
    shutil.rmtree(f"{folder}/members")
    configfs.rmdir(f"core/rd_mcp_24/{name}")
    assert configfs.read(f"{DEFAULT_LU_GROUP}/members").splitlines() == shown


def test_members_that_go_in_any_order(folder: str) -> None:
    """The list stands in a file in which the lines of those that went are emptied."""
    sim = Simulation(folder, SPECS)
    model: list[str] = []
    for number in range(300):
        model.append(f"rd_mcp_{number}/{'m' * (number % 40 + 1)}")
        members.add_member(sim, DEFAULT_LU_GROUP, model[-1])
    for step in range(290):
        gone = model.pop((step * 7919) % len(model))
        members.remove_member(sim, DEFAULT_LU_GROUP, gone)
        assert members.all_members(sim, DEFAULT_LU_GROUP) == model
        page = sim.tree.text(f"{DEFAULT_LU_GROUP}/members").splitlines()
        assert page == model[: len(page)]
        left = model[len(page) : len(page) + 1]
        assert len("\n".join([*page, *left])) + 1 > 4096 or not left
    members.remove_member(sim, DEFAULT_LU_GROUP, "rd_mcp_9/nobody")
    assert members.all_members(sim, DEFAULT_LU_GROUP) == model
    assert os.path.getsize(f"{folder}/members/default_lu_gp") < 3 * 4096


def test_portals_of_a_state_without_an_index(folder: str, configfs: SimConfigfs) -> None:
    tpg = "iscsi/iqn.x/tpgt_1"
    for path in ("iscsi", "iscsi/iqn.x", tpg, f"{tpg}/np/0.0.0.0:3260"):
        configfs.mkdir(path)
    shutil.rmtree(f"{folder}/portals")
    for name in ("127.0.0.1:3260", "[::]:3260"):
        with pytest.raises(KernelError):
            configfs.mkdir(f"{tpg}/np/{name}")
    configfs.rmdir(f"{tpg}/np/0.0.0.0:3260")
    configfs.mkdir(f"{tpg}/np/127.0.0.1:3260")


@pytest.mark.parametrize("taken", [set(), {0}, {0, 1, 2}, set(range(100)), {0, 1, 5}, {1, 2}])
def test_free_number(taken: set[int]) -> None:
    number = free_number(taken.__contains__)
    assert number not in taken
    assert number <= len(taken) or taken == {0, 1, 5}


def test_disks_are_named_as_the_kernel_does(folder: str) -> None:
    hosts = ScsiHosts(folder)
    for lun in range(30):
        hosts.attach(f"1:0:1:{lun}", "")
    names = {name for lun in range(30) for name in SimSystem(folder, SPECS).disks_at("1:0:1", lun)}
    assert "/dev/sdz" in names
    assert "/dev/sdaa" in names
    assert len(names) == 30
    hosts.detach("1:0:1:4")
    assert SimSystem(folder, SPECS).disks_at("1:0:1", 4) == []
