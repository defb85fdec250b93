# SPDX-License-Identifier: Apache-2.0
"""Zoned disks as Linux sees them: sd_zbc finds the zones, and their rules are kept."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel.service import start_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

WWN = "naa.5001405a1b2c3d88"
AWARE_WWN = "naa.5001405a1b2c3d89"
IMAGE = "/srv/zoned.zbc"
AWARE_IMAGE = "/srv/aware.zbc"
ZONE_SECTORS = 2048
NAMES = {"nw": "conventional", "em": "empty", "oi": "open", "oe": "explicit", "fu": "full"}


def lun(guest: Guest, wwn: str, *lines: str) -> str:
    """Create an object and export it; return the disk."""
    name = lines[0].split()[2]
    every = (
        *lines,
        f"/loopback create {wwn}",
        f"/loopback/{wwn}/luns create /backstores/user:zbc/{name}",
    )
    shown = guest.run(["lioshell", *(w for line in every for w in ("-c", line))], check=True)
    guest.run("udevadm settle", check=True)
    return re.search(r"LUN 0 is (/dev/sd\w+)", shown.stdout)[1]


@pytest.fixture(scope="module")
def zoned(guest: Guest) -> Iterator[str]:
    guest.run("mkdir -p /srv; modprobe sg", check=True)
    service = start_service(guest)
    try:
        options = "zone_size=1M conventional=2 max_open=4"
        yield lun(guest, WWN, f"/backstores/user:zbc create z0 16M {IMAGE} {options}")
    finally:
        for line in (
            f"/loopback delete {WWN}",
            f"/loopback delete {AWARE_WWN}",
            "/backstores/user:zbc delete z0",
            "/backstores/user:zbc delete z1",
        ):
            guest.run(["lioshell", "--yes", "-c", line], timeout_s=120)
        service.kill()
        guest.run(f"rm -f {IMAGE} {AWARE_IMAGE}; pkill -9 -f '[l]ioshell serve'")


def zones(guest: Guest, disk: str) -> list[tuple[int, int, str]]:
    """Return start and write pointer in sectors, and the condition of each zone."""
    shown = guest.run(f"blkzone report {disk}", check=True).stdout
    found = re.findall(r"start: (\w+), len \w+, .*wptr (\w+) .*zcond:\s*\d+\((\w+)\)", shown)
    assert found, shown
    return [(int(start, 16), int(pointer, 16), NAMES.get(c, c)) for start, pointer, c in found]


def test_sd_sees_a_host_managed_disk(guest: Guest, zoned: str) -> None:
    name = zoned.rpartition("/")[2]
    queue = f"/sys/block/{name}/queue"
    shown = guest.run(f"cat {queue}/zoned {queue}/chunk_sectors {queue}/nr_zones", check=True)
    assert shown.stdout.split() == ["host-managed", str(ZONE_SECTORS), "16"]
    found = zones(guest, zoned)
    assert [start for start, _, _ in found] == [ZONE_SECTORS * n for n in range(16)]
    assert [condition for _, _, condition in found] == ["conventional"] * 2 + ["empty"] * 14
    shown = guest.run(f"sg_inq {zoned}; sg_vpd -p 0xb6 {zoned}; sg_readcap -l {zoned}")
    print(shown.stdout)
    assert "PDT=20" in shown.stdout
    assert "URSWRZ: 1" in shown.stdout
    assert "sequential write required zones: 4" in shown.stdout


def test_zones_are_written_in_order_finished_and_reset(guest: Guest, zoned: str) -> None:
    at = 2 * ZONE_SECTORS
    write = f"dd if=/tmp/data of={zoned} bs=64K oflag=direct conv=notrunc status=none"
    script = f"""
        set -eu
        head -c 1M /dev/urandom > /tmp/data
        {write} count=4 seek=32
        {write} count=12 skip=4 seek=36
        dd if={zoned} of=/tmp/back bs=64K skip=32 count=16 iflag=direct status=none
        cmp /tmp/data /tmp/back
        {write} count=1 seek=48
    """
    guest.run(script, check=True)
    found = zones(guest, zoned)
    assert found[2][2] == "full"
    assert found[3] == (at + ZONE_SECTORS, 128, "open")
    # Behind the write pointer and in the middle of a full zone: refused by ours, with its sense.
    cdbs = {
        "8a 00 00 00 00 00 00 00 18 00 00 00 00 01 00 00": "Unaligned write command",
        "8a 00 00 00 00 00 00 00 10 00 00 00 00 01 00 00": "Invalid field in cdb",
    }
    for cdb, text in cdbs.items():
        result = guest.run(f"sg_raw -s 512 -i /tmp/data {zoned} {cdb}")
        assert text.lower() in (result.stdout + result.stderr).lower(), str(result)
    guest.run(
        f"blkzone reset -o {at} -c 1 {zoned} && blkzone open -o {at} -c 1 {zoned}", check=True
    )
    assert zones(guest, zoned)[2][2] == "explicit"
    guest.run(
        f"blkzone close -o {at} -c 1 {zoned} && blkzone finish -o {at} -c 1 {zoned}", check=True
    )
    assert zones(guest, zoned)[2][2] == "full"
    shown = guest.run(f"blkzone reset {zoned}; dd if={zoned} bs=1M skip=2 count=1 | tr -d '\\0'")
    assert shown.stdout == ""
    assert {condition for _, _, condition in zones(guest, zoned)} == {"conventional", "empty"}


def test_a_service_that_is_killed_keeps_zones_and_data(guest: Guest, zoned: str) -> None:
    """Writes go on while it is killed and another takes over: none fails, none is lost."""
    script = f"""
        head -c 1M /dev/urandom > /tmp/zone
        for n in $(seq 0 63); do
            dd if=/tmp/zone of={zoned} bs=16K count=1 skip=$n seek=$((64 * 5 + n)) oflag=direct \
                conv=notrunc status=none || echo "write $n failed"
        done
        echo written
    """
    writer = f"{{ {script} }} > /tmp/writer 2>&1"
    guest.start(writer)
    guest.run("sleep 1; pkill -9 -f '[l]ioshell serve'", check=True)
    start_service(guest)
    guest.run("for n in $(seq 50); do grep -q written /tmp/writer && break; sleep 1; done")
    assert guest.run("cat /tmp/writer").stdout == "written\n"
    shown = guest.run(
        f"dd if={zoned} of=/tmp/back bs=1M skip=5 count=1 iflag=direct status=none"
        " && cmp /tmp/zone /tmp/back",
        check=True,
    )
    assert shown.rc == 0
    assert zones(guest, zoned)[5][2] == "full"


def test_a_host_aware_disk_is_a_disk_with_zones(guest: Guest, zoned: str) -> None:
    options = "model=host-aware zone_size=1M conventional=0"
    line = f"/backstores/user:zbc create z1 16M {AWARE_IMAGE} {options}"
    disk = lun(guest, AWARE_WWN, line)
    script = f"""
        set -eu
        sg_inq {disk} | head -3
        sg_vpd -p bdc {disk}
        dd if=/tmp/data of={disk} bs=64K count=1 seek=20 oflag=direct conv=notrunc status=none
        dd if={disk} of=/tmp/back bs=64K count=1 skip=20 iflag=direct status=none
        cmp -n 65536 /tmp/data /tmp/back
        sg_rep_zones {disk} | head -40
    """
    shown = guest.run(script, check=True).stdout
    assert "ZONED=1" in shown
    assert "non_seq: 1" in shown.lower()
    status = guest.run(["lioshell", "-o", "json", "/backstores/user:zbc/z1", "info"], check=True)
    assert json.loads(status.stdout)["result"]["size_bytes"] == 16 << 20
