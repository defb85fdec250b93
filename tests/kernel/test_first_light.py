# SPDX-License-Identifier: Apache-2.0
"""The main job on the real kernel: one command, a disk, real data on it, nothing left behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel.service import start_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

TARGET = "/sys/kernel/config/target"
SOURCE = "/usr/lib/x86_64-linux-gnu"
IMAGE = "/srv/vol0.img"
MODULES = ("target_core_user", "tcm_loop", "iscsi_target_mod", "target_core_file")
IQN = "iqn.2003-01.com.example:first-light"


@pytest.fixture
def clean_target(guest: Guest) -> Iterator[None]:
    """Check that configfs and the modules' reference counts end as they began."""
    guest.run("mkdir -p /srv /mnt/vol /mnt/again; lioshell ls", check=True)
    before = _state(guest)
    yield
    assert _state(guest) == before


def _state(guest: Guest) -> tuple[str, str]:
    folders = guest.run(f"cd {TARGET} && find . -type d -o -type l | sort", check=True).stdout
    loaded = guest.run("lsmod", check=True).stdout
    counts = [line.split()[:3] for line in loaded.splitlines() if line.split()[0] in MODULES]
    # A module that was not loaded before is held by nobody afterwards.
    held = "\n".join(" ".join(c) for c in counts if c[2] != "0")
    return folders, held


def lioshell(guest: Guest, *lines: str, timeout_s: float = 120) -> str:
    """Run lines as one lioshell process in the guest."""
    words = ["lioshell"]
    for line in lines:
        words += ["-c", line]
    return guest.run(words, timeout_s=timeout_s, check=True).stdout


def copy_and_check(guest: Guest, disk: str) -> str:
    """Format, copy a real tree, compare its checksums after a fresh mount, fsck; the figures."""
    size = guest.run(f"du -sm --apparent-size {SOURCE}", check=True).stdout.split()[0]
    assert int(size) >= 100
    script = f"""
        set -eu
        mkfs.ext4 -q -F {disk}
        mount {disk} /mnt/vol
        begin=$(date +%s)
        cp -a {SOURCE} /mnt/vol/tree
        umount /mnt/vol
        sync
        echo "seconds $(($(date +%s) - begin))"
        mount {disk} /mnt/again
        (cd {SOURCE} && find . -type f -print0 | sort -z | xargs -0 sha256sum) > /tmp/source.sums
        (cd /mnt/again/tree && find . -type f -print0 | sort -z | xargs -0 sha256sum) \
            > /tmp/copy.sums
        cmp /tmp/source.sums /tmp/copy.sums
        echo "files $(wc -l < /tmp/copy.sums)"
        umount /mnt/again
        sync
        e2fsck -f -n {disk}
        blockdev --flushbufs {disk}
        cmp {disk} {IMAGE}
        echo identical
    """
    result = guest.run(script, timeout_s=600, check=True)
    assert "identical" in result.stdout
    assert int(re.search(r"files (\d+)", result.stdout)[1]) > 500
    return f"{size} MB: {result.stdout}"


def test_a_loopback_disk_served_by_the_service(
    guest: Guest, clean_target: None, record_property: pytest.RecordProperty
) -> None:
    service = start_service(guest)
    try:
        out = lioshell(
            guest,
            f"/backstores/user:file create vol0 256M {IMAGE}",
            "/loopback create naa.5001405a1b2c3d4e",
            "/loopback/naa.5001405a1b2c3d4e/luns create /backstores/user:file/vol0",
        )
        assert "vol0 is served by the service" in out
        disk = re.search(r"LUN 0 is (/dev/sd\w+)", out)[1]
        print(out, lioshell(guest, "ls"), copy_and_check(guest, disk), sep="\n")
        lioshell(
            guest,
            "/loopback/naa.5001405a1b2c3d4e/luns delete lun0",
            "/loopback delete naa.5001405a1b2c3d4e",
            "/backstores/user:file delete vol0",
        )
        guest.run("udevadm settle; ! lsscsi | grep -q LIO-ORG", check=True)
    finally:
        service.kill()
        print(service.output())
        guest.run(f"rm -f {IMAGE}")


def test_an_iscsi_disk_served_by_what_a_one_liner_started(guest: Guest, clean_target: None) -> None:
    initiator = guest.run("sed -n s/^InitiatorName=//p /etc/iscsi/initiatorname.iscsi").stdout
    try:
        print(
            lioshell(
                guest,
                f"/backstores/user:file create vol0 256M {IMAGE}",
                f"/iscsi create {IQN}",
                f"/iscsi/{IQN}/tpg1/luns create /backstores/user:file/vol0",
                f"/iscsi/{IQN}/tpg1/acls create {initiator.strip()}",
            )
        )
        guest.run("modprobe iscsi_tcp; mkdir -p /run/lock/iscsi; pidof iscsid || iscsid")
        script = """
            set -eu
            iscsiadm -m discovery -t sendtargets -p 127.0.0.1
            iscsiadm -m node --login
            udevadm settle
        """
        print(guest.run(script, timeout_s=120, check=True).stdout, lioshell(guest, "ls"), sep="\n")
        disk = guest.run("readlink -f /dev/disk/by-path/ip-127.0.0.1*lun-0", check=True).stdout
        print(copy_and_check(guest, disk.strip()))
        guest.run("iscsiadm -m node --logout; iscsiadm -m node -o delete", check=True)
        print(
            lioshell(
                guest,
                f"/iscsi/{IQN}/tpg1/acls delete {initiator.strip()}",
                f"/iscsi/{IQN}/tpg1/luns delete lun0",
                f"/iscsi/{IQN}/tpg1 ls",
                f"/iscsi delete {IQN}",
                "/backstores/user:file delete vol0",
            )
        )
        # The service that the one-liner started ends with the last device.
        guest.run("timeout 20 sh -c 'while pgrep -f [u]ntil-idle; do sleep 0.2; done'", check=True)
    finally:
        guest.run(f"rm -f {IMAGE}")
