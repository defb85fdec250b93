# SPDX-License-Identifier: Apache-2.0
"""The real configfs port: which system calls it makes, and what it makes of their answers."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import ExitCode, HostError, KernelError
from lioshell.kernel.configfs import RealConfigfs
from lioshell.kernel.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder that stands for configfs, where every refusal is a plain file system's."""
    target = tmp_path / "target"
    (target / "core" / "rd_mcp_0" / "r").mkdir(parents=True)
    (target / "version").write_text("v5.0\n")
    (target / "core" / "rd_mcp_0" / "r" / "enable").write_text("0\n")
    return target


@pytest.fixture
def configfs(target: Path) -> RealConfigfs:
    return RealConfigfs(str(target.parent))


def test_location(configfs: RealConfigfs, target: Path) -> None:
    assert configfs.location == str(target)
    assert RealConfigfs().location == "/sys/kernel/config/target"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"1\n", "1"),
        (b"", ""),
        (b"\n", ""),
        (b"a\n\n", "a\n"),
        (b"no newline", "no newline"),
        (b"one\n\0two\n\0", "one\ntwo"),
        (b"\xff\n", "\udcff"),
    ],
)
def test_read(configfs: RealConfigfs, target: Path, content: bytes, text: str) -> None:
    (target / "version").write_bytes(content)
    assert configfs.read("version") == text


def test_write_is_one_call_with_the_text_as_given(
    configfs: RealConfigfs, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    write = os.write

    def count(descriptor: int, data: bytes, /) -> int:
        calls.append(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", count)
    configfs.write("core/rd_mcp_0/r/enable", "1")
    configfs.write("core/rd_mcp_0/r/enable", "é,\n", secret=True)
    assert calls == [b"1", b"\xc3\xa9,\n"]


def test_write_does_not_make_a_file(configfs: RealConfigfs, target: Path) -> None:
    with pytest.raises(KernelError) as caught:
        configfs.write("core/nothing", "1")
    assert caught.value.errno == errno.ENOENT
    assert not (target / "core" / "nothing").exists()


def test_write_of_more_than_the_kernel_takes(configfs: RealConfigfs, target: Path) -> None:
    with pytest.raises(KernelError) as caught:
        configfs.write("version", "x" * 4096)
    assert caught.value.errno == errno.E2BIG
    assert (target / "version").read_text() == "v5.0\n"
    configfs.write("version", "x" * 4095)


def test_objects(configfs: RealConfigfs, target: Path) -> None:
    configfs.mkdir("core/rd_mcp_1")
    assert configfs.is_dir("core/rd_mcp_1")
    configfs.rmdir("core/rd_mcp_1")
    assert not configfs.exists("core/rd_mcp_1")
    assert configfs.is_writable("version")
    (target / "version").chmod(0o444)
    assert not configfs.is_writable("version")


def test_links(configfs: RealConfigfs, target: Path) -> None:
    lun = target / "iscsi" / "iqn.x" / "tpgt_1" / "lun" / "lun_0"
    lun.mkdir(parents=True)
    (lun / "statistics").mkdir()
    path = "iscsi/iqn.x/tpgt_1/lun/lun_0"
    configfs.symlink("core/rd_mcp_0/r", f"{path}/made")
    assert os.readlink(lun / "made") == f"{target}/core/rd_mcp_0/r"
    assert configfs.readlink(f"{path}/made") == "core/rd_mcp_0/r"
    # The kernel writes its own text, which leads up to the mount point.
    os.symlink("../../../../../../target/core/rd_mcp_0/r", lun / "kernels")
    assert configfs.readlink(f"{path}/kernels") == "core/rd_mcp_0/r"
    assert configfs.is_link(f"{path}/kernels")
    assert configfs.is_dir(f"{path}/kernels")
    assert sorted(configfs.links(path)) == ["kernels", "made"]
    assert configfs.folders(path) == ["statistics"]
    configfs.unlink(f"{path}/made")
    os.symlink("../gone", lun / "dangling")
    assert configfs.is_link(f"{path}/dangling")
    assert not configfs.exists(f"{path}/dangling")


CALLS: list[tuple[str, Callable[[RealConfigfs], object]]] = [
    ("listdir", lambda c: c.listdir("nothing")),
    ("listdir", lambda c: c.folders("nothing")),
    ("listdir", lambda c: c.links("nothing")),
    ("read", lambda c: c.read("nothing")),
    ("write", lambda c: c.write("nothing", "1")),
    ("stat", lambda c: c.is_writable("nothing")),
    ("mkdir", lambda c: c.mkdir("nothing/x")),
    ("rmdir", lambda c: c.rmdir("nothing")),
    ("symlink", lambda c: c.symlink("core", "nothing/x")),
    ("readlink", lambda c: c.readlink("nothing")),
    ("unlink", lambda c: c.unlink("nothing")),
]


@pytest.mark.parametrize(("operation", "call"), CALLS)
def test_a_refusal_names_operation_path_and_errno(
    configfs: RealConfigfs, operation: str, call: Callable[[RealConfigfs], object]
) -> None:
    with pytest.raises(KernelError) as caught:
        call(configfs)
    error = caught.value
    assert (error.operation, error.errno) == (operation, errno.ENOENT)
    assert error.path.startswith(configfs.location)
    assert "nothing" in error.message
    assert error.hint
    assert error.exit_code == ExitCode.KERNEL


@pytest.mark.parametrize(
    ("operation", "code", "message", "hint"),
    [
        ("mkdir", errno.EEXIST, "/t/x exists already", "another name"),
        ("rmdir", errno.EBUSY, "/t/x is in use", "LUNs"),
        ("rmdir", errno.ENOTEMPTY, "/t/x is not empty", "first"),
        ("write", errno.EINVAL, "The kernel refused to write /t/x: Invalid argument", "dmesg"),
        ("write", errno.EBUSY, "Device or resource busy", "stop that first"),
        ("symlink", errno.EEXIST, "File exists", "linked already"),
    ],
)
def test_hints(operation: str, code: int, message: str, hint: str) -> None:
    error = refusal(operation, "/t/x", code)
    assert message in error.message
    assert hint in error.hint
    assert error.path == "/t/x"


@pytest.mark.parametrize(("uid", "expected"), [(0, KernelError), (1000, HostError)])
def test_what_only_root_may_do(
    configfs: RealConfigfs,
    monkeypatch: pytest.MonkeyPatch,
    uid: int,
    expected: type[Exception],
) -> None:
    def mkdir(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", mkdir)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(expected):
        configfs.mkdir("core/rd_mcp_1")
