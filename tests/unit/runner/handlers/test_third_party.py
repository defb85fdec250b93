# SPDX-License-Identifier: Apache-2.0
"""Handlers of others: files of handlers.d and entry points; what is broken harms nothing else."""

from __future__ import annotations

import os

import pytest

from lioshell.errors import HostError
from lioshell.runner.handlers import registry, third_party
from lioshell.testing import Initiator

GOOD = """
from __future__ import annotations
from dataclasses import dataclass
from lioshell.runner.handlers.ram import RamHandler

@dataclass
class Note:
    text: str

class Mine(RamHandler):
    subtype = "mine"
    help = "Mine: " + Note("memory").text
"""

HALF = """
from lioshell.runner.handlers.base import Handler

class Half(Handler):
    subtype = "mine"
    help = "h"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "handlers.d"
    made.mkdir(mode=0o755)
    monkeypatch.setattr(third_party, "_folders", [str(made)])
    return made


def put(folder, name, text, mode=0o644):
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_is_a_subtype_that_serves(folder):
    put(folder, "mine.py", GOOD)
    assert "mine" in registry.names()
    assert registry.serves("mine/x")
    assert registry.unavailable("mine") is None
    with Initiator.of("mine/x", 1 << 20) as disk:
        disk.write(5, b"m" * 512)
        assert disk.read(5, 1) == b"m" * 512


def test_listing_runs_nothing(folder, tmp_path):
    put(folder, "mine.py", GOOD + f"\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n")
    assert "mine" in registry.names()
    assert registry.lacking("mine") == ""
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1/0", "ZeroDivisionError"),
        ("import no_such_library_at_all", "no_such_library_at_all"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("x = 1", "no classes"),
        (GOOD.replace('"mine"', '"other"'), "no classes"),
        (GOOD + "\nclass A(Mine):\n    pass\nclass B(Mine):\n    pass\n", "2 classes"),
        (
            HALF,
            "config_help",
        ),
    ],
)
def test_a_broken_file_is_reported_and_harms_no_other(folder, text, reason):
    path = put(folder, "mine.py", text)
    put(folder, "second.py", GOOD.replace('"mine"', '"second"'))
    missing = registry.unavailable("mine")
    assert reason in missing.why
    assert str(path) in missing.hint
    with pytest.raises(HostError) as caught:
        registry.make_unit("mine/x", size_bytes=1 << 20, identity=None)
    assert caught.value.hint
    assert registry.find("second").subtype == "second"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_can_write_is_not_run(folder, tmp_path, mode):
    path = put(folder, "mine.py", GOOD + f"\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n", mode)
    missing = registry.unavailable("mine")
    assert str(path) in missing.why
    assert "chmod go-w" in missing.hint
    assert not (tmp_path / "ran").exists()
    path.chmod(0o644)
    assert registry.unavailable("mine") is None


def test_a_file_of_another_user_is_not_run(folder, monkeypatch):
    put(folder, "mine.py", GOOD)
    owner = os.stat(folder).st_uid
    if owner == 0:
        os.chown(folder / "mine.py", 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert "others than root" in registry.unavailable("mine").why


def test_a_folder_that_others_can_write_is_not_trusted(folder):
    put(folder, "mine.py", GOOD)
    folder.chmod(0o777)
    assert str(folder) in registry.unavailable("mine").why


def test_a_link_to_nothing_hides_no_other(folder):
    (folder / "gone.py").symlink_to("/no/such/file.py")
    put(folder, "mine.py", GOOD)
    assert registry.unavailable("mine") is None
    assert "gone.py" in registry.unavailable("gone").why
    assert registry.unavailable("gone").hint


def test_a_mended_file_is_loaded(folder):
    path = put(folder, "mine.py", "1/0")
    assert registry.unavailable("mine") is not None
    path.write_text(GOOD)
    os.utime(path, ns=(1, 1))
    assert registry.unavailable("mine") is None


def test_our_own_subtypes_are_not_replaced(folder):
    put(folder, "file.py", GOOD.replace('"mine"', '"file"'))
    assert registry.find("file").__module__ == "lioshell.runner.handlers.file"


@pytest.mark.parametrize("name", [".hidden.py", "a b.py", "note.txt", "a,b.py", "__pycache__"])
def test_other_names_are_no_subtypes(folder, name):
    before = registry.names()
    put(folder, name, GOOD)
    assert registry.names() == before


def test_an_entry_point_is_a_subtype(folder, tmp_path, monkeypatch):
    site = tmp_path / "site"
    info = site / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "mine_package.py").write_text(GOOD)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lioshell.handlers]\nmine = mine_package:Mine\ngone = no_such_package:Gone\n"
    )
    monkeypatch.syspath_prepend(str(site))
    assert {"mine", "gone"} <= set(registry.names())
    assert registry.find("mine").help == "Mine: memory"
    assert "no_such_package" in registry.unavailable("gone").why
    # A file of the administrator goes before a package.
    put(folder, "mine.py", GOOD.replace("Mine: ", "File: "))
    assert registry.find("mine").help == "File: memory"
