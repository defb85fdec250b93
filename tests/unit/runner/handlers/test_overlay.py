# SPDX-License-Identifier: Apache-2.0
"""`overlay`: what the base shows through, and what is left after a kill and a power failure."""

from __future__ import annotations

import os
import random
import stat

import pytest

from lioshell.errors import ConflictError, LioshellError, NotFoundError, UsageError
from lioshell.runner.handlers import overlay, overlay_file
from lioshell.runner.handlers.overlay import OverlayHandler
from lioshell.runner.handlers.overlay_file import DATA_BYTES, MAPS_BYTES
from lioshell.testing import Initiator
from tests.handler_suite import resize

SIZE = 1 << 20
BASE_BYTES = 700_001
CLUSTER = 4096


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.img"
    path.write_bytes(random.Random(5).randbytes(BASE_BYTES))
    return path


@pytest.fixture
def config(tmp_path, base):
    return f"{tmp_path}/o.cow;base={base};cluster=4k"


@pytest.fixture
def made(config):
    return OverlayHandler.prepare(config, SIZE, 512)


def content(base):
    return bytearray(base.read_bytes().ljust(SIZE, b"\0"))


def whole(handler):
    found = bytearray(handler.size_bytes)
    handler.read([memoryview(found)], 0)
    return found


def test_the_base_shows_through_and_is_never_written(config, base, made):
    before = base.read_bytes(), base.stat().st_mtime_ns
    model = content(base)
    with Initiator.of(f"overlay/{config}", SIZE) as disk:
        assert disk.read(0, SIZE // 512) == model
        # Parts of clusters: within one, over an edge, over the end of the base.
        for lba, count in ((1, 1), (7, 2), (BASE_BYTES // 512 - 3, 9), (2047, 1)):
            data = os.urandom(count * 512)
            disk.write(lba, data)
            model[lba * 512 : (lba + count) * 512] = data
        assert disk.read(0, SIZE // 512) == model
    with Initiator.of(f"overlay/{config}", SIZE) as disk:
        assert disk.read(0, SIZE // 512) == model
    assert (base.read_bytes(), base.stat().st_mtime_ns) == before


def test_only_what_is_written_takes_room(config, made, tmp_path):
    handler = OverlayHandler.open(config, SIZE, 512)
    assert handler.status() == {"written": f"0 of {SIZE} bytes"}
    handler.write([memoryview(b"x" * 512)], 512, False)
    assert handler.status() == {"written": f"{CLUSTER} of {SIZE} bytes"}
    handler.discard(0, SIZE)
    assert whole(handler) == bytes(SIZE)
    handler.close()
    assert (tmp_path / "o.cow").stat().st_blocks * 512 < 100_000


def test_what_was_cut_off_is_zeros_when_it_grows_again(config, base, made):
    with Initiator.of(f"overlay/{config}", SIZE) as disk:
        disk.write(0, b"a" * SIZE)
        resize(disk, 10_240)
        resize(disk, SIZE * 2)
        assert disk.read(0, 4096) == b"a" * 10_240 + bytes(SIZE * 2 - 10_240)
    fresh = config.replace("o.cow", "p.cow")
    OverlayHandler.prepare(fresh, SIZE, 512)
    with Initiator.of(f"overlay/{fresh}", SIZE) as disk:
        resize(disk, 10_240)
        resize(disk, SIZE)
        assert disk.read(0, 2048) == content(base)[:10_240] + bytes(SIZE - 10_240)


def test_a_killed_process_loses_nothing(config, base, made):
    model = content(base)
    for step in range(5):
        handler = OverlayHandler.open(config, SIZE, 512)
        assert whole(handler) == model
        for _ in range(20):
            at = random.Random(step).randrange(SIZE // 512) * 512
            handler.write([memoryview(bytes([step]) * 512)], at, False)
            model[at : at + 512] = bytes([step]) * 512
        # As the kernel does for a process that is killed: no flush, no close.
        os.close(handler._fd)
        os.close(handler._base_fd)
    assert whole(OverlayHandler.open(config, SIZE, 512)) == model


class Disk:
    """What is on stable storage: whole at each sync, and any of the pages written since."""

    def __init__(self, path):
        self.path = path
        self.areas = ((0, MAPS_BYTES + 8 * 4096), (DATA_BYTES, SIZE))
        self.stable = self.now()

    def now(self):
        with open(self.path, "rb") as file:
            found = []
            for offset, size in self.areas:
                file.seek(offset)
                found.append(file.read(size).ljust(size, b"\0"))
        return found

    def fail(self, chance):
        """Put a power failure's result into the file."""
        with open(self.path, "r+b") as file:
            for (offset, _), stable, now in zip(self.areas, self.stable, self.now(), strict=True):
                for at in range(0, len(now), 512 if not offset else 4096):
                    end = at + (512 if not offset else 4096)
                    if now[at:end] != stable[at:end] and chance.random() < 0.5:
                        file.seek(offset + at)
                        file.write(stable[at:end])
        self.stable = self.now()


@pytest.mark.parametrize("seed", range(10))
def test_a_power_failure_mixes_nothing_up(config, base, made, tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    path = tmp_path / "o.cow"
    disk = Disk(path)
    sync = os.fdatasync

    def fdatasync(fd):
        sync(fd)
        disk.stable = disk.now()

    monkeypatch.setattr(overlay.os, "fdatasync", fdatasync)
    model = content(base)
    possible = [{bytes(model[at : at + 512])} for at in range(0, SIZE, 512)]
    for boot in range(4):
        monkeypatch.setattr(overlay_file, "boot_id", lambda n=boot: b"%036d" % n)
        monkeypatch.setattr(overlay, "boot_id", lambda n=boot: b"%036d" % n)
        handler = OverlayHandler.open(config, SIZE, 512)
        found = whole(handler)
        for number, values in enumerate(possible):
            at = number * 512
            assert bytes(found[at : at + 512]) in values, (boot, number)
            possible[number] = {bytes(found[at : at + 512])}
        for _ in range(40):
            first = chance.randrange(SIZE // 512)
            count = min(chance.choice((1, 3, 8, 20)), SIZE // 512 - first)
            if chance.random() < 0.15:
                handler.discard(first * 512, count * 512)
                data = bytes(count * 512)
            else:
                data = chance.randbytes(count * 512)
                handler.write([memoryview(data)], first * 512, False)
            for number in range(count):
                values = possible[first + number]
                values.add(data[number * 512 : (number + 1) * 512])
            found[first * 512 : (first + count) * 512] = data
            if chance.random() < 0.1:
                handler.flush()
                possible = [{bytes(found[at : at + 512])} for at in range(0, SIZE, 512)]
        os.close(handler._fd)
        os.close(handler._base_fd)
        disk.fail(chance)


def test_a_base_that_was_changed_is_not_served(config, base, made):
    with open(base, "r+b") as file:
        file.write(b"changed")
    with pytest.raises(ConflictError, match="was changed") as caught:
        OverlayHandler.open(config, SIZE, 512)
    assert "changed_base=true" in caught.value.hint
    OverlayHandler.open(f"{config};changed_base", SIZE, 512).close()


def test_one_base_carries_many_overlays_and_no_writer(config, base, made, tmp_path):
    other = f"{tmp_path}/p.cow;base={base}"
    OverlayHandler.prepare(other, SIZE * 2, 512)
    one, two = OverlayHandler.open(config, SIZE, 512), OverlayHandler.open(other, SIZE * 2, 512)
    with pytest.raises(ConflictError, match="in use"):
        Initiator.of(f"file/{base}", BASE_BYTES // 512 * 512)
    one.close()
    two.close()


def test_sizes_that_are_there_are_told(config, base, made, tmp_path):
    assert OverlayHandler.size_of(config) == SIZE
    assert OverlayHandler.size_of(f"{tmp_path}/new.cow;base={base}") == BASE_BYTES


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{0}/o.cow", UsageError),
        ("o.cow;base={0}/base.img", UsageError),
        ("{0}/o.cow;base=base.img", UsageError),
        ("{0}/base.img;base={0}/base.img", UsageError),
        ("{0}/o.cow;base={0}/base.img;cluster=5000", UsageError),
        ("{0}/o.cow;base={0}/base.img;cluster=1k", UsageError),
        ("{0}/o.cow;base={0}/gone.img", NotFoundError),
        ("{0}/o.cow;base={0}", UsageError),
        ("{0}/no/folder.cow;base={0}/base.img", NotFoundError),
    ],
)
def test_what_cannot_be_made(tmp_path, base, text, kind):
    with pytest.raises(LioshellError) as caught:
        OverlayHandler.prepare(text.format(tmp_path), SIZE, 512)
    assert isinstance(caught.value, kind), caught.value
    assert caught.value.hint
    assert not (tmp_path / "o.cow").exists()


def test_another_file_is_never_taken_for_an_overlay(tmp_path, base):
    path = tmp_path / "data.img"
    path.write_bytes(b"data" * 300_000)
    with pytest.raises(ConflictError, match="no overlay"):
        OverlayHandler.prepare(f"{path};base={base}", SIZE, 512)
    assert path.read_bytes() == b"data" * 300_000


def test_a_damaged_header_is_noticed(config, made, tmp_path):
    with open(tmp_path / "o.cow", "r+b") as file:
        file.seek(20)
        file.write(b"\xff")
    with pytest.raises(ConflictError, match="damaged"):
        OverlayHandler.open(config, SIZE, 512)


def test_its_file_is_its_owners_alone(config, made, tmp_path):
    assert stat.S_IMODE((tmp_path / "o.cow").stat().st_mode) == 0o600
    made()
    assert not (tmp_path / "o.cow").exists()


def test_more_clusters_than_a_map_has_are_refused(tmp_path, base):
    huge = (overlay_file.MAX_CLUSTERS + 1) * 4096
    with pytest.raises(UsageError) as caught:
        OverlayHandler.prepare(f"{tmp_path}/o.cow;base={base};cluster=4k", huge, 512)
    assert "cluster=1M" in caught.value.hint
