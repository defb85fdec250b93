# SPDX-License-Identifier: Apache-2.0
"""A link and an unlink that wait for who serves a loopback disk, as they do in the kernel."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.system import SimSystem
from lioshell.kernel.sim.uio import SimUio
from lioshell.specs import Specs

TPG = "loopback/naa.5001405000000001/tpgt_1"
LUN = f"{TPG}/lun/lun_0"
ISCSI = "iscsi/iqn.2003-01.com.example:one/tpgt_1"
DEVICE = "core/user_0/vol0"
A_MOMENT_S = 0.15


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "sim")


@pytest.fixture
def configfs(folder):
    specs = Specs(cache_folder="")
    SimSystem(folder, specs).prepare()
    configfs = SimConfigfs(folder, specs)
    for path in ("core/user_0", DEVICE):
        configfs.mkdir(path)
    configfs.write(f"{DEVICE}/control", "dev_config=file//srv/x,dev_size=1048576")
    configfs.write(f"{DEVICE}/control", "nl_reply_supported=-1")
    configfs.write(f"{DEVICE}/enable", "1")
    for path in ("loopback", TPG.rpartition("/")[0], TPG):
        configfs.mkdir(path)
    configfs.write(f"{TPG}/nexus", "naa.5001405000000002")
    configfs.mkdir(LUN)
    return configfs


@pytest.fixture
def uio(folder, configfs):
    return SimUio(folder)


def served(uio):
    return closing(uio.open(uio.devices()[0]))


def started(change):
    """Start a change in a thread; return the thread once it had a moment to end."""
    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    thread.join(A_MOMENT_S)
    return thread


def link(configfs):
    configfs.symlink(DEVICE, f"{LUN}/link")


def unlink(configfs):
    configfs.unlink(f"{LUN}/link")


def test_a_link_waits_until_the_device_is_open(configfs, uio):
    thread = started(lambda: link(configfs))
    assert thread.is_alive()
    configfs.write(f"{DEVICE}/attrib/cmd_time_out", "7")  # all else goes on
    with served(uio):
        thread.join(10)
        assert configfs.links(LUN) == ["link"]


def test_an_unlink_waits_until_the_device_is_open_and_not_blocked(configfs, uio):
    with served(uio):
        link(configfs)
    thread = started(lambda: unlink(configfs))
    assert thread.is_alive()
    configfs.write(f"{DEVICE}/action/block_dev", "1")
    with served(uio):
        thread.join(A_MOMENT_S)
        assert thread.is_alive()
        configfs.write(f"{DEVICE}/action/block_dev", "0")
        thread.join(10)
    assert configfs.links(LUN) == []


def test_nothing_waits_for_a_disk_that_is_not_flushed(folder, configfs, uio):
    with served(uio):
        link(configfs)
    SimSystem(folder, Specs(cache_folder="")).skip_flush(configfs.read(f"{TPG}/address"), 0)
    unlink(configfs)
    assert configfs.links(LUN) == []


def test_nothing_waits_where_this_machine_has_no_disk(configfs):
    configfs.write(f"{TPG}/nexus", "NULL")
    link(configfs)
    unlink(configfs)
    for path in ("iscsi", ISCSI.rpartition("/")[0], ISCSI, f"{ISCSI}/lun/lun_0"):
        configfs.mkdir(path)
    configfs.symlink(DEVICE, f"{ISCSI}/lun/lun_0/link")
    configfs.unlink(f"{ISCSI}/lun/lun_0/link")
    assert configfs.links(f"{ISCSI}/lun/lun_0") == []
