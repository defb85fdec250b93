# SPDX-License-Identifier: Apache-2.0
"""saveconfig of one storage object, delete save=true, and another medium for a user: object."""

import json

import pytest

from lioshell.errors import ConflictError, LioshellError, NotFoundError, UsageError

from .conftest import CLIENT, IQN, TPG

OTHER = "iqn.2003-01.com.example:other"


@pytest.fixture
def several(built):
    """Two targets: IQN exports disk1 and one, the other one two."""
    built.run(
        "/backstores/ramdisk create one 1M",
        "/backstores/ramdisk create two 1M",
        f"{TPG}/luns create /backstores/ramdisk/one",
        f"/iscsi create {OTHER}",
        f"/iscsi/{OTHER}/tpg1/luns create /backstores/ramdisk/two",
    )
    return built


def saved(shell):
    return json.loads((shell.folder / "saveconfig.json").read_text())


def names(document):
    return sorted(item["name"] for item in document["storage_objects"])


def wwns(document):
    return sorted(item["wwn"] for item in document["targets"])


def test_one_object_is_saved_with_its_target_and_what_that_needs(several):
    assert "saved to" in several.run("/backstores/ramdisk/one saveconfig")
    document = saved(several)
    assert names(document) == ["disk1", "one"]
    assert wwns(document) == [IQN]
    assert several.session.changed


def test_a_second_lun_of_a_saved_target_does_not_save_it_twice(several):
    several.run("saveconfig", "/backstores/ramdisk/one saveconfig")
    several.run(f"{TPG}/luns create /backstores/ramdisk/two lun=7")
    several.run("/backstores/ramdisk/two saveconfig", "/backstores/ramdisk/one saveconfig")
    document = saved(several)
    assert wwns(document) == [IQN, OTHER]
    assert names(document) == ["disk1", "one", "two"]
    (target,) = (item for item in document["targets"] if item["wwn"] == IQN)
    assert [lun["index"] for lun in target["tpgs"][0]["luns"]] == [0, 1, 7]

    several.run("restoreconfig clear_existing=true")
    assert "o- lun7" in several.run(f"ls {TPG}/luns")


def test_what_else_runs_or_was_saved_is_left_alone(several):
    several.run("saveconfig", f"/iscsi delete {OTHER}", "/backstores/ramdisk create three 1M")
    several.run("/backstores/ramdisk/one set attribute emulate_write_cache=1")
    several.run("/backstores/ramdisk/one saveconfig")
    document = saved(several)
    assert wwns(document) == [IQN, OTHER]
    assert names(document) == ["disk1", "one", "two"]
    (one,) = (item for item in document["storage_objects"] if item["name"] == "one")
    assert one["attributes"]["emulate_write_cache"] == 1


def test_nothing_new_and_another_file(several):
    several.run("saveconfig")
    assert "Nothing has changed" in several.run("/backstores/ramdisk/one saveconfig")
    several.run(f"/backstores/ramdisk/two saveconfig {several.folder}/part.json")
    document = json.loads((several.folder / "part.json").read_text())
    assert names(document) == ["two"]
    assert wwns(document) == [OTHER]


def test_a_file_that_cannot_be_read_is_left_as_it_is(several):
    path = several.folder / "saveconfig.json"
    path.write_text("no json")
    with pytest.raises(LioshellError):
        several.session.run_line("/backstores/ramdisk/one saveconfig")
    assert path.read_text() == "no json"


def test_an_object_is_taken_out_of_the_file_where_that_is_asked_for(several):
    several.run("saveconfig", "/backstores/ramdisk delete two")
    assert names(saved(several)) == ["disk1", "one", "two"]
    several.run("/backstores/ramdisk delete one save=true")
    document = saved(several)
    assert names(document) == ["disk1", "two"]
    (target,) = (item for item in document["targets"] if item["wwn"] == IQN)
    assert [lun["index"] for lun in target["tpgs"][0]["luns"]] == [0]
    assert [m["tpg_lun"] for m in target["tpgs"][0]["node_acls"][0]["mapped_luns"]] == [0]
    assert isinstance(several.fails("/backstores/ramdisk delete one save=maybe"), UsageError)


@pytest.fixture
def user(shell):
    shell.run(
        f"/backstores/user:file create vol0 1M {shell.folder}/a.img hw_block_size=4096",
        "/backstores/user:file/vol0 set attribute emulate_pr=0",
    )
    return shell


def fields(shell):
    lines = shell.run("/backstores/user:file/vol0 info").splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def test_another_medium(user):
    before = fields(user)
    user.run(f"/backstores/user:file changemedium vol0 2M {user.folder}/b.img")
    after = fields(user)
    assert after["config"] == f"file/{user.folder}/b.img"
    assert after["size_bytes"] == str(2 << 20)
    assert after["wwn"] == before["wwn"]
    assert (user.folder / "b.img").stat().st_size == 2 << 20
    assert (user.folder / "a.img").exists()
    shown = user.run("/backstores/user:file/vol0 get attribute emulate_pr hw_block_size")
    assert "emulate_pr=0" in shown
    assert "hw_block_size=4096" in shown


@pytest.mark.parametrize("medium", ["1000 /srv/x.img", "1M /nosuch/x.img", "1M relative", "1M ''"])
def test_a_medium_that_cannot_be_leaves_the_old_one(user, medium):
    before = fields(user)
    user.fails(f"/backstores/user:file changemedium vol0 {medium}")
    after = fields(user)
    assert {**after, "configfs": ""} == {**before, "configfs": ""}
    assert "emulate_pr=0" in user.run("/backstores/user:file/vol0 get attribute emulate_pr")


def test_a_medium_in_use_is_not_changed(user):
    user.run(f"/iscsi create {IQN}", f"{TPG}/luns create /backstores/user:file/vol0")
    line = f"/backstores/user:file changemedium vol0 2M {user.folder}/b.img"
    assert isinstance(user.fails(line), ConflictError)
    assert isinstance(user.fails(line.replace("vol0", "vol1")), NotFoundError)
    assert CLIENT not in user.run("ls")
