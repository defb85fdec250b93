# SPDX-License-Identifier: Apache-2.0
"""A service that is killed under load: the next one takes over, and no command fails.

The long form: LIOSHELL_KILLS=50 python3 -m pytest tests/kernel/test_takeover.py
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

KILLS = int(os.environ.get("LIOSHELL_KILLS", "3"))
pytestmark = pytest.mark.timeout(600 + 40 * KILLS, func_only=True)
WWN = "naa.5001405a1b2c3d41"
IQN = "iqn.2003-01.com.example:takeover"
# Whole runs, one after the other, until it is told to stop: each reads back what it wrote.
FIO = (
    "rm -f /run/fio.stop; while [ ! -e /run/fio.stop ]; do "
    "fio --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw --bs=4k --size=64M "
    "--verify=crc32c --verify_fatal=1 --verify_backlog=256 --time_based --runtime=12 "
    "--name=loop --filename={loop} --name=iscsi --filename={iscsi} || exit 1; done"
)
LOGIN = """
    set -eu
    modprobe iscsi_tcp; mkdir -p /run/lock/iscsi; pidof iscsid || iscsid
    iscsiadm -m discovery -t sendtargets -p 127.0.0.1 >/dev/null
    iscsiadm -m node -T {iqn} --login >/dev/null
    udevadm settle
    readlink -f /dev/disk/by-path/ip-127.0.0.1*{iqn}-lun-0
"""


def test_fio_goes_on_while_the_service_is_killed(guest: Guest) -> None:
    guest.run("mkdir -p /srv", check=True)
    initiator = guest.run("sed -n s/^InitiatorName=//p /etc/iscsi/initiatorname.iscsi").stdout
    service = start_service(guest)
    try:
        out = guest.run(
            [
                "lioshell",
                *("-c", "/backstores/user:file create vol2 64M /srv/vol2.img"),
                *("-c", "/backstores/user:file create vol3 64M /srv/vol3.img"),
                *("-c", f"/loopback create {WWN}"),
                *("-c", f"/loopback/{WWN}/luns create /backstores/user:file/vol2"),
                *("-c", f"/iscsi create {IQN}"),
                *("-c", f"/iscsi/{IQN}/tpg1/luns create /backstores/user:file/vol3"),
                *("-c", f"/iscsi/{IQN}/tpg1/acls create {initiator.strip()}"),
            ],
            check=True,
        ).stdout
        disk = re.search(r"LUN 0 is (/dev/sd\w+)", out)[1]
        iscsi = guest.run(LOGIN.format(iqn=IQN), timeout_s=120, check=True).stdout.split()[-1]
        # What udev read of a disk that an earlier test deleted is no concern of this one.
        guest.run("udevadm settle; dmesg --clear", check=True)
        fio = guest.start(FIO.format(loop=disk, iscsi=iscsi))
        begin = time.monotonic()
        for _ in range(KILLS):
            time.sleep(2)
            guest.run("pkill -9 -f '[l]ioshell serve'", check=True)
            service = start_service(guest)
        guest.run("touch /run/fio.stop", check=True)
        result = fio.wait(240)
        runs = result.stdout.count("err= 0") // 2
        print(f"{KILLS} kills in {time.monotonic() - begin:.0f} s, {runs} runs of fio on two disks")
        print(result.stdout[-3000:])
        assert result.rc == 0, str(result)
        assert runs
        assert result.stdout.count("err=") == 2 * runs
        assert guest.run("dmesg | grep -i 'I/O error'").rc == 1
    finally:
        guest.run("iscsiadm -m node --logout; iscsiadm -m node -o delete", timeout_s=60)
        guest.run(
            f"lioshell /loopback delete {WWN}; lioshell -y /iscsi delete {IQN};"
            "lioshell /backstores/user:file delete vol2;"
            "lioshell /backstores/user:file delete vol3; rm -f /srv/vol2.img /srv/vol3.img",
            timeout_s=120,
        )
        service.kill()
