# SPDX-License-Identifier: Apache-2.0
"""Bugs of targetcli and rtslib that concern saving and restoring, each as a test that ours passes.

The numbers are those of the inventory of targetcli-fb 2026-01 and rtslib-fb 2026-02, section 6.1;
what has none there is named after its section.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from typing import Any

import pytest

IQN = "iqn.2003-01.com.example:disk1"
OTHER = "iqn.2003-01.com.example:disk2"
INITIATOR = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"


@pytest.fixture
def saved(cli, tmp_path) -> dict[str, Any]:
    """A document of a backing file, a ramdisk, and a target that exports both."""
    cli.ok(
        f"/backstores/fileio create f1 {tmp_path}/f1.img 1M",
        "/backstores/ramdisk create r1 1M",
        f"/iscsi create {IQN}",
        f"{TPG}/luns create /backstores/fileio/f1",
        f"{TPG}/luns create /backstores/ramdisk/r1",
        f"{TPG}/acls create {INITIATOR}",
        "saveconfig",
    )
    found: dict[str, Any] = json.loads(cli.saveconfig.read_text())
    return found


def restore(cli, document: object):
    cli.saveconfig.write_text(json.dumps(document))
    return cli("restoreconfig", "clear_existing=true")


def resaved(cli) -> dict[str, Any]:
    cli.ok("saveconfig")
    found: dict[str, Any] = json.loads(cli.saveconfig.read_text())
    return found


def test_bug_1_clear_existing_false_clears_nothing(cli, saved):
    before = cli.tree()
    assert cli("restoreconfig", "clear_existing=false").code == 3
    assert cli.tree() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tpg: tpg["luns"][0].update(index="x"),
        lambda tpg: tpg["luns"][0].update(storage_object="/backstores/fileio/none"),
        lambda tpg: tpg["luns"][1].update(index=tpg["luns"][0]["index"]),
        lambda tpg: tpg["node_acls"][0].pop("node_wwn"),
        lambda tpg: tpg["node_acls"][0]["mapped_luns"][0].update(tpg_lun=77),
        lambda tpg: tpg["portals"][0].update(port="none"),
        lambda tpg: tpg.update(enable="maybe"),
    ],
)
def test_bug_2_one_bad_entry_does_not_end_the_restore(cli, saved, spoil):
    saved["targets"].append(json.loads(json.dumps(saved["targets"][0]).replace(IQN, OTHER)))
    saved["targets"][1]["tpgs"][0]["portals"] = []
    spoil(saved["targets"][0]["tpgs"][0])
    result = restore(cli, saved)
    assert result.code in (0, 1)
    assert "Traceback" not in result.err
    assert "lun1 " in cli("ls", f"/iscsi/{OTHER}").out
    assert INITIATOR in cli("ls", f"/iscsi/{OTHER}").out


def test_bug_2_an_alua_group_that_cannot_be_set_costs_its_object_alone(cli, saved):
    group = {"name": "ao", "tg_pt_gp_id": 10, "alua_access_type": 9}
    saved["storage_objects"][0]["alua_tpgs"].append(group)
    result = restore(cli, saved)
    assert result.code == 1
    assert "not restored: /backstores/fileio/f1: " in result.err
    assert "lun1 " in cli("ls").out


def test_bug_3_saving_one_object_appends_no_target_twice(cli, saved):
    for name in ("fileio/f1", "ramdisk/r1", "fileio/f1"):
        cli.ok(f"/backstores/{name} saveconfig")
    assert json.loads(cli.saveconfig.read_text()) == saved


def test_bug_3_saving_one_object_takes_every_target_of_it_and_nothing_else(cli, saved):
    cli.ok(
        f"/iscsi create {OTHER}",
        f"/iscsi/{OTHER}/tpg1/luns create /backstores/ramdisk/r1",
        "/backstores/ramdisk create unrelated 1M",
        "/backstores/ramdisk/r1 saveconfig",
    )
    document = json.loads(cli.saveconfig.read_text())
    assert [t["wwn"] for t in document["targets"]] == [IQN, OTHER]
    assert [o["name"] for o in document["storage_objects"]] == ["f1", "r1"]


def test_bug_3_a_file_with_a_target_twice_is_restored_once(cli, saved):
    saved["targets"].append(dict(saved["targets"][0]))
    result = restore(cli, saved)
    assert result.code == 0, result
    assert f"more than once, and are taken as one: /iscsi/{IQN}" in result.err
    assert len(resaved(cli)["targets"]) == 1


def test_bug_4_a_missing_backing_file_is_not_made_empty(cli, saved, tmp_path):
    (tmp_path / "f1.img").unlink()
    assert restore(cli, saved).code == 1
    assert not (tmp_path / "f1.img").exists()


def test_bug_5_a_comma_in_a_saved_path_opens_no_other_file(cli, saved, tmp_path):
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    (tmp_path / "a,fd_buffered_io=1.img").write_bytes(bytes(1 << 20))
    saved["storage_objects"][0]["dev"] = f"{tmp_path}/a,fd_buffered_io=1.img"
    result = restore(cli, saved)
    assert result.code == 1
    assert "','" in result.err
    assert not [path for path in cli.tree() if path.endswith("/f1")]


def test_bug_12_a_half_made_object_keeps_nothing_from_being_saved(cli, saved):
    cli.kernel().configfs.mkdir("core/fileio_77")
    cli.kernel().configfs.mkdir("core/fileio_77/half")
    cli.ok("/backstores/ramdisk create r2 1M")
    names = [o["name"] for o in resaved(cli)["storage_objects"]]
    assert names == ["f1", "r1", "r2"]


def test_bug_13_a_user_object_is_restored_without_bogus_errors(cli, saved, tmp_path):
    item = {
        "name": "u1",
        "plugin": "user",
        "size": 1 << 20,
        "config": "other//tmp/f1u.img",
        "hw_max_sectors": 128,
        "control": "max_data_area_mb=1024,hw_block_size=512,data_pages_per_blk=1",
        "wwn": "0dd130fe-4c10-4df3-8b36-51547513f87b",
        "attributes": {
            "dev_config": "other//tmp/f1u.img",
            "dev_size": 1 << 20,
            "emulate_write_cache": 0,
            "nl_reply_supported": 1,
        },
    }
    saved["storage_objects"].append(item)
    result = restore(cli, saved)
    assert (result.code, result.err) == (0, "")
    (made,) = (o for o in resaved(cli)["storage_objects"] if o["name"] == "u1")
    assert {key: made[key] for key in item if key != "attributes"} == {
        key: value for key, value in item.items() if key != "attributes"
    }
    assert made["attributes"]["nl_reply_supported"] == 1


# Section 4: what is saved, and how


def test_section_4_1_what_targetcli_loses_is_kept(cli, saved):
    configfs = cli.kernel().configfs
    cli.ok(
        "/iscsi set discovery_auth userid=me password=sesame",
        "/loopback create naa.5001405a1b2c3d4e",
        f"{TPG}/acls/{INITIATOR} set attribute nopin_timeout=20",
    )
    ramdisk = next(p for p in configfs.folders("core") if p.startswith("rd_mcp"))
    cli.ok(f"{TPG}/luns delete lun1")
    configfs.write(f"core/{ramdisk}/r1/wwn/vendor_id", "ACME")
    configfs.write(f"core/{ramdisk}/r1/wwn/product_id", "ROCKET")
    configfs.write(f"core/{ramdisk}/r1/wwn/company_id", "0x00a098")
    configfs.write(f"iscsi/{IQN}/tpgt_1/acls/{INITIATOR}/cmdsn_depth", "17")
    configfs.write(f"iscsi/{IQN}/param/cmd_completion_affinity", "0")
    configfs.write(f"iscsi/{IQN}/tpgt_1/lun/lun_0/alua_tg_pt_write_md", "1")
    nexus = configfs.read("loopback/naa.5001405a1b2c3d4e/tpgt_1/nexus")
    first = resaved(cli)
    assert first["fabric_modules"] == [
        {
            "name": "iscsi",
            "discovery_enable_auth": False,
            "discovery_userid": "me",
            "discovery_password": "sesame",
        }
    ]
    cli.ok("restoreconfig clear_existing=true")

    assert resaved(cli) == first
    configfs = cli.kernel().configfs
    ramdisk = next(p for p in configfs.folders("core") if p.startswith("rd_mcp"))
    assert configfs.read(f"core/{ramdisk}/r1/wwn/vendor_id").strip() == "ACME"
    assert configfs.read(f"core/{ramdisk}/r1/wwn/product_id").strip() == "ROCKET"
    assert configfs.read(f"core/{ramdisk}/r1/wwn/company_id").strip() == "0x00a098"
    assert configfs.read("loopback/naa.5001405a1b2c3d4e/tpgt_1/nexus") == nexus
    acl = f"iscsi/{IQN}/tpgt_1/acls/{INITIATOR}"
    assert configfs.read(f"{acl}/cmdsn_depth") == "17"
    assert configfs.read(f"iscsi/{IQN}/param/cmd_completion_affinity") == "0"
    assert configfs.read(f"iscsi/{IQN}/tpgt_1/lun/lun_0/alua_tg_pt_write_md") == "1"


def test_section_4_1_the_cpus_that_iscsi_may_use(cli, saved):
    saved["fabric_modules"] = [{"name": "iscsi", "cpus_allowed_list": "0"}]
    assert restore(cli, saved).code == 0
    assert cli.kernel().configfs.read("iscsi/cpus_allowed_list") == "0"
    kept = resaved(cli)["fabric_modules"]
    assert kept == ([] if (os.cpu_count() or 1) == 1 else saved["fabric_modules"])


def test_section_4_1_keys_of_the_manual_page_count(cli, saved):
    acl = saved["targets"][0]["tpgs"][0]["node_acls"][0]
    acl |= {"userid": "me", "password": "sesame"}
    assert restore(cli, saved).code == 0
    (kept,) = resaved(cli)["targets"][0]["tpgs"][0]["node_acls"]
    assert (kept["chap_userid"], kept["chap_password"]) == ("me", "sesame")
    assert "userid" not in kept


def test_section_4_1_lists_are_in_one_order(cli, saved):
    first = cli.saveconfig.read_text()
    saved["storage_objects"].reverse()
    saved["targets"][0]["tpgs"][0]["luns"].reverse()
    assert restore(cli, saved).code == 0
    cli.saveconfig.unlink()
    cli.ok("saveconfig")
    assert cli.saveconfig.read_text() == first


def test_section_4_3_credentials_are_there_before_the_tpg_is_enabled(cli, saved):
    saved["targets"][0]["tpgs"][0] |= {"chap_userid": "me", "chap_password": "sesame"}
    cli.saveconfig.write_text(json.dumps(saved))
    result = cli("-v", "restoreconfig", "clear_existing=true")
    lines = result.err.splitlines()
    enabling = [n for n, line in enumerate(lines) if "'1'" in line and "tpgt_1/enable" in line]
    (enabled,) = enabling
    (password,) = (n for n, line in enumerate(lines) if line.endswith("tpgt_1/auth/password"))
    assert password < enabled


@pytest.mark.parametrize("words", [("target=iqn.none",), ("storage_object=none",)])
def test_section_4_3_a_filter_that_fits_nothing_is_an_error(cli, saved, words):
    before = cli.tree()
    assert cli("restoreconfig", "clear_existing=true", *words).code == 3
    assert cli.tree() == before


def test_section_4_3_one_target_with_the_disks_it_needs(cli, saved):
    cli.ok("clearconfig confirm=true")
    assert cli("restoreconfig", f"target={IQN}").code == 0
    assert resaved(cli) == saved


def test_section_4_3_one_target_and_nothing_else_is_cleared(cli, saved):
    cli.ok(
        f"/iscsi create {OTHER}",
        "/iscsi set discovery_auth userid=me password=sesame enable=1",
        f"{TPG}/acls delete {INITIATOR}",
    )
    assert cli("restoreconfig", "clear_existing=true", f"target={IQN}").code == 0
    document = resaved(cli)
    assert [t["wwn"] for t in document["targets"]] == [IQN, OTHER]
    assert document["targets"][0] == saved["targets"][0]
    assert document["fabric_modules"][0]["discovery_enable_auth"] is True


@pytest.mark.parametrize("name", ["f1", "fileio/f1", "/backstores/fileio/f1"])
def test_section_4_3_one_storage_object_keeps_its_luns(cli, saved, name):
    cli.ok("/backstores/fileio/f1/alua/default_tg_pt_gp set alua preferred=1")
    words = ("restoreconfig", "clear_existing=true", f"storage_object={name}")
    assert cli(*words).code == 0
    assert resaved(cli) == saved


def test_section_4_3_abort_on_error_stops_at_the_first(cli, saved, tmp_path):
    (tmp_path / "f1.img").unlink()
    cli.ok("clearconfig confirm=true")
    result = cli("restoreconfig", "abort_on_error=true")
    assert result.code != 0
    assert "is missing" in result.err
    assert "ramdisk" not in cli("ls", "/iscsi").out
    assert cli("ls", f"/iscsi/{IQN}").code == 3
    carried = resaved(cli)
    assert carried.pop("lioshell")
    assert carried == saved


def test_section_4_3_errors_are_an_exit_code(cli, saved, tmp_path):
    (tmp_path / "f1.img").unlink()
    assert restore(cli, saved).code == 1


def test_section_4_3_a_folder_is_no_missing_file(cli, tmp_path):
    result = cli("restoreconfig", str(tmp_path))
    assert result.code == 6
    assert "Is a directory" in result.err


def test_section_4_4_the_modes_of_other_folders_stay(cli, saved, tmp_path):
    tmp_path.chmod(0o755)
    cli.ok(f"saveconfig {tmp_path}/own.json")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "own.json").stat().st_mode) == 0o600


def test_section_4_4_backups_are_of_the_version_before_and_pruned(cli, saved):
    import gzip

    versions = [cli.saveconfig.read_bytes()]
    for number in range(13):
        cli.ok(f"/backstores/ramdisk create more{number} 1M", "saveconfig", "saveconfig")
        versions.append(cli.saveconfig.read_bytes())
    folder = cli.saveconfig.parent / "backup"
    backups = sorted(folder.iterdir())
    assert len(backups) == 10
    assert [gzip.decompress(p.read_bytes()) for p in backups] == versions[-11:-1]
    assert {stat.S_IMODE(p.stat().st_mode) for p in backups} == {0o600}

    cli.ok("set global max_backup_files=3", "/backstores/ramdisk create last 1M", "saveconfig")
    assert len(list(folder.iterdir())) == 3


# Section 6.2 and 6.3


def test_section_6_2_savers_at_the_same_time_do_not_mix(cli, saved):
    codes = []

    def saving(number: int) -> None:
        codes.append(cli("/backstores/ramdisk", "create", f"p{number}", "1M").code)
        codes.append(cli("saveconfig").code)

    threads = [threading.Thread(target=saving, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) == {0}
    names = {o["name"] for o in json.loads(cli.saveconfig.read_text())["storage_objects"]}
    assert names == {"f1", "r1", *(f"p{n}" for n in range(6))}


def test_section_6_3_a_partial_restore_and_a_save_lose_nothing(cli, saved, tmp_path):
    (tmp_path / "f1.img").unlink()
    restore(cli, saved)
    carried = resaved(cli)
    assert [mark["path"] for mark in carried.pop("lioshell")["not_restored"]] == [
        "/backstores/fileio/f1",
        f"{TPG}/luns/lun0",
        f"{TPG}/acls/{INITIATOR}/mapped_lun0",
    ]
    assert carried == saved
