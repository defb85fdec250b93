# SPDX-License-Identifier: Apache-2.0
"""The file handler: what is acknowledged is in the file, and what is synced was synced."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.errors import ConflictError, NotFoundError, UsageError
from lioshell.runner.handlers.base import TransferError
from lioshell.runner.handlers.file import FileHandler
from lioshell.runner.handlers.vectored import IOV_MAX

SIZE = 1 << 20


def views(data: bytes | bytearray, step: int = 0) -> list[memoryview]:
    view = memoryview(bytearray(data) if isinstance(data, bytes) else data)
    return [view[start : start + step] for start in range(0, len(view), step)] if step else [view]


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "vol0.img")


@pytest.fixture
def handler(path):
    FileHandler.prepare(path, SIZE, 512)
    opened = FileHandler.open(path, SIZE, 512)
    yield opened
    opened.close()


def content(path: str, size: int, offset: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def test_properties(handler) -> None:
    assert (handler.size_bytes, handler.write_cache, handler.read_only) == (SIZE, True, False)


def test_prepare_makes_a_file_and_its_undo_removes_it(path) -> None:
    undo = FileHandler.prepare(path, SIZE, 512)
    assert os.path.getsize(path) == SIZE
    undo()
    assert not os.path.exists(path)


def test_prepare_of_an_existing_file_changes_nothing_and_undoes_nothing(path) -> None:
    with open(path, "wb") as file:
        file.write(b"x" * SIZE)
    FileHandler.prepare(path, SIZE, 512)()
    assert content(path, SIZE, 0) == b"x" * SIZE


def test_prepare_refuses_what_open_would(path, handler, tmp_path) -> None:
    with pytest.raises(ConflictError, match=rf"in use by another device of .* \({os.getpid()}\)"):
        FileHandler.prepare(path, SIZE, 512)
    with pytest.raises(UsageError):
        FileHandler.prepare(str(tmp_path), SIZE, 512)
    with pytest.raises(UsageError):
        FileHandler.prepare("vol0.img", SIZE, 512)
    with pytest.raises(UsageError):
        FileHandler.prepare(str(tmp_path / "other"), SIZE + 1, 512)
    assert not (tmp_path / "other").exists()


def test_open_checks_as_prepare_does(path) -> None:
    with pytest.raises(UsageError):
        FileHandler.open("vol0.img", SIZE, 512)
    with pytest.raises(UsageError):
        FileHandler.open(path, SIZE + 1, 512)
    with pytest.raises(NotFoundError):
        FileHandler.open(path, SIZE, 512)


@pytest.mark.parametrize("step", [0, 1000])
@pytest.mark.parametrize("fua", [False, True])
def test_write_and_read(handler, path, step, fua) -> None:
    data = bytes(index % 251 for index in range(8192))
    handler.write(views(data, step), 4096, fua)
    assert content(path, 8192, 4096) == data
    area = bytearray(8192)
    handler.read(views(area, step), 4096)
    assert area == data


@pytest.mark.parametrize("fua", [False, True])
def test_more_slices_than_iov_max(handler, path, fua) -> None:
    data = os.urandom(4 * (IOV_MAX + 100))
    handler.write(views(data, 4), 0, fua)
    assert content(path, len(data), 0) == data
    area = bytearray(len(data))
    handler.read(views(area, 4), 0)
    assert area == data


def test_a_file_that_was_cut_is_an_error_beyond_its_end_and_not_zeros(handler, path) -> None:
    handler.write(views(b"x" * 1024), 0, False)
    os.truncate(path, 512)
    area = bytearray(2048)
    assert handler.try_read(views(area, 700), 0) is False
    with pytest.raises(TransferError) as caught:
        handler.read(views(area, 700), 0)
    assert caught.value.errno == errno.EIO
    assert caught.value.done_bytes == 512


def test_what_needs_no_wait_is_done_at_once(handler, monkeypatch) -> None:
    assert handler.try_write(views(b"y" * 8192), 0) is True
    area = bytearray(8192)
    real, calls = os.preadv, []

    def recording(fd, buffers, offset, flags):
        calls.append(flags)
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", recording)
    assert handler.try_read(views(area), 0) is True
    assert area == b"y" * 8192
    assert calls == [os.RWF_NOWAIT]


def _refuse(number):
    def preadv(fd, buffers, offset, flags):
        raise OSError(number, os.strerror(number))

    return preadv


def test_a_read_that_would_wait_is_left_to_a_worker(handler, monkeypatch) -> None:
    monkeypatch.setattr(os, "preadv", _refuse(errno.EAGAIN))
    assert handler.try_read(views(bytearray(512)), 0) is False


@pytest.mark.parametrize("in_memory", [True, False])
def test_without_the_flag_only_a_memory_file_system_is_read_at_once(
    handler, monkeypatch, in_memory
) -> None:
    monkeypatch.setattr("lioshell.runner.handlers.backing_file.lies_in_memory", lambda _: in_memory)
    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", _refuse(errno.EOPNOTSUPP))
        assert handler.try_read(views(bytearray(512)), 0) is False
    assert handler.try_read(views(bytearray(512)), 0) is in_memory


@pytest.mark.parametrize(("cpus", "at_once"), [(1, True), (2, True), (3, False)])
def test_a_large_read_is_left_to_a_worker_where_there_are_cpus_for_several(
    path, monkeypatch, cpus, at_once
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cpus)))
    size = 2 << 20
    undo = FileHandler.prepare(path, size, 512)
    handler = FileHandler.open(path, size, 512)
    handler.write(views(b"z" * size), 0, False)
    assert handler.try_read(views(bytearray(128 * 1024)), 0) is True
    assert handler.try_read(views(bytearray(256 * 1024)), 0) is at_once
    assert handler.try_read(views(bytearray((1 << 20) + 512)), 0) is False
    handler.close()
    undo()


def test_a_large_write_is_left_to_a_worker(handler) -> None:
    large = bytearray(256 * 1024)
    # The kernel lets one writer at a time into a file: a worker gains time for large ones only.
    assert handler.try_write(views(large), 0) is True
    assert handler.try_write(views(bytearray((1 << 20) + 512)), 0) is False
    assert handler.try_write([memoryview(large)[:512]] * 65, 0) is False


def test_after_a_wait_writes_are_left_to_workers_for_a_while(handler, monkeypatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("lioshell.runner.handlers.file.time.monotonic", lambda: now[0])
    handler.waited(0.02)
    now[0] += 0.03
    handler.waited(0.02)
    assert handler.try_write(views(b"z" * 512), 0) is False
    now[0] += 5
    assert handler.try_write(views(b"z" * 512), 0) is True


def test_a_lost_cpu_is_no_wait_for_storage(handler, monkeypatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("lioshell.runner.handlers.file.time.monotonic", lambda: now[0])
    for _ in range(10):
        now[0] += 0.5
        handler.waited(0.03)
        assert handler.try_write(views(b"z" * 512), 0) is True


def test_a_long_wait_counts_at_once(handler) -> None:
    handler.waited(0.1)
    assert handler.try_write(views(b"z" * 512), 0) is False


def test_with_sync_there_is_no_write_cache(path) -> None:
    FileHandler.check_config(f"{path};sync")
    undo = FileHandler.prepare(f"{path};sync", 8192, 512)
    handler = FileHandler.open(f"{path};sync", 8192, 512)
    assert handler.write_cache is False
    assert fcntl.fcntl(handler._fd, fcntl.F_GETFL) & os.O_DSYNC
    assert handler.try_write(views(b"s" * 512), 0) is False
    handler.write(views(b"s" * 512), 0, False)
    with open(path, "rb") as file:
        assert file.read(513) == b"s" * 512 + b"\0"
    handler.close()
    undo()
    assert not os.path.exists(path)


def test_fua_syncs_and_a_plain_write_does_not(handler, monkeypatch) -> None:
    real, flags = os.pwritev, []

    def recording(fd, buffers, offset, flag=0):
        flags.append(flag)
        return real(fd, buffers, offset, flag)

    monkeypatch.setattr(os, "pwritev", recording)
    handler.write(views(bytes(512)), 0, False)
    handler.write(views(bytes(512)), 0, True)
    assert flags == [0, os.RWF_DSYNC]


def test_fua_where_the_file_system_knows_no_flags(handler, path, monkeypatch) -> None:
    real, synced = os.pwritev, []

    def without_flags(fd, buffers, offset, flag=0):
        if flag:
            raise OSError(errno.EOPNOTSUPP, "")
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "pwritev", without_flags)
    monkeypatch.setattr(os, "fdatasync", synced.append)
    handler.write(views(b"y" * 512), 512, True)
    assert content(path, 512, 512) == b"y" * 512
    assert len(synced) == 1


def test_flush_is_fdatasync(handler, monkeypatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    handler.flush()
    assert len(synced) == 1


def test_a_failed_sync_stays_failed_until_the_file_is_opened_again(
    handler, path, monkeypatch
) -> None:
    real = os.fdatasync

    def fail_once(fd):
        monkeypatch.setattr(os, "fdatasync", real)
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, "fdatasync", fail_once)
    with pytest.raises(OSError) as caught:
        handler.flush()
    assert caught.value.errno == errno.ENOSPC
    for _ in range(2):
        with pytest.raises(OSError) as caught:
            handler.flush()
        assert caught.value.errno == errno.EIO
    with pytest.raises(OSError) as caught:
        handler.write(views(bytes(512)), 0, True)
    assert caught.value.errno == errno.EIO
    handler.write(views(b"z" * 512), 0, False)
    handler.read(views(bytearray(512)), 0)
    handler.close()
    again = FileHandler.open(path, SIZE, 512)
    again.flush()
    again.close()


def test_a_failed_sync_of_a_fua_write_is_sticky(handler, monkeypatch) -> None:
    real = os.pwritev

    def sync_fails(fd, buffers, offset, flag=0):
        done = real(fd, buffers, offset)
        if flag:
            raise OSError(errno.EIO, "")
        return done

    monkeypatch.setattr(os, "pwritev", sync_fails)
    with pytest.raises(OSError):
        handler.write(views(bytes(512)), 0, True)
    with pytest.raises(OSError):
        handler.flush()


def test_a_fua_write_that_could_not_be_written_loses_nothing(handler, monkeypatch) -> None:
    def no_room(fd, buffers, offset, flag=0):
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, "pwritev", no_room)
    with pytest.raises(OSError) as caught:
        handler.write(views(bytes(512)), 0, True)
    assert caught.value.errno == errno.ENOSPC
    handler.flush()


@pytest.mark.parametrize("call", ["preadv", "pwritev"])
def test_an_error_at_once_has_done_nothing(handler, monkeypatch, call) -> None:
    def fail(*args):
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError) as caught:
        if call == "preadv":
            handler.read(views(bytearray(512)), 0)
        else:
            handler.write(views(bytes(512)), 0, False)
    assert caught.value.errno == errno.EIO
    assert caught.value.done_bytes == 0


def test_a_short_write_is_finished(handler, path, monkeypatch) -> None:
    real = os.pwritev

    def short(fd, buffers, offset, flag=0):
        return real(fd, [buffers[0][:100]], offset, flag)

    monkeypatch.setattr(os, "pwritev", short)
    data = os.urandom(1024)
    handler.write(views(data), 512, False)
    assert content(path, 1024, 512) == data


def test_a_short_read_is_finished(handler, monkeypatch) -> None:
    data = os.urandom(1024)
    handler.write(views(data), 512, False)
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, bufs, at: real(fd, [bufs[0][:100]], at))
    area = bytearray(1024)
    handler.read(views(area), 512)
    assert area == data


def test_read_only(path) -> None:
    FileHandler.prepare(path, SIZE, 512)
    os.chmod(path, 0o400)
    handler = FileHandler.open(path, SIZE, 512, read_only=True)
    assert handler.read_only
    handler.read(views(bytearray(512)), 0)
    handler.flush()
    with pytest.raises(OSError):
        handler.write(views(bytes(512)), 0, False)
    handler.close()


def test_close_drops_the_lock_and_may_be_called_again(path, handler) -> None:
    handler.close()
    handler.close()
    FileHandler.open(path, SIZE, 512).close()


def test_no_buffer_is_kept(handler, monkeypatch) -> None:
    area = bytearray(1024)
    view = memoryview(area)
    handler.write([view[:512], view[512:]], 0, True)
    handler.read([view[:512], view[512:]], 0)
    real = os.pwritev

    def fail(fd, buffers, offset, flag=0):
        real(fd, buffers, offset)
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(os, "pwritev", fail)
    for fua in (False, True):
        with pytest.raises(OSError):
            handler.write([view[:512], view[512:]], 0, fua)
    view.release()
    area.append(1)  # BufferError while anything still exports it


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, 63),
            st.integers(1, 20),
            st.integers(1, 3000),
            st.integers(0, 255),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_the_file_is_the_byte_array_that_was_written(tmp_path_factory, steps) -> None:
    size = 64 * 512
    path = str(tmp_path_factory.mktemp("model") / "vol0.img")
    FileHandler.prepare(path, size, 512)
    handler = FileHandler.open(path, size, 512)
    model = bytearray(size)
    for is_write, lba, count, step, seed, fua in steps:
        count = min(count, 64 - lba)
        start, end = lba * 512, (lba + count) * 512
        if is_write:
            model[start:end] = bytes((seed + index) % 256 for index in range(end - start))
            handler.write(views(bytes(model[start:end]), step), start, fua)
        else:
            area = bytearray(end - start)
            handler.read(views(area, step), start)
            assert area == model[start:end]
    handler.close()
    assert content(path, size + 1, 0) == model
