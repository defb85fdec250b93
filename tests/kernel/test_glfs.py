# SPDX-License-Identifier: Apache-2.0
"""A file of a Gluster volume as a disk of the kernel, server and all in the guest.

File system, copy and compare while the brick is killed and comes back, and who serves the disk too.
The long form: LIOSHELL_GLFS_KILLS=20 python3 -m pytest -s tests/kernel/test_glfs.py
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

KILLS = int(os.environ.get("LIOSHELL_GLFS_KILLS", "1"))
pytestmark = pytest.mark.timeout(400 + 60 * KILLS, func_only=True)
WWN = "naa.5001405a1b2c3d5a"
FOLDER = "/var/tmp/gluster"
GLUSTER = f"gluster --glusterd-sock={FOLDER}/glusterd.sock --mode=script"
SERVE = f"cd /srv/lioshell && exec python3 -m tests.engines.gluster_volume {FOLDER}"
MAKE = """
    set -eu
    rm -rf /run/copy.stop /run/copies /run/source
    mkdir -p /run/source /mnt/glfs
    for i in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/urandom > /run/source/$i; done
    mkfs.ext4 -q -F {disk}
    mount {disk} /mnt/glfs
"""
# Whole copies, one after the other, each read back from the disk.
COPY = """
    set -eu
    i=0
    while [ ! -e /run/copy.stop ]; do
        i=$((i + 1))
        rm -rf /mnt/glfs/$((i - 4))
        cp -r /run/source /mnt/glfs/$i
        sync -f /mnt/glfs
        echo 1 > /proc/sys/vm/drop_caches
        diff -r /run/source /mnt/glfs/$i
        echo $i > /run/copies
    done
"""
BRICK_DIES = "pkill -9 -x glusterfsd; sleep 3"
BRICK_IS_BACK = f"""
    for attempt in $(seq 60); do
        {GLUSTER} volume start v0 force && pidof glusterfsd && exit
        sleep 0.5
    done
    exit 1
"""
END = """
    set -eu
    echo 3 > /proc/sys/vm/drop_caches
    for copy in /mnt/glfs/[0-9]*; do diff -r /run/source $copy; done
    umount /mnt/glfs
    e2fsck -fn {disk}
"""


def test_a_file_system_on_gluster_outlives_its_brick_and_its_runner(guest: Guest) -> None:
    gluster = guest.start(f"{SERVE} > /run/gluster.out 2>&1")
    service = None
    try:
        ready = guest.run(
            "for i in $(seq 800); do grep -x ready /run/gluster.out && exit; sleep 0.2; done;"
            "cat /run/gluster.out; exit 1",
            timeout_s=300,
        )
        assert ready.rc == 0, str(ready)
        service = start_service(guest)
        out = guest.run(
            [
                "lioshell",
                *("-c", "/backstores/user:glfs create vol9 128M v0@lioshell-vm/vol9.img"),
                *("-c", f"/loopback create {WWN}"),
                *("-c", f"/loopback/{WWN}/luns create /backstores/user:glfs/vol9"),
            ],
            check=True,
            timeout_s=120,
        ).stdout
        disk = re.search(r"LUN 0 is (/dev/sd\w+)", out)[1]
        guest.run("udevadm settle; dmesg --clear", check=True)
        guest.run(MAKE.format(disk=disk), timeout_s=120, check=True)
        copy = guest.start(COPY)
        begin = time.monotonic()
        for _ in range(KILLS):
            time.sleep(2)
            guest.run(BRICK_DIES, check=True)
            guest.run(BRICK_IS_BACK, check=True, timeout_s=120)
            time.sleep(2)
            guest.run("pkill -9 -f '[l]ioshell serve'", check=True)
            service = start_service(guest)
        guest.run("touch /run/copy.stop", check=True)
        result = copy.wait(240)
        assert result.rc == 0, str(result)
        copies = guest.run("cat /run/copies", check=True).stdout.strip()
        print(f"{KILLS} of each in {time.monotonic() - begin:.0f} s, {copies} copies compared")
        guest.run(END.format(disk=disk), timeout_s=240, check=True)
        assert guest.run("dmesg | grep -iE 'I/O error|EXT4-fs error'").rc == 1
        print(guest.run("lioshell /backstores/user:glfs/vol9 info").stdout)
    finally:
        guest.run("touch /run/copy.stop; umount -l /mnt/glfs")
        guest.run(
            f"lioshell /loopback delete {WWN}; lioshell -y /backstores/user:glfs delete vol9",
            timeout_s=120,
        )
        if service is not None:
            service.kill()
        gluster.kill()
        guest.run(f"pkill -9 glusterfsd; pkill -9 glusterd; rm -rf {FOLDER}")
