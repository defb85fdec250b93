# SPDX-License-Identifier: Apache-2.0
"""What the file handler does with the space of its file: holes, zeros, copies, hints."""

from __future__ import annotations

import errno
import os

import pytest

from lioshell.runner.handlers import fallocate as fallocate_module
from lioshell.runner.handlers.base import CHUNK_BYTES, Handler, first_difference
from lioshell.runner.handlers.file import FileHandler

SIZE = 4 << 20
PAGE = 4096


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "vol0.img")


@pytest.fixture
def handler(path):
    FileHandler.prepare(path, SIZE, 512)
    opened = FileHandler.open(path, SIZE, 512)
    if not opened.can_discard:
        opened.close()
        pytest.skip("the file system of the temporary folder punches no holes")
    yield opened
    opened.close()


def fill(path: str, data: bytes, offset: int = 0) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def content(path: str, size: int, offset: int = 0) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def extents(handler, offset: int, size: int) -> list[tuple[int, bool]]:
    return [tuple(extent) for extent in handler.allocation(offset, size)]


def test_discarded_ranges_are_zeros_and_give_their_space_back(handler, path) -> None:
    fill(path, b"\xff" * SIZE)
    before = os.stat(path).st_blocks
    handler.discard(PAGE + 512, 4 * PAGE)
    assert content(path, 4 * PAGE, PAGE + 512) == bytes(4 * PAGE)
    assert content(path, PAGE + 512) == b"\xff" * (PAGE + 512)
    assert content(path, 512, 5 * PAGE + 512) == b"\xff" * 512
    assert os.stat(path).st_blocks < before
    assert os.stat(path).st_size == SIZE


def test_the_map_tells_data_from_holes(handler, path) -> None:
    assert extents(handler, 0, SIZE) == [(SIZE, False)]
    fill(path, b"x" * PAGE, 16 * PAGE)
    fill(path, b"x", SIZE - 1)
    assert extents(handler, 0, SIZE) == [
        (16 * PAGE, False),
        (PAGE, True),
        (SIZE - 18 * PAGE, False),
        (PAGE, True),
    ]
    assert extents(handler, 16 * PAGE + 512, 1024) == [(1024, True)]
    assert extents(handler, 17 * PAGE, 1024) == [(1024, False)]


def test_the_map_of_a_truncated_file_goes_on_as_a_hole(handler, path) -> None:
    os.truncate(path, 0)
    assert extents(handler, PAGE, 4 * PAGE) == [(4 * PAGE, False)]


def test_zeroed_ranges_keep_their_space(handler, path) -> None:
    fill(path, b"\xff" * SIZE)
    handler.write_zeroes(512, 8 * PAGE)
    assert content(path, 8 * PAGE, 512) == bytes(8 * PAGE)
    assert content(path, 512) == b"\xff" * 512
    assert content(path, 512, 8 * PAGE + 512) == b"\xff" * 512


def test_zeroes_where_the_file_system_has_no_such_call(handler, path, monkeypatch) -> None:
    fill(path, b"\xff" * SIZE)

    def unsupported(*args):
        raise OSError(errno.EOPNOTSUPP, "")

    monkeypatch.setattr(fallocate_module, "fallocate", unsupported)
    handler.write_zeroes(512, 2 * CHUNK_BYTES)
    assert content(path, 2 * CHUNK_BYTES, 512) == bytes(2 * CHUNK_BYTES)
    assert content(path, 1, 2 * CHUNK_BYTES + 512) == b"\xff"
    with pytest.raises(OSError):
        handler.discard(0, 512)


def test_a_full_file_system_is_told(handler, monkeypatch) -> None:
    def full(*args):
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(fallocate_module, "fallocate", full)
    with pytest.raises(OSError) as caught:
        handler.write_zeroes(0, 512)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("kernel_copies", [True, False])
@pytest.mark.parametrize(("source", "target"), [(0, 2 << 20), (2 << 20, 0), (0, 512), (512, 0)])
def test_copies(handler, path, monkeypatch, kernel_copies, source, target) -> None:
    data = os.urandom(SIZE)
    fill(path, data)
    if not kernel_copies:

        def unsupported(*args):
            raise OSError(errno.EOPNOTSUPP, "")

        monkeypatch.setattr(os, "copy_file_range", unsupported)
    size = CHUNK_BYTES + 512
    handler.copy(source, target, size)
    expected = bytearray(data)
    expected[target : target + size] = data[source : source + size]
    assert content(path, SIZE) == expected


def test_what_lies_behind_the_end_cannot_be_copied(handler, path) -> None:
    os.truncate(path, 1 << 20)
    with pytest.raises(OSError):
        handler.copy(1 << 20, 0, 1 << 19)


def test_with_sync_all_of_it_is_durable_at_once(path, monkeypatch) -> None:
    FileHandler.prepare(f"{path};sync", SIZE, 512)
    handler = FileHandler.open(f"{path};sync", SIZE, 512)
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    handler.write_zeroes(0, 512)
    handler.copy(0, PAGE, 512)
    if handler.can_discard:
        handler.discard(0, 512)
    handler.close()
    assert len(synced) >= 2


def test_prefetch_is_bounded_and_never_fails(handler, monkeypatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, at, size, advice: asked.append((at, size)))
    handler.prefetch(512, 1 << 50)
    assert asked == [(512, 16 << 20)]

    def refuse(*args):
        raise OSError(errno.EINVAL, "")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    handler.prefetch(0, 512)


def test_the_physical_block_is_the_file_systems(handler, path) -> None:
    assert handler.physical_block_size_bytes == os.statvfs(path).f_bsize


def test_a_read_only_file_is_not_thin(path) -> None:
    FileHandler.prepare(path, SIZE, 512)
    handler = FileHandler.open(path, SIZE, 512, read_only=True)
    assert handler.can_discard is False
    handler.close()


class Plain(Handler):
    """A storage with nothing but what it must have."""

    subtype = help = config_help = "plain"
    size_bytes = SIZE
    write_cache = read_only = False

    def __init__(self) -> None:
        self.memory = bytearray(b"\xff" * SIZE)

    @classmethod
    def check_config(cls, config):
        raise NotImplementedError

    @classmethod
    def prepare(cls, config, size_bytes, block_size_bytes):
        raise NotImplementedError

    @classmethod
    def open(cls, config, size_bytes, block_size_bytes, read_only=False):
        return cls()

    def read(self, buffers, offset_bytes):
        for view in buffers:
            view[:] = self.memory[offset_bytes : offset_bytes + len(view)]
            offset_bytes += len(view)

    def write(self, buffers, offset_bytes, fua):
        for view in buffers:
            self.memory[offset_bytes : offset_bytes + len(view)] = view
            offset_bytes += len(view)

    def flush(self):
        raise NotImplementedError

    def close(self):
        raise NotImplementedError


def test_any_storage_can_do_all_of_it() -> None:
    plain = Plain()
    assert not plain.can_discard
    assert plain.physical_block_size_bytes == 0
    assert extents(plain, 512, 1024) == [(1024, True)]
    plain.discard(512, CHUNK_BYTES + 1)
    assert not any(plain.memory[512 : CHUNK_BYTES + 513])
    assert plain.memory[CHUNK_BYTES + 513] == plain.memory[511] == 0xFF
    plain.prefetch(0, SIZE)
    expected, data = memoryview(b"\xff" * 8), memoryview(b"a" * 8)
    assert plain.compare_and_write(expected, data, 0, False) is None
    assert plain.compare_and_write(expected, data, 0, False) == 0
    assert plain.memory[:9] == b"a" * 8 + b"\xff"


@pytest.mark.parametrize("size", [1, 2, 3, 8, 1000])
def test_the_first_difference_is_found(size) -> None:
    for place in {0, size // 2, size - 1}:
        other = bytearray(size)
        other[place:] = b"\1" * (size - place)
        assert first_difference(bytes(size), memoryview(other)) == place
