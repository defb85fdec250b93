# SPDX-License-Identifier: Apache-2.0
"""Backing files that cannot be used: fileio and user:file, and nothing of them remains."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from .conftest import listing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("fileio", "user:file")
SIZE_BYTES = 1 << 20


def create(kind: str, path: object, size: str = "1M") -> tuple[str, ...]:
    """Return the words that create disk1 on a file."""
    parameter = "file_or_dev" if kind == "fileio" else "cfgstring"
    return (f"/backstores/{kind}", "create", "disk1", f"{parameter}={path}", f"size={size}")


@pytest.fixture
def folder(cli, tmp_path: Path) -> Path:
    """A folder for backing files, on a simulated kernel that is ready."""
    cli("ls")
    made = tmp_path / "images"
    made.mkdir()
    return made


def refused(cli, folder: Path, words: tuple[str, ...], codes: set[int], text: str) -> None:
    """Check that a command fails in a sentence and leaves configfs and the folder as they were."""
    before, files = cli.tree(), listing(folder)
    result = cli(*words)
    assert result.code in codes, result
    assert result.out == ""
    assert text in result.err, result.err
    assert "hint: " in result.err, result.err
    assert "Traceback" not in result.err
    assert "itself failed" not in result.err
    assert cli.tree() == before
    assert listing(folder) == files


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder(cli, folder, kind):
    refused(cli, folder, create(kind, folder), {2}, "folder")
    refused(cli, folder, create(kind, "/"), {2}, "folder")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_folder(cli, folder, kind):
    refused(cli, folder, create(kind, folder / "none/a.img"), {3}, "folder")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_in_the_middle_of_the_path(cli, folder, kind):
    (folder / "file").write_bytes(bytes(SIZE_BYTES))
    refused(cli, folder, create(kind, folder / "file/a.img"), {1, 3}, "")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(cli, folder, kind):
    os.mkfifo(folder / "fifo")
    refused(cli, folder, create(kind, folder / "fifo"), {2}, "")
    refused(cli, folder, create(kind, "/proc/self/fd/0/none"), {1, 3}, "")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
        refused(cli, folder, create(kind, folder / "socket"), {2}, "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_comma_at_which_the_kernel_would_cut_the_path(cli, folder, kind):
    refused(cli, folder, create(kind, folder / "a,b.img"), {2}, "','" if kind == "fileio" else ",")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a\nb.img", "a\tb.img", "a\x7fb.img", "a\x00b.img"])
def test_a_control_character(cli, folder, kind, name):
    refused(cli, folder, create(kind, folder / name), {2}, "")


def test_a_comma_in_the_folder_that_a_relative_path_is_in(cli, folder, monkeypatch):
    (folder / "a,b").mkdir()
    monkeypatch.chdir(folder / "a,b")
    refused(cli, folder, create("fileio", "disk1.img"), {2}, "','")


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_that_the_kernel_would_cut(cli, folder, kind):
    long = folder / ("x" * 100) / ("y" * 100)
    long.mkdir(parents=True)
    path = str(long / "z")
    path += "z" * (256 - len(path))
    refused(cli, folder, create(kind, path), {2}, "255")


def test_a_path_as_long_as_the_kernel_takes(cli, folder):
    long = folder / ("x" * 100)
    long.mkdir(parents=True)
    path = str(long / "z")
    path += "z" * (255 - len(path))

    assert cli(*create("fileio", path)).code == 0
    assert os.stat(path).st_size == SIZE_BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_to_nothing(cli, folder, kind):
    (folder / "link").symlink_to(folder / "none")
    refused(cli, folder, create(kind, folder / "link"), {3}, "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_to_itself(cli, folder, kind):
    (folder / "loop").symlink_to(folder / "loop")
    refused(cli, folder, create(kind, folder / "loop"), {1}, "symbolic links")


def test_a_file_smaller_than_a_block(cli, folder):
    (folder / "small").write_bytes(bytes(511))
    refused(cli, folder, create("fileio", folder / "small"), {2}, "511")


def test_a_file_of_another_size(cli, folder):
    (folder / "disk1.img").write_bytes(bytes(SIZE_BYTES))
    words = create("user:file", folder / "disk1.img", "2M")
    refused(cli, folder, words, {3}, str(SIZE_BYTES))


def test_a_missing_file_without_a_size(cli, folder):
    words = ("/backstores/fileio", "create", "disk1", str(folder / "disk1.img"))
    refused(cli, folder, words, {2}, "no size")


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_that_the_file_system_cannot_hold(cli, folder, kind):
    refused(cli, folder, create(kind, folder / "a.img", "7E"), {1}, "")


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(mount)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk(cli, small_disk):
    cli("ls")
    words = (*create("fileio", small_disk / "a.img", "2M"), "sparse=false")
    refused(cli, small_disk, words, {1}, "No space left on device")
    assert cli(*create("fileio", small_disk / "a.img", "2M")).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_of_the_size_of_a_file(folder, process, cli, kind):
    """As a full disk is, but for every user; see setrlimit(2)."""
    before = cli.tree()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))

    result = process(*create(kind, folder / "a.img"), preexec_fn=limit)

    assert result.code == 1
    assert "File too large" in result.err
    assert "Traceback" not in result.err
    assert listing(folder) == []
    assert cli.tree() == before


# Rights


def test_a_file_that_cannot_be_read(cli, folder, process, other_user):
    (folder / "a.img").write_bytes(bytes(SIZE_BYTES))
    (folder / "a.img").chmod(0o600)
    (folder / "closed").mkdir(mode=0o700)
    run = other_user(folder)
    for kind in KINDS:
        for path in ("a.img", "closed/new.img", "new.img"):
            result = run(*create(kind, folder / path))
            assert result.code == 1, result
            assert "Permission denied" in result.err
            assert "hint: " in result.err
            assert "Traceback" not in result.err
    assert listing(folder) == ["a.img", "closed"]
    assert "disk1" not in run("ls", "/backstores").out
