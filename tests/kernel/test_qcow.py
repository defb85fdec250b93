# SPDX-License-Identifier: Apache-2.0
"""A qcow2 image as a disk of the kernel: file system, copy, compare, and kills of who serves it.

The long form: LIOSHELL_QCOW_KILLS=20 python3 -m pytest -s tests/kernel/test_qcow.py
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.kernel.service import start_service

if TYPE_CHECKING:
    from tests.kernel.vm import Guest

KILLS = int(os.environ.get("LIOSHELL_QCOW_KILLS", "2"))
pytestmark = pytest.mark.timeout(400 + 40 * KILLS, func_only=True)
WWN = "naa.5001405a1b2c3d4f"
IMAGE = "/srv/vol9.qcow2"
MAKE = """
    set -eu
    rm -f /run/copy.stop /run/copies
    mkdir -p /run/source /mnt/qcow
    for i in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/urandom > /run/source/$i; done
    mkfs.ext4 -q -F {disk}
    mount {disk} /mnt/qcow
"""
# Whole copies, one after the other, each read back from the disk.
COPY = """
    set -eu
    i=0
    while [ ! -e /run/copy.stop ]; do
        i=$((i + 1))
        rm -rf /mnt/qcow/$((i - 4))
        cp -r /run/source /mnt/qcow/$i
        sync -f /mnt/qcow
        echo 1 > /proc/sys/vm/drop_caches
        diff -r /run/source /mnt/qcow/$i
        echo $i > /run/copies
    done
"""
END = """
    set -eu
    echo 3 > /proc/sys/vm/drop_caches
    for copy in /mnt/qcow/[0-9]*; do diff -r /run/source $copy; done
    umount /mnt/qcow
    e2fsck -fn {disk}
"""


def test_a_file_system_on_qcow2_outlives_kills_of_its_runner(guest: Guest) -> None:
    guest.run("mkdir -p /srv", check=True)
    service = start_service(guest)
    try:
        out = guest.run(
            [
                "lioshell",
                *("-c", f"/backstores/user:qcow create vol9 128M {IMAGE}"),
                *("-c", f"/loopback create {WWN}"),
                *("-c", f"/loopback/{WWN}/luns create /backstores/user:qcow/vol9"),
            ],
            check=True,
        ).stdout
        disk = re.search(r"LUN 0 is (/dev/sd\w+)", out)[1]
        guest.run("udevadm settle; dmesg --clear", check=True)
        guest.run(MAKE.format(disk=disk), timeout_s=120, check=True)
        copy = guest.start(COPY)
        begin = time.monotonic()
        for number in range(KILLS):
            time.sleep(2 + number % 3)
            guest.run("pkill -9 -f '[l]ioshell serve'", check=True)
            if number % 4 == 3:
                # The daemon of the killed runner too, before it has flushed.
                guest.run("pkill -STOP qemu-nbd; sleep 1; pkill -CONT qemu-nbd")
            service = start_service(guest)
        guest.run("touch /run/copy.stop", check=True)
        result = copy.wait(240)
        assert result.rc == 0, str(result)
        copies = guest.run("cat /run/copies", check=True).stdout.strip()
        print(f"{KILLS} kills in {time.monotonic() - begin:.0f} s, {copies} copies compared")
        guest.run(END.format(disk=disk), timeout_s=240, check=True)
        assert guest.run("dmesg | grep -iE 'I/O error|EXT4-fs error'").rc == 1
        # Who serves is asked for the state of the image before it lets it go.
        guest.run("lioshell -y /backstores/user:qcow delete vol9", check=True)
        guest.run("for i in $(seq 100); do pidof qemu-nbd || break; sleep 0.1; done", check=True)
        assert guest.run("pidof qemu-nbd").rc == 1
        told = guest.run(f"qemu-img check -f qcow2 {IMAGE}")
        print(told.stdout.strip())
        assert told.rc == 0, str(told)
        assert "No errors were found" in told.stdout
    finally:
        guest.run("touch /run/copy.stop; umount -l /mnt/qcow")
        del service
