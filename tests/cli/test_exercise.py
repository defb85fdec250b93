# SPDX-License-Identifier: Apache-2.0
"""`lioshell exercise`: a handler tried out as any user, and what it must not do to data."""

from __future__ import annotations

import os
import tempfile

import pytest

from lioshell.errors import ExitCode
from lioshell.runner.handlers import registry


@pytest.fixture
def exercise(cli):
    def run(*words, **keywords):
        return cli("exercise", *words, "size=4M", "seconds=0.2", sim=False, **keywords)

    return run


def test_a_handler_is_exercised_and_leaves_nothing(cli, exercise, tmp_path):
    before = set(os.listdir("/tmp"))
    result = exercise("user:file")
    assert result.code == 0, result
    lines = result.out.splitlines()
    assert any(line.startswith("identifies itself") and "ok" in line for line in lines)
    assert any(line.startswith("verify") and "compared" in line for line in lines)
    assert any("1.0MiB, 4 in flight" in line for line in lines)
    assert "FAILED" not in result.out
    left = {name for name in set(os.listdir("/tmp")) - before if "lioshell-exercise" in name}
    assert not left


@pytest.mark.parametrize("subtype", ["fbo", "zbc"])
def test_what_is_no_plain_disk_is_exercised(exercise, subtype):
    result = exercise(f"user:{subtype}")
    assert result.code == 0, result
    assert "FAILED" not in result.out
    assert ("reports its zones" in result.out) == (subtype == "zbc")
    assert ("write in order" in result.out) == (subtype == "zbc")


def test_a_configuration_is_made_and_removed(exercise, tmp_path):
    path = tmp_path / "new.img"
    assert exercise("user:file", str(path), "only=verify").code == 0
    assert not path.exists()


def test_what_exists_is_not_overwritten(cli, exercise, tmp_path):
    path = tmp_path / "old.img"
    path.write_bytes(b"x" * (4 << 20))
    result = exercise("user:file", str(path), "only=conformance")
    assert result.code == ExitCode.CONFLICT
    assert "overwritten" in result.err
    assert path.read_bytes() == b"x" * (4 << 20)
    result = cli(
        "--yes", "exercise", "user:file", str(path), "size=4M", "only=conformance", sim=False
    )
    assert result.code == 0, result
    assert path.stat().st_size == 4 << 20


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("file",),
        ("user:file", "a", "b"),
        ("user:file", "relative.img"),
        ("user:file", "only=everything"),
        ("user:file", "seconds=soon"),
        ("user:file", "size=1M"),
        ("user:file", "block=7"),
    ],
)
def test_bad_words(cli, words):
    result = cli("exercise", *words, sim=False)
    assert result.code in (ExitCode.USAGE, ExitCode.FAILED), result
    assert "hint:" in result.err


def can_be_tried(subtype):
    """Tell whether a subtype needs no server and nothing that this machine lacks."""
    with tempfile.TemporaryDirectory() as folder:
        found = registry.find(subtype)
        return found.unavailable() is None and found.scratch_config(folder) is not None


@pytest.mark.parametrize("subtype", [n for n in registry.names() if can_be_tried(n)])
def test_every_subtype_passes(cli, subtype):
    result = cli("exercise", f"user:{subtype}", "size=16M", "seconds=0.05", sim=False)
    assert result.code == 0, result
    lines = [line.split("  ") for line in result.out.splitlines()]
    assert len(lines) > 15
    assert not [line for line in lines if "FAILED" in line], result.out


def test_an_unknown_handler(exercise):
    result = exercise("user:nothing")
    assert result.code == ExitCode.CONFLICT
    assert "Use one of" in result.err


def test_the_answer_as_json(cli, tmp_path):
    result = cli("-o", "json", "exercise", "user:file", "size=4M", "only=conformance", sim=False)
    assert {row["result"] for row in result.json["result"]} <= {"ok", "does not apply"}
