# SPDX-License-Identifier: Apache-2.0
"""The tutorials' command lines on the real kernel: tests/seeds, once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kernel.vm import Guest

# The disks and the address that the tutorials had; other tests' disks may have such names already.
MACHINE = """
    set -eu
    ip address replace 192.168.1.139/32 dev lo
    mkdir -p /srv /home
    modprobe loop
    timeout 10 sh -c 'until test -e /dev/loop-control; do sleep 0.1; done'
    for disk in sdb vg0/lv1 sda2; do
        truncate -s 1M /srv/seeds-$(basename $disk).img
        loop=$(losetup --find --show /srv/seeds-$(basename $disk).img)
        rm -f /dev/seeds-$(basename $disk) && ln -s $loop /dev/seeds-$(basename $disk)
    done
"""
CLEAN = """
    ip address delete 192.168.1.139/32 dev lo
    rm -f /dev/seeds-*
    for image in /srv/seeds-*.img; do losetup -j $image -O NAME -n | xargs -r losetup -d; done
    rm -f /srv/seeds-*.img /home/tgt_file
"""


def test_every_transcript(guest: Guest) -> None:
    guest.run(MACHINE, check=True)
    try:
        result = guest.run(
            "cd /srv/lioshell && python3 -m tests.seeds.transcript tests/seeds/data/*.yaml",
            timeout_s=400,
        )
        print(result.stdout)
        assert result.rc == 0, str(result)
        assert result.stdout.count(" 0 wrong") == 5
    finally:
        guest.run(CLEAN)
    left = guest.run("ls /sys/kernel/config/target/core", check=True).stdout
    assert not {"iblock_0", "fileio_0", "user_1", "user_30"} & set(left.split())
