# SPDX-License-Identifier: Apache-2.0
import errno
import re

import pytest

from lioshell.errors import ConflictError, KernelError, NotFoundError, UsageError
from lioshell.lio import backstore_create as create
from lioshell.lio.fabrics import Fabric

IQN = "iqn.2003-01.com.example:disk1"
NAA = "naa.5001405a1b2c3d4e"
INITIATOR = "iqn.1994-05.com.redhat:client1"


@pytest.fixture
def loopback(lio):
    return Fabric(lio, lio.specs.fabric("loopback"))


@pytest.fixture
def disk(lio):
    return create.create_ramdisk(lio, "disk1", 4096)


@pytest.fixture
def other(lio):
    return create.create_ramdisk(lio, "disk2", 4096)


# Targets


def test_listing_never_makes_the_fabrics_folder(iscsi):
    assert iscsi.targets() == []
    assert not iscsi.enforces_discovery_auth
    assert not iscsi.exists
    with pytest.raises(NotFoundError):
        iscsi.target(IQN)


def test_a_target_and_its_removal(iscsi):
    target = iscsi.create_target(IQN.upper())
    assert (target.wwn, target.tpg_tags(), iscsi.targets()) == (IQN, [], [IQN])
    iscsi.target(IQN).delete()
    assert not iscsi.exists


def test_a_name_is_made_up(iscsi, loopback):
    assert re.fullmatch(
        r"iqn\.2003-01\.org\.linux-iscsi\..+:sn\.[0-9a-f]{12}", iscsi.create_target().wwn
    )
    assert re.fullmatch(r"naa\.5001405[0-9a-f]{9}", loopback.create_target().wwn)


def test_a_target_that_is_there(iscsi):
    iscsi.create_target(IQN)
    with pytest.raises(ConflictError):
        iscsi.create_target(IQN)
    assert iscsi.targets() == [IQN]


def test_the_fabrics_folder_goes_when_its_first_target_is_refused(iscsi, faults):
    faults.fail_nth = 2
    with pytest.raises(KernelError):
        iscsi.create_target(IQN)
    assert not iscsi.exists


def test_the_fabrics_folder_stays_when_it_was_there(iscsi, faults):
    iscsi.create_target(IQN)
    faults.fail_nth = len(faults.operations) + 1
    with pytest.raises(KernelError):
        iscsi.create_target(f"{IQN}2")
    assert iscsi.targets() == [IQN]


@pytest.mark.parametrize("name", ["userid", "password", "mutual_userid", "mutual_password"])
def test_the_fabrics_folder_stays_while_it_holds_credentials(iscsi, name):
    target = iscsi.create_target(IQN)
    iscsi.discovery_auth().set_all({name: "sesame"})
    target.delete()
    assert iscsi.discovery_auth().get(name, reveal=True) == "sesame"


def test_a_loopback_target_comes_with_its_nexus(loopback):
    (tag,) = loopback.create_target(NAA).tpg_tags()
    tpg = loopback.target(NAA).tpg(tag)

    assert tpg.nexus.startswith("naa.5001405")
    assert tpg.address
    assert tpg.enabled
    assert not tpg.has_enable
    loopback.target(NAA).delete()
    assert not loopback.exists


def test_a_loopback_target_is_whole_or_not_there(loopback, faults):
    for number in range(1, 4):
        faults.fail_nth = len(faults.operations) + number
        with pytest.raises(KernelError):
            loopback.create_target(NAA)
        assert not loopback.exists


# TPGs


def test_the_lowest_free_tag(iscsi):
    target = iscsi.create_target(IQN)
    assert [target.create_tpg().tag, target.create_tpg(7).tag, target.create_tpg().tag] == [1, 7, 2]
    assert target.tpg_tags() == [1, 2, 7]
    with pytest.raises(ConflictError):
        target.create_tpg(7)
    with pytest.raises(NotFoundError):
        target.tpg(3)


def test_switching_a_tpg_writes_only_what_changes(tpg, faults):
    tpg.set_enabled(True)
    writes = len(faults.operations)
    tpg.set_enabled(True)
    assert tpg.enabled
    assert len(faults.operations) == writes
    tpg.set_enabled(False)
    assert not tpg.enabled


def test_an_attribute_that_this_kernel_does_not_have(tpg):
    assert tpg.attribute("from_the_future") is None
    assert tpg.attribute("login_timeout") == "15"


# LUNs


def test_luns(tpg, disk, other):
    first, _ = tpg.create_lun(disk)
    fifth, _ = tpg.create_lun(other, 5, alias="mine")

    assert (first.index, fifth.index, tpg.lun_indexes()) == (0, 5, [0, 5])
    assert fifth.alias == "mine"
    assert fifth.storage_object.name == "disk2"
    assert tpg.lun(5).storage_object_path == other.path
    assert tpg.lun(0).alua_group == "default_tg_pt_gp"
    with pytest.raises(ConflictError):
        tpg.create_lun(disk, 7)
    tpg.delete_lun(5)
    with pytest.raises(ConflictError):
        tpg.create_lun(other, 0)
    for number in (-1, 65536):
        with pytest.raises(UsageError):
            tpg.create_lun(other, number)
    with pytest.raises(NotFoundError):
        tpg.lun(5)


def test_a_lun_without_its_link(lio, tpg):
    lio.configfs.mkdir(f"{tpg.path}/lun/lun_3")
    lun = tpg.lun(3)
    assert (lun.alias, lun.storage_object_path, lun.storage_object) == (None, None, None)
    tpg.delete_lun(3)
    assert tpg.lun_indexes() == []


def test_a_new_lun_is_mapped_in_every_acl(tpg, disk, other):
    tpg.create_acl(INITIATOR)
    tpg.create_acl(f"{INITIATOR}2")
    tpg.create_lun(disk, add_mapped=False)
    tpg.acl(INITIATOR).create_mapped_lun(0, tpg.lun(0))
    _, mapped = tpg.create_lun(other)

    assert sorted(mapped) == [(INITIATOR, 1), (f"{INITIATOR}2", 0)]
    tpg.delete_lun(1)
    assert tpg.acl(f"{INITIATOR}2").mapped_indexes() == []
    assert tpg.acl(INITIATOR).mapped_indexes() == [0]


def test_a_lun_under_a_number_that_an_acl_uses_is_not_made(tpg, disk, other):
    tpg.create_lun(disk, 5, add_mapped=False)
    tpg.create_acl(f"{INITIATOR}2", add_mapped=False)
    tpg.create_acl(INITIATOR, add_mapped=False)[0].create_mapped_lun(7, tpg.lun(5))
    with pytest.raises(KernelError) as caught:
        tpg.create_lun(other, 7)
    assert caught.value.errno == errno.EEXIST
    assert tpg.lun_indexes() == [5]
    assert tpg.acl(f"{INITIATOR}2").mapped_indexes() == []


# ACLs


def test_acls(tpg, disk, other):
    tpg.create_lun(disk)
    tpg.create_lun(other, 5)
    acl, indexes = tpg.create_acl(INITIATOR.upper())

    assert (acl.wwn, indexes, acl.mapped_indexes()) == (INITIATOR, [0, 5], [0, 5])
    assert acl.free_index() == 1
    (first, second) = acl.mapped_luns()
    assert (first.tpg_lun.index, second.tpg_lun.index) == (0, 5)
    assert not first.write_protect
    third = acl.create_mapped_lun(2, tpg.lun(0), write_protect=True, alias="mine")
    assert (third.write_protect, third.alias) == (True, "mine")
    with pytest.raises(ConflictError):
        acl.create_mapped_lun(2, tpg.lun(0))
    with pytest.raises(NotFoundError):
        acl.mapped_lun(9)
    with pytest.raises(ConflictError):
        tpg.create_acl(INITIATOR)
    with pytest.raises(UsageError):
        tpg.create_acl("nobody")
    tpg.acl(INITIATOR).delete()
    with pytest.raises(NotFoundError):
        tpg.acl(INITIATOR)


def test_a_mapped_lun_without_its_link(lio, tpg):
    acl, _ = tpg.create_acl(INITIATOR)
    lio.configfs.mkdir(f"{acl.path}/lun_3")
    mapped = acl.mapped_lun(3)
    assert (mapped.alias, mapped.lun_path, mapped.tpg_lun) == (None, None, None)
    acl.delete()
    assert tpg.acl_wwns() == []


def test_a_tpg_goes_with_all_that_is_in_it(iscsi, tpg, disk):
    tpg.create_portal("127.0.0.1", 3261)
    tpg.create_lun(disk)
    tpg.create_acl(INITIATOR)
    tpg.set_enabled(True)
    tpg.delete()
    assert iscsi.target(tpg.wwn).tpg_tags() == []
    assert not disk.activated
