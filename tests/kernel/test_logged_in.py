# SPDX-License-Identifier: Apache-2.0
"""What the shell does while a real initiator is logged in, and what the kernel shows of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kernel.vm.project import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

IQN = "iqn.2003-01.com.example:used"
OPEN = "iqn.2003-01.com.example:open"
TPG = f"/iscsi/{IQN}/tpg1"
TREE = "cd /sys/kernel/config/target && find . -type d -o -type l | sort"
INITIATOR = "sed -n 's/^InitiatorName=//p' /etc/iscsi/initiatorname.iscsi"
LOG_IN = f"""
    set -eu
    modprobe iscsi_tcp; mkdir -p /run/lock/iscsi; pidof iscsid >/dev/null || iscsid
    iscsiadm -m discovery -t sendtargets -p 127.0.0.1:3260 >/dev/null
    iscsiadm -m node -T {IQN} -p 127.0.0.1:3260 --login
    iscsiadm -m node -T {OPEN} -p 127.0.0.1:3261 --login
    udevadm settle
"""
LOG_OUT = "iscsiadm -m node --logout; iscsiadm -m node -o delete"


def lines(guest: Guest, *typed: str) -> str:
    """Run lines that have to succeed in one process, and return what they show."""
    words = [word for line in typed for word in ("-c", line)]
    return guest.run(["lioshell", *words], timeout_s=120, check=True).stdout


@pytest.fixture
def initiator(guest: Guest) -> Iterator[str]:
    """Two targets: one with an ACL for this machine's initiator, one in demo mode; logged in."""
    name = guest.run(INITIATOR, check=True).stdout.strip()
    lines(
        guest,
        "/backstores/ramdisk create r0 8M",
        "/backstores/ramdisk create r1 8M",
        f"/iscsi create {IQN}",
        f"{TPG}/luns create /backstores/ramdisk/r0",
        f"{TPG}/acls create {name}",
        # The default portal gives way.
        f"{TPG}/portals create 127.0.0.1",
        f"/iscsi create {OPEN}",
        f"/iscsi/{OPEN}/tpg1/portals create 127.0.0.1 3261",
        f"/iscsi/{OPEN}/tpg1 set attribute generate_node_acls=1 demo_mode_write_protect=0",
        f"/iscsi/{OPEN}/tpg1/luns create /backstores/ramdisk/r1",
        "/backstores/ramdisk/r0/alua create standby 20",
    )
    guest.run(LOG_IN, timeout_s=120, check=True)
    try:
        yield name
    finally:
        guest.run(LOG_OUT, timeout_s=120)
        guest.run(["lioshell", "--yes", "clearconfig"], timeout_s=120, check=True)


def test_who_is_logged_in_is_seen_and_loses_nothing(guest: Guest, initiator: str) -> None:
    found = json.loads(guest.run(["lioshell", "-o", "json", "sessions"], check=True).stdout)
    explicit, dynamic = sorted(found["result"], key=lambda one: one["state"] == "DYNAMIC")
    assert explicit["initiator"] == dynamic["initiator"] == initiator
    assert explicit["target"] == TPG
    assert explicit["state"] == "LOGGED_IN"
    assert explicit["address"].startswith("127.0.0.1 ")
    assert explicit["sid"].isdigit()
    assert dynamic["state"] == "DYNAMIC"

    before = guest.run(TREE, check=True).stdout
    for line in (
        f"/iscsi delete {IQN}",
        f"{TPG} disable",
        f"{TPG}/luns delete 0",
        f"{TPG}/acls/{initiator} delete 0",
        f"/iscsi/{OPEN}/tpg1/luns delete 0",
        "/backstores/ramdisk delete r1",
        "clearconfig confirm=True",
    ):
        refused = guest.run(["lioshell", "-c", line])
        assert refused.rc == 3, line
        assert f"{initiator} " in refused.stderr
        assert "logged in" in refused.stderr
    assert guest.run(TREE, check=True).stdout == before
    assert guest.run("iscsiadm -m session", check=True).stdout.count(": [") == 2

    shown = lines(
        guest,
        f"{TPG}/luns/lun0 set alua alua_tg_pt_gp_name=standby",
        "/backstores/ramdisk/r0/alua/standby set alua alua_access_type=1 preferred=1",
        "/backstores/ramdisk/r0/alua/standby info",
        f"ls {TPG}",
        f"{TPG}/acls tag {initiator} web",
        f"ls {TPG}/acls",
    )
    assert f"members: iSCSI/{IQN}/tpgt_1/lun_0" in shown
    assert "[ramdisk/r0 (standby)]" in shown
    assert "o- web " in shown
    lines(guest, "/backstores/ramdisk/r0/alua delete standby")

    guest.run(LOG_OUT, timeout_s=120, check=True)
    gone = lines(guest, "sessions", f"/iscsi delete {IQN}", "ls /iscsi")
    assert "(no open sessions)" in gone
    assert f"o- {IQN}" not in gone


UNDONE = f"""
import sys
sys.path.insert(0, "{FOLDER}")
from lioshell.kernel.open import open_real
from lioshell.lio.fabrics import Fabric
from lioshell.lio.root import Lio
from lioshell.specs import Specs

lio = Lio(open_real(), Specs())
fabric = Fabric(lio, lio.specs.fabric("iscsi"))
try:
    with lio.transaction() as steps:
        for wwn in fabric.targets():
            fabric.target(wwn).remove(steps)
        assert not fabric.targets()
        raise RuntimeError("undo it")
except RuntimeError as error:
    print(*getattr(error, "__notes__", ()))
"""


def test_a_removal_is_undone_on_the_kernel_too(guest: Guest, initiator: str) -> None:
    guest.run(LOG_OUT, timeout_s=120, check=True)
    lines(
        guest,
        f"{TPG} set attribute login_timeout=20",
        f"{TPG}/acls/{initiator} set auth userid=me password=sesame",
        f"{TPG}/luns/lun0 set alua alua_tg_pt_gp_name=standby",
    )
    shown = (
        *("ls /iscsi", f"{TPG} get attribute", f"{TPG} get parameter"),
        *(f"{TPG}/acls/{initiator} get auth --reveal", f"/iscsi/{OPEN}/tpg1 get attribute"),
    )
    before = guest.run(TREE, check=True).stdout, lines(guest, *shown)
    told = guest.run(["python3", "-c", UNDONE], timeout_s=120, check=True).stdout
    assert told.strip() == ""
    assert (guest.run(TREE, check=True).stdout, lines(guest, *shown)) == before
