# SPDX-License-Identifier: Apache-2.0
"""Disks of programs in a saved configuration: left out, and nothing else with them."""

from __future__ import annotations

import json

import pytest

from lioshell import tcmu
from lioshell.config import saved_file
from lioshell.config.attached import without_attached
from lioshell.config.save import dump, save
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.fabrics import Fabric
from lioshell.lio.opening import open_lio

OURS = {"plugin": "user", "name": "theirs", "config": "python/theirs"}
FILE = {"plugin": "user", "name": "disk", "config": "file//srv/disk.img"}
PYTHONIC = {"plugin": "user", "name": "snake", "config": "python3/snake"}
THEIRS = "/backstores/user/theirs"


def lun(index, path):
    return {"index": index, "storage_object": path}


def target(*luns, fabric="loopback", wwn="naa.5001405000000001"):
    return {"fabric": fabric, "wwn": wwn, "tpgs": [{"tag": 1, "luns": list(luns)}]}


@pytest.mark.parametrize(
    ("targets", "left"),
    [
        ([target(lun(0, THEIRS))], []),
        ([target()], [target()]),
        (
            [target(lun(0, THEIRS), lun(1, "/backstores/user/disk"))],
            [target(lun(1, "/backstores/user/disk"))],
        ),
        # What a user exports of it is the user's.
        ([target(lun(0, THEIRS), fabric="iscsi")], [target(lun(0, THEIRS), fabric="iscsi")]),
    ],
)
def test_what_is_left(targets, left):
    document = {"storage_objects": [FILE, OURS, PYTHONIC], "targets": targets, "mine": 1}
    wanted = {"storage_objects": [FILE, PYTHONIC], "targets": left, "mine": 1}
    assert without_attached(document) == (wanted, [THEIRS])


def test_nothing_of_a_program(tmp_path):
    document = {"storage_objects": [FILE], "targets": [target(lun(0, THEIRS))]}
    assert without_attached(document) == (document, [])
    assert without_attached({}) == ({}, [])


def test_a_save_while_a_program_has_a_disk(tmp_path):
    class Zeros:
        def pread(self, n, offset):
            return bytes(n)

    sim = str(tmp_path / "sim")
    path = str(tmp_path / "saved.json")
    lio = open_lio(sim=sim)
    with tcmu.attach(Zeros(), name="theirs", size=1 << 20, sim=sim):
        iscsi = Fabric(lio, lio.specs.fabric("iscsi")).create_target("iqn.2003-01.com.example:a")
        iscsi.create_tpg().create_lun(find_storage_object(lio, "user", "theirs"))
        document = dump(lio)
        assert document["storage_objects"] == []
        assert [item["fabric"] for item in document["targets"]] == ["iscsi"]
        assert document["targets"][0]["tpgs"][0]["luns"][0]["storage_object"] == THEIRS
        assert save(lio, path).changed
        assert not save(lio, path).changed
        iscsi.delete()


def test_a_file_that_another_tool_saved(tmp_path):
    path = tmp_path / "saved.json"
    whole = {"storage_objects": [FILE, OURS], "fabric_modules": [], "targets": [target()]}
    path.write_text(json.dumps(whole))
    told: list[str] = []
    document = saved_file.read(str(path), warn=told.append)
    assert document["storage_objects"] == [FILE]
    assert any(f"left to the programs that attach them: {THEIRS}" in line for line in told)
