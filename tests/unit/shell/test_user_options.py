# SPDX-License-Identifier: Apache-2.0
"""user: backstores in the shell: a handler's options, what is not available, what is secret."""

from __future__ import annotations

import json

import pytest

from lioshell.errors import HostError, UsageError
from lioshell.runner.handlers import registry
from lioshell.runner.handlers.base import Option, Unavailable
from lioshell.runner.handlers.file import FileHandler
from lioshell.shell import candidates, grammar


@pytest.fixture
def file_options(monkeypatch):
    options = (
        *FileHandler.options,
        Option("id", "string", "Who asks"),
        Option("mode", "enum", "How", "fast", values=("fast", "safe")),
        Option("token", "secret", "Give token_file=PATH instead"),
    )
    monkeypatch.setattr(FileHandler, "options", options)


def config_of(shell, name="v"):
    return shell.session.node_at(
        f"/backstores/user:file/{name}", shell.session.root
    ).storage_object.dev_config


def test_an_option_is_a_parameter_of_create(shell):
    path = shell.folder / "a.img"
    shell.run(f"/backstores/user:file create v 1M {path} sync=true")
    assert config_of(shell) == f"file/{path};sync"
    assert path.stat().st_size == 1 << 20


def test_an_option_that_is_not_there_names_those_that_are(shell):
    error = shell.fails(f"/backstores/user:file create v 1M {shell.folder}/a.img snc=true")
    assert "snc" in error.message
    assert "sync" in error.hint
    error = shell.fails(f"/backstores/user:file create v 1M {shell.folder}/a.img sync=perhaps")
    assert isinstance(error, UsageError)
    assert not (shell.folder / "a.img").exists()


def test_the_size_may_be_left_out_where_the_storage_has_one(shell):
    path = shell.folder / "a.img"
    path.write_bytes(bytes(3 << 20))
    shell.run(f"/backstores/user:file create v {path}")
    node = shell.session.node_at("/backstores/user:file/v", shell.session.root)
    assert node.storage_object.size_bytes == 3 << 20
    error = shell.fails(f"/backstores/user:file create w {shell.folder}/none.img")
    assert "size" in error.message
    assert "size=10G" in error.hint


def test_a_handler_may_need_no_configuration(shell):
    shell.run("/backstores/user:ram create scratch 8M")
    node = shell.session.node_at("/backstores/user:ram/scratch", shell.session.root)
    assert node.storage_object.dev_config == "ram/scratch"
    error = shell.fails("/backstores/user:file create v 8M")
    assert "cfgstring" in error.message
    assert "PATH" in error.hint


def test_completion_and_help_know_the_options(shell, file_options):
    def offered(line):
        found = candidates.candidates(shell.session, *grammar.word_at_end(line))
        return {c.text or c.name for c in found}

    line = "/backstores/user:file create v 1M /srv/a.img "
    assert {"sync=", "id=", "mode=", "wwn="} <= offered(line)
    assert offered(line + "mode=") == {"fast", "safe"}
    assert offered(line + "sync=") == {"true", "false"}
    text = shell.run("/backstores/user:file help create")
    assert "Who asks" in text
    assert "(fast, safe)" in text
    assert "made sparse" in text


def test_info_tells_what_a_subtype_can_be_told(shell, file_options):
    text = shell.run("/backstores/user:file info")
    assert "PATH of the backing file" in text
    assert "sync" in text
    assert "Who asks" in text


def test_what_is_missing_is_said_where_it_is_asked_for(shell, monkeypatch):
    lacks = Unavailable("no librbd", "Install it with: apt install python3-rbd")
    monkeypatch.setattr(FileHandler, "unavailable", classmethod(lambda _: lacks))
    monkeypatch.setitem(registry._NEEDS, "file", ("module", "no_such_module_at_all"))
    listed = shell.run("ls /backstores")
    assert "unavailable: no Python module no_such_module_at_all" in listed
    assert "user:ram" in listed
    assert "python3-rbd" in shell.run("/backstores/user:file info")
    error = shell.fails(f"/backstores/user:file create v 1M {shell.folder}/a.img")
    assert isinstance(error, HostError)
    assert error.exit_code == 6
    assert "python3-rbd" in error.hint
    assert not (shell.folder / "a.img").exists()
    shell.run("/backstores/user:null create scratch 8M")


def test_a_program_is_looked_for_too(monkeypatch):
    monkeypatch.setitem(registry._NEEDS, "file", ("program", "no-such-program-a|no-such-b"))
    assert registry.lacking("file") == "no no-such-program-a or no-such-b"
    monkeypatch.setitem(registry._NEEDS, "file", ("program", "no-such-program-a|sh"))
    assert registry.lacking("file") == ""


def test_a_secret_is_refused_and_never_shown(shell, file_options, monkeypatch):
    line = f"/backstores/user:file create v 1M {shell.folder}/a.img token=hunter2"
    error = shell.fails(line)
    assert "hunter2" not in error.message + error.hint
    assert "token_file" in error.hint
    error = shell.fails(f"/backstores/user:file create v 1M '{shell.folder}/a.img;token=hunter2'")
    assert "hunter2" not in error.message + error.hint
    # One that somebody else made: shown without it.
    monkeypatch.setattr(FileHandler, "prepare", classmethod(lambda *_: lambda: None))
    monkeypatch.setattr(registry, "for_new", lambda *_: FileHandler)
    shell.run(f"/backstores/user:file create v 1M '{shell.folder}/a.img;token=hunter2'")
    shown = shell.run("ls /", "/backstores/user:file/v info", "/backstores/user:file/v status")
    assert "token=***" in shown
    assert "hunter2" not in shown


def test_info_as_json(json_shell):
    told = json.loads(json_shell.run("/backstores/user:file info"))["result"]
    assert told["available"] is True
    assert [option["name"] for option in told["options"]] == ["sync"]


def test_specs_list_has_the_handlers(shell, monkeypatch):
    lacks = Unavailable("no librbd", "Install it with: apt install python3-rbd")
    monkeypatch.setattr(FileHandler, "unavailable", classmethod(lambda _: lacks))
    told = shell.run("specs list")
    assert "unavailable: no librbd" in told
    (null,) = (line for line in told.splitlines() if line.startswith("user:null"))
    assert null.split() == ["user:null", "handler", "lioshell"]
