# SPDX-License-Identifier: Apache-2.0
"""`fault`: errors, delays and hangs where they were asked for, and nowhere else."""

from __future__ import annotations

import errno
import threading
import time

import pytest

from lioshell.errors import HostError, LioshellError, NotFoundError, UsageError
from lioshell.runner.handlers.fault import FaultHandler
from lioshell.testing import CommandFailedError, Initiator
from lioshell.testing.initiator import rw16, sense_of

READ_ERROR, WRITE_ERROR = (3, 0x11, 0), (3, 0x0C, 0)
SIZE = 1 << 20


def disk(options, inner="ram/x"):
    return Initiator.of(f"fault/{inner};{options}", SIZE)


def test_reads_fail_in_their_range_alone():
    with disk("read_error=4k-8k") as opened:
        opened.write(0, b"a" * 16384)
        for lba, count in ((8, 1), (15, 1), (7, 2), (0, 32)):
            opened.refused(rw16(0x88, lba, count), READ_ERROR, b"", 512 * count)
        assert opened.read(0, 8) == b"a" * 4096
        assert opened.read(16, 8) == b"a" * 4096


def test_writes_fail_and_write_nothing():
    with disk("write_error=0-512+64k-65k") as opened:
        opened.refused(rw16(0x8A, 0, 1), WRITE_ERROR, b"b" * 512)
        opened.refused(rw16(0x8A, 128, 1), WRITE_ERROR, b"b" * 512)
        opened.write(1, b"b" * 512)
        assert opened.read(0, 2) == bytes(512) + b"b" * 512


def test_flushes_and_discards_fail():
    with disk("flush_error;discard_error=all") as opened:
        with pytest.raises(CommandFailedError):
            opened.flush()
        handler = opened.device.unit.handler
        with pytest.raises(OSError, match="Input/output"):
            handler.discard(0, 512)
        handler.write_zeroes(0, 512)


def test_each_third_fails():
    with disk("read_error=all;every=3") as opened:
        answers = [opened.execute(rw16(0x88, 0, 1), b"", 512).status for _ in range(9)]
    assert answers == [0, 0, 2] * 3


def test_the_error_is_the_one_that_was_asked_for():
    handler = FaultHandler.open("ram/x;write_error=all;errno=ENOSPC", SIZE, 512)
    with pytest.raises(OSError, match="space") as caught:
        handler.write([memoryview(bytes(512))], 0, False)
    assert caught.value.errno == errno.ENOSPC
    handler.close()


def test_a_delay_delays_its_range_and_no_other_command():
    with disk("delay_ms=300;delay_at=512k-1M") as opened:
        begin = time.monotonic()
        slow = opened.submit(rw16(0x88, 1024, 1), b"", 512)
        opened.read(0, 1)
        early = time.monotonic() - begin
        done = []
        while not done:
            done = [answer for answer in opened.completions() if answer.cmd_id == slow]
        assert time.monotonic() - begin >= 0.3
        assert early < 0.3


def test_a_hang_ends_with_a_time_out():
    with disk("hang_at=0-512;hang_s=1") as opened:
        begin = time.monotonic()
        answer = opened.execute(rw16(0x88, 0, 1), b"", 512)
        assert time.monotonic() - begin >= 1
        assert answer.status == 2
        assert sense_of(answer) == (0xB, 0x08, 0x01)
        assert opened.read(1, 1) == bytes(512)


def test_closing_ends_what_hangs():
    handler = FaultHandler.open("ram/x;hang_at=all;hang_s=600", SIZE, 512)
    ended = []

    def read():
        try:
            handler.read([memoryview(bytearray(512))], 0)
        except OSError as error:
            ended.append(error.errno)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.05)
    handler.close()
    thread.join(10)
    assert ended == [errno.ETIMEDOUT]


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ("ram", UsageError),
        ("nosuch/x", NotFoundError),
        ("fault/ram/x", UsageError),
        ("file/relative", UsageError),
        ("ram/x;read_error=4k", UsageError),
        ("ram/x;read_error=8k-4k", UsageError),
        ("ram/x;read_error=-4k", UsageError),
        ("ram/x;read_error=0-4k+", UsageError),
        ("ram/x;read_error=a-b", UsageError),
        ("ram/x;every=0", UsageError),
        ("ram/x;errno=EWILD", UsageError),
        ("ram/x;overcommit", UsageError),
    ],
)
def test_what_cannot_be_meant(config, kind):
    with pytest.raises(LioshellError) as caught:
        FaultHandler.check_config(config)
    assert isinstance(caught.value, kind)
    assert caught.value.hint


def test_the_options_of_the_other_are_written_with_two_semicolons():
    with Initiator.of("fault/ram/x;;overcommit;read_error=0-512", SIZE) as opened:
        opened.refused(rw16(0x88, 0, 1), READ_ERROR, b"", 512)


def test_what_is_missing_for_the_other_is_told(monkeypatch):
    from lioshell.runner.handlers.base import Unavailable
    from lioshell.runner.handlers.ram import RamHandler

    monkeypatch.setattr(RamHandler, "unavailable", classmethod(lambda _: Unavailable("no", "apt")))
    with pytest.raises(HostError) as caught:
        FaultHandler.open("ram/x", SIZE, 512)
    assert caught.value.hint == "apt"
