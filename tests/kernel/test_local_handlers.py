# SPDX-License-Identifier: Apache-2.0
"""ram and overlay on the real kernel, and a real tcmu-runner whose subtypes stay its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.kernel.service import start_service

if TYPE_CHECKING:
    from tests.kernel.vm import Guest

NAA = "naa.5001405a1b2c3d4e"


def test_a_file_system_on_ram_and_on_an_overlay(guest: Guest) -> None:
    guest.run(
        "mkdir -p /srv /mnt/vol; truncate -s 24M /srv/base.img; mkfs.ext4 -q -F /srv/base.img;"
        "sha256sum /srv/base.img > /tmp/base.sum",
        check=True,
    )
    service = start_service(guest)
    try:
        out = guest.run(
            [
                "lioshell",
                *("-c", "/backstores/user:ram create scratch 24M"),
                *("-c", "/backstores/user:overlay create vm1 24M /srv/vm1.cow base=/srv/base.img"),
                *("-c", f"/loopback create {NAA}"),
                *("-c", f"/loopback/{NAA}/luns create /backstores/user:ram/scratch"),
                *("-c", f"/loopback/{NAA}/luns create /backstores/user:overlay/vm1"),
            ],
            check=True,
            timeout_s=120,
        ).stdout
        ram, overlay = re.findall(r"LUN \d is (/dev/sd\w+)", out)
        told = guest.run(
            f"""
            set -eu
            mkfs.ext4 -q -F {ram}
            for disk in {ram} {overlay}; do
                mount $disk /mnt/vol
                cp -a /usr/share/zoneinfo /mnt/vol/ 2>/dev/null || cp -a /etc /mnt/vol/zoneinfo
                umount /mnt/vol
                blockdev --flushbufs $disk
                e2fsck -f -n $disk
                mount -o ro $disk /mnt/vol
                (cd /mnt/vol/zoneinfo && find . -type f | sort | xargs sha256sum) | sha256sum
                umount /mnt/vol
            done
            mount {ram} /mnt/vol; rm -rf /mnt/vol/zoneinfo; fstrim -v /mnt/vol; umount /mnt/vol
            sha256sum -c /tmp/base.sum
            lioshell /backstores/user:overlay/vm1 info
            """,
            check=True,
            timeout_s=240,
        ).stdout
        print(told)
        sums = re.findall(r"^([0-9a-f]{64})  -$", told, re.MULTILINE)
        assert len(sums) == 2
        assert sums[0] == sums[1]
        assert "/srv/base.img: OK" in told
        assert re.search(r"storage_written.* of 25165824 bytes", told)
    finally:
        guest.run(
            f"lioshell -y --keep-going -c '/loopback delete {NAA}'"
            " -c '/backstores/user:ram delete scratch'"
            " -c '/backstores/user:overlay delete vm1'"
        )
        service.kill()
        print(service.output())
        guest.run("rm -f /srv/vm1.cow /srv/base.img")


def test_what_a_real_tcmu_runner_has_registered_is_its_own(guest: Guest) -> None:
    before = guest.run("lioshell ls /backstores", check=True).stdout
    assert "served by tcmu-runner" not in before
    guest.run("mkdir -p /run/dbus; pidof dbus-daemon || dbus-daemon --system --fork", check=True)
    runner = guest.start("exec tcmu-runner")
    try:
        guest.run(
            "timeout 60 sh -c 'until lioshell ls /backstores | grep -q tcmu-runner;"
            " do sleep 0.5; done'",
            timeout_s=90,
        )
        listed = guest.run("lioshell ls /backstores", check=True).stdout
        print(listed)
        its = set(re.findall(r"user:(\w+) .*served by tcmu-runner", listed))
        # Those of Debian's package that need nothing but a file.
        assert "fbo" in its or "qcow" in its, runner.output()
        assert "user:ram" in listed
        subtype = "qcow" if "qcow" in its else "fbo"
        guest.run("truncate -s 1M /srv/its.img", check=True)
        made = guest.run(f"lioshell /backstores/user:{subtype} create vol0 1M /srv/its.img")
        assert made.rc == 0, str(made)
        assert "vol0 is served by tcmu-runner." in made.stdout
        assert guest.run("pgrep -f '[u]ntil-idle'").rc == 1, "no service of ours is started for it"
    finally:
        # The object goes with what the next file's tests find (conftest.LEFTOVERS).
        runner.kill()
        guest.run("pkill -9 -x tcmu-runner; rm -f /srv/its.img")
