# SPDX-License-Identifier: Apache-2.0
"""`tcmu.attach` on a real kernel: a file system on a dict, disks in use, a killed program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.vm.project import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

PLACE = "/dev/mydisks"
TREE = "cd /sys/kernel/config/target && find . -type d -o -type l | sort"
IMAGE = "/srv/library.img"
FILE_DISK = f"""
import sys
from lioshell import tcmu
from lioshell.runner.handlers.file import FileHandler
with tcmu.attach(
    FileHandler, config="{IMAGE}", name="vol1", size="64MiB", directory="{PLACE}", threads=8
) as disk:
    print(disk.path, flush=True)
    sys.stdin.readline()
"""
STARTS = f"""
    set -eu
    export PYTHONPATH={FOLDER}
    node={PLACE}/$1
    start() {{
        rm -f /run/in; mkfifo /run/in
        python3 "$program" {PLACE} </run/in >/run/out 2>/run/err & pid=$!
        exec 3>/run/in
        for try in $(seq 600); do
            grep -q "$node" /run/out && break
            kill -0 $pid || {{ cat /run/err >&2; exit 1; }}
            sleep 0.1
        done
        test -b $node
    }}
    trap 'rc=$?; cat /run/err >&2; exit $rc' EXIT
"""
FORMATTED = """
    program=$2; start
    mkfs.ext4 -q $node
    mount $node /mnt/library
    cp /bin/bash /mnt/library/one
    umount /mnt/library
    fsck.ext4 -fn $node
    mount -r $node /mnt/library
    cmp /bin/bash /mnt/library/one
    umount /mnt/library
    lsblk -dno WWN $node
    lioshell ls /backstores/user:python
    echo >&3; wait $pid
"""
TAKEN_OVER = """
    program=$2; start
    mkfs.ext4 -q $node
    mount $node /mnt/library
    echo >&3; wait $pid && exit 7
    grep -q 'in use: mounted at /mnt/library' /run/err
    start
    cp /bin/bash /mnt/library/one
    dd if=/dev/zero of=/mnt/library/two bs=1M count=24 conv=fsync status=none & writer=$!
    sleep 0.5
    kill -9 $pid; wait $pid || true
    start
    wait $writer
    umount /mnt/library
    fsck.ext4 -fn $node
    mount -r $node /mnt/library
    cmp /bin/bash /mnt/library/one
    umount /mnt/library
    echo >&3; wait $pid
"""


@pytest.fixture
def machine(guest: Guest) -> Iterator[Guest]:
    """A guest in which nothing of a disk is left afterwards."""
    guest.run("lioshell ls >/dev/null; mkdir -p /srv /mnt/library", check=True)
    before = guest.run(TREE, check=True).stdout
    yield guest
    assert guest.run(TREE, check=True).stdout == before
    assert guest.run(f"test -e {PLACE}").rc == 1
    guest.run(f"rm -rf {IMAGE} /mnt/library", check=True)


def test_a_dict_is_formatted_mounted_and_checked(machine: Guest) -> None:
    example = f"{FOLDER}/examples/zlib_disk.py"
    words = ["bash", "-c", STARTS + FORMATTED, "bash", "zlib0", example]
    told = machine.run(words, timeout_s=180, check=True).stdout
    assert "0x6001405" in told
    assert "no runner" not in told


def test_a_disk_in_use_survives_its_program(machine: Guest) -> None:
    machine.run("cat >/run/file_disk.py", input=FILE_DISK, check=True)
    words = ["bash", "-c", STARTS + TAKEN_OVER, "bash", "vol1", "/run/file_disk.py"]
    machine.run(words, timeout_s=240, check=True)
