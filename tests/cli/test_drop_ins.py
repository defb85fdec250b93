# SPDX-License-Identifier: Apache-2.0
"""Specs of the administrator's own: the example of docs/specs.md, and files that are wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "specs.md"
DISK = "/backstores/ramdisk create disk1 1M"
BROKEN = {
    "cut": "kind: fabric\nname: broken\ngroup: brok",
    "unknown key": "kind: fabric\nname: broken\ngroup: b\nmodule: b\nhelp: B\nwwn_type: [naa]\n",
    "cycle": "kind: fabric\nname: broken\nattributes: &a\n  tpg: *a\n",
    "wrong type": "kind: fabric\nname: broken\ngroup: b\nmodule: b\nhelp: B\nwwn_types: naa\n",
    "a path": "kind: fabric\nname: broken\ngroup: ../core\nmodule: b\nhelp: B\nwwn_types: [naa]\n",
    "twice": "kind: fabric\nname: iscsi\ngroup: b\nmodule: b\nhelp: B\nwwn_types: [naa]\n",
    "core": "kind: backstore\nname: broken\nhba_prefix: iblock\nmodule: b\nhelp: B\n",
    "no text": "\0\xff",
}


@pytest.fixture
def drop_ins(cli):
    folder = cli.sim / "etc/lioshell/specs.d"
    folder.mkdir(parents=True)
    return folder


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_example_of_the_documentation(cli, drop_ins):
    (drop_ins / "photon.yaml").write_text(block("yaml"))
    assert "no mistakes" in cli.ok(f"specs check {drop_ins}/photon.yaml")
    *lines, delete = block("sh").splitlines()
    text = cli.ok(*lines)
    assert "wavelength=1550" in text
    assert "Nanometres" in text
    folder = cli.sim / "config/target/photon/50:01:40:5a:1b:2c:3d:4e/tpgt_1"
    assert (folder / "attrib/polarisation").read_text() == "linear\n"
    assert (folder / "acls/50:01:40:50:00:00:00:01/attrib/patience").read_text() == "7\n"
    assert (folder / "enable").read_text() == "1\n"
    cli("-y", "-c", delete)
    assert not folder.parent.exists()


@pytest.mark.parametrize("harm", BROKEN)
def test_a_broken_one_is_told_of_and_harms_nothing(cli, drop_ins, harm):
    (drop_ins / "x.yaml").write_bytes(BROKEN[harm].encode("latin-1"))
    (drop_ins / "photon.yaml").write_text(block("yaml"))
    made = cli("-c", DISK, "-c", "/photon create naa.5001405a1b2c3d4e", "-c", "/iscsi create")
    assert made.code == 0, made
    assert re.search(rf"not loaded: {drop_ins}/x\.yaml(:\d+: | cannot be read)", made.err)
    for line in (
        *("ls /", "saveconfig", "restoreconfig clear_existing=true", "specs list"),
        *("/backstores/ramdisk delete disk1", "/photon delete naa.5001405a1b2c3d4e"),
    ):
        result = cli("-y", "-c", line)
        assert result.code == 0, (line, result)
    assert cli("specs", "check").code == 1


def test_what_runs_when_its_file_goes_is_shown_and_not_lost_silently(cli, drop_ins):
    (drop_ins / "photon.yaml").write_text(block("yaml"))
    *lines, _, _, _ = block("sh").splitlines()
    cli.ok(*lines)
    (drop_ins / "photon.yaml").unlink()
    tpg = "/photon/50:01:40:5a:1b:2c:3d:4e/tpgt_1"
    listing = cli.ok("ls /photon")
    assert "no spec, Targets: 1" in listing
    assert "core/rd_mcp_0/disk1" in listing
    assert "wavelength=1550" in cli.ok(f"{tpg} get attribute")
    assert "enable: 1" in cli.ok(f"{tpg} info")
    refused = cli("-c", f"{tpg} set attribute wavelength=1310")
    assert refused.code == 2
    assert "docs/specs.md" in refused.err
    assert cli("-c", "/photon create").code == 2
    assert cli("-c", "/photon/nosuch info").code == 3
    assert "not saved: photon/" in cli("-c", "saveconfig").err
    # What it exports cannot be taken from under it; everything else is free.
    held = cli("-y", "-c", "/backstores/ramdisk delete disk1")
    assert held.code != 0
    assert "no spec describes" in held.err
    # The file keeps what was saved of it, for the day when its spec comes back.
    (saved,) = json.loads(cli.saveconfig.read_text())["targets"]
    assert saved["wwn"] == "naa.5001405a1b2c3d4e"
    assert saved["tpgs"][0]["attributes"]["wavelength"] == 1550
    cli.ok("/backstores/ramdisk create disk2 1M", "/backstores/ramdisk delete disk2")
    (drop_ins / "photon.yaml").write_text(block("yaml"))
    assert "[wavelength" not in cli.ok("ls /photon")
    assert cli("-y", "-c", "/photon delete naa.5001405a1b2c3d4e").code == 0
