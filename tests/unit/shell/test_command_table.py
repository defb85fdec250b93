# SPDX-License-Identifier: Apache-2.0
"""docs/commands.md leaves out no command of targetcli or ours, and names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from lioshell.shell.preferences import PREFERENCES

from .conftest import CLIENT, IQN, TPG, Shell

ROOT = Path(__file__).resolve().parents[3]
ROW = re.compile(r"^\| (.+?) \| (.+?) \| (.+?) \|$")
NAA = "naa.5001405a1b2c3d4e"

# Section of the document -> commands and groups of targetcli-fb 3 there, out of its code.
TARGETCLI = {
    "Every node": "ls cd pwd get set help bookmarks exit refresh status",
    "/": "saveconfig restoreconfig clearconfig sessions version",
    "/backstores/KIND": "create delete changemedium",
    "/backstores/KIND/NAME": "info saveconfig version attribute",
    "/backstores/KIND/NAME/alua": "create delete info alua",
    "/FABRIC": "create delete info version discovery_auth parameter attribute",
    "/FABRIC/WWN": "create delete info parameter",
    "/FABRIC/WWN/tpgN": "enable disable info attribute parameter auth",
    ".../acls": "create delete tag untag",
    ".../acls/INITIATOR": "create delete info attribute parameter auth",
    ".../luns": "create delete info alua",
    ".../portals": "create delete enable_iser enable_offload info",
    "Preferences": "auto_add_default_portal auto_add_mapped_luns auto_cd_after_create "
    "auto_enable_tpgt auto_save_on_exit auto_use_daemon daemon_use_batch_mode "
    "export_backstore_name_as_model max_backup_files color_mode color_default color_path "
    "color_command color_parameter color_keyword loglevel_console loglevel_file logfile "
    "prompt_length tree_max_depth tree_status_mode tree_round_nodes tree_show_root",
}
FAULTS = [*(f"6.1.{number}" for number in range(1, 17)), "6.2", "6.3", "6.4"]

# Section of the document -> places of the tree whose commands it lists.
OURS = {
    "Every node": ["/backstores"],
    "/": ["/"],
    "/backstores/KIND": [f"/backstores/{k}" for k in ("fileio", "block", "pscsi", "user:file")],
    "/backstores/KIND/NAME": ["/backstores/fileio/disk1", "/backstores/user:file/vol0"],
    "/backstores/KIND/NAME/alua": [
        "/backstores/fileio/disk1/alua",
        "/backstores/fileio/disk1/alua/default_tg_pt_gp",
    ],
    "/FABRIC": ["/iscsi", "/loopback"],
    "/FABRIC/WWN": [f"/iscsi/{IQN}"],
    "/FABRIC/WWN/tpgN": [TPG, f"/loopback/{NAA}"],
    ".../acls": [f"{TPG}/acls"],
    ".../acls/INITIATOR": [f"{TPG}/acls/{CLIENT}", f"{TPG}/acls/{CLIENT}/mapped_lun0"],
    ".../luns": [f"{TPG}/luns", f"{TPG}/luns/lun0"],
    ".../portals": [f"{TPG}/portals", f"{TPG}/portals/[::0]:3260"],
}


@cache
def sections():
    """Return section -> rows of three cells."""
    found = {}
    for line in (ROOT / "docs/commands.md").read_text().splitlines():
        if line.startswith("## "):
            rows = found.setdefault(line[3:], [])
        elif (match := ROW.match(line.replace("\\|", "/"))) and match[1] != "targetcli":
            rows.append(match.groups())
    return found


def words(cell):
    """Return the first word of each text in backquotes."""
    return {text.split()[0].strip(",") for text in re.findall(r"`([^`]+)`", cell)}


def every_row():
    return [row for rows in sections().values() for row in rows]


@pytest.mark.parametrize("section", TARGETCLI)
def test_no_command_of_targetcli_is_left_out(section):
    listed = {word for row in sections()[section] for word in words(row[0])}
    assert set(TARGETCLI[section].split()) <= listed


@pytest.mark.parametrize("number", FAULTS)
def test_no_fault_is_left_out(number):
    assert any(row[0].split()[0] == number for row in sections()["Faults of targetcli"])


@pytest.fixture(scope="module")
def world(tmp_path_factory, specs):
    shell = Shell(tmp_path_factory.mktemp("table"), specs).build()
    shell.run(
        f"/backstores/user:file create vol0 1M {shell.folder}/v.img", f"/loopback create {NAA}"
    )
    return shell


@pytest.mark.parametrize("section", OURS)
def test_no_command_of_ours_is_left_out(world, section):
    rows = [*sections()[section], *sections()["Every node"]]
    listed = {word for row in rows for cell in row[:2] for word in words(cell)}
    for place in OURS[section]:
        node = world.session.node_at(place, world.session.root)
        assert set(node.list_commands()) <= listed, place
        assert set(node.group_names()) <= listed, place


def test_no_preference_is_left_out():
    listed = {
        name.strip(",")
        for row in sections()["Preferences"]
        for cell in row[:2]
        for text in re.findall(r"`([^`]+)`", cell)
        for name in text.split()
    }
    assert set(PREFERENCES) <= listed


@cache
def names_of_tests_in(path):
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("row", every_row(), ids=lambda row: row[0][:40])
def test_each_row_names_tests_that_exist(row):
    names = re.findall(r"`([^`]+)::(\w+)`", row[2])
    assert names
    for path, name in names:
        assert name in names_of_tests_in(ROOT / "tests" / f"{path}.py")
