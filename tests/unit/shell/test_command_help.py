# SPDX-License-Identifier: Apache-2.0
"""Help: read from the docstrings, complete for every command, and readable at 80 columns."""

import inspect

import pytest

from lioshell.shell import command_help

IQN = "iqn.2003-01.com.example:disk1"
CLIENT = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"
PLACES = [
    "/",
    "/backstores",
    "/backstores/block",
    "/backstores/fileio",
    "/backstores/pscsi",
    "/backstores/ramdisk",
    "/backstores/user:file",
    "/backstores/fileio/disk1",
    "/iscsi",
    f"/iscsi/{IQN}",
    TPG,
    f"{TPG}/acls",
    f"{TPG}/acls/{CLIENT}",
    f"{TPG}/acls/{CLIENT}/mapped_lun0",
    f"{TPG}/luns",
    f"{TPG}/luns/lun0",
    f"{TPG}/portals",
    f"{TPG}/portals/[::0]:3260",
    "/loopback",
]


def test_a_docstring_has_paragraphs_and_examples():
    def command():
        """Do it
        well.

        More of it.

        Examples:
            do it
            do it now
        """

    found = command_help.read(command.__doc__)
    assert found.paragraphs == ("Do it well.", "More of it.")
    assert found.summary == "Do it well."
    assert found.examples == ("do it", "do it now")
    assert command_help.read(None) == ((), ())


@pytest.mark.parametrize("place", PLACES)
def test_every_command_says_what_it_does_takes_and_looks_like(shared, place):
    node = shared.session.node_at(place, shared.session.root)
    for command in node.list_commands():
        found = command_help.of(node, command)
        assert found.summary.endswith("."), command
        assert len(found.examples) >= 2, command
        names = inspect.signature(node.get_command_method(command)).parameters.values()
        wanted = {p.name for p in names if p.kind is p.POSITIONAL_OR_KEYWORD} - {"group"}
        described = {p.name: p for p in node.parameters_of(command)}
        assert wanted <= set(described), command
        assert all(described[name].help for name in wanted)


def test_help_of_a_node_and_of_a_command(shared):
    text = shared.run("/backstores/user:file help")
    assert "create " in text
    assert "You are at /" in text
    text = shared.run("/backstores/fileio help create")
    assert text.startswith("create name file_or_dev [size] [write_back] [sparse] [wwn]\n")
    lines = [line.split() for line in text.splitlines()]
    assert ["write_back", "true/false", "true"] in [line[:3] for line in lines]
    assert ["size", "bytes,", "10G", "-"] in [line[:4] for line in lines]
    assert ["name", "text", "required"] in [line[:3] for line in lines]
    assert "  create disk1 /srv/disk1.img 10G\n" in text
    text = shared.run("/backstores/user:file help create")
    assert "Bytes in a block (512, 1024, 2048, 4096)" in text


def test_examples_hold_for_the_fabric_that_one_stands_in(shared):
    assert "create iqn.2003-01.com.example:disk1" in shared.run("/iscsi help create")
    assert "create naa.5001405a1b2c3d4e" in shared.run("/loopback help create")
    assert "set discovery_auth" in shared.run("/iscsi help set")
    assert "set discovery_auth" not in shared.run("/loopback help set")


def test_one_example_is_told_again_with_its_path(shared):
    text = shared.run(f"{TPG} help enable")
    assert text.endswith(f"Examples\n  enable\n  {TPG} enable\n")


def test_help_in_json(json_shell):
    assert '"command": "ls", "what_it_does": ' in json_shell.run("help")
    assert '"result": "ls [path] [depth]\\n' in json_shell.run("help ls")
