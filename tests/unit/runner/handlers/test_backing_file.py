# SPDX-License-Identifier: Apache-2.0
"""Which files are accepted, made, opened and locked."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys

import pytest

from lioshell.errors import ConflictError, NotFoundError, RunnerError, UsageError
from lioshell.runner.handlers import backing_file

MIB = 1 << 20


def refusing(number: int):
    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "vol0.img")


@pytest.mark.parametrize(
    "text", ["/srv/vol0.img", "/vol", "/a:b", "/with space", "/ä", "/a=b", "/not-utf-8-\udc80"]
)
def test_paths_that_are_accepted(text) -> None:
    backing_file.check_path(text, "file/")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "/srv/vol0.img"),
        ("vol0.img", "/srv/vol0.img"),
        ("./vol0.img", "/srv/"),
        ("srv/vol0.img", "/srv/srv/vol0.img"),
        ("/srv/", "/srv/vol0.img"),
        ("/", "/vol0.img"),
        ("/srv/a,b", '","'),
        ("/srv/a\nb", "printable"),
        ("/srv/a\0b", "printable"),
        ("/srv/a\x7f", "printable"),
        ("/srv/a\t", "printable"),
        ("/" + "x" * 250, "shorter"),
        ("/" + "ä" * 125, "shorter"),
        ("/\ud800", "locale"),
    ],
)
def test_paths_that_are_refused_with_what_to_type(text, word) -> None:
    with pytest.raises(UsageError) as caught:
        backing_file.check_path(text, "file/")
    assert word in caught.value.hint


def test_the_limit_is_that_of_the_kernel() -> None:
    backing_file.check_path("/" + "x" * 249, "file/")
    with pytest.raises(UsageError):
        backing_file.check_path("/" + "x" * 250, "file/")


@pytest.mark.parametrize(("size", "block"), [(0, 512), (511, 512), (4095, 4096), (1000, 512)])
def test_sizes_that_are_refused(size, block) -> None:
    with pytest.raises(UsageError) as caught:
        backing_file.check_size(size, block)
    assert caught.value.hint


def test_create_makes_a_sparse_private_file(path) -> None:
    backing_file.create(path, 64 * MIB)
    found = os.stat(path)
    assert found.st_size == 64 * MIB
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_blocks * 512 < MIB


def test_create_syncs_the_file_and_its_folder(path, monkeypatch) -> None:
    kinds = []
    monkeypatch.setattr(os, "fsync", lambda fd: kinds.append(stat.S_ISDIR(os.fstat(fd).st_mode)))
    backing_file.create(path, MIB)
    assert kinds == [False, True]


def test_create_where_folders_cannot_be_synced(path, monkeypatch) -> None:
    def fsync(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "")

    monkeypatch.setattr(os, "fsync", fsync)
    backing_file.create(path, MIB)
    assert os.path.exists(path)


def test_undo_removes_the_file(path) -> None:
    undo = backing_file.create(path, MIB)
    undo()
    assert not os.path.exists(path)
    undo()


def test_undo_leaves_another_file_of_the_name_alone(path) -> None:
    undo = backing_file.create(path, MIB)
    with open(path + ".new", "wb") as other:
        other.write(b"precious")
    os.replace(path + ".new", path)
    undo()
    with open(path, "rb") as kept:
        assert kept.read() == b"precious"


def test_undo_that_fails_says_so(path, monkeypatch) -> None:
    undo = backing_file.create(path, MIB)
    monkeypatch.setattr(os, "unlink", refusing(errno.EPERM))
    with pytest.raises(RunnerError, match="Cannot remove"):
        undo()


@pytest.mark.parametrize(
    ("step", "number", "word"),
    [
        ("ftruncate", errno.ENOSPC, "room"),
        ("ftruncate", errno.EFBIG, "smaller"),
        ("fsync", errno.EIO, "dmesg"),
    ],
)
def test_create_that_fails_leaves_nothing(path, monkeypatch, step, number, word) -> None:
    monkeypatch.setattr(os, step, refusing(number))
    with pytest.raises(RunnerError) as caught:
        backing_file.create(path, MIB)
    assert os.strerror(number) in caught.value.message
    assert word in caught.value.hint
    assert caught.value.path == path
    assert caught.value.remains == ()
    assert not os.path.exists(path)


def test_create_that_is_interrupted_leaves_nothing(path, monkeypatch) -> None:
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "ftruncate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        backing_file.create(path, MIB)
    assert not os.path.exists(path)


def test_create_that_cannot_clean_up_says_what_remains(path, monkeypatch) -> None:
    monkeypatch.setattr(os, "ftruncate", refusing(errno.ENOSPC))
    monkeypatch.setattr(os, "unlink", refusing(errno.EIO))
    with pytest.raises(RunnerError) as caught:
        backing_file.create(path, MIB)
    assert caught.value.remains == (path,)


def test_create_never_takes_a_file_that_is_there(path) -> None:
    with open(path, "wb") as other:
        other.write(b"precious")
    with pytest.raises(ConflictError):
        backing_file.create(path, MIB)
    with open(path, "rb") as kept:
        assert kept.read() == b"precious"


def test_create_in_a_folder_that_refuses(path, monkeypatch) -> None:
    monkeypatch.setattr(os, "open", refusing(errno.EROFS))
    with pytest.raises(RunnerError, match="Read-only file system"):
        backing_file.create(path, MIB)


def test_is_missing(path, tmp_path) -> None:
    assert backing_file.is_missing(path)
    backing_file.create(path, MIB)
    assert not backing_file.is_missing(path)
    assert not backing_file.is_missing(str(tmp_path))


def test_is_missing_without_its_folder(tmp_path) -> None:
    with pytest.raises(NotFoundError) as caught:
        backing_file.is_missing(str(tmp_path / "none" / "vol0.img"))
    assert f"mkdir -p {tmp_path / 'none'}" in caught.value.hint


def test_a_link_to_nothing_is_not_followed_into_making_a_file(path, tmp_path) -> None:
    target = tmp_path / "unmounted" / "vol0.img"
    os.symlink(target, path)
    with pytest.raises(ConflictError) as caught:
        backing_file.is_missing(path)
    assert str(target) in caught.value.message


def test_a_file_in_the_middle_of_the_path(path) -> None:
    backing_file.create(path, MIB)
    with pytest.raises(RunnerError, match="Not a directory"):
        backing_file.is_missing(path + "/vol1.img")


def open_it(path: str, size: int = MIB, *, read_only: bool = False) -> int:
    return backing_file.open_locked(path, size, 512, read_only)


def test_open_is_close_on_exec_and_reads_and_writes(path) -> None:
    backing_file.create(path, MIB)
    fd = open_it(path)
    try:
        assert not os.get_inheritable(fd)
        os.pwrite(fd, b"x", 0)
        assert os.pread(fd, 1, 0) == b"x"
    finally:
        os.close(fd)


def test_open_follows_a_link_to_a_file(path) -> None:
    backing_file.create(path, MIB)
    os.symlink(path, path + ".link")
    fd = open_it(path + ".link")
    try:
        assert os.path.samestat(os.fstat(fd), os.stat(path))
    finally:
        os.close(fd)


def test_a_missing_file_is_an_error_and_is_not_made(path) -> None:
    with pytest.raises(NotFoundError) as caught:
        open_it(path)
    assert "Mount" in caught.value.hint
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    ("found", "hint"),
    [(2 * MIB, f"Give {2 * MIB} as the size"), (512, "Give 512 as the size")],
)
def test_another_size_says_the_true_one_and_what_to_type(path, found, hint) -> None:
    backing_file.create(path, found)
    with pytest.raises(ConflictError) as caught:
        open_it(path)
    assert str(found) in caught.value.message
    assert hint in caught.value.hint
    assert os.path.getsize(path) == found


@pytest.mark.parametrize("found", [0, 513])
def test_a_size_that_cannot_be_asked_for_is_not_suggested(path, found) -> None:
    backing_file.create(path, found)
    with pytest.raises(ConflictError) as caught:
        open_it(path)
    assert "another file" in caught.value.hint
    assert "as the size" not in caught.value.hint


def test_the_lock_excludes_a_second_open_even_in_this_process(path) -> None:
    backing_file.create(path, MIB)
    fd = open_it(path)
    for read_only in (False, True):
        with pytest.raises(ConflictError) as caught:
            open_it(path, read_only=read_only)
        assert path in caught.value.message
    os.close(fd)
    os.close(open_it(path))


def test_readers_share_and_exclude_a_writer(path) -> None:
    backing_file.create(path, MIB)
    first = open_it(path, read_only=True)
    second = open_it(path, read_only=True)
    with pytest.raises(ConflictError):
        open_it(path)
    os.close(first)
    os.close(second)


def test_a_folder(tmp_path) -> None:
    with pytest.raises(UsageError, match="is a folder") as caught:
        open_it(str(tmp_path))
    assert f"{tmp_path}/vol0.img" in caught.value.hint


def test_a_fifo_does_not_hang(path) -> None:
    os.mkfifo(path)
    with pytest.raises(UsageError, match="is a FIFO"):
        open_it(path)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_fifo_that_takes_the_place_of_the_file_does_not_hang(
    path, monkeypatch, read_only
) -> None:
    backing_file.create(path, MIB)
    looked_at = os.stat(path)
    os.unlink(path)
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda *args, **kwargs: looked_at)
    with pytest.raises(UsageError, match="is a FIFO"):
        open_it(path, read_only=read_only)


def test_a_socket(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(UsageError, match="is a socket"):
            open_it(str(tmp_path / "s"))


def test_a_device_node_is_not_even_opened(monkeypatch) -> None:
    monkeypatch.setattr(os, "open", refusing(errno.EIO))
    with pytest.raises(UsageError, match="is a character device"):
        open_it("/dev/null")


def test_a_block_device_is_sent_to_the_block_backstore(path, monkeypatch) -> None:
    node = os.stat_result((stat.S_IFBLK | 0o660, 1, 1, 1, 0, 0, 0, 0, 0, 0))
    monkeypatch.setattr(os, "stat", lambda *args, **kwargs: node)
    with pytest.raises(UsageError, match="is a block device") as caught:
        open_it("/dev/sdz")
    assert "/backstores/block create NAME /dev/sdz" in caught.value.hint


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.EACCES, "permissions"), (errno.EROFS, "writing"), (errno.EMFILE, "ulimit")],
)
def test_a_file_that_cannot_be_opened(path, monkeypatch, number, word) -> None:
    backing_file.create(path, MIB)
    monkeypatch.setattr(os, "open", refusing(number))
    with pytest.raises(RunnerError) as caught:
        open_it(path)
    assert os.strerror(number) in caught.value.message
    assert word in caught.value.hint


def test_a_refused_open_leaks_no_descriptor(path) -> None:
    backing_file.create(path, MIB)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(ConflictError):
        open_it(path, 2 * MIB)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_whoever_holds_the_file_is_named(path) -> None:
    backing_file.create(path, MIB)
    script = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    try:
        with pytest.raises(ConflictError) as caught:
            backing_file.open_locked(path, MIB, 512, False)
        assert f"is in use by process {holder.pid} (" in caught.value.message
        assert os.path.basename(sys.executable) in caught.value.message
    finally:
        holder.communicate()


def test_a_file_in_memory_is_known(path) -> None:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line.split() for line in file]
    kind = {fields[4]: fields[fields.index("-") + 1] for fields in mounts}
    for folder in ("/dev/shm", "/"):
        if folder in kind:
            descriptor = os.open(folder, os.O_RDONLY)
            assert backing_file.lies_in_memory(descriptor) is (kind[folder] == "tmpfs")
            os.close(descriptor)
