# SPDX-License-Identifier: Apache-2.0
"""`export` of a file and of a loop device, over IPv4 and IPv6, to a real initiator; and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

INITIATOR = "/etc/iscsi/initiatorname.iscsi"
TREE = "cd /sys/kernel/config/target && find . -type d -o -type l | sort"
LOG_IN = """
    set -eu
    iscsiadm -m discovery -t sendtargets -p '{place}' >/dev/null
    iscsiadm -m node -p '{place}' --login
    udevadm settle
    disk=$(ls /dev/disk/by-path/ip-*-lun-0)
    echo hello | dd of=$disk bs=512 count=1 conv=sync oflag=direct status=none
    blockdev --getsize64 $disk
    iscsiadm -m node --logout
    iscsiadm -m node -o delete
"""


@pytest.fixture
def device(guest: Guest, request: pytest.FixtureRequest) -> Iterator[str]:
    """A file, or a loop device on one."""
    guest.run("modprobe loop; mkdir -p /srv; truncate -s 8M /srv/one.img", check=True)
    guest.run("modprobe iscsi_tcp; mkdir -p /run/lock/iscsi; pidof iscsid || iscsid")
    if request.param == "file":
        yield "/srv/one.img"
    else:
        yield guest.run("losetup -f --show /srv/one.img", check=True).stdout.strip()
        guest.run("losetup -D", check=True)
    guest.run("rm -f /srv/one.img", check=True)


@pytest.mark.parametrize("device", ["file", "loop"], indirect=True)
@pytest.mark.parametrize("place", ["127.0.0.1:3260", "[::1]:3260"])
def test_one_command_from_a_file_to_a_disk(guest: Guest, device: str, place: str) -> None:
    initiator = guest.run(f"sed -n 's/^InitiatorName=//p' {INITIATOR}", check=True).stdout.strip()
    guest.run("lioshell ls >/dev/null", check=True)
    before = guest.run(TREE, check=True).stdout

    told = guest.run(
        ["lioshell", "export", device, "-p", place, "--initiator", initiator], check=True
    ).stdout
    again = guest.run(["lioshell", "export", device, "-p", place], check=True).stdout
    assert f"iscsiadm -m discovery -t sendtargets -p {place}" in told
    assert "exported already" in again
    size = guest.run(LOG_IN.format(place=place), timeout_s=120, check=True).stdout
    assert str(8 << 20) in size
    assert guest.run("head -c 5 /srv/one.img").stdout == "hello"

    guest.run(["lioshell", "unexport", device], check=True)
    assert guest.run(TREE, check=True).stdout == before


def test_a_device_that_is_mounted_is_refused_with_who_holds_it(guest: Guest) -> None:
    guest.run(
        "modprobe loop; mkdir -p /srv/m &&"
        " truncate -s 8M /srv/two.img && mkfs.ext4 -q /srv/two.img &&"
        " mount -o loop /srv/two.img /srv/m",
        check=True,
    )
    try:
        loop = guest.run("losetup -j /srv/two.img -O NAME -n", check=True).stdout.strip()
        for what in (loop, "/srv/two.img"):
            refused = guest.run(["lioshell", "export", what])
            assert refused.rc == 3
            assert "mounted at /srv/m" in refused.stderr
    finally:
        guest.run("umount /srv/m; rm -rf /srv/m /srv/two.img", check=True)
