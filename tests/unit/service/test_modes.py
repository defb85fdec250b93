# SPDX-License-Identifier: Apache-2.0
"""What initiators have set survives the process that they set it in."""

from __future__ import annotations

import os

import pytest

from lioshell.runner.command import Command, Deferred
from lioshell.runner.handlers.file import FileHandler
from lioshell.runner.handlers.optical import NoMedium
from lioshell.runner.scsi.disk import Disk
from lioshell.runner.scsi.optical import OpticalDrive
from lioshell.runner.scsi.unit import Geometry, Identity
from lioshell.service.modes import KeptModes, KeptTray

PATH = "core/user_0/vol0"
WCE_OFF = bytes(4) + bytes.fromhex("08 12 00") + bytes(17)
SWP_ON = bytes(4) + bytes.fromhex("0a 0a 02 10 08 40 00 00 ff ff 00 00")


@pytest.fixture
def open_disk(tmp_path):
    """Return a function that opens the disk as a process that serves it does."""
    image = str(tmp_path / "vol0.img")
    FileHandler.prepare(image, 65536, 512)
    opened: list[Disk] = []

    def open_it(serial: str = "123") -> Disk:
        while opened:
            opened.pop().close()
        handler = FileHandler.open(image, 65536, 512)
        disk = Disk(Identity(serial), Geometry(65536), handler)
        KeptModes(str(tmp_path / "run"), PATH, disk.identity).attach(disk)
        opened.append(disk)
        return disk

    yield open_it
    for disk in opened:
        disk.close()


def send(disk: Disk, cdb: str, out: bytes):
    view = memoryview(bytearray(out))
    answer = disk.execute(Command(bytes.fromhex(cdb), [view], len(out)))
    return answer.run() if isinstance(answer, Deferred) else answer


def select(disk: Disk, out: bytes) -> None:
    assert send(disk, f"15 10 00 00 {len(out):02x} 00", out).status == 0


def test_a_write_cache_that_was_turned_off_stays_off(open_disk) -> None:
    disk = open_disk()
    assert disk.write_cache
    select(disk, WCE_OFF)
    again = open_disk()
    assert not again.write_cache
    assert again.careful_writes
    assert not again.swp


def test_write_protection_stays_until_it_is_taken_away(open_disk) -> None:
    select(open_disk(), SWP_ON)
    protected = open_disk()
    assert send(protected, "2a 00 00 00 00 00 00 00 01 00", bytes(512)).sense[12] == 0x27
    off = bytearray(SWP_ON)
    off[8] = 0
    select(protected, bytes(off))
    assert not open_disk().read_only


def test_another_object_of_the_same_name_starts_with_the_defaults(open_disk, tmp_path) -> None:
    select(open_disk(), WCE_OFF)
    assert open_disk("456").write_cache
    assert os.listdir(tmp_path / "run" / "modes") == []
    assert open_disk("123").write_cache


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"serial": 5}', "\x00"])
def test_what_cannot_be_read_costs_time_and_no_data(open_disk, tmp_path, text) -> None:
    select(open_disk(), WCE_OFF)
    [path] = (tmp_path / "run" / "modes").iterdir()
    path.write_text(text)
    disk = open_disk()
    assert disk.swp is False
    assert disk.write_cache is (text == '{"serial": 5}')


def test_without_room_to_keep_them_modes_are_refused(open_disk, tmp_path) -> None:
    disk = open_disk()
    (tmp_path / "run").write_text("in the way")
    sent = send(disk, f"15 10 00 00 {len(WCE_OFF):02x} 00", WCE_OFF)
    assert sent.status == 2


def drive_of(run_dir: str, serial: str = "123") -> OpticalDrive:
    """Return an empty drive as a process that serves it has it."""
    drive = OpticalDrive(Identity(serial), Geometry(2048, 2048), NoMedium())
    KeptTray(run_dir, PATH, drive.identity).attach(drive)
    return drive


def test_a_tray_is_as_the_last_process_left_it(tmp_path) -> None:
    run_dir = str(tmp_path / "run")
    drive = drive_of(run_dir)
    drive.lock(True)
    drive.open_tray()
    again = drive_of(run_dir)
    assert (again.tray_open, again.locked) == (True, True)
    again.load()
    again.lock(False)
    last = drive_of(run_dir)
    assert (last.tray_open, last.locked) == (False, False)


@pytest.mark.parametrize("damage", ["", "[]", '{"serial": "123", "open": 1}', '{"open": true}'])
def test_a_tray_of_another_drive_or_a_damaged_one_is_closed(tmp_path, damage) -> None:
    run_dir = str(tmp_path / "run")
    drive_of(run_dir).open_tray()
    other = drive_of(run_dir, serial="another")
    assert not other.tray_open
    drive_of(run_dir).open_tray()
    (file,) = (tmp_path / "run" / "trays").iterdir()
    file.write_text(damage)
    assert not drive_of(run_dir).tray_open


def test_a_run_folder_that_takes_nothing_fails_no_command(tmp_path) -> None:
    (tmp_path / "run").write_text("no folder")
    drive = OpticalDrive(Identity("123"), Geometry(2048, 2048), NoMedium())
    drive.keep_tray = KeptTray(str(tmp_path / "run"), PATH, drive.identity).keep
    drive.open_tray()
    assert drive.tray_open
