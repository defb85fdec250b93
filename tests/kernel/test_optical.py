# SPDX-License-Identifier: Apache-2.0
"""An optical drive as Linux' sr driver sees it: mounted, ejected, another disc, written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel.service import start_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

WWN = "naa.5001405a1b2c3d98"
DRIVE = "/backstores/user:fbo/cd0"
MAKE_DISCS = """
    set -eu
    rm -rf /srv/discs; mkdir -p /srv/discs/one/deep /srv/discs/two /mnt/disc
    cp -a /usr/lib/python3/dist-packages /srv/discs/one/deep/
    echo first > /srv/discs/one/name; echo second > /srv/discs/two/name
    cd /srv/discs
    genisoimage -quiet -R -J -V ONE -o one.iso one
    genisoimage -quiet -R -J -V TWO -o two.iso two
    truncate -s 16M blank.disc
    modprobe -a sr_mod isofs sg
"""


@pytest.fixture(scope="module")
def drive(guest: Guest) -> Iterator[str]:
    guest.run(MAKE_DISCS, check=True, timeout_s=120)
    service = start_service(guest)
    try:
        lines = (
            "/backstores/user:fbo create cd0 cfgstring=/srv/discs/one.iso",
            f"/loopback create {WWN}",
            f"/loopback/{WWN}/luns create /backstores/user:fbo/cd0",
        )
        shown = guest.run(["lioshell", *(w for line in lines for w in ("-c", line))], check=True)
        guest.run("udevadm settle", check=True)
        yield re.search(r"LUN 0 is (/dev/sr\d+)", shown.stdout)[1]
    finally:
        guest.run("umount /mnt/disc")
        for line in (f"/loopback delete {WWN}", "/backstores/user:fbo delete cd0"):
            guest.run(["lioshell", "--yes", "-c", line], timeout_s=120)
        service.kill()
        guest.run("rm -rf /srv/discs; pkill -9 -f '[l]ioshell serve'")


def name_on(guest: Guest, drive: str) -> str:
    """Return what the file `name` of the disc says; the drive's events are not polled here."""
    script = f"mount -o ro {drive} /mnt/disc && cat /mnt/disc/name && umount /mnt/disc"
    return guest.run(script, check=True).stdout.strip()


def test_an_image_is_mounted_and_every_file_is_as_it_was(guest: Guest, drive: str) -> None:
    script = f"""
        set -eu
        mount -o ro {drive} /mnt/disc
        diff -r /srv/discs/one /mnt/disc
        umount /mnt/disc
        cmp {drive} /srv/discs/one.iso
        blockdev --getss --getsize64 {drive}
    """
    sector, size = guest.run(script, check=True, timeout_s=120).stdout.split()
    assert sector == "2048"
    assert size == guest.run("stat -c %s /srv/discs/one.iso", check=True).stdout.strip()
    shown = guest.run(f"cd-info --version >/dev/null 2>&1; sg_inq {drive}; isosize {drive}").stdout
    assert "PDT=5" in shown
    assert "RMB=1" in shown
    told = guest.run(f"sg_get_config {drive}; sg_readcap {drive}", check=True).stdout
    assert "CD-ROM" in told


def poll_events(guest: Guest, drive: str, every_ms: int) -> None:
    """Have Linux look for events of the drive; udev lets the disc go when it is asked to."""
    name = drive.rpartition("/")[2]
    guest.run(f"echo {every_ms} > /sys/block/{name}/events_poll_msecs", check=True)


def test_the_drive_is_locked_while_its_disc_is_mounted(guest: Guest, drive: str) -> None:
    poll_events(guest, drive, 0)
    guest.run(f"udevadm settle; mount -o ro {drive} /mnt/disc", check=True)
    refused = guest.run(f"lioshell {DRIVE} insert /srv/discs/two.iso")
    assert refused.rc == 1
    assert "locked" in refused.stderr
    assert guest.run("cat /mnt/disc/name && umount /mnt/disc", check=True).stdout == "first\n"
    guest.run(f"lioshell {DRIVE} eject force=true", check=True)
    assert guest.run(f"mount -o ro {drive} /mnt/disc").rc != 0
    assert "not present" in guest.run(f"sg_turs -v {drive}").stderr.lower()


def test_another_disc_is_found_and_outlives_the_service(guest: Guest, drive: str) -> None:
    poll_events(guest, drive, 1000)
    guest.run(f"lioshell {DRIVE} insert /srv/discs/two.iso", check=True)
    assert name_on(guest, drive) == "second"
    # Its udev has locked the drive, and opens it when it is asked to.
    guest.run(f"lioshell {DRIVE} insert /srv/discs/one.iso", check=True)
    assert name_on(guest, drive) == "first"
    guest.run(f"lioshell {DRIVE} insert /srv/discs/two.iso", check=True)
    guest.run("pkill -9 -f '[l]ioshell serve'")
    start_service(guest)
    assert name_on(guest, drive) == "second"


def test_an_initiator_opens_and_closes_the_tray(guest: Guest, drive: str) -> None:
    poll_events(guest, drive, 0)
    guest.run(f"udevadm settle; sg_prevent --allow {drive}; sg_start --eject {drive}", check=True)
    assert guest.run(f"mount -o ro {drive} /mnt/disc").rc != 0
    guest.run(f"sg_start --load {drive}", check=True)
    assert name_on(guest, drive) == "second"


def test_a_disc_is_written(guest: Guest, drive: str) -> None:
    script = f"""
        set -eu
        lioshell {DRIVE} insert /srv/discs/blank.disc force=true
        head -c 1M /dev/urandom > /tmp/disc.data
        dd if=/tmp/disc.data of={drive} bs=64K seek=16 conv=notrunc,fsync status=none
        cmp -n 1048576 -i 0:1048576 /tmp/disc.data /srv/discs/blank.disc
        lioshell {DRIVE} insert /srv/discs/one.iso force=true
        ! dd if=/tmp/disc.data of={drive} bs=64K count=1 conv=notrunc,fsync status=none
        cmp {drive} /srv/discs/one.iso
    """
    guest.run(script, check=True, timeout_s=120)
