# SPDX-License-Identifier: Apache-2.0
"""The disc in an optical drive: an image, a file that can be written, or none."""

from __future__ import annotations

import os

import pytest

from lioshell.errors import ConflictError, LioshellError, NotFoundError, RunnerError, UsageError
from lioshell.runner.handlers import registry
from lioshell.runner.handlers.fbo import FboHandler
from lioshell.runner.handlers.optical import NoMedium
from lioshell.runner.scsi.optical import OpticalDrive
from lioshell.runner.scsi.unit import Identity
from lioshell.testing import Initiator
from lioshell.testing.conformance import checks_of
from lioshell.testing.verify import verify

SIZE = 1 << 20


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.iso"
    path.write_bytes(b"i" * SIZE)
    return str(path)


@pytest.mark.parametrize(
    ("name", "before", "behind", "read_only"),
    [
        ("a.iso", "", "", True),
        ("a.ISO", "", "", True),
        ("a.iso", "", ";read_only=false", False),
        ("a.img", "", "", False),
        ("a.img", "ro/", "", True),
        ("a.img", "", ";read_only", True),
        ("a.iso", "ro/", ";read_only=true", True),
    ],
)
def test_who_may_write(tmp_path, name, before, behind, read_only) -> None:
    path = tmp_path / name
    path.write_bytes(bytes(SIZE))
    os.chmod(path, 0o400 if read_only else 0o600)
    handler = FboHandler.open(f"{before}{path}{behind}", SIZE, 2048)
    assert handler.read_only == read_only
    assert not handler.can_discard
    assert handler.status() == {"disc": str(path), "writable": "no" if read_only else "yes"}
    handler.close()


def test_a_missing_file_is_made_where_it_can_be_written(tmp_path) -> None:
    path = tmp_path / "new.disc"
    undo = FboHandler.prepare(str(path), SIZE, 2048)
    assert path.stat().st_size == SIZE
    undo()
    assert not path.exists()
    with pytest.raises(NotFoundError):
        FboHandler.prepare(f"{tmp_path}/new.iso", SIZE, 2048)
    assert os.listdir(tmp_path) == []


def test_a_drive_without_a_disc() -> None:
    assert FboHandler.default_config("cd0") == "none"
    assert FboHandler.size_of("none") == 2048
    FboHandler.prepare("none", 2048, 2048)()
    handler = FboHandler.open("none", 2048, 2048)
    assert isinstance(handler, NoMedium)
    assert (handler.size_bytes, handler.read_only, handler.write_cache) == (0, True, False)
    for act in (handler.read, lambda b, o: handler.write(b, o, False)):
        with pytest.raises(OSError, match="edium"):
            act([memoryview(bytearray(2048))], 0)
    handler.flush()
    handler.close()


def test_sectors_have_2048_bytes_whatever_the_kernel_counts_in(image) -> None:
    unit = registry.make_unit(
        f"fbo/{image}", size_bytes=SIZE, identity=Identity("1"), hw_max_sectors=8192
    )
    assert isinstance(unit, OpticalDrive)
    assert unit.block_size_bytes == 2048
    assert unit.geometry.hw_max_sectors == 2048
    unit.close()


def test_sizes(image, tmp_path) -> None:
    assert FboHandler.size_of(image) == SIZE
    assert FboHandler.size_of(f"{tmp_path}/none.iso") is None
    with pytest.raises(ConflictError, match=f"{SIZE} bytes"):
        FboHandler.open(image, 2 * SIZE, 2048)
    with open(image, "ab") as file:
        file.write(b"odd")
    with pytest.raises(LioshellError) as caught:
        FboHandler.open(image, FboHandler.size_of(image), 2048)
    assert caught.value.hint
    handler = FboHandler.open(f"{_whole(tmp_path)}", SIZE, 2048)
    with pytest.raises(RunnerError):
        handler.resize(2 * SIZE)
    handler.close()


def _whole(folder) -> str:
    path = folder / "whole.disc"
    path.write_bytes(bytes(SIZE))
    return str(path)


def test_a_disc_is_in_one_drive(tmp_path, image) -> None:
    path = _whole(tmp_path)
    first = FboHandler.open(path, SIZE, 2048)
    with pytest.raises(ConflictError, match="in use"):
        FboHandler.open(path, SIZE, 2048)
    first.close()


@pytest.mark.parametrize(
    "config",
    [
        "relative.iso",
        "",
        "rw//srv/a.iso",
        "ro/",
        "ro/relative.iso",
        "/srv/a,b.iso",
        "/srv/",
        "/srv/a.iso;speed=16",
        "ro//srv/a.iso;read_only=false",
        "/srv/a.iso;read_only=perhaps",
        "/srv/" + "a" * 300,
    ],
)
def test_configurations_that_are_refused(config) -> None:
    with pytest.raises(UsageError) as caught:
        FboHandler.check_config(config)
    assert caught.value.hint


def test_it_does_what_every_drive_must(tmp_path) -> None:
    path = f"{tmp_path}/ram.disc"
    FboHandler.prepare(path, 8 << 20, 2048)

    def drive() -> Initiator:
        return Initiator.of(f"fbo/{path}", 8 << 20)

    with drive() as one:
        for check in checks_of(one):
            check(one)
        assert one.reports == []
    commands, compared = verify(drive, 0.3, seed=5)
    assert commands > 10
    assert compared == 16 << 20
