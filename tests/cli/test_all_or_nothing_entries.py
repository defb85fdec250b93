# SPDX-License-Identifier: Apache-2.0
"""No command that changes something is without an entry in the tests that fail each of its steps.

A new command, and a new group of parameters, has to be entered in test_all_or_nothing.py (or
test_all_or_nothing_removed.py) or to be named here with the reason why not.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
from typing import TYPE_CHECKING

import pytest

from lioshell import cli as command_line
from lioshell import options
from lioshell.environment import Environment
from lioshell.render.output import Output
from lioshell.shell import grammar, nodes
from lioshell.shell.node import Node
from lioshell.specs import Specs

from . import test_all_or_nothing as made
from . import test_all_or_nothing_removed as removed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.shell.session import Session

    from .conftest import Cli

OTHERWISE = {
    ("SavedConfigurationNode", "clearconfig"): "a test of its own in ..._removed.py",
    ("SavedConfigurationNode", "saveconfig"): "changes a file only: test_save_restore.py",
    ("SavedConfigurationNode", "restoreconfig"): "goes on past failures: test_restore_failures.py",
    ("PortalNode", "enable_offload"): "enable_iser's code; the simulated machine has no such card",
    (
        "ApplyCommands",
        "apply",
    ): "goes on past failures, as a restore does: test_restore_failures.py",
    ("StorageObjectNode", "saveconfig"): "changes a file only: test_save_part.py",
    ("UserBackstoreNode", "changemedium"): "a test of its own in ..._removed.py",
    ("OpticalDriveNode", "eject"): "asked of who serves the drive: test_optical_drive.py",
    ("OpticalDriveNode", "insert"): "asked of who serves the drive: test_optical_drive.py",
    ("UserObjectNode", "serve"): "changes who serves a device, not the device: test_device_care.py",
    ("UserObjectNode", "resize"): "asked of who serves the device: test_device_care.py",
    ("UserObjectNode", "repair"): "asked of who serves the device: test_device_care.py",
}
GROUPS_OTHERWISE = {
    ("NodeAclNode", "parameter"): "read-only: what a session has negotiated",
    ("SingleTpgTargetNode", "parameter"): "empty for loopback",
}


@pytest.fixture
def session(cli: Cli) -> Session:
    cli.ok(*made.PREPARED)
    found = options.parse([f"--sim={cli.sim}"], lambda: "")
    assert not isinstance(found, str)
    streams = {name: io.StringIO() for name in ("stdin", "stdout", "stderr")}
    env = Environment(environ=cli.environ, **streams)
    kernel = command_line.open_kernel(found, Specs())
    return command_line.open_session(kernel, Specs(), found, env, Output(env))


def entries(session: Session) -> Iterator[tuple[Node, str, list[grammar.Word]]]:
    """Yield the node, command and words of each entry."""
    for _, line in (*made.COMMANDS.values(), *removed.COMMANDS.values()):
        session.node = session.root
        yield session.resolve(grammar.split_words(line))


def owner(node: Node, command: str) -> str:
    """Return the class that has a command's code."""
    kind = type(node.get_command_method(command).__self__)
    return next(c.__name__ for c in kind.__mro__ if f"ui_command_{command}" in vars(c))


def subclasses(kind: type) -> Iterator[type]:
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


def test_each_command_that_changes_something_has_an_entry(session: Session) -> None:
    for module in pkgutil.iter_modules(nodes.__path__):
        importlib.import_module(f"{nodes.__name__}.{module.name}")
    wanted = {
        (kind.__name__, name.removeprefix("ui_command_"))
        for kind in subclasses(Node)
        if kind.__module__.startswith("lioshell.")
        for name in vars(kind)
        if name.startswith("ui_command_")
        and not session.only_reads(name.removeprefix("ui_command_"), [])
    }
    entered = {(owner(node, command), command) for node, command, _ in entries(session)}

    assert len(wanted) > 15
    assert wanted - entered - OTHERWISE.keys() == set()
    assert OTHERWISE.keys() <= wanted
    assert not OTHERWISE.keys() & entered


def test_each_group_that_can_be_set_has_an_entry(session: Session) -> None:
    wanted = {
        (type(node).__name__, group) for node in every(session.root) for group in node.group_names()
    }
    entered = {
        (type(node).__name__, words[0].text)
        for node, command, words in entries(session)
        if command == "set"
    }

    assert len(wanted) > 6
    assert wanted - entered - GROUPS_OTHERWISE.keys() == set()
    assert GROUPS_OTHERWISE.keys() <= wanted


def every(node: Node) -> Iterator[Node]:
    yield node
    for below in node.children:
        yield from every(below)


def test_an_entry_is_of_a_command_that_is_there(session: Session) -> None:
    for node, command, words in entries(session):
        assert command in node.list_commands()
        assert not session.only_reads(command, words)
