# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from lioshell.errors import ConflictError, KernelError, LioshellError, NotFoundError, UsageError
from lioshell.kernel.dry_run import dry_run
from lioshell.lio import backstore_create as create
from lioshell.lio.backstores import (
    find_storage_object,
    list_storage_objects,
    plugin_of,
    storage_object_at,
)
from lioshell.lio.root import Lio

SIZE_BYTES = 1 << 20


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk1.img"
    path.write_bytes(bytes(SIZE_BYTES))
    return path


# Create


def test_fileio(lio, image):
    made = create.create_fileio(lio, "disk1", str(image), None)

    assert made.path == "core/fileio_0/disk1"
    assert made.tree_path == "/backstores/fileio/disk1"
    assert made.size_bytes == SIZE_BYTES
    assert made.device == str(image)
    assert made.write_back
    assert made.enabled
    assert not made.activated
    assert len(made.serial) == 36


def test_fileio_makes_a_missing_file_for_its_owner_alone(lio, tmp_path):
    for sparse in (True, False):
        path = tmp_path / f"{sparse}.img"
        create.create_fileio(lio, f"disk{sparse}", str(path), SIZE_BYTES, sparse=sparse)
        status = path.stat()
        assert status.st_size == SIZE_BYTES
        assert status.st_mode & 0o777 == 0o600
        assert (status.st_blocks * 512 >= SIZE_BYTES) is not sparse


def test_fileio_of_a_restore_makes_no_file(lio, tmp_path):
    with pytest.raises(NotFoundError):
        create.create_fileio(lio, "disk1", str(tmp_path / "none"), SIZE_BYTES, as_saved=True)
    assert os.listdir(tmp_path) == ["sim"]


def test_fileio_on_a_path_of_the_current_folder(lio, image, monkeypatch):
    monkeypatch.chdir(image.parent)
    assert create.create_fileio(lio, "disk1", image.name, None).device == str(image)


def test_fileio_on_a_block_device_takes_its_size(lio):
    made = create.create_fileio(lio, "disk1", "/dev/sdb", 512)
    assert made.size_bytes == 1 << 30
    create.create_block(lio, "disk2", "/dev/sdc")
    with pytest.raises(ConflictError):
        create.create_fileio(lio, "disk3", "/dev/sdc", None)


def test_block(lio):
    made = create.create_block(lio, "disk1", "/dev/sdb", wwn="my-own-serial")

    assert (made.plugin, made.hba, made.size_bytes) == ("block", "iblock_0", 1 << 30)
    assert made.serial == "my-own-serial"
    assert not made.read_only
    assert create.create_block(lio, "disk2", "/dev/sdc", readonly=True).read_only


def test_a_block_device_that_can_only_be_read(lio, tmp_path):
    (tmp_path / "sim/dev/sdb").chmod(0o400)
    assert create.create_block(lio, "disk1", "/dev/sdb").read_only


def test_ramdisk_is_rounded_up_to_pages(lio):
    assert create.create_ramdisk(lio, "disk1", 512).size_bytes == 4096
    made = create.create_ramdisk(lio, "disk2", 8192, nullio=True)
    assert (made.size_bytes, made.nullio) == (8192, True)


def test_pscsi_by_node_and_by_address(lio):
    assert create.create_pscsi(lio, "disk1", "/dev/sdb").device == "/dev/sdb"
    assert create.create_pscsi(lio, "disk2", "0:0:1:0").device == "/dev/sdc"


def test_user(lio):
    made = create.create_user(lio, "disk1", SIZE_BYTES, "file//srv/disk1.img", control=["a=1"])

    assert (made.type_name, made.subtype, made.config) == ("user:file", "file", "/srv/disk1.img")
    assert made.tree_path == "/backstores/user:file/disk1"
    assert made.size_bytes == SIZE_BYTES
    assert lio.configfs.read(f"{made.path}/attrib/nl_reply_supported") == "-1"


def test_the_storage_of_a_user_disk_is_removed_when_the_kernel_refuses(lio, faults):
    faults.fail_nth = 5
    done = []

    def prepare(block_size_bytes):
        done.append(f"made for {block_size_bytes}")
        return lambda: done.append("removed")

    with pytest.raises(KernelError):
        create.create_user(lio, "disk1", SIZE_BYTES, "file//srv/x", prepare=prepare)
    assert done == ["made for 512", "removed"]
    assert lio.configfs.folders("core") == ["alua"]


@pytest.mark.parametrize(
    "option", ["data_pages_per_blk=0", "data_pages_per_blk=00", "data_pages_per_blk=x"]
)
def test_a_zero_that_the_kernel_would_divide_by(lio, option):
    with pytest.raises(UsageError):
        create.create_user(lio, "disk1", SIZE_BYTES, "file//srv/x", control=[option])


@pytest.mark.parametrize("block_size_bytes", [0, -512, 100, 8192])
def test_a_block_size_that_is_none(lio, block_size_bytes):
    with pytest.raises(UsageError):
        create.create_user(
            lio, "disk1", SIZE_BYTES, "file//srv/x", block_size_bytes=block_size_bytes
        )


def test_a_configuration_that_the_kernel_would_cut(lio):
    for config in ("file//a,b", "file//a\nb", "file//" + "x" * 250):
        with pytest.raises(UsageError):
            create.create_user(lio, "disk1", SIZE_BYTES, config)


def test_an_hba_index_that_another_process_takes_meanwhile(lio, tmp_path):
    real = lio.configfs.mkdir
    taken = []

    def mkdir(path):
        if not taken:
            taken.append(path)
            real(path)
        real(path)

    lio.configfs.mkdir = mkdir
    assert create.create_ramdisk(lio, "disk1", 4096).hba == "rd_mcp_1"
    assert taken == ["core/rd_mcp_0"]


def test_the_lowest_hba_index_that_no_kind_uses(lio):
    create.create_ramdisk(lio, "a", 4096)
    create.create_block(lio, "a", "/dev/sdb")
    create.create_ramdisk(lio, "b", 4096)
    find_storage_object(lio, "block", "a").delete()
    assert create.create_ramdisk(lio, "c", 4096).hba == "rd_mcp_1"
    assert sorted(o.name for o in list_storage_objects(lio, "ramdisk")) == ["a", "b", "c"]


# Find, read, delete


def test_an_older_name_of_a_kind(lio):
    create.create_block(lio, "disk1", "/dev/sdb")
    assert find_storage_object(lio, "iblock", "disk1").path == "core/iblock_0/disk1"
    assert plugin_of(lio, "iblock_7") == "block"
    assert plugin_of(lio, "tape_7") is None


def test_what_is_not_there(lio):
    with pytest.raises(NotFoundError):
        find_storage_object(lio, "block", "disk1")


def test_an_object_of_a_kind_that_no_spec_knows(lio):
    assert storage_object_at(lio, "core/tape_0/disk1").plugin == "tape"


def test_an_object_that_is_not_enabled(lio):
    lio.configfs.mkdir("core/fileio_0")
    lio.configfs.mkdir("core/fileio_0/half")
    (half,) = list_storage_objects(lio, "fileio")

    assert not half.enabled
    assert not half.activated
    half.delete()
    assert lio.configfs.folders("core") == ["alua"]


def test_an_exported_object_is_not_deleted(lio, tpg):
    made = create.create_ramdisk(lio, "disk1", 4096)
    tpg.create_lun(made)

    assert made.activated
    assert made.users() == [f"{tpg.path}/lun/lun_0"]
    with pytest.raises(ConflictError) as caught:
        made.delete()
    assert f"{tpg.path}/lun/lun_0" in caught.value.message


def test_an_object_is_deleted_after_its_luns(lio, tpg):
    """Also where what the kernel said of it before is still remembered."""
    made = create.create_ramdisk(lio, "disk1", 4096)
    tpg.create_lun(made)
    seen = find_storage_object(lio, "ramdisk", "disk1")
    assert seen.activated
    tpg.delete_lun(0)
    seen.delete()
    assert list_storage_objects(lio, "ramdisk") == []


def test_alua_groups_go_with_the_object(lio):
    made = create.create_ramdisk(lio, "disk1", 4096)
    lio.configfs.mkdir(f"{made.path}/alua/ao")
    made.delete()
    assert lio.configfs.folders("core") == ["alua"]


def test_others_in_the_same_hba_keep_it(lio):
    made = create.create_ramdisk(lio, "disk1", 4096)
    lio.configfs.mkdir(f"core/{made.hba}/other")
    made.delete()
    assert lio.configfs.folders(f"core/{made.hba}") == ["other"]


# Dry run


def test_a_dry_run_knows_the_size_and_makes_no_file(lio, tmp_path):
    told = []
    dry = Lio(dry_run(lio.kernel, lio.specs, told.append), lio.specs, dry_run=True)
    made = create.create_fileio(dry, "disk1", str(tmp_path / "new.img"), SIZE_BYTES)

    assert made.size_bytes == SIZE_BYTES
    assert any("fd_dev_size=1048576" in line for line in told)
    assert not (tmp_path / "new.img").exists()


def test_a_dry_run_takes_a_device_that_it_would_have_freed(lio):
    made = create.create_block(lio, "disk1", "/dev/sdb")
    lio.dry_run = True
    with pytest.raises(ConflictError):
        create.create_block(lio, "disk2", "/dev/sdb")
    made.delete()
    assert lio.freed_devices == {"/dev/sdb"}


def test_every_refusal_says_what_to_do(lio, tmp_path):
    for make in (
        lambda: create.create_fileio(lio, "disk1", str(tmp_path), None),
        lambda: create.create_fileio(lio, "disk1", str(tmp_path / "none"), None),
        lambda: create.create_fileio(lio, "disk1", str(tmp_path / "none/none"), 512),
        lambda: create.create_fileio(lio, "disk1", "/srv/" + "x" * 300, 512),
        lambda: create.create_block(lio, "disk1", "/dev/none"),
        lambda: create.create_pscsi(lio, "disk1", "/dev/none"),
        lambda: create.create_ramdisk(lio, "disk1", 100),
        lambda: create.create_ramdisk(lio, "a/b", 512),
    ):
        with pytest.raises(LioshellError) as caught:
            make()
        assert caught.value.hint
    assert lio.configfs.folders("core") == ["alua"]
