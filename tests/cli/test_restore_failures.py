# SPDX-License-Identifier: Apache-2.0
"""A restore that goes on past what it cannot restore, and a save that does not forget it."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from lioshell.kernel.sim.faults import Faults

IQN = "iqn.2003-01.com.example:disk1"
INITIATOR = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"


@pytest.fixture
def saved(cli, tmp_path) -> dict[str, Any]:
    """A document of a backing file, a ramdisk, and a target that exports both."""
    cli.ok(
        f"/backstores/fileio create f0 {tmp_path}/f0.img 1M",
        "/backstores/ramdisk create r0 1M",
        f"/iscsi create {IQN}",
        f"{TPG}/luns create /backstores/fileio/f0",
        f"{TPG}/luns create /backstores/ramdisk/r0",
        f"{TPG}/acls create {INITIATOR}",
        "saveconfig",
    )
    found: dict[str, Any] = json.loads(cli.saveconfig.read_text())
    return found


def restore(cli, document: object):
    """Restore a document instead of what runs."""
    cli.saveconfig.write_text(json.dumps(document))
    result = cli("restoreconfig", "clear_existing=true")
    assert "Traceback" not in result.err
    assert "itself failed" not in result.err
    return result


def failures(result) -> dict[str, str]:
    """Return path -> reason of what was not restored."""
    lines = [x for x in result.err.splitlines() if x.startswith("not restored: ")]
    pairs = (line.removeprefix("not restored: ").partition(": ") for line in lines)
    return {path: reason for path, _, reason in pairs}


# A backing file that is gone


def test_a_missing_backing_file_is_reported_and_not_made_again(cli, saved, tmp_path):
    (tmp_path / "f0.img").unlink()
    result = restore(cli, saved)

    assert result.code == 1
    assert set(failures(result)) == {
        "/backstores/fileio/f0",
        f"{TPG}/luns/lun0",
        f"{TPG}/acls/{INITIATOR}/mapped_lun0",
    }
    assert "is missing" in failures(result)["/backstores/fileio/f0"]
    assert not (tmp_path / "f0.img").exists()
    listed = cli("ls").out
    assert "r0" in listed
    assert "lun1 " in listed
    assert "mapped_lun1 " in listed


def test_a_save_carries_it_over_until_it_is_restored(cli, saved, tmp_path):
    (tmp_path / "f0.img").rename(tmp_path / "away.img")
    restore(cli, saved)
    result = cli("saveconfig")

    assert result.code == 0
    assert "carried over, as it is not restored: /backstores/fileio/f0: " in result.err
    document = json.loads(cli.saveconfig.read_text())
    marks = document.pop("lioshell")["not_restored"]
    assert document == saved
    assert "/backstores/fileio/f0" in [mark["path"] for mark in marks]

    (tmp_path / "away.img").rename(tmp_path / "f0.img")
    assert cli("restoreconfig", "--retry").code == 0
    assert cli("saveconfig").code == 0
    assert json.loads(cli.saveconfig.read_text()) == saved


@pytest.mark.parametrize("words", [("restoreconfig", "retry=true"), ("restoreconfig", "--retry")])
def test_a_retry_takes_only_what_failed(cli, saved, tmp_path, words):
    (tmp_path / "f0.img").rename(tmp_path / "away.img")
    restore(cli, saved)
    assert cli(*words).code == 1
    before = {path for path in cli.tree() if "/rd_mcp_" in path}
    (tmp_path / "away.img").rename(tmp_path / "f0.img")

    assert cli(*words).code == 0
    assert {path for path in cli.tree() if "/rd_mcp_" in path} == before
    assert "Everything is restored already" in cli(*words).out
    assert cli("unrestored", "-o", "json").code == 2
    assert cli("-o", "json", "unrestored").json["result"] == []


def test_to_forget_what_failed_is_a_command_of_its_own(cli, saved, tmp_path):
    (tmp_path / "f0.img").unlink()
    restore(cli, saved)
    listed = cli("-o", "json", "unrestored").json["result"]
    assert listed[0]["path"] == "/backstores/fileio/f0"
    assert cli("unrestored", "forget", "/backstores/fileio/nothing").code == 3
    assert cli("unrestored", "forget").code == 2

    assert cli("unrestored", "forget", "/backstores/fileio/f0").code == 0
    assert len(cli("-o", "json", "unrestored").json["result"]) == len(listed) - 1
    assert cli("unrestored", "forget", "all").code == 0
    assert cli("saveconfig").code == 0
    assert "f0.img" not in cli.saveconfig.read_text()
    assert "lioshell" not in json.loads(cli.saveconfig.read_text())


def test_a_save_to_another_file_is_not_concerned(cli, saved, tmp_path):
    (tmp_path / "f0.img").unlink()
    restore(cli, saved)
    assert cli("saveconfig", str(tmp_path / "other.json")).code == 0


def test_a_backing_file_that_is_a_folder_now(cli, saved, tmp_path):
    (tmp_path / "f0.img").unlink()
    (tmp_path / "f0.img").mkdir()
    assert "is a folder" in failures(restore(cli, saved))["/backstores/fileio/f0"]


def test_an_interrupted_restore_is_remembered(cli, saved):
    class Interrupts(Faults):
        def check(self, operation: str, path: str) -> int:
            if (operation, path) == ("mkdir", f"iscsi/{IQN}"):
                raise KeyboardInterrupt
            return 0

    kernel = cli.kernel(Interrupts())
    cli.ok(f"/iscsi delete {IQN}", "/backstores/fileio delete f0", "/backstores/ramdisk delete r0")
    assert cli("restoreconfig", kernel=kernel).code == 130
    result = cli("saveconfig")

    assert result.code == 0
    assert f"/iscsi/{IQN}: the restore was interrupted" in result.err
    assert "/backstores/ramdisk/r0" not in result.err
    assert cli("restoreconfig").code == 0
    assert cli("saveconfig").code == 0
    assert json.loads(cli.saveconfig.read_text()) == saved


def test_what_failed_is_told_although_it_cannot_be_remembered(cli, saved, tmp_path, monkeypatch):
    from lioshell.config import attempts
    from lioshell.errors import HostError

    def refuse(run_dir: str, pending: object) -> None:
        if pending.phase == "ended":
            raise HostError("it cannot be written", hint="Look.", path=run_dir)

    (tmp_path / "f0.img").unlink()
    monkeypatch.setattr(attempts, "remember", refuse)
    result = restore(cli, saved)

    assert result.code == 1
    assert "/backstores/fileio/f0" in failures(result)
    assert str(cli.sim / "run") in failures(result)


def test_nothing_is_removed_when_nothing_can_be_remembered(cli, saved, monkeypatch):
    from lioshell.config import attempts
    from lioshell.errors import HostError

    def refuse(run_dir: str, pending: object) -> None:
        raise HostError("it cannot be written", hint="Look.", path=run_dir)

    before = cli.tree()
    monkeypatch.setattr(attempts, "remember", refuse)
    assert restore(cli, saved).code == 6
    assert cli.tree() == before


def test_a_clear_that_fails_leaves_what_runs_and_what_the_user_changed(cli, saved):
    """Each of its steps fails once; afterwards a save keeps what runs, and what is gone."""
    steps = Faults()
    assert cli("clearconfig", "confirm=true", faults=steps).code == 0
    assert cli("restoreconfig").code == 0
    for number in range(1, len(steps.operations) + 1):
        cli.ok(f"{TPG} set attribute login_timeout=10", "saveconfig")
        before = json.loads(cli.saveconfig.read_text())
        cli.ok(f"{TPG} set attribute login_timeout=20")
        step = steps.operations[number - 1]
        result = cli("restoreconfig", "clear_existing=true", faults=Faults(number))
        cli.ok("saveconfig")
        kept = json.loads(cli.saveconfig.read_text())
        marks = kept.pop("lioshell", {"not_restored": []})["not_restored"]
        assert [o["name"] for o in kept["storage_objects"]] == ["f0", "r0"], step
        if result.code == 0:
            # An empty folder that stays harms nobody.
            assert kept == before, step
            continue
        running = cli.kernel().configfs.is_dir(f"iscsi/{IQN}/tpgt_1")
        timeout = kept["targets"][0]["tpgs"][0]["attributes"]["login_timeout"]
        assert timeout == (20 if running else 10), step
        assert running or f"/iscsi/{IQN}" in [mark["path"] for mark in marks]
        assert cli("restoreconfig", "--retry").code == 0
    assert number > 10


# A document of another kernel, or of somebody's own hands


def test_an_attribute_that_this_kernel_does_not_have_costs_only_itself(cli, saved):
    saved["storage_objects"][0]["attributes"]["from_the_future"] = 1
    tpg = saved["targets"][0]["tpgs"][0]
    tpg["attributes"]["from_the_future"] = 1
    tpg["node_acls"][0]["attributes"]["from_the_future"] = 1
    name = saved["storage_objects"][0]["name"]
    plugin = saved["storage_objects"][0]["plugin"]
    result = restore(cli, saved)

    assert result.code == 1
    assert set(failures(result)) == {
        f"/backstores/{plugin}/{name} from_the_future",
        f"{TPG} from_the_future",
        f"{TPG}/acls/{INITIATOR} from_the_future",
    }
    listed = cli("ls").out
    assert "mapped_lun1" in listed
    assert "disabled" not in listed


def test_an_attribute_that_the_kernel_refuses_costs_its_object(cli, saved):
    ramdisk = next(x for x in saved["storage_objects"] if x["name"] == "r0")
    ramdisk["attributes"]["block_size"] = 513
    result = restore(cli, saved)

    assert "/backstores/ramdisk/r0" in failures(result)
    assert not [path for path in cli.tree() if path.endswith("/r0")]
    assert "not restored" in cli("ls", "/backstores/ramdisk").out


def test_a_tpg_that_cannot_be_as_it_was_is_not_half_there(cli, saved):
    saved["targets"][0]["tpgs"][0]["attributes"]["authentication"] = 7
    result = restore(cli, saved)

    assert set(failures(result)) == {TPG}
    assert cli("ls", TPG).code == 3


MALFORMED = [
    (("storage_objects", 0, "dev"), None),
    (("storage_objects", 0, "dev"), 5),
    (("storage_objects", 0, "dev"), ["x"]),
    (("storage_objects", 0, "name"), None),
    (("storage_objects", 0, "name"), 5),
    (("storage_objects", 0, "name"), "../../x"),
    (("storage_objects", 0, "plugin"), "tape"),
    (("storage_objects", 0, "plugin"), ["x"]),
    (("storage_objects", 0, "wwn"), {"x": 1}),
    (("storage_objects", 0, "attributes"), ["x"]),
    (("storage_objects", 0, "attributes"), {"block_size": {}}),
    (("storage_objects", 0, "attributes"), {"../control": "x"}),
    (("storage_objects", 0, "alua_tpgs"), 5),
    (("storage_objects", 0, "alua_tpgs"), [{}]),
    (("storage_objects", 0, "alua_tpgs", 0, "alua_access_type"), 9),
    (("storage_objects", 1, "size"), None),
    (("storage_objects", 1, "size"), "large"),
    (("storage_objects", 1, "size"), -4096),
    (("storage_objects", 1, "size"), 1e400),
    (("storage_objects", 1, "size"), 10**30),
    (("targets", 0, "fabric"), None),
    (("targets", 0, "fabric"), "pigeon"),
    (("targets", 0, "wwn"), None),
    (("targets", 0, "wwn"), 5),
    (("targets", 0, "wwn"), "../x"),
    (("targets", 0, "tpgs"), 5),
    (("targets", 0, "tpgs"), ["x"]),
    (("targets", 0, "tpgs", 0, "tag"), None),
    (("targets", 0, "tpgs", 0, "tag"), "first"),
    (("targets", 0, "tpgs", 0, "attributes"), "x"),
    (("targets", 0, "tpgs", 0, "luns"), {"x": 1}),
    (("targets", 0, "tpgs", 0, "luns", 0, "storage_object"), None),
    (("targets", 0, "tpgs", 0, "luns", 0, "storage_object"), "r0"),
    (("targets", 0, "tpgs", 0, "luns", 0, "index"), "x"),
    (("targets", 0, "tpgs", 0, "luns", 0, "index"), 70000),
    (("targets", 0, "tpgs", 0, "luns", 0, "alias"), "a/b"),
    (("targets", 0, "tpgs", 0, "portals", 0, "ip_address"), "nowhere"),
    (("targets", 0, "tpgs", 0, "portals", 0, "ip_address"), 5),
    (("targets", 0, "tpgs", 0, "portals", 0, "port"), None),
    (("targets", 0, "tpgs", 0, "portals", 0, "port"), 0),
    (("targets", 0, "tpgs", 0, "node_acls", 0, "node_wwn"), None),
    (("targets", 0, "tpgs", 0, "node_acls", 0, "node_wwn"), "no/body"),
    (("targets", 0, "tpgs", 0, "node_acls", 0, "mapped_luns", 0, "tpg_lun"), 9),
    (("targets", 0, "tpgs", 0, "node_acls", 0, "mapped_luns", 0, "index"), None),
    (("fabric_modules",), [{}]),
    (("fabric_modules",), [{"name": "pigeon", "discovery_enable_auth": True}]),
    (("fabric_modules",), [{"name": "iscsi", "discovery_bogus": 1}]),
    (("fabric_modules",), [{"name": "loopback", "discovery_userid": "x"}]),
]


@pytest.mark.parametrize(("place", "value"), MALFORMED, ids=str)
def test_a_malformed_object_is_reported_and_the_rest_restored(cli, saved, place, value):
    """`value` None takes the key away."""
    document = copy.deepcopy(saved)
    where: Any = document
    for key in place[:-1]:
        where = where[key]
    if value is None:
        del where[place[-1]]
    else:
        where[place[-1]] = value
    result = restore(cli, document)

    assert result.code == 1, result
    assert 1 <= len(failures(result)) <= 5, result.err
    assert all(reason for reason in failures(result).values())
    # What is not in the malformed object is there.
    listed = cli("ls").out
    if place[0] != "storage_objects":
        assert "r0 " in listed
        assert "f0 " in listed
    if place[0] != "targets":
        assert INITIATOR in listed


def test_an_entry_of_a_fabric_that_says_nothing_is_no_failure(cli, saved):
    saved["fabric_modules"] = [{"name": "loopback"}, {"name": "iscsi"}]
    assert restore(cli, saved).code == 0
    assert not (cli.sim / "config/target/loopback").exists()


# The kernel


def test_each_step_of_a_restore_fails_once(cli, saved):
    """What fails is named, what is made is whole, a save loses nothing, a retry mends it."""
    for number in range(1, 200):
        cli.ok(*(f"{path} delete {name}" for path, name in objects(cli)))
        faults = Faults(number)
        result = cli("restoreconfig", faults=faults)
        if len(faults.operations) < number:
            break
        assert result.code == 1, (faults.operations[-1], result)
        assert failures(result)
        assert "could not be undone" not in result.err
        assert half_made(cli) == []
        assert cli("saveconfig").code == 0
        carried = json.loads(cli.saveconfig.read_text())
        assert carried.pop("lioshell")["not_restored"]
        assert carried == saved, faults.operations[-1]
        assert cli("restoreconfig", "--retry").code == 0
    assert result.code == 0
    assert number > 25
    assert cli("saveconfig").code == 0
    assert json.loads(cli.saveconfig.read_text()) == saved


def objects(cli) -> list[tuple[str, str]]:
    """Return the node and the name of everything that `delete` has to take away."""
    tree = {node["name"]: node for node in cli("-o", "json", "ls").json["result"]["children"]}
    kinds = [tree["iscsi"], *tree["backstores"]["children"]]
    return [(kind["path"], child["name"]) for kind in kinds for child in kind["children"]]


def half_made(cli) -> list[str]:
    """Return the storage objects that are not enabled, and the LUNs that are no link."""
    tree = cli.tree()
    linked = {path.rpartition("/")[0] for path, text in tree.items() if text.startswith("-> ")}
    found = []
    for path, text in tree.items():
        folder, _, name = path.rpartition("/")
        if folder.startswith("target/core/") and (name, text) == ("enable", "0\n"):
            found.append(path)
        if re.fullmatch(r"lun_\d+", name) and path not in linked:
            found.append(path)
    return found
