# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.kernel.holders import holders, holders_of_number


@pytest.fixture
def root(tmp_path):
    """A machine with sda (partition sda1 on /home), sdb below dm-0, and loop0 on an image."""

    def write(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("proc/self/mountinfo", "36 1 8:1 / /my\\040home rw,noatime - ext4 /dev/sda1 rw\nshort\n")
    write("proc/swaps", "Filename Type Size\n/dev/none partition 1\n")
    write("sys/dev/block/8:0/sda1/partition", "1\n")
    write("sys/dev/block/8:0/sda1/dev", "8:1\n")
    write("sys/dev/block/8:16/holders/dm-0")
    write("sys/block/loop0/loop/backing_file", f"{tmp_path}/disk.img\n")
    write("sys/block/loop0/dev", "8:1\n")
    write("sys/block/loop1/loop/backing_file", "/other\n")
    write("disk.img")
    return tmp_path


def test_mounts_of_a_partition(root):
    assert holders_of_number("8:1", str(root)) == ["mounted at /my home"]
    assert holders_of_number("8:0", str(root)) == ["mounted at /my home (sda1)"]


def test_other_devices_on_it(root):
    assert holders_of_number("8:16", str(root)) == ["part of dm-0"]


def test_an_image_that_a_loop_device_stands_on(root):
    assert holders(str(root / "disk.img"), str(root)) == [
        "attached to /dev/loop0 (mounted at /my home)"
    ]


@pytest.mark.parametrize("path", ["nothing", "sys"])
def test_what_is_no_device_has_no_holders(root, path):
    assert holders(str(root / path), str(root)) == []


def test_an_image_that_nobody_uses(root):
    (root / "free.img").write_text("")
    assert holders(str(root / "free.img"), str(root)) == []


def test_a_kernel_without_these_folders(tmp_path):
    assert holders_of_number("8:0", str(tmp_path)) == []
