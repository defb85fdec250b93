# SPDX-License-Identifier: Apache-2.0
"""The index of objects: what it saves, and that no file or name is taken twice because of it."""

import os

import pytest

from lioshell.errors import ConflictError, NotFoundError, UsageError
from lioshell.kernel.dry_run import dry_run
from lioshell.lio import backstore_create as create
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.object_index import Backing, ObjectIndex
from lioshell.lio.root import Lio

SIZE_BYTES = 1 << 20


def again(lio):
    """The same kernel, as another command sees it."""
    return Lio(lio.kernel, lio.specs)


def index_file(lio):
    (name,) = (n for n in os.listdir(lio.kernel.run_dir) if n.startswith("objects"))
    return os.path.join(lio.kernel.run_dir, name)


@pytest.fixture
def lio(lio):
    os.makedirs(lio.kernel.run_dir)
    return lio


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(SIZE_BYTES))
    return path


def made_by_hand(lio, hba, name, path):
    """A fileio object that another program made."""
    if not lio.configfs.is_dir(f"core/{hba}"):
        lio.configfs.mkdir(f"core/{hba}")
    base = f"core/{hba}/{name}"
    lio.configfs.mkdir(base)
    lio.configfs.write(f"{base}/control", f"fd_dev_name={path},fd_dev_size={SIZE_BYTES}")
    lio.configfs.write(f"{base}/udev_path", str(path))
    lio.configfs.write(f"{base}/enable", "1")


def test_what_was_made_is_known_to_the_next_command(lio, image):
    made = create.create_fileio(lio, "disk1", str(image), None)
    create.create_ramdisk(lio, "disk2", SIZE_BYTES)
    later = again(lio)
    hbas = later.index.hbas()

    assert later.index.unknown(hbas) == []
    assert later.index.named(hbas, "disk1") == [made.hba]
    assert find_storage_object(later, "fileio", "disk1").path == made.path
    assert oct(os.stat(index_file(lio)).st_mode)[-3:] == "600"


def test_a_name_is_taken_once(lio):
    create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    with pytest.raises(ConflictError):
        create.create_ramdisk(again(lio), "disk1", SIZE_BYTES)


def test_the_same_name_in_another_kind_is_another_object(lio, image):
    create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    made = create.create_fileio(lio, "disk1", str(image), None)
    assert find_storage_object(again(lio), "fileio", "disk1").path == made.path


def test_what_another_program_made_is_looked_into(lio, image):
    made_by_hand(lio, "fileio_7", "other", image)
    with pytest.raises(ConflictError, match="/backstores/fileio/other"):
        create.create_fileio(lio, "disk1", str(image), None)
    with pytest.raises(ConflictError, match="exists already"):
        create.create_fileio(lio, "other", str(image) + "2", SIZE_BYTES)


def test_what_took_the_place_of_a_deleted_object_is_looked_into(lio, image, tmp_path):
    """On a file system that gives inode numbers twice, as the simulated kernel's may."""
    for n in range(3):
        create.create_fileio(lio, f"disk{n}", str(tmp_path / f"{n}.img"), SIZE_BYTES).delete()
    create.create_fileio(lio, "last", str(image), None)
    with pytest.raises(ConflictError, match="/backstores/fileio/last"):
        create.create_fileio(again(lio), "disk1", str(image), None)
    with pytest.raises(ConflictError, match="exists already"):
        create.create_fileio(again(lio), "last", str(tmp_path / "new.img"), SIZE_BYTES)


def test_an_object_that_another_program_adds_to_a_known_folder(lio, image, tmp_path):
    made = create.create_fileio(lio, "disk1", str(tmp_path / "1.img"), SIZE_BYTES)
    made_by_hand(lio, made.hba, "second", image)

    assert find_storage_object(again(lio), "fileio", "second").hba == made.hba
    # The kernel has it open for writing, which the simulated one does not.
    with image.open("r+b"), pytest.raises(ConflictError, match="/backstores/fileio/second"):
        create.create_fileio(again(lio), "disk2", str(image), None)


@pytest.mark.parametrize("kind", ["symbolic", "hard", "folder"])
def test_another_name_of_the_file_is_the_same_disk(lio, image, tmp_path, kind):
    create.create_fileio(lio, "disk1", str(image), None)
    other = tmp_path / "other"
    if kind == "symbolic":
        other.symlink_to(image)
    elif kind == "hard":
        other.hardlink_to(image)
    else:
        other.symlink_to(tmp_path)
        other /= image.name
    with pytest.raises(ConflictError, match="/backstores/fileio/disk1"):
        create.create_fileio(again(lio), "disk2", str(other), None)
    with pytest.raises(ConflictError, match="/backstores/fileio/disk1"):
        create.create_user(again(lio), "disk2", SIZE_BYTES, f"file/{other}")


def test_a_disk_that_nobody_serves_keeps_its_file(lio, tmp_path):
    """Its file may not be there yet: nobody has it open."""
    missing = tmp_path / "later.img"
    create.create_user(lio, "disk1", SIZE_BYTES, f"file/{missing}")
    missing.write_bytes(bytes(SIZE_BYTES))
    other = tmp_path / "other.img"
    other.hardlink_to(missing)
    with pytest.raises(ConflictError, match="/backstores/user:file/disk1"):
        create.create_fileio(again(lio), "disk2", str(other), None)


def test_a_device_is_one_disk(lio):
    create.create_fileio(lio, "disk1", "/dev/sdb", None)
    with pytest.raises(ConflictError, match="/backstores/fileio/disk1"):
        create.create_block(again(lio), "disk2", "/dev/./sdb")


@pytest.mark.parametrize(
    "spoilt",
    [b"", b"garbage", b"fileio_0/x/disk1//\0", b"\0\0/////\0", bytes(range(256)) * 9, None],
)
def test_a_spoilt_file_costs_nothing_but_time(lio, image, spoilt):
    create.create_fileio(lio, "disk1", str(image), None)
    path = index_file(lio)
    if spoilt is None:
        os.unlink(path)
        os.mkdir(path)
    else:
        with open(path, "wb") as file:
            file.write(spoilt)
    with pytest.raises(ConflictError):
        create.create_fileio(again(lio), "disk2", str(image), None)
    with pytest.raises(ConflictError):
        create.create_fileio(again(lio), "disk1", str(image), None)
    with pytest.raises(NotFoundError):
        find_storage_object(again(lio), "fileio", "disk2")


def test_a_link_in_place_of_the_file_is_not_followed(lio, tmp_path):
    create.create_ramdisk(lio, "disk1", SIZE_BYTES)
    path = index_file(lio)
    os.unlink(path)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    os.symlink(precious, path)
    create.create_ramdisk(again(lio), "disk2", SIZE_BYTES)
    assert precious.read_text() == "precious"


def test_a_full_disk_is_no_error(lio, image, monkeypatch):
    monkeypatch.setattr(os, "write", lambda descriptor, data: 3)
    with monkeypatch.context():
        lio.index.add("fileio_0", 5, [("disk1", Backing("", ""))])
    monkeypatch.undo()
    create.create_fileio(lio, "disk1", str(image), None)
    with pytest.raises(ConflictError):
        create.create_fileio(again(lio), "disk2", str(image), None)


def test_outdated_records_are_left_out(lio):
    kept = create.create_ramdisk(lio, "kept", SIZE_BYTES)
    for _ in range(100):
        create.create_ramdisk(lio, "disk1", SIZE_BYTES).delete()
    later = again(lio)
    create.create_ramdisk(later, "disk1", SIZE_BYTES)

    assert os.path.getsize(index_file(lio)) < 80 * 50
    hbas = again(lio).index.hbas()
    assert later.index.named(hbas, "kept") == [kept.hba]
    assert os.listdir(lio.kernel.run_dir) == [os.path.basename(index_file(lio))]


def test_a_dry_run_writes_nothing_and_sees_what_it_would_have_made(lio, image):
    create.create_fileio(lio, "disk1", str(image), None)
    before = os.stat(index_file(lio)).st_mtime_ns
    dry = Lio(dry_run(lio.kernel, lio.specs, lambda text: None), lio.specs, dry_run=True)
    find_storage_object(dry, "fileio", "disk1").delete()
    made = create.create_fileio(dry, "disk2", str(image), None)

    assert dry.index.hbas() == {made.hba: 0}
    with pytest.raises(ConflictError, match="/backstores/fileio/disk2"):
        create.create_user(dry, "disk3", SIZE_BYTES, f"file/{image}")
    assert os.stat(index_file(lio)).st_mtime_ns == before


def test_another_mount_point_has_a_file_of_its_own(lio, tmp_path):
    here = ObjectIndex(lio.configfs, str(tmp_path))
    here.hbas()
    here.add("fileio_0", 5, [("disk1", Backing("", ""))])
    assert any("config%target" in name for name in os.listdir(tmp_path))


def test_what_is_no_file_is_not_opened(lio, tmp_path, monkeypatch):
    """To open a device may set it going, as a watchdog does."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    opened = []
    real_open = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *a, **k: opened.append(path) or real_open(path, *a, **k)
    )
    with pytest.raises(UsageError, match="no file"):
        create.create_fileio(lio, "disk1", str(pipe), None)
    assert str(pipe) not in opened


def test_the_lease_is_given_back(lio, image):
    create.create_fileio(lio, "disk1", str(image), None).delete()
    with open("/proc/locks", encoding="ascii") as locks:
        assert f":{os.stat(image).st_ino} " not in locks.read()
    create.create_fileio(lio, "disk1", str(image), None)
