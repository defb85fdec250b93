# SPDX-License-Identifier: Apache-2.0
"""`plan` and `apply`: what was changed in the file, and only that."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_save_restore import IQN, TPG, rich_configuration


@pytest.fixture
def saved(cli, tmp_path):
    """A configuration that runs and is saved; its file."""
    for line in rich_configuration(tmp_path):
        cli.ok(line)
    cli.ok("saveconfig")
    return cli.sim / "etc/target/saveconfig.json"


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def tpg_of(document):
    return next(t for t in document["targets"] if t["wwn"] == IQN)["tpgs"][0]


def test_what_was_just_saved_needs_nothing(cli, saved):
    assert cli("plan").code == 0
    assert "is what runs" in cli("apply").out


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (
            lambda d: tpg_of(d)["attributes"].update(login_timeout=22),
            f"set {TPG}: login_timeout",
        ),
        (lambda d: tpg_of(d).update(enable=False), f"set {TPG}: enable"),
        (lambda d: tpg_of(d)["portals"].pop(), f"delete {TPG}/portals/[::1]:3262"),
        (
            lambda d: tpg_of(d)["portals"].append(
                {"ip_address": "127.0.0.1", "port": 3299, "iser": False, "offload": False}
            ),
            f"create {TPG}/portals/127.0.0.1:3299",
        ),
        (lambda d: tpg_of(d)["node_acls"].pop(), f"delete {TPG}/acls/"),
        (lambda d: d["targets"].remove(d["targets"][0]), f"delete /iscsi/{IQN}"),
        (
            lambda d: tpg_of(d).update(chap_userid="bob", chap_password="s3cret"),
            f"set {TPG}: chap_userid, chap_password",
        ),
    ],
)
def test_a_change_of_the_file_is_planned_applied_and_done(cli, saved, change, step):
    edit(saved, change)
    planned = cli("plan")
    assert planned.code == 10
    assert "s3cret" not in planned.out + planned.err
    assert cli("plan", str(saved)).code == 10
    done = cli("apply")

    assert done.code == 0, done.err
    assert step in done.out
    assert "s3cret" not in done.out + done.err
    assert cli("plan").code == 0


def test_what_scripts_made_is_left_alone(cli, saved):
    cli.ok("/backstores/ramdisk create by-hand 1M")
    cli.ok(f"{TPG}/luns create /backstores/ramdisk/by-hand lun=99")

    assert cli("plan").code == 0
    assert cli("apply").code == 0
    assert "by-hand" in cli("ls", f"{TPG}/luns/lun99").out


def test_what_was_changed_by_hand_is_set_back(cli, saved):
    cli.ok(f"{TPG} set attribute login_timeout=25")
    cli.ok(f"{TPG}/luns delete lun7")
    planned = cli("-o", "json", "plan")

    assert planned.code == 10
    assert cli("apply").code == 0
    assert cli("plan").code == 0
    assert "block/b0" in cli("ls", f"{TPG}/luns").out


def test_a_lun_on_another_disk_is_made_anew(cli, saved):
    def change(document):
        lun = next(lun for lun in tpg_of(document)["luns"] if lun["index"] == 7)
        lun["storage_object"] = "/backstores/ramdisk/r1"

    edit(saved, change)
    assert cli("apply").code == 0
    assert "ramdisk/r1" in cli("ls", f"{TPG}/luns/lun7").out
    assert cli("plan").code == 0


def test_what_cannot_be_changed_is_said_and_the_rest_is_done(cli, saved):
    def change(document):
        for item in document["storage_objects"]:
            if item["name"] == "r1":
                item["size"] = 8 << 20
        tpg_of(document)["attributes"]["login_timeout"] = 22

    edit(saved, change)
    done = cli("apply")

    assert done.code == 1
    assert "size cannot be changed" in done.err
    assert "22" in cli(TPG, "get", "attribute", "login_timeout").out
    assert "4.0MiB" in cli("ls", "/backstores/ramdisk").out


def test_a_dry_run_of_apply_changes_nothing(cli, saved):
    edit(saved, lambda d: d["targets"].clear())
    assert cli("-n", "apply").code == 0
    assert IQN in cli("ls", "/iscsi").out
    assert cli("plan").code == 10


@pytest.mark.parametrize("text", ["", "[]", "{", '{"targets": 3}'])
def test_a_file_that_is_none_changes_nothing(cli, saved, text):
    saved.write_text(text)
    for command in ("plan", "apply"):
        assert cli(command).code not in (0, 10)
    assert IQN in cli("ls", "/iscsi").out


def test_an_initiator_that_is_logged_in_is_not_cut_off_without_yes(cli, saved, monkeypatch):
    from lioshell.lio import sessions

    login = sessions.Login("iqn.1994-05.com.redhat:client1", TPG, state="LOGGED_IN")
    monkeypatch.setattr(sessions, "logins_of_target", lambda target: iter([login]))
    edit(saved, lambda d: d["targets"].remove(d["targets"][0]))
    refused = cli("apply")

    assert refused.code == 3
    assert "client1" in refused.err
    assert IQN in cli("ls", "/iscsi").out
    assert cli("--yes", "apply").code == 0
    assert IQN not in cli("ls", "/iscsi").out
