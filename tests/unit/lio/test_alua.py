# SPDX-License-Identifier: Apache-2.0
"""ALUA target port groups: made, joined, changed and removed."""

import errno

import pytest

from lioshell.errors import ConflictError, KernelError, NotFoundError, UsageError
from lioshell.lio import alua
from lioshell.lio.backstore_create import create_ramdisk


@pytest.fixture
def disk(lio):
    return create_ramdisk(lio, "disk", 1 << 20)


@pytest.fixture
def lun(disk, tpg):
    return tpg.create_lun(disk)[0]


def test_a_group_is_made_with_its_number_and_removed(lio, disk):
    made = alua.create_group(disk, "ao", 10)
    assert made.get("tg_pt_gp_id") == "10"
    assert made.state == "Active/optimized"
    assert sorted(alua.group_names(lio, disk.path)) == ["ao", "default_tg_pt_gp"]
    alua.delete_group(disk, "ao")
    assert alua.group_names(lio, disk.path) == ["default_tg_pt_gp"]


@pytest.mark.parametrize(
    ("name", "tag", "kind"),
    [
        ("", 10, UsageError),
        ("a/b", 10, UsageError),
        ("a b", 10, UsageError),
        ("x" * 256, 10, UsageError),
        ("ao", 0, UsageError),
        ("ao", 65536, UsageError),
        ("taken", 10, ConflictError),
        ("ao", 7, ConflictError),
        ("default_tg_pt_gp", 10, ConflictError),
    ],
)
def test_what_cannot_be_made(lio, disk, name, tag, kind):
    alua.create_group(disk, "taken", 7)
    with pytest.raises(kind) as caught:
        alua.create_group(disk, name, tag)
    assert caught.value.hint
    assert sorted(alua.group_names(lio, disk.path)) == ["default_tg_pt_gp", "taken"]


def test_a_group_whose_number_is_refused_is_not_left_behind(lio, disk, faults):
    before = len(faults.operations)
    faults.fail_nth, faults.code = before + 2, errno.EINVAL
    with pytest.raises(KernelError):
        alua.create_group(disk, "ao", 10)
    assert alua.group_names(lio, disk.path) == ["default_tg_pt_gp"]


def test_what_cannot_be_removed(disk):
    with pytest.raises(UsageError):
        alua.delete_group(disk, "default_tg_pt_gp")
    with pytest.raises(NotFoundError):
        alua.delete_group(disk, "nosuch")


def test_words_of_the_kernel_are_numbers_that_can_be_written(disk):
    group = alua.create_group(disk, "ao", 10)
    assert group.get("alua_access_type") == "3"
    group.set_all({"alua_access_type": "1", "alua_access_status": "2", "preferred": "1"})
    assert group.get("alua_access_type") == "1"
    assert group.get("alua_access_status") == "2"


def test_several_are_set_or_none(disk):
    group = alua.create_group(disk, "ao", 10)
    with pytest.raises(KernelError):
        group.set_all(
            {"alua_access_type": "1", "nonop_delay_msecs": "7", "implicit_trans_secs": "256"}
        )
    assert group.get("alua_access_type") == "3"
    assert group.get("preferred") == "0"


@pytest.mark.parametrize("name", ["tg_pt_gp_id", "members"])
def test_what_is_fixed(disk, name):
    with pytest.raises(UsageError, match="read-only"):
        alua.create_group(disk, "ao", 10).set_all({name: "1"})


def test_a_lun_joins_a_group_and_is_in_the_default_one_when_that_goes(lio, disk, lun):
    alua.create_group(disk, "ao", 10)
    group = alua.LunAluaGroup(lio, lun)
    assert group.get("alua_tg_pt_gp_name") == "default_tg_pt_gp"
    group.set_all({"alua_tg_pt_gp_name": "ao"})
    assert group.get("alua_tg_pt_gp_name") == "ao"
    assert lun.path.rpartition("/")[2] in alua.AluaGroup(lio, disk.path, "ao").get("members")
    alua.delete_group(disk, "ao")
    assert group.get("alua_tg_pt_gp_name") == "default_tg_pt_gp"


def test_a_group_that_there_is_not_is_an_error_and_changes_nothing(lio, disk, lun):
    alua.create_group(disk, "ao", 10)
    group = alua.LunAluaGroup(lio, lun)
    group.set_all({"alua_tg_pt_gp_name": "ao"})
    with pytest.raises(NotFoundError, match="no ALUA group nosuch"):
        group.set_all({"alua_tg_pt_gp_name": "nosuch"})
    assert group.get("alua_tg_pt_gp_name") == "ao"


def test_the_other_files_of_a_lun_are_no_parameters(lio, lun):
    group = alua.LunAluaGroup(lio, lun)
    assert "statistics" not in group.names()
    with pytest.raises(NotFoundError):
        group.get("statistics")
    with pytest.raises(NotFoundError):
        group.get(str(lun.alias))


def test_a_group_whose_removal_fails_keeps_its_luns_and_values(lio, disk, lun, faults):
    group = alua.create_group(disk, "ao", 10)
    group.set_all({"preferred": "1", "alua_access_type": "1"})
    lun.join_alua_group("ao")
    faults.fail_nth, faults.code = len(faults.operations) + 1, errno.EIO
    with pytest.raises(KernelError):
        alua.delete_group(disk, "ao")
    assert lun.alua_group == "ao"


def test_a_deletion_that_is_undone_makes_the_group_again(lio, disk, lun):
    group = alua.create_group(disk, "ao", 10)
    group.set_all({"preferred": "1", "alua_access_type": "1"})
    lun.join_alua_group("ao")
    with pytest.raises(RuntimeError), lio.transaction():
        alua.delete_group(disk, "ao")
        raise RuntimeError
    assert group.get("tg_pt_gp_id") == "10"
    assert group.get("preferred") == "1"
    assert group.get("alua_access_type") == "1"
    assert lun.alua_group == "ao"


def test_a_passed_through_device_has_no_groups(lio):
    from lioshell.lio.backstore_create import create_pscsi
    from lioshell.lio.backstores import has_groups

    assert not has_groups(lio, create_pscsi(lio, "p", "/dev/sdc").path)
