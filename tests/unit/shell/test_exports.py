# SPDX-License-Identifier: Apache-2.0
"""What a LUN is made of: storage objects, and files and devices that become one."""

import pytest

from lioshell.errors import ConflictError, NotFoundError

from .conftest import CLIENT, TPG

ACL = f"{TPG}/acls/{CLIENT}"


def test_a_device_becomes_a_storage_object(built):
    shown = built.run(f"{TPG}/luns create /dev/sdb")
    assert "Created storage object /backstores/block/sdb." in shown
    assert "Created LUN 1." in shown
    assert "lun1 block/sdb (rw)" in built.run(f"ls {ACL}")


def test_a_file_becomes_a_storage_object(built):
    (built.folder / "other.img").write_bytes(bytes(1 << 20))
    built.run(f"{TPG}/luns create {built.folder}/other.img lun=5 add_mapped_luns=false")
    assert "fileio/other.img" in built.run(f"ls {TPG}/luns/lun5")
    assert "other.img" not in built.run(f"ls {ACL}")


def test_without_a_lun_there_is_no_storage_object_either(built):
    assert isinstance(built.fails(f"{TPG}/luns create /dev/sdb lun=0"), ConflictError)
    assert "sdb" not in built.run("ls /backstores")


@pytest.mark.parametrize(
    "what", ["/nosuch", "/dev/nosuch", "/", "/backstores", f"{TPG}/luns/lun0", "disk1", "''"]
)
def test_what_can_be_no_lun(built, what):
    error = built.fails(f"{TPG}/luns create {what}")
    assert error.exit_code in (2, 3)
    assert built.run(f"ls {TPG}/luns").count("o- lun") == 2


def test_a_mapped_lun_of_what_is_no_lun_yet(built):
    built.run("/backstores/ramdisk create r 1M")
    shown = built.run(f"{ACL} create 3 /backstores/ramdisk/r write_protect=true")
    assert "Created LUN 1." in shown
    assert "Created Mapped LUN 3." in shown
    assert "lun1 ramdisk/r (ro)" in built.run(f"ls {ACL}")
    built.run(f"{ACL} create 4 /backstores/ramdisk/r")
    assert "Created storage object" in built.run(f"{ACL} create 5 /dev/sdb")
    assert "lun2 block/sdb (rw)" in built.run(f"ls {ACL}")


def test_a_mapped_lun_that_cannot_be_leaves_nothing(built):
    built.run("/backstores/ramdisk create r 1M")
    before = built.run("ls /")
    assert isinstance(built.fails(f"{ACL} create 0 /backstores/ramdisk/r"), ConflictError)
    assert isinstance(built.fails(f"{ACL} create 0 /dev/sdb"), ConflictError)
    assert isinstance(built.fails(f"{ACL} create 4 /nosuch"), NotFoundError)
    assert isinstance(built.fails(f"{ACL} create 4 9"), NotFoundError)
    assert built.run("ls /") == before


def test_a_lun_of_another_target_is_none_of_this_one(built):
    other = "iqn.2003-01.com.example:other"
    built.run(f"/iscsi create {other}", f"/iscsi/{other}/tpg1/acls create {CLIENT}")
    line = f"/iscsi/{other}/tpg1/acls/{CLIENT} create 4 {TPG}/luns/lun0"
    assert isinstance(built.fails(line), NotFoundError)


def test_write_protect_as_the_tpg_says_when_not_given(built):
    built.run(f"{TPG} set attribute prod_mode_write_protect=1")
    built.run(f"{ACL} create 8 0", f"{ACL} create 9 0 write_protect=false")
    shown = built.run(f"ls {ACL}")
    assert "mapped_lun8" in shown
    assert "(rw)" in built.run(f"{ACL}/mapped_lun9 status")


def test_a_taken_mapped_lun_number_makes_no_lun(built):
    built.run("/backstores/ramdisk create r 1M", f"{ACL} create 4 0")
    before = built.run("ls /")
    built.fails(f"{TPG}/luns create /backstores/ramdisk/r lun=4")
    built.fails(f"{TPG}/luns create /backstores/ramdisk/r lun4")
    assert built.run("ls /") == before
