# SPDX-License-Identifier: Apache-2.0
"""A drive's disc is taken out and exchanged from another process, and is there after a restart."""

from __future__ import annotations

import os
import signal

import pytest

from lioshell.errors import ExitCode
from lioshell.kernel.sim.initiator import SimDisk

DRIVE = "/backstores/user:fbo/cd0"
MIB = 1 << 20
CHANGED, NO_DISC = (6, 0x28, 0), (2, 0x3A, 1)
LOCK, UNLOCK = bytes((0x1E, 0, 0, 0, 1, 0)), bytes((0x1E, 0, 0, 0, 0, 0))


@pytest.fixture
def discs(tmp_path):
    """Two images of one and two MiB, and one that can be written."""
    for name, fill, size in (("one.iso", b"1", 1), ("two.iso", b"2", 2), ("ram.disc", b"\0", 3)):
        (tmp_path / name).write_bytes(fill * (size * MIB))
    return tmp_path


@pytest.fixture
def drive(cli, process, discs):
    result = process("/backstores/user:fbo", "create", "cd0", f"{discs}/one.iso")
    assert result.code == 0, result
    assert f"cd0 size {MIB}." in result.out
    with SimDisk.open(str(cli.sim), "core/user_0/cd0") as opened:
        yield opened


def sense(disk, cdb: bytes, size: int = 0) -> tuple[int, int, int] | None:
    """Send a command; return its sense, None for GOOD."""
    answer = disk.execute(cdb, data_in_bytes=size)
    if answer.status == 0:
        return None
    return answer.sense[2] & 0xF, answer.sense[12], answer.sense[13]


def sector(disk, lba: int = 0) -> bytes:
    cdb = bytes((0x28, 0)) + lba.to_bytes(4, "big") + bytes((0, 0, 1, 0))
    answer = disk.execute(cdb, data_in_bytes=2048)
    assert answer.status == 0, answer
    return answer.data_in


def field(cli, name: str):
    return cli("-o", "json", DRIVE, "info").json["result"][name]


def test_a_drive_takes_the_size_of_its_disc(cli, drive):
    assert field(cli, "size_bytes") == MIB
    block = cli("-o", "json", DRIVE, "get", "attribute", "hw_block_size").json["result"]
    assert "2048" in str(block)
    assert field(cli, "storage")["writable"] == "no"
    assert sector(drive) == b"1" * 2048


def test_another_disc_is_inserted(cli, process, drive, discs):
    result = process(DRIVE, "insert", f"{discs}/two.iso")
    assert (result.code, result.out) == (0, f"{discs}/two.iso is in cd0 now, {2 * MIB} bytes.\n")
    assert sense(drive, bytes(6)) == CHANGED
    assert sector(drive, 1023) == b"2" * 2048
    assert field(cli, "size_bytes") == 2 * MIB
    assert field(cli, "config") == f"fbo/{discs}/two.iso"
    # An image that nobody writes may be in many drives.
    assert process("/backstores/user:fbo", "create", "cd1", f"{discs}/two.iso").code == 0


def test_it_is_ejected_and_the_drive_is_empty(cli, process, drive, discs):
    assert process(DRIVE, "eject").out == "cd0 is empty now.\n"
    assert sense(drive, bytes(6)) == NO_DISC
    assert field(cli, "config") == "fbo/none"
    (discs / "one.iso").unlink()
    assert process(DRIVE, "insert", f"{discs}/ram.disc").code == 0
    assert sense(drive, bytes(6)) == CHANGED
    cdb = bytes((0x2A, 0, 0, 0, 0, 0, 0, 0, 1, 0))
    assert drive.execute(cdb, b"w" * 2048).status == 0
    assert process(DRIVE, "eject").code == 0
    assert (discs / "ram.disc").read_bytes()[:2049] == b"w" * 2048 + b"\0"
    # It is free.
    path = str(discs / "ram.disc")
    assert process("/backstores/user:file", "create", "vol0", "3M", path).code == 0


def test_a_locked_drive_is_asked_first(cli, process, drive, discs):
    assert sense(drive, LOCK) is None
    result = process(DRIVE, "insert", f"{discs}/two.iso")
    assert result.code == ExitCode.FAILED
    assert "locked" in result.err
    assert "force=true" in result.err
    event = drive.execute(bytes.fromhex("4a010000100000000800"), data_in_bytes=8)
    assert event.data_in[4] == 1
    assert sector(drive) == b"1" * 2048
    assert process(DRIVE, "eject", "force=true").code == 0
    assert sense(drive, bytes(6)) == NO_DISC


def test_what_is_refused_leaves_the_disc(cli, process, drive, discs):
    (discs / "odd.iso").write_bytes(b"o" * 2049)
    assert process("/backstores/user:fbo", "create", "cd1", f"{discs}/ram.disc").code == 0
    for words, code in (
        ((f"{discs}/missing.iso",), ExitCode.FAILED),
        ((f"{discs}/odd.iso",), ExitCode.FAILED),
        ((f"{discs}/ram.disc",), ExitCode.CONFLICT),
        (("relative.iso",), ExitCode.USAGE),
        ((str(discs),), ExitCode.FAILED),
        ((f"{discs}/one.iso;speed=2",), ExitCode.USAGE),
    ):
        result = process(DRIVE, "insert", *words)
        assert result.code == code, result
        assert "hint:" in result.err
        assert sense(drive, bytes(6)) is None
        assert sector(drive) == b"1" * 2048
        assert field(cli, "config") == f"fbo/{discs}/one.iso"


def test_a_path_that_the_kernel_cannot_keep_is_refused(process, drive, discs):
    deep = discs / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    (deep / "long.iso").write_bytes(bytes(MIB))
    result = process(DRIVE, "insert", f"{deep}/long.iso")
    assert result.code == ExitCode.USAGE
    assert sector(drive) == b"1" * 2048


def test_a_process_that_takes_over_has_disc_tray_and_lock(cli, process, drive, discs):
    assert process(DRIVE, "insert", f"{discs}/two.iso").code == 0
    assert sense(drive, bytes(6)) == CHANGED
    assert sense(drive, LOCK) is None
    os.kill(field(cli, "served_by"), signal.SIGKILL)
    assert process(DRIVE, "serve", "service").code == 0
    assert sector(drive) == b"2" * 2048
    # It is still locked, as page 2Ah tells.
    told = drive.execute(bytes.fromhex("5a002a00000000002000"), data_in_bytes=32)
    assert told.data_in[8 + 6] & 0x02
    assert sense(drive, UNLOCK) is None
    assert process(DRIVE, "eject").code == 0


def test_a_saved_drive_has_its_disc_again(cli, process, drive, discs, tmp_path):
    assert process(DRIVE, "insert", f"{discs}/two.iso").code == 0
    assert process("saveconfig", str(tmp_path / "saved.json")).code == 0
    assert f"{discs}/two.iso" in (tmp_path / "saved.json").read_text()


def test_a_dry_run_changes_nothing(cli, process, drive, discs):
    result = process("-n", DRIVE, "insert", f"{discs}/two.iso")
    assert result.code == 0
    assert "two.iso" in result.out
    assert sector(drive) == b"1" * 2048


def test_changemedium_of_a_drive_that_is_exported(cli, process, drive, discs):
    assert process("/loopback", "create", "naa.5001405a1b2c3d4e").code == 0
    luns = "/loopback/naa.5001405a1b2c3d4e/luns"
    assert process(luns, "create", "/backstores/user:fbo/cd0").code == 0
    bad = process("/backstores/user:fbo", "changemedium", "cd0", "5M", f"{discs}/two.iso")
    assert bad.code == ExitCode.CONFLICT
    result = process(
        "--yes", "/backstores/user:fbo", "changemedium", "cd0", "2M", f"{discs}/two.iso"
    )
    assert result.code == 0, result
    assert sense(drive, bytes(6)) == CHANGED
    assert sector(drive) == b"2" * 2048


def test_only_a_drive_has_these_commands(cli, process, drive, tmp_path):
    result = process("/backstores/user:file", "create", "vol0", "1M", str(tmp_path / "v.img"))
    assert result.code == 0
    assert process("/backstores/user:file/vol0", "eject").code == ExitCode.USAGE
