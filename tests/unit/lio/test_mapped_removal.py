# SPDX-License-Identifier: Apache-2.0
"""A deleted LUN takes along all that is mapped to it, wherever that is; the rest is not read."""

import pytest

from lioshell.errors import KernelError
from lioshell.lio.backstore_create import create_ramdisk

ONE, TWO = "iqn.1994-05.com.example:one", "iqn.1994-05.com.example:two"


@pytest.fixture
def mapped(lio, tpg):
    """Two LUNs, of which LUN 0 is mapped under its own number, another, and twice in one ACL."""
    for index in range(2):
        tpg.create_lun(create_ramdisk(lio, f"r{index}", 4096), index)
    one, two = (tpg.create_acl(wwn, add_mapped=False)[0] for wwn in (ONE, TWO))
    one.create_mapped_lun(0, tpg.lun(0))
    one.create_mapped_lun(7, tpg.lun(0), write_protect=True)
    one.create_mapped_lun(1, tpg.lun(1))
    two.create_mapped_lun(0, tpg.lun(1))
    two.create_mapped_lun(1, tpg.lun(0))
    return tpg


def indexes(tpg):
    return {wwn: tpg.acl(wwn).mapped_indexes() for wwn in (ONE, TWO)}


def test_everything_that_is_mapped_goes_along(mapped):
    mapped.delete_lun(0)
    assert mapped.lun_indexes() == [1]
    assert indexes(mapped) == {ONE: [1], TWO: [0]}


def test_what_is_mapped_to_a_half_made_lun_goes_too(lio, mapped):
    lun = mapped.lun(0)
    lio.configfs.unlink(f"{lun.path}/{lun.alias}")
    mapped.delete_lun(0)
    assert indexes(mapped) == {ONE: [1], TWO: [0]}


@pytest.mark.parametrize("step", range(1, 9))
def test_all_or_nothing(lio, mapped, faults, step):
    before = indexes(mapped)
    faults.operations.clear()
    faults.fail_nth = step
    with pytest.raises(KernelError):
        mapped.delete_lun(0)
    faults.fail_nth = 0
    assert indexes(mapped) == before
    assert mapped.lun(0).storage_object.name == "r0"
    assert mapped.acl(ONE).mapped_lun(7).write_protect
    assert [one.tpg_lun.index for one in mapped.acl(TWO).mapped_luns()] == [1, 0]


def test_the_others_are_not_read(lio, mapped, monkeypatch):
    acl = mapped.acl(TWO)
    acl.mapped_lun(1).delete()
    mapped.acl(ONE).mapped_lun(7).delete()
    monkeypatch.setattr(type(acl), "mapped_luns", lambda self: pytest.fail("read"))
    mapped.delete_lun(0)
    assert indexes(mapped) == {ONE: [1], TWO: [0]}


def test_links_that_go_together_come_back_together(lio, tpg, faults):
    """One is refused: the others were removed, and are made again."""
    for index in range(4):
        tpg.create_lun(create_ramdisk(lio, f"r{index}", 4096), index)
    links = [f"{lun.path}/{lun.alias}" for lun in tpg.luns()]
    targets = [lio.configfs.readlink(link) for link in links]
    faults.operations.clear()
    faults.fail_nth = 2
    with pytest.raises(KernelError) as failed, lio.transaction() as steps:
        steps.unlink_all(links)
    faults.fail_nth = 0
    assert failed.value.path.endswith(links[1])
    assert failed.value.remains == ()
    assert [lio.configfs.readlink(link) for link in links] == targets
    with lio.transaction() as steps:
        steps.unlink_all(links)
    assert [lun.alias for lun in tpg.luns()] == [None] * 4
