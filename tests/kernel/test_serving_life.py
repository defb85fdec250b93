# SPDX-License-Identifier: Apache-2.0
"""Devices that come, go and change hands under load, and what is left after the power was cut.

The long form: LIOSHELL_CYCLES=50 python3 -m pytest tests/kernel/test_serving_life.py
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from lioshell.runner.workers import IDLE_S
from tests.kernel.service import start_service
from tests.kernel.test_session import TYPIST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest
    from tests.kernel.vm.process import Background

CYCLES = int(os.environ.get("LIOSHELL_CYCLES", "3"))
# The allocator's arenas for threads that come and go: 3 lives and 50 lives end alike, at 13 to
# 15 MB from 11 to 13. Whatever a life leaked would count a hundred times in the long form.
SETTLING_KIB = 6144
pytestmark = pytest.mark.timeout(600 + 40 * CYCLES, func_only=True)
WWN = "naa.5001405a1b2c3d51"
OTHER = "naa.5001405a1b2c3d52"
FIO = (
    "rm -f /run/fio.stop; while [ ! -e /run/fio.stop ]; do "
    "fio --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw --bs=4k --size=32M "
    "--verify=crc32c --verify_fatal=1 --verify_backlog=256 --time_based --runtime=5 "
    "--name=job --filename={disk} || exit 1; done"
)
# What a process holds, and what the kernel has for it. Of its memory only its own: what it touches
# of a map counts as resident too.
HOLDS = """
    set -eu
    pid=$(pgrep -o -f '[l]ioshell serve')
    echo fds $(ls /proc/$pid/fd | wc -l)
    echo maps $(grep -c /dev/uio /proc/$pid/maps || true)
    echo threads $(ls /proc/$pid/task | wc -l)
    echo kib $(awk '/RssAnon/ {print $2}' /proc/$pid/status)
    echo uio $(ls /sys/class/uio | wc -l)
"""


def holds(guest: Guest) -> dict[str, int]:
    """What the service holds now."""
    lines = guest.run(HOLDS, check=True).stdout.split("\n")
    return {name: int(count) for name, count in (line.split() for line in lines if line.strip())}


def holds_at_rest(guest: Guest) -> dict[str, int]:
    """What the service holds once its workers, idle for a while, have ended."""
    time.sleep(IDLE_S + 1)
    return holds(guest)


def cycle_lines(who: str, count: int) -> Iterator[str]:
    """Yield lines that make a disk, use it as a LUN and take both away, time and again."""
    wwn = f"{OTHER[:-1]}{who}"
    yield f"/loopback create {wwn}"
    for number in range(count):
        name = f"cycle{who}{number}"
        yield f"/backstores/user:file create {name} 16M /srv/{name}.img"
        yield f"/loopback/{wwn}/luns create /backstores/user:file/{name}"
        yield f"/loopback/{wwn}/luns delete lun0"
        yield f"/backstores/user:file delete {name}"
    yield f"/loopback delete {wwn}"


def export(guest: Guest, name: str) -> str:
    """Make a disk of 32 MiB on tcm_loop and return its node."""
    out = guest.run(
        [
            "lioshell",
            *("-c", f"/backstores/user:file create {name} 32M /srv/{name}.img"),
            *("-c", f"/loopback create {WWN}"),
            *("-c", f"/loopback/{WWN}/luns create /backstores/user:file/{name}"),
        ],
        check=True,
        timeout_s=120,
    ).stdout
    disk = re.search(r"LUN 0 is (/dev/sd\w+)", out)[1]
    guest.run("udevadm settle; dmesg --clear", check=True)
    return disk


def remove(guest: Guest, name: str) -> None:
    """Take away what `export` made."""
    guest.run(
        f"lioshell -y /loopback delete {WWN}; lioshell -y /backstores/user:file delete {name};"
        f"rm -f /srv/{name}.img /srv/cycle*",
        timeout_s=120,
    )


def check_fio(guest: Guest, fio: Background, disk: str, wait_s: float = 180) -> int:
    """End the runs of fio on a disk, look that none found anything; return how many there were.

    Of other disks the kernel may complain: udev reads one that is deleted at that moment.
    """
    guest.run("touch /run/fio.stop", check=True)
    result = fio.wait(wait_s)
    assert result.rc == 0, str(result)[-4000:]
    runs = result.stdout.count("err= 0")
    assert runs
    assert runs == result.stdout.count("err=")
    complaint = f"I/O error.* {disk[5:]}[^a-z]|blocked for more"
    assert guest.run(f"dmesg | grep -iE '{complaint}'").rc == 1
    return runs


def test_creates_and_deletes_beside_io_leave_nothing(guest: Guest) -> None:
    guest.run("mkdir -p /srv", check=True)
    service = start_service(guest)
    both = "lioshell -q -f /tmp/{0}.a & a=$!; lioshell -q -f /tmp/{0}.b; b=$?; wait $a && exit $b"
    try:
        disk = export(guest, "busy")
        for who in "ab":
            # What is kept once only (arenas of threads, buffers by their place) is there after as
            # many lives as the short form has.
            for name, count in (("warm", min(CYCLES, 5)), ("cycle", CYCLES)):
                text = "\n".join(cycle_lines(who, count))
                guest.run(f"cat > /tmp/{name}.{who}", input=text, check=True)
        fio = guest.start(FIO.format(disk=disk))
        guest.run(both.format("warm"), timeout_s=200, check=True)
        check_fio(guest, fio, disk)
        before = holds_at_rest(guest)
        fio = guest.start(FIO.format(disk=disk))
        begin = time.monotonic()
        guest.run(both.format("cycle"), timeout_s=60 + 20 * CYCLES, check=True)
        spent_s = time.monotonic() - begin
        runs = check_fio(guest, fio, disk)
        after = holds_at_rest(guest)
        print(f"2 x {CYCLES} creates and deletes in {spent_s:.0f} s beside {runs} runs of fio")
        print("before", before, "\nafter ", after)
        for name in ("fds", "maps", "uio", "threads"):
            assert after[name] == before[name], name
        assert after["kib"] < before["kib"] + SETTLING_KIB
    finally:
        remove(guest, "busy")
        service.kill()


SESSION_1 = """\
/>\t/backstores/user:file create hand 32M /srv/hand.img
served by this session[^>]*>\t/loopback create {wwn}
Created target[^>]*>\t/loopback/{wwn}/luns create /backstores/user:file/hand
LUN 0 is /dev/sd[^>]*>\t!touch /run/exported; until [ -e /run/fio.runs ]; do sleep 1; done
\texit
Hand over[^]]*\\]\ty
"""
SESSION_2 = """\
/>\t/backstores/user:file/hand serve here
served by this session[^>]*>\t!sleep 2
\t/backstores/user:file/hand info
runner: serving[^>]*>\t/backstores/user:file/hand serve service
is served by[^>]*>\t/backstores/user:file/hand serve here
served by this session[^>]*>\t!sleep 2
\texit
Hand over[^]]*\\]\ty
"""


def test_a_device_changes_hands_under_load(guest: Guest) -> None:
    guest.run("mkdir -p /srv; rm -f /run/exported /run/fio.runs", check=True)
    guest.run("cat > /tmp/typist.py", input=TYPIST, check=True)
    guest.run("cat > /tmp/one.txt", input=SESSION_1.format(wwn=WWN), check=True)
    guest.run("cat > /tmp/two.txt", input=SESSION_2, check=True)
    try:
        first = guest.start("python3 /tmp/typist.py /tmp/one.txt")
        guest.run(
            "timeout 90 sh -c 'until [ -e /run/exported ]; do sleep 0.2; done'", timeout_s=120
        )
        name = guest.run(
            "udevadm settle; lsscsi | awk '/LIO-ORG/ && /hand|TCMU/ {print $NF}' | head -1"
        ).stdout.strip()
        disk = name or guest.run("lsscsi | awk '/LIO-ORG/ {print $NF}' | tail -1").stdout.strip()
        assert disk.startswith("/dev/sd")
        guest.run("dmesg --clear", check=True)
        fio = guest.start(FIO.format(disk=disk))
        guest.run("touch /run/fio.runs", check=True)
        result = first.wait(120)
        assert result.rc == 0, str(result)[-4000:]
        second = guest.run("python3 /tmp/typist.py /tmp/two.txt", timeout_s=180)
        assert second.rc == 0, str(second)[-4000:]
        runs = check_fio(guest, fio, disk)
        pid = guest.run("pgrep -f '[u]ntil-idle'", check=True).stdout.split()
        print(f"session, service, session, service, session, service {pid}: {runs} runs of fio")
    finally:
        guest.run("touch /run/fio.stop")
        remove(guest, "hand")


# Writes numbered blocks and tells the host which of them the disk has acknowledged as durable.
WRITER = r"""
import fcntl, mmap, os, struct, sys, threading, time
disk, told = sys.argv[1], sys.argv[2]
BLOCK, AREA = 4096, 1024

def page(kind, place, number):
    buffer = mmap.mmap(-1, BLOCK)
    buffer[:] = struct.pack("<IIQ", kind, place, number) * (BLOCK // 16)
    return buffer

def tell(line):
    os.write(out, line.encode())

out = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def with_fua():
    fd = os.open(disk, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
    for number in range(1, 1 << 40):
        place = number * 7 % AREA
        os.pwritev(fd, [page(1, place, number)], place * BLOCK)
        tell(f"1 {place} {number}\n")

def with_sync():
    fd = os.open(disk, os.O_RDWR | os.O_DIRECT)
    for first in range(1, 1 << 40, 8):
        places = [(n, n * 5 % AREA) for n in range(first, first + 8)]
        for number, place in places:
            os.pwritev(fd, [page(2, place, number)], (AREA + place) * BLOCK)
        os.fdatasync(fd)
        tell("".join(f"2 {place} {number}\n" for number, place in places))

for target in (with_fua, with_sync):
    threading.Thread(target=target).start()
"""


# A file system on a device whose writes can be thrown away from one moment on (dm-flakey), as the
# power's end does; what its journal then brings back is what a real cut would have left.
CUT_MAKE = """
    set -eu
    modprobe loop; modprobe dm_flakey || modprobe dm-flakey
    truncate -s 160M /srv/cut.disk
    loop=$(losetup --show -f /srv/cut.disk)
    sectors=$(blockdev --getsz $loop)
    echo "0 $sectors linear $loop 0" > /tmp/cut.linear
    echo "0 $sectors flakey $loop 0 0 3600 1 drop_writes" > /tmp/cut.flakey
    dmsetup create cut /tmp/cut.linear
    udevadm settle
    mkfs.ext4 -q -F /dev/mapper/cut
    mkdir -p /cut
    mount /dev/mapper/cut /cut
    truncate -s 32M /cut/cut.img
    sync
"""
CUT = """
    set -eu
    cp /tmp/acknowledged /tmp/acknowledged.before
    dmsetup load cut /tmp/cut.flakey
    dmsetup suspend --nolockfs --noflush cut
    dmsetup resume cut
    cp /tmp/acknowledged /tmp/acknowledged.after
"""
CUT_AGAIN = """
    set -eu
    umount /cut
    dmsetup load cut /tmp/cut.linear
    dmsetup suspend cut
    dmsetup resume cut
    mount /dev/mapper/cut /cut
"""
CUT_CHECK = r"""
import sys
wanted = {}
lines = open("/tmp/acknowledged.before").read().split("\n")[:-1]
for line in lines:
    kind, place, number = map(int, line.split())
    wanted[kind, place] = number
data = open("/cut/cut.img", "rb").read()
lost = []
for (kind, place), number in wanted.items():
    start = (place + (kind - 1) * 1024) * 4096
    block = data[start : start + 4096]
    if int.from_bytes(block[8:16], "little") < number or block != block[:16] * 256:
        lost.append((kind, place, number, int.from_bytes(block[8:16], "little")))
counts = [sum(1 for kind, _ in wanted if kind == which) for which in (1, 2)]
after = sum(1 for _ in open("/tmp/acknowledged.after"))
print(f"{len(lines)} acknowledged writes (and {after - len(lines)} at the cut) to {counts} blocks"
      f" by FUA and by SYNC; lost: {lost[:5]}")
sys.exit(bool(lost) or min(counts) == 0)
"""


def test_what_was_acknowledged_as_durable_survives_a_cut(guest: Guest) -> None:
    """FUA, and writes before an acknowledged SYNCHRONIZE CACHE: newer may be there, older not."""
    guest.run("mkdir -p /srv; rm -f /tmp/acknowledged*", check=True)
    guest.run(CUT_MAKE, check=True, timeout_s=60)
    service = start_service(guest)
    try:
        out = guest.run(
            [
                "lioshell",
                *("-c", "/backstores/user:file create cut 32M /cut/cut.img"),
                *("-c", f"/loopback create {WWN}"),
                *("-c", f"/loopback/{WWN}/luns create /backstores/user:file/cut"),
            ],
            check=True,
            timeout_s=120,
        ).stdout
        disk = re.search(r"LUN 0 is (/dev/sd\w+)", out)[1]
        fua = guest.run(f"cat /sys/block/{disk[5:]}/queue/fua", check=True).stdout
        assert fua.strip() == "1", "the disk does not say that it has FUA"
        guest.run("cat > /tmp/writer.py", input=WRITER, check=True)
        guest.run("cat > /tmp/check.py", input=CUT_CHECK, check=True)
        writer = guest.start(f"exec python3 /tmp/writer.py {disk} /tmp/acknowledged")
        enough = "until [ $(wc -l < /tmp/acknowledged) -ge 200 ]; do sleep 0.5; done"
        guest.run(f"timeout 100 bash -c '{enough}'", timeout_s=120, check=True)
        guest.run(CUT, timeout_s=60, check=True)
        writer.kill()
        guest.run("pkill -9 -f [w]riter.py; true")
        remove(guest, "cut")
        guest.run("pkill -f '[l]ioshell serve'; sleep 2; true")
        guest.run(CUT_AGAIN, timeout_s=60, check=True)
        result = guest.run("python3 /tmp/check.py")
        print(result.stdout)
        assert result.rc == 0, str(result)
    finally:
        guest.run("pkill -9 -f [w]riter.py; true")
        remove(guest, "cut")
        service.kill()
        guest.run("umount /cut; dmsetup remove cut; losetup -D; rm -f /srv/cut.disk", timeout_s=60)
