# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from lioshell.config.restore import restore
from lioshell.config.save import dump, save
from lioshell.config.unrestored import forget
from lioshell.lio import backstore_create as create
from lioshell.lio.fabrics import Fabric

from .conftest import put

IQN = "iqn.2003-01.com.example:disk1"
EMPTY = {"storage_objects": [], "fabric_modules": [], "targets": []}


@pytest.fixture
def tpg(lio):
    return Fabric(lio, lio.specs.fabric("iscsi")).create_target(IQN).create_tpg()


def test_nothing(lio):
    assert dump(lio) == EMPTY


def test_a_storage_object(lio):
    create.create_ramdisk(lio, "disk1", 8192, nullio=True, wwn="my-own-serial")
    (item,) = dump(lio)["storage_objects"]

    assert {key: item[key] for key in ("name", "plugin", "wwn", "size", "nullio")} == {
        "name": "disk1",
        "plugin": "ramdisk",
        "wwn": "my-own-serial",
        "size": 8192,
        "nullio": True,
    }
    assert item["attributes"]["block_size"] == 512
    assert "hw_block_size" not in item["attributes"], "it is read-only"
    assert [group["name"] for group in item["alua_tpgs"]] == ["default_tg_pt_gp"]


def test_names_are_in_the_order_in_which_people_count(lio):
    for name in ("disk10", "disk9", "disk1"):
        create.create_ramdisk(lio, name, 4096)
    names = [item["name"] for item in dump(lio)["storage_objects"]]
    assert names == ["disk1", "disk9", "disk10"]


def test_an_attribute_that_no_spec_knows_is_saved(lio, tpg):
    made = create.create_ramdisk(lio, "disk1", 4096)
    put(lio, f"{made.path}/attrib/from_the_future", "7\n")
    put(lio, f"{tpg.path}/attrib/from_the_future", "some words\n")
    document = dump(lio)

    assert document["storage_objects"][0]["attributes"]["from_the_future"] == 7
    attributes = document["targets"][0]["tpgs"][0]["attributes"]
    assert attributes["from_the_future"] == "some words"


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-1", -1), ("12", 12), ("", ""), ("-", "-"), ("007", "007"), ("--5", "--5"),
     ("²", "²"), ("٣", "٣"), ("1_0", "1_0"), ("0x10", "0x10"), ("-0", "-0"), ("+1", "+1")],
)  # fmt: skip
def test_a_number_is_one_only_if_it_is_written_the_same_again(lio, tpg, text, value):
    put(lio, f"{tpg.path}/attrib/from_the_future", f"{text}\n")
    attributes = dump(lio)["targets"][0]["tpgs"][0]["attributes"]
    assert attributes["from_the_future"] == value


def test_parameters_are_texts_as_targetcli_has_them(lio, tpg):
    parameters = dump(lio)["targets"][0]["tpgs"][0]["parameters"]
    assert parameters["MaxConnections"] == "1"
    assert all(isinstance(value, str) for value in parameters.values())


def test_what_is_half_made_keeps_nothing_else_from_being_saved(lio, tpg):
    made = create.create_ramdisk(lio, "disk1", 4096)
    tpg.create_lun(made, 1)
    acl, _ = tpg.create_acl("iqn.1994-05.com.redhat:client1")
    for path in (
        "core/fileio_9",
        "core/fileio_9/half",
        f"{tpg.path}/lun/lun_0",
        f"{acl.path}/lun_7",
    ):
        lio.configfs.mkdir(path)
    document = dump(lio)

    assert [item["name"] for item in document["storage_objects"]] == ["disk1"]
    saved = document["targets"][0]["tpgs"][0]
    assert [lun["index"] for lun in saved["luns"]] == [1]
    assert [lun["index"] for lun in saved["node_acls"][0]["mapped_luns"]] == [1]


def test_discovery_credentials_are_saved_though_they_are_not_enforced(lio):
    group = Fabric(lio, lio.specs.fabric("iscsi")).discovery_auth()
    group.set_all({"userid": "me", "password": "sesame"})
    assert dump(lio)["fabric_modules"] == [
        {
            "name": "iscsi",
            "discovery_enable_auth": False,
            "discovery_userid": "me",
            "discovery_password": "sesame",
        }
    ]


def test_a_fabric_in_use_without_anything_to_say(lio, tpg):
    assert dump(lio)["fabric_modules"] == []


# The file


def test_saving_changes_nothing_when_nothing_has_changed(lio, tmp_path):
    path = str(tmp_path / "saveconfig.json")
    assert save(lio, path).changed
    assert not save(lio, path).changed
    create.create_ramdisk(lio, "disk1", 4096)
    assert save(lio, path).changed


def test_an_order_of_another_tool_is_no_change(lio, tpg, tmp_path):
    path = tmp_path / "saveconfig.json"
    for name in ("disk1", "disk2"):
        create.create_ramdisk(lio, name, 4096)
    save(lio, str(path))
    document = json.loads(path.read_text())
    document["storage_objects"].reverse()
    path.write_text(json.dumps(document))
    assert not save(lio, str(path)).changed
    assert json.loads(path.read_text()) == document


def test_sections_of_others_are_kept_and_ours_are_not(lio, tmp_path):
    path = tmp_path / "saveconfig.json"
    path.write_text(json.dumps({"storage_objects": [{"name": "old"}], "theirs": [1]}))
    save(lio, str(path))
    assert json.loads(path.read_text()) == {**EMPTY, "theirs": [1]}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"targets": 5}'])
def test_a_broken_file_is_replaced(lio, tmp_path, text):
    path = tmp_path / "saveconfig.json"
    path.write_text(text)
    save(lio, str(path))
    assert json.loads(path.read_text()) == EMPTY


def test_what_a_restore_left_out_is_carried_over(lio, tmp_path):
    path = tmp_path / "saveconfig.json"
    item = {"name": "f1", "plugin": "fileio", "dev": str(tmp_path / "none"), "size": 4096}
    restore(lio, {"storage_objects": [item]})
    create.create_ramdisk(lio, "disk1", 4096)

    saved = save(lio, str(path))
    assert [one.path for one in saved.carried] == ["/backstores/fileio/f1"]
    document = json.loads(path.read_text())
    assert [o["name"] for o in document["storage_objects"]] == ["f1", "disk1"]
    assert document["storage_objects"][0] == item
    (mark,) = document["lioshell"]["not_restored"]
    assert mark["path"] == "/backstores/fileio/f1"
    assert "is missing" in mark["reason"]
    assert not save(lio, str(path)).changed

    assert forget(lio, ["/backstores/fileio/f1"]) == ["/backstores/fileio/f1"]
    assert save(lio, str(path)).changed
    document = json.loads(path.read_text())
    assert [o["name"] for o in document["storage_objects"]] == ["disk1"]
    assert "lioshell" not in document
