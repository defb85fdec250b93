# SPDX-License-Identifier: Apache-2.0
"""A saved configuration that targetcli wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lioshell.service.hosting import service_runs
from tests.patience import eventually

EXAMPLE = Path(__file__).with_name("data") / "targetcli-saveconfig.json"


@pytest.mark.usefixtures("process")
def test_a_file_that_targetcli_wrote(cli, tmp_path):
    """What its devices are there for is restored; each of the others is named with its reason."""
    text = EXAMPLE.read_text().replace("/tmp/", f"{tmp_path}/")
    (tmp_path / "f1.img").write_bytes(bytes(16 << 20))
    text = text.replace("fbo/", "other/")
    path = tmp_path / "targetcli.json"
    path.write_text(text)
    result = cli("restoreconfig", str(path))

    assert result.code == 1
    assert not_restored(result.err) == {
        "/backstores/block/b1",
        "/backstores/fileio/f2",
        "/loopback/naa.50014055d8a02ddc/luns/lun0",
    }
    objects = {o["name"]: o for o in json.loads(text)["storage_objects"]}
    cli.ok(f"saveconfig {tmp_path}/again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    restored = {o["name"]: o for o in again["storage_objects"]}
    # What another runner serves is restored, and left to it; what failed is carried over.
    assert set(restored) == {"f1", "f2", "r1", "b1", "u1"}
    marks = {mark["path"] for mark in again["lioshell"]["not_restored"]}
    assert marks == not_restored(result.err)
    assert restored["b1"] == objects["b1"]
    assert restored["f2"] == objects["f2"]
    for name in ("b1", "f2", "u1"):
        del restored[name]
    for name, item in restored.items():
        groups = item.pop("alua_tpgs")
        wanted_groups = objects[name].pop("alua_tpgs")
        assert {key: item.get(key) for key in objects[name]} == objects[name]
        for group, wanted_group in zip(groups, wanted_groups, strict=True):
            assert {key: group.get(key) for key in wanted_group} == wanted_group
    (target,) = (t for t in again["targets"] if t["fabric"] == "iscsi")
    (wanted,) = (t for t in json.loads(text)["targets"] if t["fabric"] == "iscsi")
    (tpg,), (wanted_tpg,) = target["tpgs"], wanted["tpgs"]
    for key in ("tag", "enable", "portals", "attributes", "parameters"):
        assert tpg[key] == wanted_tpg[key], key
    assert tpg["luns"] == sorted(wanted_tpg["luns"], key=lambda lun: lun["index"])
    assert [a["node_wwn"] for a in tpg["node_acls"]] == ["iqn.1994-05.com.redhat:ini1"]
    wanted_mapped = wanted_tpg["node_acls"][0]["mapped_luns"]
    mapped = tpg["node_acls"][0]["mapped_luns"]
    assert mapped == sorted(wanted_mapped, key=lambda lun: lun["index"])


def not_restored(text: str) -> set[str]:
    lines = [x for x in text.splitlines() if x.startswith("not restored: ")]
    return {line.split(": ")[1] for line in lines}


def test_a_disk_of_another_runner_leaves_no_service_behind(cli, process, tmp_path):
    item = {"name": "u1", "plugin": "user", "size": 1 << 20, "config": "other//srv/u1.img"}
    (tmp_path / "saved").write_text(json.dumps({"storage_objects": [item]}))
    assert process("restoreconfig", str(tmp_path / "saved")).code == 0
    eventually(lambda: not service_runs(str(cli.sim / "run")), seconds=2)
