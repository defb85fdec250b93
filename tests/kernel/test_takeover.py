# SPDX-License-Identifier: Apache-2.0
"""A service that is killed under load: the next one takes over, and no command fails."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from tests.kernel.service import start_service

if TYPE_CHECKING:
    from tests.kernel.vm import Guest

KILLS = 3
WWN = "naa.5001405a1b2c3d41"
FIO = (
    "fio --name=verify --filename={disk} --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw "
    "--bs=4k --size=64M --verify=crc32c --verify_fatal=1 --verify_backlog=256 "
    "--time_based --runtime=25"
)


def test_fio_goes_on_while_the_service_is_killed(guest: Guest) -> None:
    guest.run("mkdir -p /srv", check=True)
    service = start_service(guest)
    try:
        out = guest.run(
            [
                "lioshell",
                *("-c", "/backstores/user:file create vol2 64M /srv/vol2.img"),
                *("-c", f"/loopback create {WWN}"),
                *("-c", f"/loopback/{WWN}/luns create /backstores/user:file/vol2"),
            ],
            check=True,
        ).stdout
        disk = re.search(r"LUN 0 is (/dev/sd\w+)", out)[1]
        # What udev read of a disk that an earlier test deleted is no concern of this one.
        guest.run("udevadm settle; dmesg --clear", check=True)
        fio = guest.start(FIO.format(disk=disk))
        for _ in range(KILLS):
            time.sleep(4)
            guest.run("pkill -9 -f '[l]ioshell serve'", check=True)
            service = start_service(guest)
            time.sleep(1)
        result = fio.wait(120)
        print(result.stdout)
        assert result.rc == 0, str(result)
        assert "err= 0" in result.stdout
        assert guest.run("dmesg | grep -i 'I/O error'").rc == 1
    finally:
        guest.run(
            f"lioshell /loopback delete {WWN}; lioshell /backstores/user:file delete vol2;"
            "rm -f /srv/vol2.img",
            timeout_s=120,
        )
        service.kill()
