# SPDX-License-Identifier: Apache-2.0
"""specs list, show, check: what is known, and what is wrong with a file."""

from __future__ import annotations

import json

import pytest

from lioshell.errors import NotFoundError, PartialError, SpecError, UsageError
from lioshell.specs import Specs, default_folders
from tests.unit.shell.conftest import Shell

DEMO = """\
kind: fabric
name: demo
group: demo
module: tcm_demo
help: "A fabric"
wwn_types: [naa]
features: [luns, nexus]
attributes:
  tpg_attribute:
    level: {type: int, default: 1, minimum: 0, maximum: 3, help: "A level"}
"""


@pytest.fixture
def drop_ins(tmp_path):
    folder = tmp_path / "specs.d"
    folder.mkdir()
    return folder


@pytest.fixture
def with_drop_ins(tmp_path, drop_ins):
    """Return a function that opens a session with what lies in `drop_ins` by then."""

    def open_session(form="text"):
        specs = Specs([*default_folders()[:1], str(drop_ins)], cache_folder="")
        return Shell(tmp_path, specs, form=form)

    return open_session


def test_list_names_all_with_their_state(shared):
    lines = {line.split()[0]: line for line in shared.run("specs list").splitlines()}
    assert len([line for line in lines if not line.startswith("user:")]) == 17
    assert "listed" in lines["iscsi"]
    assert "no port of it on this machine" in lines["qla2xxx"]
    assert "no /sys/class/udc/*" in lines["usb_gadget"]
    assert lines["ramdisk"].split()[1] == "backstore"
    assert shared.run("specs") == shared.run("specs list")


def test_show_a_fabric(shared):
    text = shared.run("specs show tcm_fc")
    assert "name: tcm_fc" in text
    assert "wwn_form: colons" in text
    assert "TPG ATTRIBUTE" not in text
    assert "port_name=" in text
    assert shared.run("specs show fc") == text


def test_show_a_backstore_by_its_older_name(shared):
    text = shared.run("specs show iblock")
    assert "name: block" in text
    assert "(path required) The block device" in text


def test_show_in_json(json_shell):
    document = json.loads(json_shell.run("specs show loopback"))["result"]
    (prot,) = document["groups"]["tpg_attribute"]
    assert prot["values"] == ["0", "1", "3"]
    assert document["module"] == "tcm_loop"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("specs show nosuch", NotFoundError),
        ("specs show", UsageError),
        ("specs list iscsi", UsageError),
        ("specs mend x", UsageError),
        ("specs check /no/such/file.yaml", NotFoundError),
    ],
)
def test_wrong_words(shared, line, kind):
    assert isinstance(shared.fails(line), kind)


def test_check_a_file(shared, tmp_path):
    (tmp_path / "demo.yaml").write_text(DEMO)
    assert "fabric demo, 1 parameters, no mistakes" in shared.run(
        f"specs check {tmp_path}/demo.yaml"
    )
    (tmp_path / "demo.yaml").write_text(DEMO.replace("modul", "modle"))
    error = shared.fails(f"specs check {tmp_path}/demo.yaml")
    assert isinstance(error, SpecError)
    assert (error.line, error.key) == (4, "modlee")


@pytest.mark.parametrize("name", ["iscsi.yaml", "user.yaml"])
def test_check_one_that_comes_along(shared, name):
    assert "no mistakes" in shared.run(f"specs check {default_folders()[0]}/{name}")


def test_check_one_that_is_loaded_already(with_drop_ins, drop_ins):
    (drop_ins / "demo.yaml").write_text(DEMO)
    assert "no mistakes" in with_drop_ins().run(f"specs check {drop_ins}/demo.yaml")


def test_check_against_those_that_are_loaded(with_drop_ins, drop_ins, tmp_path):
    (drop_ins / "demo.yaml").write_text(DEMO)
    (tmp_path / "other.yaml").write_text(DEMO)
    (tmp_path / "iscsi.yaml").write_text(DEMO.replace("name: demo", "name: iscsi"))
    for name in ("other", "iscsi"):
        assert (
            "described by" in with_drop_ins().fails(f"specs check {tmp_path}/{name}.yaml").message
        )


def test_check_a_legacy_file(shared, tmp_path):
    (tmp_path / "demo.spec").write_text("features = acls, nexus\nwwn_type = naa\n")
    assert "fabric demo" in shared.run(f"specs check {tmp_path}/demo.spec")
    (tmp_path / "demo.spec").write_text("wwn_from_cmds = id\n")
    assert "shell commands" in shared.fails(f"specs check {tmp_path}/demo.spec").message


def test_check_a_file_of_another_name_or_kind(shared, tmp_path):
    (tmp_path / "demo.txt").write_text(DEMO)
    assert ".yaml" in shared.fails(f"specs check {tmp_path}/demo.txt").hint
    (tmp_path / "folder.yaml").mkdir()
    assert "directory" in shared.fails(f"specs check {tmp_path}/folder.yaml").message
    (tmp_path / "bytes.yaml").write_bytes(bytes(range(256)))
    assert "UTF-8" in shared.fails(f"specs check {tmp_path}/bytes.yaml").message


def test_check_all(with_drop_ins, drop_ins, shared):
    assert "16 specs, no mistakes" in shared.run("specs check")
    (drop_ins / "demo.yaml").write_text(DEMO.replace("luns", "lnus"))
    shell = with_drop_ins()
    error = shell.fails("specs check")
    assert isinstance(error, PartialError)
    assert f"{drop_ins}/demo.yaml:7: features: 'lnus'" in error.details[0]
    assert "refused" in shell.run("specs list")
    assert "'lnus'" in shell.fails("specs show demo").message
    assert "'lnus'" in shell.fails("cd /demo").message
