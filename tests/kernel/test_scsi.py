# SPDX-License-Identifier: Apache-2.0
"""What initiators see of a user: disk: sg3-utils, libiscsi, arbitrary commands by SG_IO.

Short forms; the long ones are `python3 -m tests.kernel.iscsi_test_cu` and
`LIOSHELL_SG_IO_COMMANDS=100000 pytest tests/kernel/test_scsi.py -k arbitrary`.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.kernel.conformance import USER_FILE, lun, run_tests
from tests.kernel.iscsi_test_cu import REASONS, table
from tests.kernel.service import start_service
from tests.kernel.vm import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest
    from tests.kernel.vm.process import Background

WWN = "naa.5001405a1b2c3d77"
IMAGE = "/srv/scsi.img"
COMMANDS = int(os.environ.get("LIOSHELL_SG_IO_COMMANDS", "500"))
SEED = int(os.environ.get("LIOSHELL_FUZZ_SEED", "20240229"))
# Those that take seconds; several of them fail on the kernel's own fileio. ReceiveCopyResults wants
# no copy with its list id within the seconds that a disk remembers one: it comes first.
FAMILIES = os.environ.get(
    "LIOSHELL_ISCSI_TEST_CU",
    "SCSI.ReceiveCopyResults SCSI.ExtendedCopy SCSI.Inquiry SCSI.ModeSense6 SCSI.ReadDefectData10",
).split()
GROWTH_KIB = 8 << 10


class Exported(NamedTuple):
    """The disk in the guest and the service behind it."""

    disk: str
    service: Background
    pid: str


@pytest.fixture(scope="module")
def exported(guest: Guest) -> Iterator[Exported]:
    guest.run("mkdir -p /srv; modprobe sg", check=True)
    service = start_service(guest)
    try:
        lines = (
            f"/backstores/user:file create scsi 64M {IMAGE}",
            f"/loopback create {WWN}",
            f"/loopback/{WWN}/luns create /backstores/user:file/scsi",
        )
        out = guest.run(["lioshell", *(w for line in lines for w in ("-c", line))], check=True)
        disk = re.search(r"LUN 0 is (/dev/sd\w+)", out.stdout)[1]
        pid = guest.run("pgrep -f '[l]ioshell serve' | head -1", check=True).stdout.strip()
        guest.run("udevadm settle", check=True)
        yield Exported(disk, service, pid)
    finally:
        for line in (f"/loopback delete {WWN}", "/backstores/user:file delete scsi"):
            guest.run(["lioshell", "--yes", "-c", line], timeout_s=120)
        service.kill()
        guest.run(f"rm -f {IMAGE}")


# A command of sg3-utils and what it must print of the disk.
AGREEMENT = (
    ("sg_inq {d}", ("LIO-ORG", "version=0x06", "3PC=1", "CmdQue=1")),
    ("sg_vpd -p 0 {d}", ("[sn]", "[di]", "[ei]", "[bl]", "[bdc]", "[lbpv]")),
    ("sg_vpd -p sn {d}", ("Unit serial number:",)),
    ("sg_vpd -p di {d}", ("0x6001405",)),
    ("sg_vpd -p ei {d}", ("SIMPSUP=1", "V_SUP=1", "ORDSUP=0")),
    ("sg_vpd -p bl {d}", ("Maximum compare and write length: 255", "alignment valid: true")),
    ("sg_vpd -p lbpv {d}", ("(LBPU): 1", "(LBPWS): 1", "(LBPWS10): 1", "thin provisioned")),
    ("sg_readcap -l {d}", ("lbpme=1, lbprz=1", "131072", "4096 bytes")),
    ("sg_opcodes {d}", ("Compare and write", "Unmap", "Write same(16)", "Verify(10)")),
    ("sg_opcodes -R {d}", ("3600    Format Unit",)),
    ("sg_opcodes --tmf {d}", ("Abort task", "Logical unit reset")),
    ("sg_logs {d}", ("0x2f",)),
    ("sg_modes -a {d}", ("Caching", "Control")),
    ("sg_turs -v {d}", ()),
    ("sg_requests {d}", ()),
    ("sg_sync {d}", ()),
    ("sg_senddiag -t {d}", ()),
    ("sg_rtpg {d}", ("target port group id : 0x0",)),
    ("sg_write_same --lba=64 --num=64 --in=/dev/zero --xferlen=512 {d}", ()),
    ("sg_write_same --ndob --16 --lba=64 --num=64 {d}", ()),
    ("sg_unmap --lba=0 --num=64 {d}", ()),
    ("sg_get_lba_status --lba=0 {d}", ("deallocated",)),
    ("sg_verify --lba=0 --count=128 {d}", ()),
    ("sg_verify --16 --lba=0 --count=8 --ndo=4096 --in=/dev/zero {d}", ()),
    ("head -c 1024 /dev/zero >/tmp/caw; sg_compare_and_write --in=/tmp/caw --lba=0 {d}", ()),
    ("sg_write_verify --lba=0 --in=/tmp/caw --ilen=1024 --num=2 {d}", ()),
    ("sg_read_buffer {d}; test $? = 9", ()),
    ("sg_luns {d}", ("0000000000000000",)),
    ("sg_dd if={d} of=/dev/null bs=512 count=64 blk_sgio=1 fua=1", ("64+0 records in",)),
)


def test_sg3_utils_agree_with_what_is_reported(guest: Guest, exported: Exported) -> None:
    wrong: list[str] = []
    for command, expected in AGREEMENT:
        result = guest.run(command.format(d=exported.disk))
        shown = result.stdout + result.stderr
        missing = [text for text in expected if text not in shown]
        if result.rc != 0 or missing:
            wrong.append(f"{command}: exit {result.rc}, without {missing}\n{shown}")
    assert not wrong, "\n".join(wrong)


def test_a_miscompare_is_told_with_its_place(guest: Guest, exported: Exported) -> None:
    result = guest.run(
        "(head -c 300 /dev/zero; head -c 724 /dev/zero | tr '\\0' x) >/tmp/caw;"
        f"sg_unmap --lba=0 --num=8 {exported.disk};"
        f"sg_compare_and_write -v --in=/tmp/caw --lba=0 {exported.disk}"
    )
    assert result.rc == 14  # SG_LIB_CAT_MISCOMPARE
    assert "0x12c" in result.stderr + result.stdout


def test_the_initiator_turns_the_write_cache_off_and_on(guest: Guest, exported: Exported) -> None:
    name = exported.disk.rpartition("/")[2]
    file = f"$(echo /sys/block/{name}/device/scsi_disk/*/cache_type)"
    script = f"echo 'write through' >{file}; cat {file}; echo 'write back' >{file}; cat {file}"
    assert guest.run(script, check=True).stdout.split("\n")[:2] == ["write through", "write back"]


def test_a_login_finds_nothing_that_is_not_supported(guest: Guest, exported: Exported) -> None:
    name = exported.disk.rpartition("/")[2]
    guest.run("dmesg --clear")
    guest.run(f"echo 1 >/sys/block/{name}/device/rescan; udevadm trigger -c change; udevadm settle")
    assert guest.run(f"dmesg | grep -iE 'error|unsupported|not supp|{name}.*fail'").rc == 1
    said = "".join(exported.service.output())
    assert not re.search("not supported|unsupported|fail|error", said, re.IGNORECASE), said


@pytest.mark.timeout(300 + COMMANDS // 20, func_only=True)
def test_arbitrary_commands_are_all_answered(guest: Guest, exported: Exported) -> None:
    _send_arbitrary(guest, exported.disk, COMMANDS // 5, SEED + 1)  # what is kept is kept then
    before = _own_memory_kib(guest, exported.pid)
    told = _send_arbitrary(guest, exported.disk, COMMANDS, SEED)
    growth = _own_memory_kib(guest, exported.pid) - before
    print(told, f"{before} KiB, and {growth} more")
    assert told["unanswered"] == []
    answered = sum(n for key, n in told["statuses"].items() if "/" in key)
    assert answered > COMMANDS * 0.95
    assert told["statuses"].get("02/4", 0) == 0  # INTERNAL TARGET FAILURE: something raised
    assert growth < GROWTH_KIB
    guest.run(f"sg_turs {exported.disk} && sg_verify --lba=0 --count=8 {exported.disk}", check=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_libiscsi(guest: Guest, conformance_lun: None, family: str) -> None:
    outcome = run_tests(guest, family)
    print(table({USER_FILE: outcome}, guest.kernel_release))
    assert outcome.results
    failed = [result for result in outcome.failures if result.name not in REASONS]
    assert not failed


@pytest.fixture(scope="module")
def conformance_lun(guest: Guest, exported: Exported) -> Iterator[None]:
    with lun(guest, USER_FILE, served=True):
        yield


def _send_arbitrary(guest: Guest, disk: str, count: int, seed: int) -> dict[str, Any]:
    words = f"python3 {project.FOLDER}/tests/kernel/sg_io.py {disk} {count} {seed}"
    result = guest.run(words, timeout_s=3000, env=project.ENVIRONMENT, check=True)
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def _own_memory_kib(guest: Guest, pid: str) -> int:
    """Memory of the process alone: pages of the map that it touches are resident too."""
    text = guest.run(f"awk '/RssAnon/ {{print $2}}' /proc/{pid}/status", check=True).stdout
    return int(text)
