# SPDX-License-Identifier: Apache-2.0
"""Save, clear, restore, save: the same again; and when a restore or a save is refused."""

from __future__ import annotations

import json
import os
import stat

import pytest

from lioshell.lio.clearing import clear
from lioshell.lio.root import Lio
from lioshell.specs import Specs

IQN = "iqn.2003-01.com.example:disk1"
NAA = "naa.5001405a1b2c3d4e"
INITIATOR = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"
ACL = f"{TPG}/acls/{INITIATOR}"

SECRETS = ("sesame-1", "sesame-2", "sesame-3", "sesame-4")


def rich_configuration(folder) -> tuple[str, ...]:
    """Return the lines that make something of everything but user: objects."""
    return (
        "/backstores/ramdisk create r0 1M",
        "/backstores/ramdisk create r1 4M nullio=true wwn=my-own-serial",
        "/backstores/block create b0 /dev/sdb readonly=true",
        "/backstores/pscsi create p0 /dev/sdc",
        f"/backstores/fileio create f0 '{folder}/two words.img' 1M write_back=false",
        f"/backstores/fileio create f1 {folder}/f1.img 2M",
        "/backstores/ramdisk/r0 set attribute emulate_write_cache=1 emulate_tas=0",
        f"/iscsi create {IQN}",
        f"{TPG}/portals delete ::0",
        f"{TPG}/portals create 127.0.0.1 3261",
        f"{TPG}/portals create ::1 3262",
        f"{TPG}/luns create /backstores/ramdisk/r0",
        f"{TPG}/luns create /backstores/block/b0 lun=7",
        f"{TPG}/acls create {INITIATOR}",
        f"{TPG}/acls create {INITIATOR}2 add_mapped_luns=false",
        f"{TPG}/acls/{INITIATOR}2 create 4 0 write_protect=true",
        f"{ACL} set auth userid=me password={SECRETS[0]}",
        f"{ACL} set auth mutual_userid=you mutual_password={SECRETS[1]}",
        f"{ACL} set attribute nopin_timeout=20",
        f"{TPG} set auth userid=me password={SECRETS[2]}",
        f"{TPG} set attribute generate_node_acls=1 demo_mode_write_protect=0 authentication=1",
        f"{TPG} set parameter MaxConnections=2 TargetAlias='two words'",
        f"/iscsi/{IQN} create 3",
        f"/iscsi/{IQN}/tpg3 disable",
        f"/iscsi set discovery_auth userid=d password={SECRETS[3]} enable=1",
        f"/loopback create {NAA}",
        f"/loopback/{NAA}/luns create /backstores/fileio/f0",
    )


@pytest.fixture
def rich(cli, tmp_path):
    cli.ok(*rich_configuration(tmp_path))
    return cli


def saved(cli, name="again.json") -> dict[str, object]:
    path = cli.folder / name
    cli.ok(f"saveconfig {path}")
    return json.loads(path.read_text())


def clear_all(cli) -> None:
    clear(Lio(cli.kernel(), Specs()))


def comparable(cli) -> dict[str, str]:
    """Return configfs without the numbers of HBAs, which are given anew."""
    return {
        path: text
        for path, text in cli.tree().items()
        if not path.startswith("target/core/") and "-> " not in text and ".state" not in path
    }


# Round trip


def test_save_clear_restore_save_is_the_same(rich):
    rich.ok("saveconfig")
    document = json.loads(rich.saveconfig.read_text())
    before = comparable(rich)

    clear_all(rich)
    assert not (rich.sim / "config/target/iscsi").exists()
    assert os.listdir(rich.sim / "config/target/core") == ["alua"]

    assert rich("restoreconfig").code == 0
    assert saved(rich) == document
    assert comparable(rich) == before


def test_a_restore_that_clears_first_is_the_same(rich):
    rich.ok("saveconfig")
    document = json.loads(rich.saveconfig.read_text())

    assert rich("restoreconfig", "clear_existing=true").code == 0
    assert saved(rich) == document


def test_what_is_in_the_document(rich):
    document = saved(rich)
    objects = {item["name"]: item for item in document["storage_objects"]}
    (target,) = (t for t in document["targets"] if t["fabric"] == "iscsi")
    tpg, tpg3 = target["tpgs"]
    acls = {acl["node_wwn"]: acl for acl in tpg["node_acls"]}

    assert objects["r1"]["nullio"] is True
    assert objects["r1"]["wwn"] == "my-own-serial"
    assert objects["b0"]["readonly"] is True
    assert objects["f0"]["dev"].endswith("/two words.img")
    assert [objects[name]["write_back"] for name in ("f0", "f1")] == [False, True]
    assert [(p["ip_address"], p["port"]) for p in tpg["portals"]] == [
        ("127.0.0.1", 3261),
        ("[::1]", 3262),
    ]
    assert [(lun["index"], lun["storage_object"]) for lun in tpg["luns"]] == [
        (0, "/backstores/ramdisk/r0"),
        (7, "/backstores/block/b0"),
    ]
    (mapped,) = acls[f"{INITIATOR}2"]["mapped_luns"]
    assert (mapped["index"], mapped["tpg_lun"], mapped["write_protect"]) == (4, 0, True)
    assert acls[INITIATOR]["chap_password"] == SECRETS[0]
    assert acls[INITIATOR]["chap_mutual_password"] == SECRETS[1]
    assert tpg["chap_password"] == SECRETS[2]
    assert [tpg["enable"], tpg3["enable"]] == [True, False]
    (module,) = document["fabric_modules"]
    assert module["discovery_password"] == SECRETS[3]
    assert module["discovery_enable_auth"] is True


def test_saving_twice_changes_nothing(rich):
    rich.ok("saveconfig")
    before = rich.saveconfig.stat().st_ino

    assert "Nothing has changed" in rich.ok("saveconfig")
    assert rich.saveconfig.stat().st_ino == before


def test_a_session_per_user_of_discovery_auth_that_is_off_is_kept(cli):
    cli.ok("/iscsi set discovery_auth userid=d password=sesame enable=0", "saveconfig")
    assert cli("restoreconfig", "clear_existing=true").code == 0
    assert "userid=d" in cli("/iscsi", "get", "discovery_auth").out


def test_clearing_takes_discovery_credentials_away(cli, tmp_path):
    cli.ok(f"saveconfig {tmp_path}/empty.json")
    cli.ok("/iscsi set discovery_auth userid=d password=sesame enable=1")
    cli.ok(f"restoreconfig {tmp_path}/empty.json clear_existing=true")

    assert "enable=0" in cli("/iscsi", "get", "discovery_auth").out
    assert "sesame" not in cli("/iscsi", "get", "discovery_auth", "--reveal").out


# The file


def test_the_file_is_for_its_owner_alone(rich):
    old = os.umask(0)
    try:
        rich.ok("saveconfig")
    finally:
        os.umask(old)
    assert stat.S_IMODE(rich.saveconfig.stat().st_mode) == 0o600
    assert os.listdir(rich.saveconfig.parent) == ["saveconfig.json"]


def test_a_file_that_others_could_read_is_closed_to_them(rich):
    rich.saveconfig.parent.mkdir(parents=True)
    rich.saveconfig.write_text("{}")
    rich.saveconfig.chmod(0o644)
    rich.ok("saveconfig")
    assert stat.S_IMODE(rich.saveconfig.stat().st_mode) == 0o600


def test_what_we_do_not_know_in_the_file_is_kept(rich):
    rich.ok("saveconfig")
    document = json.loads(rich.saveconfig.read_text())
    document |= {"someone": {"elses": [1, 2]}, "version": 7}
    rich.saveconfig.write_text(json.dumps(document))
    rich.ok("/backstores/ramdisk create r2 1M", "saveconfig")

    again = json.loads(rich.saveconfig.read_text())
    assert again["someone"] == {"elses": [1, 2]}
    assert again["version"] == 7
    assert "r2" in [item["name"] for item in again["storage_objects"]]


def test_no_password_is_ever_printed(rich, tmp_path):
    rich.ok("saveconfig")
    for form in ("text", "json", "yaml"):
        for words in (
            ("-v", "restoreconfig", "clear_existing=true"),
            ("-n", "restoreconfig", "clear_existing=true"),
            ("-v", "saveconfig"),
            ("restoreconfig",),
            (ACL, "get", "auth"),
            (TPG, "get", "auth"),
            ("/iscsi", "get", "discovery_auth"),
            (ACL, "info"),
            ("-v", ACL, "set", "auth", f"password={SECRETS[0]}"),
            (ACL, "set", "auth", f"password={SECRETS[0]}", f"password={SECRETS[0]}"),
            ("-c", f"{ACL} set auth password={SECRETS[0]} 'open"),
            ("-c", f"{ACL} set auth password={SECRETS[0]} bogus=1"),
        ):
            result = rich("-o", form, *words)
            assert not any(s in result.out + result.err for s in SECRETS), (form, words)


# Refusals


def test_a_restore_is_refused_before_the_first_change_when_something_exists(rich, tmp_path):
    path = tmp_path / "other.json"
    saved(rich, "other.json")
    rich.ok(f"/iscsi delete {IQN}", f"/loopback delete {NAA}", "/backstores/block delete b0")
    before = rich.tree()
    result = rich("restoreconfig", str(path))

    assert result.code == 3
    assert "/backstores/ramdisk/r0" in result.err
    assert rich.tree() == before


def test_a_target_that_exists_is_reason_enough(cli):
    cli.ok(f"/iscsi create {IQN}", "saveconfig")
    before = cli.tree()
    assert cli("restoreconfig").code == 3
    assert cli.tree() == before


@pytest.mark.parametrize("value", ["false", "no", "0", "off", "False"])
def test_false_as_a_word_does_not_clear(rich, value):
    rich.ok("saveconfig")
    before = rich.tree()

    assert rich("restoreconfig", f"clear_existing={value}").code == 3
    assert rich.tree() == before


@pytest.mark.parametrize("value", ["maybe", "", "2"])
def test_what_is_neither_true_nor_false_does_not_clear(rich, value):
    rich.ok("saveconfig")
    before = rich.tree()

    assert rich("restoreconfig", f"clear_existing={value}").code == 2
    assert rich.tree() == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"targets": {}}', '{"storage_objects": [1]}']
)
def test_a_broken_file_does_not_clear(rich, tmp_path, text):
    (tmp_path / "broken.json").write_text(text)
    before = rich.tree()

    result = rich("restoreconfig", str(tmp_path / "broken.json"), "clear_existing=true")
    assert result.code == 1
    assert "hint: " in result.err
    assert rich.tree() == before


def test_saving_where_it_cannot_be_written(rich, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file/saveconfig.json", tmp_path):
        result = rich("saveconfig", str(path))
        assert result.code in (1, 6)
        assert "cannot be written" in result.err
        assert "Traceback" not in result.err
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]"])
def test_what_is_no_saved_configuration_is_kept_aside(rich, tmp_path, content):
    path = tmp_path / "saved.json"
    path.write_bytes(content)

    assert rich("saveconfig", str(path)).code == 0
    assert (tmp_path / "saved.json.unreadable").read_bytes() == content
    assert "storage_objects" in json.loads(path.read_text())


def test_what_cannot_be_saved_is_said(rich, tmp_path):
    rich.kernel().configfs.mkdir("core/fileio_77")
    rich.kernel().configfs.mkdir("core/fileio_77/half")

    result = rich("saveconfig", str(tmp_path / "saved.json"))

    assert result.code == 0
    assert "not saved: core/fileio_77/half: not enabled" in result.err


def test_a_program_gets_the_failures_of_a_restore_too(cli, tmp_path):
    item = {"name": "f1", "plugin": "fileio", "dev": "/nowhere/f1.img", "size": 1 << 20}
    (tmp_path / "saved").write_text(json.dumps({"storage_objects": [item]}))

    result = cli("-o", "json", "restoreconfig", str(tmp_path / "saved"))

    assert result.code == 1
    (detail,) = json.loads(result.out)["error"]["details"]
    assert detail.startswith("not restored: /backstores/fileio/f1: ")


@pytest.mark.parametrize("alias", ["0012", "²", "--5", "1_000", "-0", "٣", "+1", "two words"])
def test_a_text_that_looks_like_a_number_is_kept(cli, alias):
    cli.ok(f"/iscsi create {IQN}", f"{TPG} set parameter TargetAlias='{alias}'", "saveconfig")
    cli.ok("restoreconfig clear_existing=true")
    assert f"TargetAlias={alias} " in cli(TPG, "get", "parameter").out
