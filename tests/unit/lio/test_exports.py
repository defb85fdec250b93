# SPDX-License-Identifier: Apache-2.0
"""Which LUNs export an object, asked of its ALUA groups or, where these do not say, of all LUNs."""

import pytest

from lioshell.errors import ConflictError
from lioshell.kernel.dry_run import dry_run
from lioshell.lio import backstore_create as create
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.fabrics import Fabric
from lioshell.lio.root import Lio

SIZE_BYTES = 1 << 20


class Remembering:
    """A configfs that remembers what was asked of it."""

    def __init__(self, configfs):
        self._configfs = configfs
        self.asked = []

    def __getattr__(self, name):
        found = getattr(self._configfs, name)

        def asked(path, *rest, **named):
            self.asked.append(path)
            return found(path, *rest, **named)

        return asked if callable(found) else found


@pytest.fixture
def loopback(lio):
    return Fabric(lio, lio.specs.fabric("loopback")).create_target().tpg(1)


def test_luns_of_several_targets(lio, tpg, loopback):
    made = create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    other = create.create_ramdisk(lio, "disk2", SIZE_BYTES)
    assert made.users() == []
    tpg.create_lun(other, 0)
    tpg.create_lun(made, 7)
    loopback.create_lun(made)

    assert sorted(made.users()) == [f"{tpg.path}/lun/lun_7", f"{loopback.path}/lun/lun_0"]
    assert other.users() == [f"{tpg.path}/lun/lun_0"]


def test_the_luns_of_other_objects_are_not_looked_at(lio, tpg):
    made = create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    tpg.create_lun(made, 7)
    tpg.create_lun(create.create_ramdisk(lio, "disk2", SIZE_BYTES), 8)
    remembering = Remembering(lio.configfs)
    seen = Lio(lio.kernel._replace(configfs=remembering), lio.specs)

    assert find_storage_object(seen, "ramdisk", "disk1").users() == [f"{tpg.path}/lun/lun_7"]
    assert not any("lun_8" in path for path in remembering.asked)


def test_a_lun_in_a_group_of_its_own(lio, tpg):
    made = create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    tpg.create_lun(made, 0)
    group = f"{made.path}/alua/ao"
    lio.configfs.mkdir(group)
    lio.configfs.write(f"{group}/tg_pt_gp_id", "10")
    lio.configfs.write(f"{tpg.path}/lun/lun_0/alua_tg_pt_gp", "ao")

    assert "lun_0" in lio.configfs.read(f"{group}/members")
    assert made.users() == [f"{tpg.path}/lun/lun_0"]


def test_an_object_whose_alua_is_the_device_s_own(lio, tpg):
    made = create.create_pscsi(lio, "disk1", "/dev/sdc")
    tpg.create_lun(made, 0)
    assert made.users() == [f"{tpg.path}/lun/lun_0"]


def test_a_list_that_the_kernel_has_cut(lio, iscsi):
    """It shows one page; the rest is found at the targets."""
    made = create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    wwns = [f"iqn.2003-01.com.example:{'x' * 180}{n}" for n in range(22)]
    for wwn in wwns:
        iscsi.create_target(wwn).create_tpg().create_lun(made)
    assert len(made.users()) == len(wwns)


def test_what_a_list_says_is_checked(lio, tpg, monkeypatch):
    made = create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    tpg.create_lun(made, 0)
    read = lio.configfs.read

    def wrong(path):
        return "iSCSI/elsewhere/tpgt_1/lun_0" if path.endswith("/members") else read(path)

    monkeypatch.setattr(lio.configfs, "read", wrong)
    assert made.users() == [f"{tpg.path}/lun/lun_0"]


def test_one_tpg_exports_an_object_once(lio, tpg, iscsi):
    made = create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    tpg.create_lun(made, 3)
    with pytest.raises(ConflictError, match="LUN 3"):
        tpg.create_lun(made)
    iscsi.create_target().create_tpg().create_lun(made)


def test_a_dry_run_sees_its_own_luns(lio, tpg):
    made = create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    dry = Lio(dry_run(lio.kernel, lio.specs, lambda text: None), lio.specs, dry_run=True)
    seen = find_storage_object(dry, "ramdisk", "disk1")
    there = Fabric(dry, dry.specs.fabric("iscsi")).target(tpg.wwn).tpg(1)
    there.create_lun(seen)
    assert seen.users() == [f"{tpg.path}/lun/lun_0"]
    there.delete_lun(0)
    assert seen.users() == []
    assert made.users() == []
