# SPDX-License-Identifier: Apache-2.0
"""A machine of 20 targets loses its power; it boots with a file missing and a disk that is late."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kernel.vm import Guest

NAA = "naa.50014050000000"
IQN = "iqn.2003-01.com.example:t"
SAVED = "/etc/target/saveconfig.json"
MISSING = "/srv/f3.img"
LATE = """[Unit]
Description=A disk that comes late
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'sleep 6; modprobe loop; losetup /dev/loop0 /srv/late.img'
[Install]
WantedBy=multi-user.target
"""
QUICKER = """[Service]
ExecStart=
ExecStart=/usr/bin/lioshell serve --restore --wait=20
WatchdogSec=8
TimeoutAbortSec=2
"""
OBJECTS = [
    *(f"fileio create f{n} /srv/f{n}.img 4M" for n in range(10)),
    *(f"ramdisk create r{n} 1M" for n in range(4)),
    "ramdisk create null0 1M nullio=true",
    *(f"user:file create u{n} 4M /srv/u{n}.img" for n in range(3)),
    "block create b0 /dev/loop0",
    "pscsi create p0 /dev/sda",
]
BACKSTORES = [
    *(f"fileio/f{n}" for n in range(10)),
    *(f"ramdisk/r{n}" for n in range(4)),
    *("ramdisk/null0", "user:file/u0", "user:file/u1", "block/b0", "pscsi/p0"),
]
"""One iSCSI target each; user:file/u2 is a loopback target's."""


def script() -> str:
    lines = ["set global auto_add_default_portal=false"]
    lines += [f"/backstores/{line}" for line in OBJECTS]
    for number, backstore in enumerate(BACKSTORES):
        tpg = f"/iscsi/{IQN}{number}/tpg1"
        lines += [
            f"/iscsi create {IQN}{number}",
            f"{tpg}/luns create /backstores/{backstore}",
            f"{tpg}/acls create iqn.1994-05.com.redhat:client{number}",
            f"{tpg}/portals create 127.0.0.1 {3260 + number}",
        ]
    lines += [
        f"/loopback create {NAA}01",
        f"/loopback/{NAA}01/luns create /backstores/user:file/u2",
        "saveconfig",
    ]
    return "\n".join(lines)


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def lioshell(machine: Guest, *words: str) -> str:
    return machine.run(["lioshell", *words], timeout_s=120, check=True).stdout


def disk_answers(machine: Guest) -> None:
    """Write to the loopback disk and read it back: the user: device behind it answers."""
    host = lioshell(machine, "-o", "json", f"/loopback/{NAA}01", "ls")
    assert NAA in host
    machine.run(
        "set -eu; udevadm settle; for disk in /sys/block/sd*; do"
        " grep -qs '^LIO-ORG' $disk/device/vendor || continue; name=/dev/${disk##*/};"
        " date +%N >/tmp/w;"
        " dd if=/tmp/w of=$name bs=512 count=1 conv=sync oflag=direct status=none;"
        " dd if=$name bs=512 count=1 iflag=direct status=none | head -c $(stat -c %s /tmp/w) |"
        " cmp - /tmp/w; done",
        timeout_s=60,
        check=True,
    )


@pytest.fixture(scope="module")
def configured(machine: Guest) -> str:
    """The machine after a power cut, booted with its saved configuration; the saved text."""
    machine.run("cat >/etc/systemd/system/late.service", input=LATE, check=True)
    machine.run(
        "mkdir -p /etc/systemd/system/lioshell.service.d &&"
        " cat >/etc/systemd/system/lioshell.service.d/quicker.conf",
        input=QUICKER,
        check=True,
    )
    machine.run(
        "set -eu; echo scsi_debug >/etc/modules-load.d/scsi_debug.conf;"
        " modprobe scsi_debug; modprobe loop; truncate -s 4M /srv/late.img;"
        " losetup /dev/loop0 /srv/late.img; udevadm settle; systemctl daemon-reload;"
        " systemctl enable -q late lioshell; systemctl start lioshell",
        timeout_s=120,
        check=True,
    )
    machine.run("cat >/root/script", input=script(), check=True)
    lioshell(machine, "-f", "/root/script")
    saved = machine.run(["cat", SAVED], check=True).stdout
    assert len(json.loads(saved)["targets"]) == 20
    machine.run(f"mv {MISSING} /srv/away.img && sync", check=True)
    machine.cut_power()
    wait_for(lambda: machine.run("systemctl is-active lioshell").stdout.strip() == "active", 120)
    return saved


def test_everything_but_the_missing_file_is_back(machine: Guest, configured: str) -> None:
    del configured
    journal = machine.run("journalctl -b -u lioshell -o cat --no-pager", check=True).stdout
    print(journal, machine.run("systemctl status lioshell --no-pager").stdout, sep="\n")
    assert f"{MISSING} is missing" in journal
    assert "/backstores/fileio/f3" in journal
    left = lioshell(machine, "unrestored")
    assert "/backstores/fileio/f3" in left
    # The late disk was waited for.
    assert "block/b0" not in left
    assert "b0" in lioshell(machine, "ls", "/backstores/block")
    assert machine.run(["test", "-e", MISSING]).rc != 0
    status = machine.run("systemctl show -p StatusText --value lioshell", check=True).stdout
    assert "3 not restored" in status
    disk_answers(machine)


def test_a_save_forgets_nothing_and_a_retry_completes_it(machine: Guest, configured: str) -> None:
    lioshell(machine, "saveconfig")
    carried = json.loads(machine.run(["cat", SAVED], check=True).stdout)
    before = json.loads(configured)
    assert carried["storage_objects"] == before["storage_objects"]
    assert carried["targets"] == before["targets"]

    machine.run(f"mv /srv/away.img {MISSING}", check=True)
    lioshell(machine, "restoreconfig", "--retry")
    assert "is what runs" in lioshell(machine, "plan")
    lioshell(machine, "saveconfig")
    assert json.loads(machine.run(["cat", SAVED], check=True).stdout) == before


def main_pid(machine: Guest) -> str:
    shown = machine.run("systemctl show -p MainPID --value lioshell", check=True)
    return shown.stdout.strip()


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_a_service_that_dies_or_hangs_is_replaced(
    machine: Guest, configured: str, signal: str
) -> None:
    del configured
    old = main_pid(machine)
    machine.run(f"kill -{signal} {old}", check=True)
    wait_for(lambda: main_pid(machine) not in (old, "0"))
    wait_for(lambda: machine.run("systemctl is-active lioshell").stdout.strip() == "active")
    disk_answers(machine)
    assert "is what runs" in lioshell(machine, "plan")


def test_a_reload_applies_what_changed_in_the_file(machine: Guest, configured: str) -> None:
    document = json.loads(configured)
    changed = json.loads(configured)
    changed["targets"][0]["tpgs"][0]["attributes"]["login_timeout"] = 22
    gone = changed["targets"].pop(1)
    machine.run(f"cat >{SAVED}", input=json.dumps(changed), check=True)
    lioshell(machine, "/backstores/ramdisk", "create", "by-hand", "1M")
    before = main_pid(machine)
    machine.run("systemctl reload lioshell", timeout_s=120, check=True)

    first = changed["targets"][0]["wwn"]
    shown = lioshell(machine, f"/iscsi/{first}/tpg1", "get", "attribute", "login_timeout")
    assert "22" in shown
    assert gone["wwn"] not in lioshell(machine, "ls", "/iscsi", "1").split()
    assert "by-hand" in lioshell(machine, "ls", "/backstores/ramdisk")
    assert main_pid(machine) == before
    lioshell(machine, "/backstores/ramdisk", "delete", "by-hand")
    machine.run(f"cat >{SAVED}", input=json.dumps(document), check=True)
    machine.run("systemctl reload lioshell", timeout_s=120, check=True)
    assert "is what runs" in lioshell(machine, "plan")


def test_a_stop_leaves_the_devices_blocked_and_a_start_serves_them(
    machine: Guest, configured: str
) -> None:
    del configured
    machine.run("systemctl stop lioshell", timeout_s=120, check=True)
    blocked = machine.run("cat /sys/kernel/config/target/core/user_*/u2/action/block_dev").stdout
    assert blocked.strip() == "blocked"
    machine.run("systemctl start lioshell", timeout_s=120, check=True)
    disk_answers(machine)
    print(machine.run("systemd-analyze security lioshell --no-pager | tail -1").stdout)


def test_the_other_unit_restores_and_ends(machine: Guest, configured: str) -> None:
    del configured
    # While somebody answers the flush of the disks that go away.
    lioshell(machine, "--yes", "clearconfig", "confirm=True")
    machine.run("systemctl stop lioshell", timeout_s=120, check=True)
    machine.run("systemctl start lioshell-restore", timeout_s=200, check=True)
    assert len(lioshell(machine, "ls", "/iscsi", "1").splitlines()) == 20
    assert "is what runs" in lioshell(machine, "plan")
    machine.run("systemctl stop lioshell-restore", timeout_s=120, check=True)
    left = machine.run("ls /sys/kernel/config/target/iscsi 2>/dev/null | grep iqn").stdout
    assert left == ""
