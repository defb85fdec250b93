# SPDX-License-Identifier: Apache-2.0
"""tcmu.attach: from an object to a disk, whatever happens meanwhile, and back to nothing."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lioshell import lio, tcmu
from lioshell.errors import ConflictError, HostError, NotFoundError, UsageError
from lioshell.kernel.sim.initiator import SimDisk
from lioshell.runner.handlers.file import FileHandler
from lioshell.runner.scsi.unit import Geometry, Identity
from lioshell.tcmu.commands import CommandDisk
from lioshell.tcmu.storage import ObjectHandler
from lioshell.testing import Initiator
from lioshell.testing.initiator import rw16
from tests.unit.tcmu.conftest import SIZE, Memory

NOTHING = ([], {})


def test_an_object_becomes_a_disk_and_is_gone_after_the_block(attach, memory, initiator, tree):
    with attach(memory, size="1MiB", block_size=4096) as disk:
        assert tree() == (["vol0"], {disk.wwn: [0]})
        assert (disk.size_bytes, disk.block_size_bytes) == (SIZE, 4096)
        assert disk.dev_config == "python/vol0"
        with initiator(disk) as host:
            assert host.capacity() == (256, 4096)
            host.write(3, b"x" * 8192)
            assert host.read(2, 4) == bytes(4096) + b"x" * 8192 + bytes(4096)
    assert memory.data[3 * 4096 : 5 * 4096] == b"x" * 8192
    assert tree() == NOTHING
    assert not disk.is_open
    with pytest.raises(UsageError, match="not attached now"):
        _ = disk.path


def test_nothing_is_made_before_the_block(attach, memory, tree):
    attach(memory)
    assert tree() == NOTHING


def test_open_and_close_without_a_block(attach, memory, tree):
    disk = attach(memory).open()
    with pytest.raises(ConflictError, match="attached already"):
        disk.open()
    disk.close()
    disk.close()
    assert tree() == NOTHING
    with disk:
        assert tree()[0] == ["vol0"]
    assert tree() == NOTHING


def test_the_node_stands_in_the_directory_and_leads_to_the_simulated_disk(
    attach, memory, sim, tmp_path
):
    place = tmp_path / "a" / "mydisks"
    with attach(memory, directory=place) as disk:
        assert disk.path == str(place / "vol0")
        assert Path(disk.path).readlink() == Path(sim) / "dev" / "sda"
    assert not place.exists()
    (tmp_path / "a").mkdir(exist_ok=True)
    place.mkdir()
    (place / "mine").touch()
    with attach(memory, directory=place):
        pass
    assert [path.name for path in place.iterdir()] == ["mine"]


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
def test_an_existing_node_is_never_overwritten(attach, memory, tmp_path, tree, kind):
    node = tmp_path / "vol0"
    if kind == "file":
        node.write_text("precious")
    elif kind == "folder":
        node.mkdir()
    else:
        node.symlink_to(tmp_path if kind == "link" else "/nowhere")
    before = os.lstat(node)
    with (
        pytest.raises(ConflictError, match="never overwritten"),
        attach(memory, directory=tmp_path),
    ):
        pytest.fail("the block must not begin")
    assert os.lstat(node).st_ino == before.st_ino
    assert tree() == NOTHING


def test_a_node_that_somebody_else_has_put_there_meanwhile_stays(attach, memory, tmp_path):
    with attach(memory, directory=tmp_path) as disk:
        Path(disk.path).unlink()
        Path(disk.path).write_text("precious")
    assert (tmp_path / "vol0").read_text() == "precious"


def test_a_directory_that_cannot_be_made_leaves_nothing(attach, memory, tmp_path, tree):
    (tmp_path / "file").touch()
    with (
        pytest.raises(HostError, match="cannot be made"),
        attach(memory, directory=tmp_path / "file" / "place"),
    ):
        pytest.fail("the block must not begin")
    assert tree() == NOTHING


def test_the_block_that_fails_is_cleaned_up_after(attach, memory, tree, tmp_path):
    with pytest.raises(ZeroDivisionError), attach(memory, directory=tmp_path / "d"):
        1 / 0  # noqa: B018  # any error
    assert tree() == NOTHING
    assert not (tmp_path / "d").exists()


def test_a_storage_that_cannot_be_opened_leaves_nothing(attach, tree, tmp_path):
    class Broken(FileHandler):
        @classmethod
        def open(cls, *_args):
            raise OSError(5, "the storage is broken")

    with (
        pytest.raises(lio.LioshellError, match="the storage is broken"),
        attach(Broken, config=str(tmp_path / "a.img")),
    ):
        pytest.fail("the block must not begin")
    assert tree() == NOTHING
    assert not (tmp_path / "a.img").exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"size": 0}, "size"),
        ({"size": "much"}, "not a size"),
        ({"size": 1000}, "multiple"),
        ({"block_size": 513}, "block"),
        ({"block_size": 8192}, "block"),
        ({"threads": 0}, "threads"),
        ({"wwn": "iqn.2003-01.com.example:a"}, "iqn"),
        ({"lun": -1}, "LUN"),
    ],
)
def test_wrong_arguments(attach, memory, tree, options, what):
    with pytest.raises(UsageError, match=f"(?i){what}"), attach(memory, **options):
        pytest.fail("the block must not begin")
    assert tree() == NOTHING


def test_what_has_no_pread_is_refused(attach, tree):
    with pytest.raises(UsageError, match="has no pread"):
        attach(object()).open()
    with pytest.raises(UsageError, match=r"Memory is a class"):
        attach(Memory).open()
    assert tree() == NOTHING


def test_a_name_that_is_taken(attach, memory, sim, tree):
    system = lio.open(sim=sim)
    lio.create_user(system, "vol0", SIZE, "other/thing")
    with pytest.raises(ConflictError, match=r"another user: object vol0 \(other/thing\)"):
        attach(memory).open()
    assert tree() == (["vol0"], {})


def test_a_disk_that_is_attached_is_not_attached_again(attach, memory, initiator):
    with attach(memory) as disk:
        with pytest.raises(ConflictError, match="attached already"):
            attach(Memory()).open()
        with pytest.raises(ConflictError, match="attached already"):
            tcmu.detach("vol0", sim=disk._sim)
        with initiator(disk) as host:
            host.write(0, b"y" * 512)
    assert memory.data[:512] == b"y" * 512


def test_several_disks_share_a_target_whose_end_is_the_last_ones(attach, initiator, tree):
    wwn = "naa.5001405aabbccdde"
    memories = [Memory() for _ in range(3)]
    disks = [
        attach(memory, name=f"vol{lun}", wwn=wwn, lun=lun).open()
        for lun, memory in enumerate(memories)
    ]
    assert tree()[1] == {wwn: [0, 1, 2]}
    for lun, disk in enumerate(disks):
        with initiator(disk) as host:
            host.write(0, bytes([lun + 1]) * 512)
    assert [memory.data[0] for memory in memories] == [1, 2, 3]
    assert len({disk.serial for disk in disks}) == 3
    disks[0].close()
    assert tree() == (["vol1", "vol2"], {wwn: [1, 2]})
    with pytest.raises(ConflictError, match="LUN 1 exists"):
        attach(Memory(), wwn=wwn, lun=1).open()
    disks[2].close()
    disks[1].close()
    assert tree() == NOTHING


def test_a_disk_that_is_exported_too_is_not_removed(attach, memory, sim, tree):
    with attach(memory) as disk:
        system = lio.open(sim=sim)
        found = lio.find_storage_object(system, "user", "vol0")
        target = system.fabric("iscsi").create_target()
        target.create_tpg().create_lun(found)
        with pytest.raises(ConflictError, match="is exported by iscsi/"):
            disk.close()
        assert disk.is_open
        target.delete()
    assert tree() == NOTHING


def test_a_disk_that_others_have_deleted_is_closed(attach, memory, sim, tree):
    with attach(memory) as disk:
        system = lio.open(sim=sim)
        system.fabric("loopback").target(disk.wwn).delete()
        lio.find_storage_object(system, "user", "vol0").delete()
    assert tree() == NOTHING


def test_a_lun_that_others_have_deleted_leaves_no_target(attach, memory, sim, tree):
    with attach(memory) as disk:
        lio.open(sim=sim).fabric("loopback").target(disk.wwn).tpg(1).delete_lun(0)
    assert tree() == NOTHING


def test_a_shell_sees_who_serves_and_can_resize_what_can_be(attach, memory, sim, tmp_path):
    def shell(*words):
        command = [sys.executable, "-m", "lioshell", f"--sim={sim}", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    image = tmp_path / "a.img"
    with (
        attach(memory),
        attach(FileHandler, name="vol1", config=str(image), size=SIZE) as sized,
        SimDisk.open(sim, sized.configfs_path) as host,
    ):
        for name in ("vol0", "vol1"):
            told = shell(f"/backstores/user:python/{name}", "info").stdout
            assert f"served_by: {os.getpid()}" in told
        refused = shell("/backstores/user:python/vol0", "resize", "2M")
        assert "cannot become 2097152" in refused.stderr
        assert shell("/backstores/user:python/vol1", "resize", "2M").returncode == 0
        host.execute(bytes(6))  # CAPACITY DATA HAS CHANGED
        assert host.capacity().blocks == 2 * SIZE // 512
    assert image.stat().st_size == 2 * SIZE


def test_a_handler_class_with_its_configuration(attach, initiator, tmp_path, tree):
    image = tmp_path / "a.img"
    with attach(FileHandler, config=str(image), threads=4) as disk, initiator(disk) as host:
        host.write(1, b"z" * 512)
    assert image.read_bytes()[512:1024] == b"z" * 512
    assert tree() == NOTHING
    with pytest.raises(UsageError):
        attach(FileHandler, config="relative").open()


def test_a_handler_that_is_open_is_closed_with_its_disk(attach, initiator, tmp_path):
    image = tmp_path / "a.img"
    image.write_bytes(bytes(SIZE))
    handler = FileHandler.open(str(image), SIZE, 512)
    with attach(handler) as disk, initiator(disk) as host:
        host.write(1, b"z" * 512)
    assert image.read_bytes()[512:1024] == b"z" * 512
    FileHandler.open(str(image), SIZE, 512).close()  # nobody holds it any more


def test_a_target_that_was_there_before_stays(attach, memory, sim, tree):
    wwn = "naa.5001405aabbccdde"
    lio.open(sim=sim).fabric("loopback").create_target(wwn)
    with attach(memory, wwn=wwn):
        assert tree() == (["vol0"], {wwn: [0]})
    assert tree() == ([], {wwn: []})


def test_a_child_of_fork_leaves_its_parents_disk_alone(attach, memory, initiator, tree):
    with attach(memory) as disk:
        child = os.fork()
        if not child:
            disk.close(force=True)
            disk.abandon()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert tree()[0] == ["vol0"]
        with initiator(disk) as host:
            host.write(0, b"p" * 512)
    assert memory.data[:512] == b"p" * 512


def test_an_object_without_pwrite_is_read_only(attach, initiator):
    class Rom:
        def pread(self, n, offset):
            return b"rom!" * (n // 4)

    with attach(Rom()) as disk, initiator(disk) as host:
        assert host.read(0, 1) == b"rom!" * 128
        refused = host.execute(b"\x8a" + bytes(12) + b"\x01" + bytes(2), bytes(512))
        assert (refused.status, refused.sense[2] & 0xF, refused.sense[12]) == (2, 7, 0x27)


def test_a_short_pread_reads_as_zeros_and_a_short_pwrite_goes_on(attach, initiator):
    class Slow(Memory):
        def pread(self, n, offset):
            return super().pread(n, offset)[:100]

        def pwrite(self, data, offset):
            return super().pwrite(data[:100], offset)

    memory = Slow()
    with attach(memory) as disk, initiator(disk) as host:
        host.write(0, b"a" * 512)
        assert host.read(0, 1) == b"a" * 100 + bytes(412)
    assert memory.data[:513] == b"a" * 512 + b"\0"


@pytest.mark.parametrize("answer", [0, -1, 513])
def test_a_pwrite_that_lies_is_an_error_and_not_a_loss(attach, initiator, answer):
    class Liar(Memory):
        def pwrite(self, _data, _offset):
            return answer

    with attach(Liar()) as disk, initiator(disk) as host:
        failed = host.execute(b"\x8a" + bytes(12) + b"\x01" + bytes(2), bytes(512))
        assert failed.status == 2


def test_what_the_object_raises_fails_one_command_alone(attach, initiator):
    class Bad(Memory):
        def pread(self, n, offset):
            if offset == 0:
                raise OSError(5, "bad sector")
            if offset == 512:
                raise RuntimeError("a bug")
            return super().pread(n, offset)

    with attach(Bad()) as disk, initiator(disk) as host:
        for lba, key in ((0, 3), (1, 4)):
            cdb = b"\x88\0" + lba.to_bytes(8, "big") + b"\0\0\0\x01\0\0"
            answer = host.execute(cdb, data_in_bytes=512)
            assert (answer.status, answer.sense[2] & 0xF) == (2, key)
        assert host.read(2, 1) == bytes(512)


def test_flush_and_discard_where_the_object_has_them(attach, initiator):
    class Cached(Memory):
        def flush(self):
            self.calls.append(("flush",))

        def discard(self, n, offset):
            self.calls.append(("discard", n, offset))

    memory = Cached()
    with attach(memory) as disk, initiator(disk) as host:
        mode = host.execute(bytes((0x1A, 8, 8, 0, 255, 0)), data_in_bytes=255).data_in
        assert mode[6] & 4  # WCE
        host.write(0, bytes(512))
        host.flush()
        assert memory.calls[-1] == ("flush",)
        unmap = bytes((0, 22, 0, 16, 0, 0, 0, 0)) + (8).to_bytes(8, "big") + b"\0\0\0\x04\0\0\0\0"
        assert host.execute(bytes((0x42, *bytes(6), 0, 24, 0)), unmap).status == 0
        assert ("discard", 4 * 512, 8 * 512) in memory.calls


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (4, 4)])
def test_the_object_is_called_by_so_many_threads_at_once(threads, most):
    class Counting(Memory):
        inside = 0
        most = 0

        def pread(self, n, offset):
            with lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            time.sleep(0.02)
            with lock:
                self.inside -= 1
            return bytes(n)

    lock = threading.Lock()
    memory = Counting()
    unit = CommandDisk(Identity("1"), Geometry(SIZE), ObjectHandler(memory, SIZE, threads))
    commands = iter([(rw16(0x88, 0, 1), b"", 512)] * (threads * 4))
    with Initiator(unit) as host:
        answers = host.keep_busy(lambda: next(commands, None), threads * 4)
    assert [answer.status for answer in answers] == [0] * (threads * 4)
    assert memory.most == most


def test_the_names_are_the_same_at_every_attach_and_no_other_disks(attach, memory, sim):
    first = attach(memory)
    again, other = attach(memory), attach(memory, name="vol1")
    assert (first.wwn, first.serial) == (again.wwn, again.serial)
    assert first.serial != other.serial
    assert first.wwn != other.wwn
    given = attach(memory, wwn=tcmu.NaaWwn("0012ab", "01234567"), serial="5-e-r")
    assert (given.wwn, given.serial) == ("naa.50012ab001234567", "5-e-r")


def test_async_with_and_coroutines_run_on_the_callers_loop(attach, sim, tree):
    loops = set()

    class Async:
        def __init__(self):
            self.memory = Memory()

        async def pread(self, n, offset):
            loops.add(asyncio.get_running_loop())
            await asyncio.sleep(0)
            return self.memory.pread(n, offset)

        async def pwrite(self, data, offset):
            return self.memory.pwrite(data, offset)

        async def flush(self):
            self.memory.calls.append(("flush",))

    def use(path):
        with SimDisk.open(sim, path) as host:
            host.write(5, b"w" * 512)
            host.flush()
            return host.read(5, 1)

    async def main():
        storage = Async()
        async with attach(storage) as disk:
            assert await asyncio.to_thread(use, disk.configfs_path) == b"w" * 512
        assert ("flush",) in storage.memory.calls
        return asyncio.get_running_loop()

    assert loops == {asyncio.run(main())}
    assert tree() == NOTHING

    storage = Async()
    with attach(storage) as disk:  # coroutines without a loop of one's own
        assert use(disk.configfs_path) == b"w" * 512


def test_a_task_that_is_cancelled_while_it_attaches_leaves_nothing(attach, memory, tree):
    async def main():
        async def hold():
            async with attach(memory):
                await asyncio.sleep(60)

        for delay in (0.0, 0.01, 0.05, 0.3):
            task = asyncio.create_task(hold())
            await asyncio.sleep(delay)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(tree) == NOTHING

    asyncio.run(main())


def test_the_runner_reports_and_nothing_prints(attach, memory, capfd):
    lines = []
    with attach(memory, report=lines.append) as disk:
        assert list(disk.messages) == lines
    assert capfd.readouterr() == ("", "")


PROGRAM = """
import sys, os
from lioshell import tcmu
class Memory:
    def pread(self, n, offset): return b"m" * n
    def pwrite(self, data, offset): return len(data)
disk = tcmu.attach(Memory(), name="vol0", size=1 << 20, sim=sys.argv[1], directory=sys.argv[2])
disk.open()
print("there", flush=True)
{end}
"""


def run(sim, place, end, **options):
    """Start a program that attaches a disk, and wait until it is there."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("{end}", end), sim, place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    assert program.stdout.readline() == "there\n"
    return program


@pytest.mark.parametrize(
    "end",
    ["pass", "sys.exit(3)", "raise RuntimeError('a bug')", "os.fork() or sys.exit(); os.wait()"],
)
def test_a_program_that_forgets_to_close_leaves_nothing(sim, tmp_path, tree, end):
    with run(sim, str(tmp_path / "d"), end, stderr=subprocess.DEVNULL) as program:
        program.wait(30)
    assert tree() == NOTHING
    assert not (tmp_path / "d").exists()


def test_what_a_killed_program_has_left_is_taken_over(sim, tmp_path, attach, memory, initiator):
    place = str(tmp_path / "d")
    with run(sim, place, "sys.stdin.readline()") as program:
        program.send_signal(signal.SIGKILL)
    with pytest.raises(ConflictError, match="of another size"):
        attach(memory, size=2 * SIZE, directory=place).open()
    with attach(memory, directory=place) as disk, initiator(disk) as host:
        host.write(0, b"n" * 512)
    assert memory.data[:512] == b"n" * 512
    assert not Path(place).exists()


def test_what_a_killed_program_has_left_can_be_removed(sim, tmp_path, tree):
    place = str(tmp_path / "d")
    with run(sim, place, "sys.stdin.readline()") as program:
        program.send_signal(signal.SIGKILL)
    tcmu.detach("vol0", sim=sim, directory=place)
    assert tree() == NOTHING
    assert not Path(place).exists()
    with pytest.raises(NotFoundError):
        tcmu.detach("vol0", sim=sim)


def test_detach_removes_no_link_to_another_disk(sim, tmp_path, tree):
    with run(sim, str(tmp_path / "d"), "sys.stdin.readline()") as program:
        program.send_signal(signal.SIGKILL)
    link = tmp_path / "d" / "vol0"
    link.unlink()
    link.symlink_to("/nowhere")
    tcmu.detach("vol0", sim=sim, directory=tmp_path / "d")
    assert tree() == NOTHING
    assert link.is_symlink()
