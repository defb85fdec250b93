# SPDX-License-Identifier: Apache-2.0
"""-n: what would be written is shown, and nothing is changed."""

from __future__ import annotations

import re

import pytest

from lioshell.kernel.open import open_real, open_sim
from lioshell.specs import Specs

from .conftest import listing

IQN = "iqn.2003-01.com.example:disk1"
NAA = "naa.5001405a1b2c3d4e"
INITIATOR = "iqn.1994-05.com.redhat:client1"
ACL = f"/iscsi/{IQN}/tpg1/acls/{INITIATOR}"

PREPARED = (
    "/backstores/ramdisk create r0 1M",
    "/backstores/ramdisk create r1 1M",
    f"/iscsi create {IQN}",
    f"/iscsi/{IQN}/tpg1/portals delete ::0",
    f"/iscsi/{IQN}/tpg1/portals create 127.0.0.1 3261",
    f"/iscsi/{IQN}/tpg1/luns create /backstores/ramdisk/r0",
    f"/iscsi/{IQN}/tpg1/acls create {INITIATOR}",
    f"/loopback create {NAA}",
)

# Every command that changes something; FILE exists, NEW does not.
COMMANDS = (
    "/backstores/fileio create f0 NEW 1M",
    "/backstores/fileio create f0 FILE write_back=false",
    "/backstores/block create b0 /dev/sdb",
    "/backstores/pscsi create p0 /dev/sdc",
    "/backstores/ramdisk create r2 1M nullio=true",
    "/backstores/ramdisk/r1 set attribute emulate_write_cache=1 emulate_tas=0",
    "/backstores/ramdisk delete r1",
    "/backstores/ramdisk delete r0",
    "/iscsi create iqn.2003-01.com.example:other",
    f"/iscsi delete {IQN}",
    f"/iscsi/{IQN} create 2",
    f"/iscsi/{IQN} delete tpg1",
    f"/iscsi/{IQN}/tpg1/luns create /backstores/ramdisk/r1",
    f"/iscsi/{IQN}/tpg1/luns delete 0",
    f"/iscsi/{IQN}/tpg1/acls create {INITIATOR}2",
    f"{ACL} delete 0",
    f"{ACL} set auth userid=me password=sesame",
    f"/iscsi/{IQN}/tpg1/portals create ip_address=::1 ip_port=3262",
    f"/iscsi/{IQN}/tpg1/portals delete 127.0.0.1 3261",
    f"/iscsi/{IQN}/tpg1 disable",
    f"/iscsi/{IQN}/tpg1 set attribute generate_node_acls=1 default_cmdsn_depth=32",
    f"/iscsi/{IQN}/tpg1 set parameter MaxConnections=2",
    "/iscsi set discovery_auth userid=me password=sesame enable=1",
    "/loopback create naa.5001405a1b2c3d4f",
    f"/loopback delete {NAA}",
    f"/loopback/{NAA}/luns create /backstores/ramdisk/r1",
)


@pytest.fixture
def prepared(cli, tmp_path):
    cli.ok(*PREPARED)
    (tmp_path / "file.img").write_bytes(bytes(1 << 20))
    return cli


def files_of(cli) -> list[str]:
    return [*listing(cli.folder), *listing(cli.sim)]


def writes(text: str) -> list[str]:
    """Return the shown changes, without what is made up anew each time."""
    lines = [x for x in text.splitlines() if re.match(r"(mkdir|rmdir|ln|rm|echo) ", x)]
    made_up = r"[0-9a-f]{8}-[0-9a-f-]{27}|naa\.5001405[0-9a-f]{9}'|/[0-9a-f]{10}'?$"
    return [re.sub(made_up, "MADE-UP", line) for line in lines]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_shown_is_what_is_done_and_showing_changes_nothing(prepared, tmp_path, command):
    command = command.replace("FILE", str(tmp_path / "file.img"))
    command = command.replace("NEW", str(tmp_path / "new.img"))
    before, files = prepared.tree(), files_of(prepared)

    shown = prepared("-n", "-c", command)
    assert (shown.code, shown.err) == (0, "")
    assert prepared.tree() == before
    assert files_of(prepared) == files

    done = prepared("-v", "-c", command)
    assert done.code == 0
    assert writes(shown.out) == writes(done.err) != []
    assert "sesame" not in shown.out + done.out + done.err


def test_a_dry_run_of_several_lines_builds_on_what_it_would_have_done(prepared, tmp_path):
    lines = [
        f"/backstores/fileio create f0 {tmp_path}/new.img 3M",
        "ls /backstores/fileio",
        "/iscsi create iqn.2003-01.com.example:new",
        "cd /iscsi/iqn.2003-01.com.example:new/tpg1",
        "set attribute generate_node_acls=1",
        "luns/ create /backstores/fileio/f0",
        f"acls/ create {INITIATOR}",
        "get attribute",
        f"/iscsi delete {IQN}",
        "/backstores/ramdisk delete r0",
        "/backstores/ramdisk create r0 1M",
        "ls",
    ]
    before = prepared.tree()
    result = prepared("-n", *[word for line in lines for word in ("-c", line)])

    assert (result.code, result.err) == (0, "")
    assert "Created fileio f0 with size 3145728" in result.out
    assert "generate_node_acls=1" in result.out
    assert prepared.tree() == before
    assert not (tmp_path / "new.img").exists()


def test_an_hba_with_a_further_object_stays(prepared):
    """Scripts make such: what is told must not take what others use, and what is done neither."""
    configfs = open_sim(str(prepared.sim), Specs()).configfs
    configfs.mkdir("core/rd_mcp_1/further")
    configfs.write("core/rd_mcp_1/further/control", "rd_pages=256")
    configfs.write("core/rd_mcp_1/further/enable", "1")
    lines = ("/backstores/ramdisk delete r1", "/backstores/ramdisk/further info")
    shown = prepared("-n", *[word for line in lines for word in ("-c", line)])
    assert (shown.code, shown.err) == (0, "")
    assert "rmdir" in shown.out
    assert "core/rd_mcp_1\n" not in shown.out
    assert prepared("-v", "/backstores/ramdisk", "delete", "r1").code == 0
    assert prepared("/backstores/ramdisk/further", "info").code == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("/backstores/ramdisk create r0 1M", 3),
        ("/backstores/ramdisk create r9 none", 2),
        ("/backstores/fileio create f0 /nowhere/at/all.img", 2),
        (f"/iscsi create {IQN}", 3),
        (f"/iscsi/{IQN}/tpg1 set attribute no_such_thing=1", 3),
        (f"/iscsi/{IQN}/tpg1/luns create /backstores/ramdisk/r0", 3),
    ],
)
def test_a_dry_run_finds_the_errors_that_can_be_found(prepared, line, code):
    before = prepared.tree()

    assert prepared("-n", "-c", line).code == code
    assert prepared.tree() == before


def test_a_dry_run_saves_nothing(prepared):
    assert prepared("-n", "saveconfig").code == 0
    assert not prepared.saveconfig.exists()


def test_a_dry_run_of_a_restore(prepared, tmp_path):
    prepared.ok("/backstores/block create b0 /dev/sdb", "saveconfig")
    before, files = prepared.tree(), files_of(prepared)
    result = prepared("-n", "restoreconfig", "clear_existing=true")

    assert (result.code, result.err) == (0, "")
    assert prepared.tree() == before
    assert files_of(prepared) == files
    assert any(line.startswith("mkdir ") and IQN in line for line in writes(result.out))


def test_a_dry_run_of_a_restore_that_would_fail_remembers_nothing(prepared, tmp_path):
    prepared.ok(f"/backstores/fileio create f0 {tmp_path}/new.img 1M", "saveconfig")
    (tmp_path / "new.img").unlink()

    assert prepared("-n", "restoreconfig", "clear_existing=true").code == 1
    assert prepared("saveconfig").code == 0


def test_a_dry_run_starts_no_service(prepared, tmp_path):
    line = f"/backstores/user:file create vol0 1M {tmp_path}/vol0.img"
    result = prepared("-n", "-c", line)

    assert (result.code, result.err) == (0, "")
    assert "dev_config=file/" in result.out
    assert not (tmp_path / "vol0.img").exists()
    assert not (prepared.sim / "run/serve.log").exists()


def test_a_dry_run_needs_no_lock(prepared):
    (prepared.sim / "run/lock").unlink()
    assert prepared("-n", "/iscsi", "delete", IQN).code == 0
    assert not (prepared.sim / "run/lock").exists()


def test_preferences_are_not_changed_either(prepared):
    before = prepared("get", "global").out
    prepared("-n", "set", "global", "auto_cd_after_create=true")
    assert prepared("get", "global").out == before


def test_a_dry_run_makes_no_simulated_kernel(cli):
    result = cli("-n", "-c", "ls", "-c", f"/iscsi create {IQN}", "-c", f"ls /iscsi/{IQN}")

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"mkdir -p {cli.sim}\n")
    assert "o- tpg1" in result.out
    assert not cli.sim.exists()


def test_a_dry_run_on_a_kernel_without_configfs_mounts_and_loads_nothing(cli, tmp_path):
    kernel = open_real(str(tmp_path / "config"))
    result = cli("-n", "-c", "ls /backstores", kernel=kernel)

    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert f"mount -t configfs configfs {tmp_path}/config" in lines
    assert "modprobe target_core_mod" in lines
    assert "o- backstores" in result.out
    assert not (tmp_path / "config").exists()
