# SPDX-License-Identifier: Apache-2.0
"""Nodes: one that cannot be looked at hides no other, and what a listing costs."""

import pytest

from lioshell.errors import KernelError, SpecError
from lioshell.shell.node import is_component

IQN = "iqn.2003-01.com.example:disk1"


def test_no_command_is_configshells_own(built):
    for path in ("/", "/backstores", f"/iscsi/{IQN}/tpg1"):
        node = built.session.node_at(path, built.session.root)
        for command in node.list_commands():
            assert node.get_command_method(command).__module__.startswith("lioshell.")


def test_what_cannot_be_read_is_shown_with_its_reason_beside_the_others(built):
    built.run(f"/backstores/fileio create disk2 {built.folder}/disk2.img 1M")
    core = built.folder / "sim" / "config" / "target" / "core"
    (core / "fileio_0" / "disk1" / "enable").unlink()

    lines = built.run("ls /backstores").splitlines()

    (broken,) = [line for line in lines if "disk1" in line and "o- disk1" in line]
    assert "unreadable" in broken
    assert any("o- disk2" in line and "write-back" in line for line in lines)


def test_an_object_that_goes_while_it_is_listed_costs_its_line_only(built, monkeypatch):
    from lioshell.shell.nodes.luns import LunsNode

    def gone(self):
        raise KernelError("listdir", "iscsi/x", 2)

    monkeypatch.setattr(LunsNode, "summary", gone)
    lines = built.run("ls /iscsi").splitlines()
    assert any("o- luns" in line and "unreadable" in line for line in lines)
    assert any("o- portals" in line and "Portals: 1" in line for line in lines)


def test_a_fabric_whose_spec_is_broken_hides_no_other(shell, monkeypatch):
    specs = shell.lio.specs
    real = specs.fabric

    def fabric(name):
        if name == "loopback":
            raise SpecError("loopback.yaml:3: features: no list", hint="Mend it.")
        return real(name)

    monkeypatch.setattr(specs, "fabric", fabric)
    text = shell.run("ls")
    assert "loopback.yaml:3" in text
    assert "iscsi" in text
    assert isinstance(shell.fails("/loopback"), SpecError)


def test_an_attribute_that_cannot_be_read_hides_no_other(built):
    attrib = built.folder / "sim" / "config" / "target" / "core" / "fileio_0" / "disk1" / "attrib"
    real = type(built.lio.configfs).read

    def read(self, path):
        if path.endswith("attrib/is_nonrot"):
            raise KernelError("read", path, 5)
        return real(self, path)

    assert (attrib / "is_nonrot").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(built.lio.configfs), "read", read)
        text = built.run("/backstores/fileio/disk1 get attribute")
        assert "is_nonrot=" in text
        assert "[Input/output error]" in text
        assert "block_size=512" in text
        built.fails("/backstores/fileio/disk1 get attribute is_nonrot")


def test_one_disk_is_found_without_reading_the_others(built):
    core = built.folder / "sim" / "config" / "target" / "core"
    for number in range(2, 40):
        (core / "fileio_0" / f"disk{number}").mkdir()
    reads = []
    real = type(built.lio.configfs).read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(built.lio.configfs),
            "read",
            lambda self, path: reads.append(path) or real(self, path),
        )
        built.run("/backstores/fileio/disk1 info")
    assert reads
    assert all("/disk1/" in path or "/lun" in path for path in reads)


@pytest.mark.parametrize("name", ["a", "vg+lv", "...", "a b", "~", "ü"])
def test_components(name):
    assert is_component(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0"])
def test_what_is_no_component(name):
    assert not is_component(name)
