# SPDX-License-Identifier: Apache-2.0
"""What other runners are known to do wrong, by the numbers of the inventory's list.

6.1.N is about data that are lost or wrong, 6.2.N about rings, threads and error paths. Those of
single commands (1, 2, 8, 10, 11, 20) are in scsi/test_weaknesses.py; 14 and 15 are in test_ring.py,
18 in test_supervisor.py, 19 in test_supervisor_waiting.py, 21 in tests/cli/test_device_care.py.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner import ring
from lioshell.runner.command import GOOD, Command, Deferred
from lioshell.runner.device import ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.handlers.file import FileHandler
from lioshell.runner.loop import Loop
from lioshell.runner.scsi.disk import Disk
from lioshell.runner.scsi.unit import Geometry, Identity
from lioshell.testing import Initiator
from lioshell.testing.initiator import rw16, sense_of
from tests.patience import eventually

SIZE = 4 << 20
BLOCK = 512
WRITE_ERROR = (3, 0x0C, 0)
READ_ERROR = (3, 0x11, 0)


TESTS = Path(__file__).parents[2]
WHERE = ("unit/runner/**/test_*.py", "cli/test_device_care.py")


def test_each_number_has_its_test():
    text = "".join(file.read_text() for glob in WHERE for file in TESTS.glob(glob))
    numbers = [(1, n) for n in range(1, 12)] + [(2, n) for n in range(12, 26)]
    missing = [f"6.{part}.{n}" for part, n in numbers if f"def test_6_{part}_{n:02}_" not in text]
    assert missing == []


@pytest.fixture
def path(tmp_path):
    name = str(tmp_path / "vol0.img")
    FileHandler.prepare(name, SIZE, BLOCK)
    return name


@pytest.fixture
def disk(path):
    with Initiator.of(f"file/{path}", SIZE) as opened:
        yield opened


def test_6_1_03_fua_reaches_the_disk_before_the_answer(disk, monkeypatch):
    flags = []
    real = os.pwritev

    def pwritev(fd, views, position, flag=0):
        flags.append(flag)
        return real(fd, views, position, flag)

    monkeypatch.setattr(os, "pwritev", pwritev)
    disk.write(0, b"x" * BLOCK)
    assert flags == [0]
    disk.write(0, b"y" * BLOCK, fua=True)
    assert flags[1:] == [os.RWF_DSYNC]


def test_6_1_04_a_failed_sync_stays_failed_until_it_is_opened_again(disk, path, monkeypatch):
    disk.write(0, b"x" * BLOCK)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda fd: (_ for _ in ()).throw(OSError(errno.EIO, "gone")))
        disk.refused(rw16(0x91, 0, 0), WRITE_ERROR)
    # The kernel has dropped the pages, and would say that all is well now.
    disk.refused(rw16(0x91, 0, 0), WRITE_ERROR)
    disk.refused(rw16(0x8A, 0, 1, 8), WRITE_ERROR, b"y" * BLOCK)
    disk.close()
    with Initiator.of(f"file/{path}", SIZE) as again:
        again.flush()


def test_6_1_05_compare_and_write_is_one_action_beside_other_writes(path):
    """A counter that many increment by COMPARE AND WRITE, beside writes of its neighbours."""
    with Initiator.of(f"file/{path}", SIZE) as disk:
        done = 0
        wanted = 40
        pending: dict[int, tuple[str, int]] = {}
        value = 0
        noise = 0
        while done < wanted or pending:
            while len(pending) < 8 and done < wanted:
                if len(pending) % 2:
                    noise += 1
                    cmd_id = disk.submit(rw16(0x8A, 1, 1, 8 * (noise % 2)), b"n" * BLOCK)
                    kind = "noise"
                else:
                    old = value.to_bytes(8, "big") * (BLOCK // 8)
                    new = (value + 1).to_bytes(8, "big") * (BLOCK // 8)
                    cdb = bytes((0x89, 0)) + bytes(8) + bytes((0, 0, 0, 1, 0, 0))
                    cmd_id, kind = disk.submit(cdb, old + new), "swap"
                assert cmd_id
                pending[cmd_id] = kind, value
            for answer in disk.completions():
                kind, old_value = pending.pop(answer.cmd_id)
                if kind == "swap" and answer.status == 0:
                    # Exactly one of those that began with the same value may win.
                    assert old_value == value
                    value += 1
                    done += 1
                elif kind == "swap":
                    assert sense_of(answer) == (0xE, 0x1D, 0)
                else:
                    assert answer.status == 0
        assert disk.read(0, 1) == value.to_bytes(8, "big") * (BLOCK // 8)


def test_6_1_06_a_write_that_the_kernel_gave_up_is_not_done_later(path):
    harness = RingHarness()
    unit = registry.make_unit(f"file/{path}", size_bytes=SIZE, identity=Identity("1"))
    device = ServedDevice(harness.device, harness, unit, lambda _: None, lambda: 30.0)
    late = harness.producer.queue(rw16(0x8A, 0, 1), b"old" + bytes(509))
    harness.producer.expire(late)
    device.age.not_before -= 31
    device.service()
    assert harness.producer.collect()[0].expired
    with open(path, "rb") as file:
        assert file.read(3) == bytes(3)
    device.close()
    harness.discard()


@pytest.mark.parametrize(
    ("before", "after"), [((0, 1), 1), ((1,), 0), ((1,), 1), ((1,), 3), ((1, 0), 4)]
)
def test_6_1_07_no_ring_is_reset_while_a_command_is_in_a_handler(before, after):
    """The ring is emptied by somebody else: what is in the handler would move in its memory.

    It is noticed wherever the command in the handler (1) stands, and however many come after.
    """
    gate = threading.Event()

    class Slow:
        def execute(self, command):
            return Deferred(self.wait) if command.cdb[0] else GOOD

        def wait(self):
            gate.wait(20)
            return GOOD

        def close(self):
            pass

    harness = RingHarness()
    errors = []
    loop = Loop(on_detached=lambda device, error: errors.append(str(error)))
    device = ServedDevice(harness.device, harness, Slow(), lambda _: None)
    loop.add(device)
    for code in before:
        harness.producer.queue(bytes((code,)) + bytes(5))
        device.service()
    harness.producer.reset(1)
    for _ in range(after):
        harness.producer.queue(bytes(6))
    loop._serve(device.fileno(), device, device.service)
    assert "reset its ring while commands were executed" in errors[0]
    assert not device.closed
    gate.set()
    loop.start_thread()
    eventually(lambda: device.closed)
    loop.close()


def test_a_ring_that_is_reset_with_nothing_in_a_handler_goes_on():
    harness = RingHarness()

    class Unit:
        def execute(self, command):
            return GOOD

        def close(self):
            pass

    device = ServedDevice(harness.device, harness, Unit(), lambda _: None)
    for _ in range(5):
        harness.producer.queue(bytes(6))
        device.service()
    harness.producer.collect()
    harness.producer.reset(1)
    harness.producer.queue(bytes(6))
    device.service()
    assert [c.status for c in harness.producer.collect()] == [0]
    assert not harness.producer.broken
    device.close()


def test_6_1_09_a_read_at_the_end_of_the_file_leaks_nothing(disk, path):
    disk.write(0, b"\xa5" * (256 * BLOCK))
    os.truncate(path, 64 * BLOCK)
    answer = disk.execute(rw16(0x88, 32, 64), b"", 64 * BLOCK)
    assert sense_of(answer) == READ_ERROR
    assert answer.data_in == b""


@pytest.mark.parametrize("code", [0x60, 0x7E, 0xC0, 0xDF, 0xE5, 0xFF])
def test_6_2_12_vendor_and_reserved_codes_are_answered(disk, code):
    disk.refused(bytes((code,)) + bytes(15), (5, 0x20, 0))


def test_6_2_13_no_memory_for_a_moment_loses_no_command(path, monkeypatch):
    with Initiator.of(f"file/{path}", SIZE) as disk:
        real, left = ring.Command, [3]

        def command(*arguments):
            if left[0]:
                left[0] -= 1
                raise MemoryError
            return real(*arguments)

        monkeypatch.setattr(ring, "Command", command)
        # With FUA, so that it is not executed without a Command.
        disk.write(0, b"m" * BLOCK, fua=True)
        assert left == [0]
        assert disk.read(0, 1) == b"m" * BLOCK


def test_6_2_16_a_signal_ends_no_loop(path):
    """poll(2) answers EINTR: the device is served on."""
    script = f"""
import os, signal, threading, time
from lioshell.testing import Initiator
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
with Initiator.of("file/{path}", {SIZE}) as disk:
    for lba in range(300):
        disk.write(lba, b"s" * 512)
        assert disk.read(lba, 1) == b"s" * 512
print("served")
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert result.stdout == "served\n", result.stderr


@pytest.mark.parametrize("config", ["f//x", "/x", "//x", "fil//x", "filex//x", "FILE//x", "file"])
def test_6_2_17_a_prefix_of_a_subtype_is_not_the_subtype(config):
    assert not registry.serves(config)
    assert registry.serves("file//x")


@pytest.mark.parametrize("error", [AssertionError("x"), RecursionError(), SystemExit(3)])
def test_6_2_22_nothing_that_a_handler_raises_ends_the_process(path, error):
    class Bad(FileHandler):
        def flush(self):
            raise error

    handler = Bad.open(path, SIZE, BLOCK)
    with Initiator(Disk(Identity("1"), Geometry(SIZE), handler)) as disk:
        disk.refused(rw16(0x91, 0, 0), (4, 0x44, 0))
        disk.write(0, b"x" * BLOCK)


def test_6_2_23_transfers_that_move_nothing_are_cut_short_or_interrupted(disk, monkeypatch):
    real = os.pwritev
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", lambda fd, views, at, flag=0: 0)
        disk.refused(rw16(0x8A, 0, 1), WRITE_ERROR, b"z" * BLOCK)
    with monkeypatch.context() as patch:
        patch.setattr(
            os,
            "pwritev",
            lambda fd, views, at, flag=0: real(fd, [views[0][:100]], at, flag),
        )
        disk.write(0, bytes(range(256)) * 16)
    assert disk.read(0, 8) == bytes(range(256)) * 16


def test_6_2_24_a_flood_of_failures_is_no_flood_of_lines(path):
    class Bad(FileHandler):
        def flush(self):
            raise ValueError("again")

    with Initiator(Disk(Identity("1"), Geometry(SIZE), Bad.open(path, SIZE, BLOCK))) as disk:
        for _ in range(100):
            disk.execute(rw16(0x91, 0, 0))
        assert len(disk.reports) <= 7


def test_6_2_25_who_serves_disks_is_an_io_flusher():
    """prctl(PR_GET_IO_FLUSHER), in the threads that are started afterwards too."""
    script = """
import ctypes, threading
from lioshell.service.io_flusher import become_io_flusher
print(become_io_flusher())
thread = threading.Thread(target=lambda: print(ctypes.CDLL(None).prctl(58, 0, 0, 0, 0)))
thread.start()
thread.join()
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    # Without CAP_SYS_RESOURCE the kernel refuses it, and says so.
    assert result.stdout in ("True\n1\n", "False\n-1\n"), result


# Bad input: what may become of a backing file, and what a handler may do -------------------------


def test_a_full_file_system_is_space_allocation_failed(disk, monkeypatch):
    def full(fd, views, at, flag=0):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        disk.refused(rw16(0x8A, 0, 1), (7, 0x27, 7), b"f" * BLOCK)
        disk.refused(rw16(0x8A, 0, 1024), (7, 0x27, 7), b"f" * (1024 * BLOCK))
    disk.write(0, b"f" * BLOCK)


def test_a_file_that_becomes_read_only_is_write_protected(disk, monkeypatch):
    def read_only(fd, views, at, flag=0):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "pwritev", read_only)
    disk.refused(rw16(0x8A, 0, 1), (7, 0x27, 0), b"f" * BLOCK)
    disk.read(0, 1)


def test_a_file_that_is_deleted_serves_on_and_is_not_made_anew(disk, path):
    disk.write(0, b"d" * BLOCK)
    os.unlink(path)
    assert disk.read(0, 1) == b"d" * BLOCK
    disk.close()
    from lioshell.errors import NotFoundError

    with pytest.raises(NotFoundError, match="is not there"):
        Initiator.of(f"file/{path}", SIZE)


def test_a_file_shorter_than_the_device_is_refused(path):
    from lioshell.errors import ConflictError

    os.truncate(path, SIZE // 2)
    with pytest.raises(ConflictError, match=f"{SIZE // 2} bytes, not {SIZE}"):
        Initiator.of(f"file/{path}", SIZE)


@pytest.mark.parametrize("moved", [0, 1, BLOCK - 1])
def test_a_handler_that_moves_too_little_is_an_error(path, moved):
    class Little(FileHandler):
        def try_read(self, buffers, offset_bytes):
            return False

        def try_write(self, buffers, offset_bytes):
            return False

        def read(self, buffers, offset_bytes):
            return moved

        def write(self, buffers, offset_bytes, fua):
            return moved

    with Initiator(Disk(Identity("1"), Geometry(SIZE), Little.open(path, SIZE, BLOCK))) as disk:
        disk.refused(rw16(0x88, 0, 1), READ_ERROR, b"", BLOCK)
        disk.refused(rw16(0x8A, 0, 1), WRITE_ERROR, b"x" * BLOCK)


@pytest.mark.parametrize("answer", [None, 7, "GOOD", (1, 2, 3, 4), (999, b"", None)])
def test_a_unit_that_answers_nonsense_is_an_internal_target_failure(answer):
    class Unit:
        def execute(self, command: Command):
            return answer

        def close(self):
            pass

    with Initiator(Unit()) as disk:
        disk.refused(bytes(6), (4, 0x44, 0))


def test_a_process_that_was_stopped_does_not_do_what_was_given_up(path):
    """SIGSTOP for longer than cmd_time_out: the write that waited in the ring is not done."""
    script = f"""
import sys, time
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.device import ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.loop import Loop
from lioshell.runner.scsi.unit import Identity
from lioshell.testing.initiator import rw16
harness = RingHarness()
unit = registry.make_unit("file/{path}", size_bytes={SIZE}, identity=Identity("1"))
device = ServedDevice(harness.device, harness, unit, print, lambda: 2.0)
loop = Loop()
loop.add(device)
loop.start_thread()
print("ready", flush=True)
sys.stdin.readline()
# As the kernel would while the process stands still: the wake-up is seen only afterwards.
harness.producer.queue(rw16(0x8A, 0, 1), b"late" * 128)
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
harness.wake()
harness.wait(20)
print("status", harness.producer.collect()[0].status, flush=True)
loop.close()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        time.sleep(3.2)
        child.send_signal(signal.SIGCONT)
        lines = child.communicate(timeout=60)[0].splitlines()
    assert "status 8" in lines, lines
    with open(path, "rb") as file:
        assert file.read(4) == bytes(4)
