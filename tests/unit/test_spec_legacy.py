# SPDX-License-Identifier: Apache-2.0
"""Spec files of RTS' older tools: read as they stand, their shell commands refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lioshell.errors import SpecError
from lioshell.specs import Specs, default_folders

if TYPE_CHECKING:
    from pathlib import Path

SEED = """\
# WARNING: This is a draft specfile supplied for demo purposes only.

# The iSCSI fabric module uses the default feature set.
features = acls, acls_auth, discovery_auth, nps, tpgts

# Obviously, this module uses IQN strings as WWNs
wwn_type = iqn

# The kernel module is default
# kernel_module = iscsi_target_mod

# The configfs group name is default
# configfs_group = iscsi
"""
"""The iscsi.spec of the LIO wiki (seeds/lio-wiki-iscsi.txt)."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "specs.d"
    folder.mkdir()
    return folder


def alone(folder: Path) -> Specs:
    return Specs([str(folder)], cache_folder="")


def test_the_seed_as_it_stands(folder: Path) -> None:
    (folder / "iscsi.spec").write_text(SEED)
    specs = alone(folder)
    assert specs.problems() == []
    iscsi = specs.fabric("iscsi")
    assert (iscsi.group, iscsi.module) == ("iscsi", "iscsi_target_mod")
    assert iscsi.wwn_types == ("iqn",)
    assert iscsi.features == {
        *("luns", "acls", "acls_auth", "tpg_auth", "discovery_auth", "nps", "tpgts", "enable")
    }
    assert iscsi.default_port == 3260
    secrets = [p.name for p in iscsi.attributes["acl_auth"] if p.type == "secret"]
    assert secrets == ["password", "password_mutual"]


def test_the_seed_beside_our_own_says_nothing_new(folder: Path) -> None:
    (folder / "iscsi.spec").write_text(SEED)
    specs = Specs([*default_folders()[:1], str(folder)], cache_folder="")
    assert specs.problems() == []
    assert specs.path("fabric", "iscsi").endswith("/specs/iscsi.yaml")
    assert "naa" in specs.fabric("iscsi").wwn_types


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("# kernel_module = iscsi_target_mod", "kernel_module = other", "module"),
        ("# configfs_group = iscsi", "configfs_group = other", "group"),
        ("wwn_type = iqn", "wwn_type = ib", "wwn_types"),
        ("nps, tpgts", "nps, tpgts, nexus", "features"),
    ],
)
def test_one_that_contradicts_our_own_is_refused(
    folder: Path, old: str, new: str, key: str
) -> None:
    assert old in SEED
    (folder / "iscsi.spec").write_text(SEED.replace(old, new))
    specs = Specs([*default_folders()[:1], str(folder)], cache_folder="")
    (problem,) = specs.refused()
    assert problem.key == key
    assert "differently" in problem.message
    assert specs.fabric("iscsi").module == "iscsi_target_mod"


def test_defaults_and_all_keys(folder: Path) -> None:
    (folder / "bare.spec").write_text("")
    (folder / "full.spec").write_text(
        "features = nexus, acls, cpus_allowed_list\nwwn_type = naa\nkernel_module = 'tcm_full'\n"
        "configfs_group = fullgroup\nwwn_from_files = /sys/class/full/*/port_name\n"
    )
    specs = alone(folder)
    assert specs.problems() == []
    bare = specs.fabric("bare")
    assert (bare.group, bare.module, bare.wwn_types) == ("bare", "bare_target_mod", ("free",))
    assert {"discovery_auth", "acls_auth", "nps", "tpgts"} <= bare.features
    full = specs.fabric("full")
    assert (full.group, full.module) == ("fullgroup", "tcm_full")
    assert full.features == {"luns", "nexus", "acls", "enable"}
    assert full.wwn_sources[0].files == "/sys/class/full/*/port_name"
    assert full.default_port is None


@pytest.mark.parametrize("key", ["wwn_from_cmds", "wwn_from_cmds_filter", "wwn_from_files_filter"])
def test_shell_commands_are_refused_with_the_reason(folder: Path, key: str) -> None:
    (folder / "evil.spec").write_text(f"features = acls\n{key} = touch {folder}/run\n")
    specs = alone(folder)
    assert specs.fabric_names() == []
    with pytest.raises(SpecError) as caught:
        specs.fabric("evil")
    assert (caught.value.line, caught.value.key) == (2, key)
    assert "shell commands are not run" in caught.value.message
    assert "wwn_sources" in caught.value.hint
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("features = acls, magic\n", 1, "'magic' is none of"),
        ("\nfeature = acls\n", 2, "unknown key"),
        ("features = acls\nfeatures = nps\n", 2, "stands twice"),
        ("def wwns():\n", 1, "key = value"),
        ("wwn_type = mac\n", 1, "'mac' is none of"),
        ("configfs_group = ../core\n", 1, "one plain name"),
        ("configfs_group = core\n", 1, "something else"),
        ("kernel_module = -r x\n", 1, "one plain name"),
        ("wwn_from_files = /etc/shadow\n", 1, "below /sys or /proc"),
        ("wwn_from_files = /sys/../etc/shadow\n", 1, "below /sys or /proc"),
    ],
)
def test_mistakes(folder: Path, text: str, line: int, message: str) -> None:
    (folder / "x.spec").write_text(text)
    (problem,) = alone(folder).problems()
    assert message in problem.message
    assert problem.line == line
    assert problem.message.startswith(f"{folder}/x.spec:{line}: ")


def test_files_that_are_no_spec(folder: Path) -> None:
    (folder / "a b.spec").write_text("")
    (folder / "bytes.spec").write_bytes(b"\xff\xfe")
    messages = [problem.message for problem in alone(folder).problems()]
    assert "'a b' is no name of a fabric" in messages[0]
    assert "no UTF-8 text" in messages[1]
