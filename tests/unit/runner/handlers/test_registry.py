# SPDX-License-Identifier: Apache-2.0
"""Subtypes and dev_config."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from lioshell.errors import ConflictError, NotFoundError, RunnerError, UsageError
from lioshell.runner.command import Command
from lioshell.runner.handlers import registry
from lioshell.runner.handlers.base import Handler
from lioshell.runner.handlers.file import FileHandler
from lioshell.runner.scsi.unit import Identity
from lioshell.shell.nodes.user_backstore import UserBackstoreNode


def test_names_and_find() -> None:
    assert "file" in registry.names()
    assert list(registry.names()) == sorted(registry.names())
    assert {"fbo", "file", "zbc"} <= set(registry.names())
    assert registry.find("file") is FileHandler


@pytest.mark.parametrize("subtype", registry.names())
def test_every_subtype_describes_itself(subtype) -> None:
    handler = registry.find(subtype)
    assert issubclass(handler, Handler)
    assert handler.subtype == subtype
    assert handler.help
    assert handler.config_help
    taken = set(inspect.signature(UserBackstoreNode.ui_command_create).parameters)
    for option in handler.options:
        assert option.name.isidentifier()
        assert option.name not in taken
        assert option.kind in ("string", "int", "bool", "size", "path", "enum", "secret")
        assert option.help
        assert bool(option.values) == (option.kind == "enum")


def test_an_unknown_subtype_names_those_that_there_are() -> None:
    with pytest.raises(NotFoundError) as caught:
        registry.find("fil")
    assert "file" in caught.value.hint


@pytest.mark.parametrize(
    ("dev_config", "parts"),
    [("file//srv/vol0.img", ("file", "/srv/vol0.img")), ("rbd/pool/image", ("rbd", "pool/image"))],
)
def test_split(dev_config, parts) -> None:
    assert registry.split(dev_config) == parts


@pytest.mark.parametrize("dev_config", ["", "file", "file/", "/srv/vol0.img", "/"])
def test_split_of_what_is_none(dev_config) -> None:
    with pytest.raises(UsageError) as caught:
        registry.split(dev_config)
    assert "file//srv/vol0.img" in caught.value.hint


def test_serves() -> None:
    assert registry.serves("file//srv/a")
    assert not registry.serves("file")
    assert not registry.serves("fi/a")
    assert not registry.serves("nosuch//srv/a")
    assert not registry.serves("")


@pytest.mark.usefixtures("all_parts")
def test_make_unit(tmp_path) -> None:
    path = tmp_path / "vol0.img"
    path.write_bytes(bytes(8192))
    unit = registry.make_unit(
        f"file/{path}",
        size_bytes=8192,
        block_size_bytes=4096,
        hw_max_sectors=16,
        identity=lambda: Identity(unit_serial="abc"),
    )
    area = bytearray(b"x" * 4096)
    cdb = bytes.fromhex("2a 00 00 00 00 01 00 00 01 00")
    assert unit.execute(Command(cdb, [memoryview(area)], 4096)).status == 0
    unit.close()
    assert path.read_bytes() == bytes(4096) + b"x" * 4096


def test_make_unit_read_only(tmp_path) -> None:
    path = tmp_path / "vol0.img"
    path.write_bytes(bytes(512))
    unit = registry.make_unit(f"file/{path}", size_bytes=512, identity=Identity(), read_only=True)
    cdb = bytes.fromhex("2a 00 00 00 00 00 00 00 01 00")
    response = unit.execute(Command(cdb, [memoryview(bytearray(b"x" * 512))], 512))
    assert response.sense[2] == 7
    unit.close()
    assert path.read_bytes() == bytes(512)


def test_make_unit_of_an_impossible_size_opens_nothing(tmp_path) -> None:
    path = tmp_path / "vol0.img"
    path.write_bytes(bytes(512))
    with pytest.raises(RunnerError):
        registry.make_unit(f"file/{path}", size_bytes=0, identity=Identity())
    with pytest.raises(ConflictError):
        registry.make_unit(f"file/{path}", size_bytes=1024, identity=Identity())
    FileHandler.open(str(path), 512, 512).close()


def test_listing_imports_no_handler() -> None:
    code = (
        "import sys; from lioshell.runner.handlers import registry; registry.names();"
        "registry.serves('file//a');"
        "print([m for m in sys.modules if m.endswith(('handlers.file', 'scsi.disk'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
