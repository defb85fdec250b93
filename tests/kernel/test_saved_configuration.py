# SPDX-License-Identifier: Apache-2.0
"""Saving and restoring on the real kernel: by hand, by targetcli and back, generated."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lioshell.config.document import IDENTITY, identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

ANNEX = Path(__file__).with_name("annex")
EXAMPLES = os.environ.get("LIOSHELL_EXAMPLES", "6")
"""Generated configurations; the long form is LIOSHELL_EXAMPLES=30."""

TARGETCLI = """
/backstores/fileio create f1 /tmp/f1.img 16M
/backstores/fileio create f2 /tmp/f2.img 16M write_back=false
/backstores/block create b1 /dev/loop5
/backstores/ramdisk create r1 8M nullio=true
/backstores/fileio/f1/alua create ao 10
/backstores/fileio/f1/alua/ao set alua preferred=1
/backstores/fileio/f1 set attribute emulate_tpu=1 emulate_caw=0
/iscsi create iqn.2006-04.com.example:t1
/iscsi/iqn.2006-04.com.example:t1/tpg1/luns create /backstores/fileio/f1 0
/iscsi/iqn.2006-04.com.example:t1/tpg1/luns create /backstores/ramdisk/r1 5
/iscsi/iqn.2006-04.com.example:t1/tpg1/luns/lun0 set alua alua_tg_pt_gp_name=ao
/iscsi/iqn.2006-04.com.example:t1/tpg1/acls create iqn.1994-05.com.redhat:ini1
/iscsi/iqn.2006-04.com.example:t1/tpg1/acls/iqn.1994-05.com.redhat:ini1 set auth userid=u1
/iscsi/iqn.2006-04.com.example:t1/tpg1/acls/iqn.1994-05.com.redhat:ini1 set auth password=p1
/iscsi/iqn.2006-04.com.example:t1/tpg1 set parameter MaxConnections=2
/iscsi set discovery_auth enable=1 userid=du password=dp
/loopback create naa.5001405a1b2c3d4e
/loopback/naa.5001405a1b2c3d4e/luns create /backstores/block/b1
"""


@pytest.fixture
def clean(guest: Guest) -> Iterator[None]:
    guest.run("lioshell ls && lioshell -y clearconfig confirm=true", timeout_s=120, check=True)
    yield
    guest.run("lioshell -y clearconfig confirm=true; rm -f /tmp/*.json /tmp/*.img", timeout_s=120)


def read(guest: Guest, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(guest.run(["cat", path], check=True).stdout)
    return found


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Return the places in which two documents differ; lists are compared entry by entry."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = []
        for key in sorted({*one, *other}):
            at = f"{where}/{key}"
            if key not in one or key not in other:
                found.append(f"{at}: only in the {'second' if key in other else 'first'}")
            elif key in IDENTITY:
                left = {"/".join(identity(key, item)): item for item in one[key]}
                right = {"/".join(identity(key, item)): item for item in other[key]}
                found += differences(left, right, at)
            else:
                found += differences(one[key], other[key], at)
        return found
    return [] if one == other else [f"{where}: {one!r} and {other!r}"]


def test_generated_configurations_come_back_the_same(guest: Guest, clean: None) -> None:
    report = guest.pytest(
        "tests/property/test_saved_configuration.py",
        timeout_s=1800,
        env={"LIOSHELL_CONTRACT": "real", "LIOSHELL_EXAMPLES": EXAMPLES},
    )
    print(report)
    if not report.ok or report.of("skipped"):
        pytest.fail(str(report), pytrace=False)


def test_what_scripts_make_by_hand_is_kept(guest: Guest, clean: None) -> None:
    """The scripts of the reports: shown, saved, cleared, restored, and the same again."""
    for script in ANNEX.glob("*.sh"):
        (guest.share / script.name).write_text(script.read_text())
    made = guest.run(
        """
        set -e
        mkdir -p /srv/annex /etc/iscsi /tmp/bin
        cp /share/*.sh /srv/annex; rm /share/*.sh; cd /srv/annex
        install -m 755 lvm_shim.sh /tmp/bin/vgcreate; cp -p /tmp/bin/vgcreate /tmp/bin/lvcreate
        PATH=/tmp/bin:$PATH
        modprobe -a target_core_user loop
        [ -s /etc/iscsi/initiatorname.iscsi ] ||
            echo InitiatorName=iqn.1993-08.org.debian:01:abc > /etc/iscsi/initiatorname.iscsi
        mkdir -p /sys/kernel/config/target/iscsi
        truncate -s 8M /tmp/export.img
        sh export.sh -p 0.0.0.0:3261 /tmp/export.img
        sh target_create.sh
        sh file_create.sh /tmp/annex.img test_file 1048576
        sh block_create.sh /tmp/annex_block.img test_block
        sh user_create.sh alloc test_dev 1048576
        iqn=$(ls /sys/kernel/config/target/iscsi | grep com.test)
        for backstore in fileio_1/test_file iblock_0/test_block user_0/test_dev; do
            sh target_setup.sh $iqn $backstore
        done
        echo iqn=$iqn
        """,
        timeout_s=120,
        check=True,
    )
    iqn = made.stdout.rpartition("iqn=")[2].strip()
    listed = guest.run("lioshell ls", check=True).stdout
    for name in ("data", "test_file", "test_block", "test_dev", iqn, "lun2", "mapped_lun2"):
        assert f" {name} " in listed, listed
    steps = (
        *("saveconfig /tmp/1.json", "clearconfig confirm=true", "restoreconfig /tmp/1.json"),
        *("saveconfig /tmp/2.json", "ls"),
    )
    words = [word for step in steps for word in ("-c", step)]
    again = guest.run(["lioshell", *words], timeout_s=180)
    try:
        assert again.rc == 0, again
        first, second = read(guest, "/tmp/1.json"), read(guest, "/tmp/2.json")
        assert first == second
        assert len(first["storage_objects"]) == 4
        assert again.stdout.endswith(listed)
    finally:
        guest.run(
            """
            lioshell -y clearconfig confirm=true
            dmsetup remove_all; losetup -D; rm -rf /dev/vol_group_* /run/vol_group_* /tmp/bin
            """,
            timeout_s=120,
        )


def test_targetcli_reads_ours_and_we_read_its(guest: Guest, clean: None) -> None:
    guest.run(
        """
        set -e
        modprobe loop
        mkdir -p /etc/target/pr /run/dbus
        pidof dbus-daemon || dbus-daemon --system --fork
        truncate -s 16M /tmp/loop5.img; losetup /dev/loop5 /tmp/loop5.img
        """,
        check=True,
    )
    try:
        out = guest.run("targetcli", input=TARGETCLI, timeout_s=300, check=True)
        print(out.stdout, out.stderr)
        both = guest.run(
            """
            set -e
            targetctl save /tmp/theirs.json
            targetctl clear
            lioshell restoreconfig /tmp/theirs.json
            lioshell saveconfig /tmp/ours.json
            lioshell -y clearconfig confirm=true
            targetctl restore /tmp/ours.json 2>&1 | tee /tmp/complaints.txt
            targetctl save /tmp/theirs-again.json
            targetctl clear
            lioshell restoreconfig /tmp/theirs-again.json
            lioshell saveconfig /tmp/ours-again.json
            """,
            timeout_s=400,
            check=True,
        )
        print(both.stdout, both.stderr)
        theirs, ours = read(guest, "/tmp/theirs.json"), read(guest, "/tmp/ours.json")
        again, ours_again = (
            read(guest, "/tmp/theirs-again.json"),
            read(guest, "/tmp/ours-again.json"),
        )
        assert len(theirs["storage_objects"]) == 4
        assert len(theirs["targets"]) == 2
        nexus = ["/lioshell: only in the second"]
        assert differences(theirs, ours) == nexus, "the nexus of loopback, which it does not save"
        assert differences(again, ours) == nexus
        ours_again.pop("lioshell"), ours.pop("lioshell")
        assert ours_again == ours
        assert guest.run("cat /tmp/complaints.txt").stdout == ""
    finally:
        guest.run("targetctl clear; losetup -d /dev/loop5; rm -f /tmp/loop5.img", timeout_s=120)
