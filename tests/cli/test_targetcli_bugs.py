# SPDX-License-Identifier: Apache-2.0
"""What targetcli does wrong, by the numbers of docs/commands.md; ours does not.

Those that have their tests elsewhere are named there.
"""

from __future__ import annotations

import ast
import json
import os
import shutil

import pytest

from lioshell.kernel.sim.faults import Faults

from .conftest import CHECKOUT

IQN = "iqn.2003-01.com.example:disk1"
INITIATOR = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"


@pytest.fixture
def built(cli, tmp_path):
    cli.ok(
        f"/backstores/fileio create f1 {tmp_path}/f1.img 1M",
        "/backstores/ramdisk create r1 1M",
        f"/iscsi create {IQN}",
        f"{TPG}/luns create /backstores/fileio/f1",
        f"{TPG}/luns create /backstores/ramdisk/r1",
        f"{TPG}/acls create {INITIATOR}",
    )
    return cli


def change_saved(cli, change):
    document = json.loads(cli.saveconfig.read_text())
    change(document)
    cli.saveconfig.write_text(json.dumps(document))


def test_6_1_02_one_bad_lun_does_not_stop_a_restore(built):
    built.ok("saveconfig", "clearconfig confirm=True")

    def break_a_lun(document):
        tpg = document["targets"][0]["tpgs"][0]
        tpg["luns"][0]["storage_object"] = "/backstores/fileio/gone"
        tpg["node_acls"][0]["mapped_luns"].append({"index": 9, "tpg_lun": 77})
        document["storage_objects"][0]["alua_tpgs"].append({"name": "bad", "tg_pt_gp_id": 99999})

    change_saved(built, break_a_lun)
    result = built("restoreconfig")

    assert result.code == 1
    assert "lun0" in result.err
    assert "Traceback" not in result.err
    shown = built.ok("ls /")
    assert "ramdisk/r1" in shown
    assert f"o- {INITIATOR}" in shown
    assert "[::0]:3260" in shown
    assert "enabled: yes" in built.ok(f"{TPG} info")


def test_6_1_07_no_command_goes_through_a_shell():
    for path in (CHECKOUT / "lioshell").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert not any(word.arg == "shell" for word in node.keywords), path
                name = getattr(node.func, "attr", "")
                assert name not in ("system", "popen", "getoutput"), path


def test_6_1_10_a_lun_after_its_backstore_was_deleted(built):
    """Within one session, whose tree targetcli does not bring up to date."""
    shown = built.ok(
        "ls",
        "/backstores/fileio delete f1",
        "/backstores/ramdisk create r2 1M",
        f"{TPG}/luns create /backstores/ramdisk/r2",
        f"ls {TPG}/luns",
    )
    assert "o- lun0 " in shown[shown.rindex("o- luns") :]
    assert "ramdisk/r2" in shown[shown.rindex("o- luns") :]


def test_6_1_11_a_disk_that_has_vanished_costs_its_own_line(built, tmp_path):
    built.ok("/backstores/block create b1 /dev/sdb", "/backstores/pscsi create p1 /dev/sdc")
    for path in (built.sim / "dev").iterdir():
        path.unlink()
    shutil.rmtree(built.sim / "sys/block", ignore_errors=True)
    (tmp_path / "f1.img").unlink()

    result = built("ls")

    assert (result.code, result.err) == (0, "")
    for name in ("b1", "p1", "f1", "r1"):
        assert f"o- {name} " in result.out
    assert built("saveconfig").code == 0


def test_6_1_12_a_half_made_object_does_not_keep_the_others_from_being_saved(built):
    os.mkdir(built.sim / "config/target/core/rd_mcp_9")
    built.kernel().configfs.mkdir("core/rd_mcp_9/half")

    result = built("saveconfig")

    assert result.code == 0
    assert "half" in result.err
    names = [item["name"] for item in json.loads(built.saveconfig.read_text())["storage_objects"]]
    assert names == ["f1", "r1"]


def test_6_1_13_a_restore_of_a_user_disk_reports_no_error(cli, process, tmp_path):
    line = f"/backstores/user:file create u1 1M {tmp_path}/u1.img"
    assert process("-c", line, "-c", "saveconfig", "-c", "clearconfig confirm=True").code == 0
    result = process("restoreconfig")
    assert (result.code, result.err) == (0, "")
    assert "o- u1" in cli.ok("ls /backstores")


def test_6_1_14_looking_changes_nothing(built):
    built.ok("/loopback create naa.5001405a1b2c3d4e", f"{TPG} disable")
    before, faults = built.tree(), Faults()
    lines = ("ls", f"{TPG} get attribute", "/loopback info", "sessions", f"{TPG} status", "/iscsi")
    result = built(*[word for line in lines for word in ("-c", line)], faults=faults)
    assert result.code == 0
    assert faults.operations == []
    assert built.tree() == before
    assert "[disabled]" in result.out


def test_6_1_14_looking_makes_no_fabric(cli):
    cli.ok("ls", "/iscsi get discovery_auth", "/iscsi info", "/loopback ls")
    assert not (cli.sim / "config/target/iscsi").exists()
    assert not (cli.sim / "config/target/loopback").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"\x80\x04\x95", b"[]", b"null"])
def test_6_1_16_preferences_that_are_broken_do_not_keep_it_from_starting(cli, content):
    folder = cli.folder / "state/lioshell"
    folder.mkdir(parents=True)
    (folder / "preferences.json").write_bytes(content)
    result = cli("ls")
    assert result.code == 0
    assert "o- / " in result.out


def test_6_1_16_preferences_that_cannot_be_kept_are_an_error_and_no_more(cli):
    (cli.folder / "state").mkdir()
    (cli.folder / "state/lioshell").write_text("no folder")
    assert cli("ls").code == 0
    result = cli("set", "global", "prompt_length=40")
    assert result.code == 6
    assert "cannot be kept" in result.err


def test_6_2_an_idle_session_keeps_nobody_waiting(built, process):
    idle = process.start()
    assert idle.stdin is not None
    assert idle.stdout is not None
    try:
        idle.stdin.write("/backstores/ramdisk create r2 1M\n")
        idle.stdin.flush()
        assert "Created" in idle.stdout.readline()
        assert process("--version").code == 0
        assert process("/backstores/ramdisk", "create", "r3", "1M").code == 0
    finally:
        idle.communicate()
    assert idle.returncode == 0


def test_6_2_a_percent_sign_ends_no_command(built):
    built.ok("/backstores/ramdisk create a%b 1M", "/backstores/ramdisk/a%b info")
    assert "o- a%b " in built.ok("ls /backstores/ramdisk")


def test_6_2_what_another_program_changes_is_seen_at_once(built):
    configfs = built.kernel().configfs
    configfs.mkdir("core/rd_mcp_7")
    configfs.mkdir("core/rd_mcp_7/theirs")
    assert "o- theirs " in built.ok("ls /backstores/ramdisk")


def test_6_3_a_clash_of_names_leaves_no_file(built, tmp_path):
    result = built("/backstores/fileio", "create", "f1", str(tmp_path / "new.img"), "1M")
    assert result.code == 3
    assert not (tmp_path / "new.img").exists()


def test_6_3_the_second_of_two_values_fails_and_the_first_is_as_before(built):
    result = built("-c", f"{TPG} set attribute login_timeout=20 netif_timeout=9999")
    assert result.code == 5
    assert "login_timeout=15" in built.ok(f"{TPG} get attribute login_timeout")


def test_6_3_a_save_after_a_partial_restore_loses_nothing(built, tmp_path):
    """Where targetcli's automatic save makes the loss permanent."""
    built.ok("saveconfig", "clearconfig confirm=True")
    (tmp_path / "f1.img").unlink()
    assert built("restoreconfig").code == 1
    built.ok("/backstores/ramdisk create r2 1M", "saveconfig")
    document = json.loads(built.saveconfig.read_text())
    assert [item["name"] for item in document["storage_objects"]] == ["f1", "r1", "r2"]
    luns = document["targets"][0]["tpgs"][0]["luns"]
    assert sorted(lun["storage_object"] for lun in luns) == [
        "/backstores/fileio/f1",
        "/backstores/ramdisk/r1",
    ]
