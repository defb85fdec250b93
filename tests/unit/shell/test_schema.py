# SPDX-License-Identifier: Apache-2.0
"""Every answer in JSON and YAML is as docs/output.schema.json says."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from lioshell.errors import LioshellError

from .conftest import Shell

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "output.schema.json").read_text()
)
SHOWING = ("ls", "pwd", "help", "get", "info", "status", "version", "sessions", "bookmarks")


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def everywhere(node):
    yield node
    for child in node.children:
        yield from everywhere(child)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_answers(tmp_path, specs, validator, form):
    shell = Shell(tmp_path, specs, form=form).build()
    load = json.loads if form == "json" else yaml.safe_load
    made = shell.run("/backstores/ramdisk create r1 1M")
    validator.validate(load(made))
    assert load(made)["messages"] == ["Created ramdisk r1 with size 1M."]
    seen = set()
    for node in everywhere(shell.session.root):
        for command in SHOWING:
            if command not in node.list_commands() or (type(node), command) in seen:
                continue
            seen.add((type(node), command))
            document = load(shell.run(f"{node.path} {command}"))
            validator.validate(document)
            assert document["command"] == f"{node.path} {command}"
    assert len(seen) > 80


@pytest.mark.parametrize(
    "line",
    ["lz", "/nosuch", "ls 'x", "/backstores/ramdisk create r 5x", "/backstores/ramdisk delete no"],
)
def test_failures(tmp_path, specs, validator, line):
    shell = Shell(tmp_path, specs, form="json")
    with pytest.raises(LioshellError) as caught:
        shell.session.run_line(line)
    shell.out.error(caught.value)
    document = json.loads(shell.run())
    validator.validate(document)
    assert document["error"]["message"] == caught.value.message


def test_states(tmp_path, specs, validator):
    shell = Shell(tmp_path, specs, form="json").build()
    tpg = "/iscsi/iqn.2003-01.com.example:disk1/tpg1"
    (tmp_path / "gone.img").write_bytes(bytes(1 << 20))
    shell.run(
        "/backstores/ramdisk create idle 1M",
        f"/backstores/fileio create gone {tmp_path}/gone.img",
        f"{tpg} disable",
    )
    (tmp_path / "gone.img").unlink()

    document = json.loads(shell.run("ls"))

    validator.validate(document)
    states = {}

    def collect(node):
        states[node["path"]] = (node["state"], node["healthy"])
        for child in node["children"]:
            collect(child)

    collect(document["result"])
    assert states["/backstores/fileio/disk1"] == ("activated", True)
    assert states["/backstores/ramdisk/idle"] == ("deactivated", True)
    assert states["/backstores/fileio/gone"] == ("offline", False)
    assert states[tpg] == ("disabled", False)
    assert states["/iscsi"] == ("", None)
    status = json.loads(shell.run("/backstores/fileio/gone status"))["result"]
    assert status["state"] == "offline"
    assert "the file is gone" in status["status"]


def test_a_line_may_choose_its_form(shell):
    shell.build()
    document = json.loads(shell.run("ls /iscsi 1 -o json"))
    assert (document["command"], document["result"]["name"]) == ("ls /iscsi 1 -o json", "iscsi")
    assert yaml.safe_load(shell.run("/iscsi status -o yaml"))["result"]["status"] == "Targets: 1"
    assert shell.run("pwd").startswith("/")
    assert "o- iscsi" in shell.run("ls /iscsi -o text")
    # An object may be called so.
    assert shell.fails("ls '-o' json").exit_code in (2, 3)
    assert shell.fails("ls -o xml").exit_code in (2, 3)
    error = shell.fails("ls /nosuch -o json")
    shell.out.error(error)
    assert json.loads(shell.run())["error"]["code"] == "not-found"
    assert shell.run("pwd") == "/\n"
