# SPDX-License-Identifier: Apache-2.0
"""What the runner asks of the kernel beside the ring: memory, netlink, and who holds a device."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel.service import start_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest
    from tests.kernel.vm.process import Background

WWN = "naa.5001405a1b2c3d61"
DISK = "/backstores/user:file/known"
# include/linux/sched.h: PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE, which PR_SET_IO_FLUSHER sets.
IO_FLUSHER = 0x00180000


@pytest.fixture
def service(guest: Guest) -> Iterator[Background]:
    """A service with one disk."""
    guest.run("mkdir -p /srv", check=True)
    running = start_service(guest)
    try:
        line = "/backstores/user:file create known 16M /srv/known.img"
        guest.run(["lioshell", "-c", line], check=True)
        yield running
    finally:
        guest.run(
            f"lioshell -y /loopback delete {WWN}; lioshell -y /backstores/user:file delete known",
            timeout_s=120,
        )
        running.kill()
        guest.run("rm -f /srv/known.img")


def pid_of_service(guest: Guest) -> int:
    return int(guest.run("pgrep -o -f '[l]ioshell serve'", check=True).stdout)


def test_each_thread_of_a_service_is_an_io_flusher(guest: Guest, service: Background) -> None:
    pid = pid_of_service(guest)
    lines = guest.run(f"cat /proc/{pid}/task/*/stat", check=True).stdout.splitlines()
    # proc(5): flags are the ninth field, the name in parentheses may hold blanks.
    flags = [int(line.rpartition(") ")[2].split()[6]) for line in lines]
    assert len(flags) > 1
    assert [hex(flag) for flag in flags if flag & IO_FLUSHER != IO_FLUSHER] == []
    assert guest.run(f"cat /proc/{pid}/oom_score_adj").stdout == "-1000\n"


# Keeps a device open, as the runner of somebody else does.
HOLDER = """
import glob, os, time
name, = (p for p in glob.glob("/sys/class/uio/*/name") if "/known/" in open(p).read())
held = os.open("/dev/" + name.split("/")[4], os.O_RDWR)
print("held", flush=True)
time.sleep(600)
"""


def test_a_device_that_somebody_gives_up_is_served_at_once(
    guest: Guest, service: Background
) -> None:
    """inotify on /dev/uioN: no uevent tells that its holder was killed."""
    service.kill()
    guest.run("cat > /tmp/holder.py", input=HOLDER, check=True)
    holder = guest.start("exec python3 /tmp/holder.py > /tmp/holder.out")
    guest.run(
        "timeout 30 sh -c 'until grep -q held /tmp/holder.out; do sleep 0.1; done'", check=True
    )
    second = start_service(guest)
    try:
        state = guest.run(["lioshell", DISK, "info"]).stdout
        assert "runner: serving" not in state
        holder.kill()
        # Nobody asks the service for anything meanwhile.
        guest.run("sleep 3")
        assert "runner: serving" in guest.run(["lioshell", DISK, "info"]).stdout
    finally:
        holder.kill()
        second.kill()


# A daemon that has told the kernel that it answers on netlink, and does not: enable waits for it.
HANG = """
    set -eu
    tcmu-runner --debug > /tmp/tcmu.log 2>&1 &
    sleep 3
    pkill -STOP -x tcmu-runner
    cd /sys/kernel/config/target/core
    mkdir -p user_99/hangs
    echo dev_config=foreign//srv/none,dev_size=1048576 > user_99/hangs/control
    (if echo 1 > user_99/hangs/enable; then echo made; else echo freed; fi > /tmp/enable.out) &
    sleep 2
    test ! -s /tmp/enable.out
"""


def test_what_waits_for_a_daemon_is_freed(guest: Guest, service: Background) -> None:
    guest.run("rm -f /tmp/enable.*; mkdir -p /run/dbus; pidof dbus-daemon || dbus-daemon --system")
    try:
        guest.run(HANG, check=True, timeout_s=60)
        # Our own devices wait for nobody meanwhile.
        guest.run(
            [
                "timeout",
                "60",
                "lioshell",
                *("-c", "/backstores/user:file create beside 16M /srv/beside.img"),
                *("-c", "/backstores/user:file delete beside"),
            ],
            check=True,
            timeout_s=90,
        )
        assert guest.run("test -s /tmp/enable.out").rc == 1
        out = guest.run(["lioshell", "--yes", DISK, "repair", "netlink"], check=True)
        assert "told to give up" in out.stdout
        ended = "until grep . /tmp/enable.out; do sleep 0.1; done"
        out = guest.run(f"timeout 20 sh -c '{ended}'", check=True)
        assert out.stdout == "freed\n"
    finally:
        guest.run(
            "pkill -CONT -x tcmu-runner; pkill -9 -x tcmu-runner; sleep 1; pkill -x dbus-daemon;"
            "echo 1 > /sys/module/target_core_user/parameters/reset_netlink;"
            "cd /sys/kernel/config/target/core; rmdir user_99/hangs user_99; rm -f /srv/beside.img",
            timeout_s=60,
        )


def killed(guest: Guest) -> str:
    """Make the disk a LUN of loopback, kill its service, and return the disk."""
    out = guest.run(
        ["lioshell", "-c", f"/loopback create {WWN}", "-c", f"/loopback/{WWN}/luns create {DISK}"],
        check=True,
    ).stdout
    guest.run("udevadm settle; pkill -9 -f '[l]ioshell serve'; sleep 0.5", check=True)
    return re.search(r"LUN 0 is (/dev/sd\w+)", out)[1]


def test_a_disk_that_nobody_serves_is_served_while_it_goes(
    guest: Guest, service: Background
) -> None:
    """The kernel's disk flushes its cache when it goes: it would wait for who answers."""
    killed(guest)
    result = guest.run(["lioshell", f"/loopback/{WWN}/luns", "delete", "lun0"], timeout_s=60)
    assert result.rc == 0, str(result)
    assert "known is served by a service started for it" in result.stdout


def test_a_disk_that_nobody_can_serve_goes_without_a_flush(
    guest: Guest, service: Background
) -> None:
    killed(guest)
    guest.run("rm /srv/known.img", check=True)
    result = guest.run(["lioshell", "/backstores/user:file", "delete", "known"], timeout_s=60)
    assert result.rc == 0, str(result)
    assert guest.run("ls /sys/kernel/config/target/core").stdout.strip() == "alua"


def test_a_disk_that_is_mounted_stays_until_it_is_served(guest: Guest, service: Background) -> None:
    out = killed(guest)
    again = start_service(guest)
    try:
        guest.run(f"mkfs.ext4 -q -F {out}; mkdir -p /mnt/known; mount {out} /mnt/known", check=True)
        guest.run("echo kept > /mnt/known/file; pkill -9 -f '[l]ioshell serve'; sleep 0.5")
        guest.run("mv /srv/known.img /srv/elsewhere.img", check=True)
        result = guest.run(["lioshell", "--yes", "/loopback", "delete", WWN], timeout_s=60)
        assert result.rc == 3, str(result)
        assert "is in use (mounted at /mnt/known), and nobody serves known" in result.stderr
        guest.run("mv /srv/elsewhere.img /srv/known.img", check=True)
        again = start_service(guest)
        guest.run("sync; cat /mnt/known/file; umount /mnt/known", check=True, timeout_s=60)
    finally:
        guest.run("umount /mnt/known")
        again.kill()
