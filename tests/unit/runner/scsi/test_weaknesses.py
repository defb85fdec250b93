# SPDX-License-Identifier: Apache-2.0
"""What tcmu-runner 1.6 gets wrong on the SCSI side, by the number of our inventory of it.

One test a number; the families' own tests go deeper.
"""

from __future__ import annotations

import errno
import threading
import tracemalloc

import pytest

from lioshell.runner.command import GOOD, Command, Deferred
from tests.unit.runner.scsi.cdbs import SIZE, ranged
from tests.unit.runner.scsi.test_xcopy import NAA, parameters, segment, target

OTHER_NAA = NAA[:-1] + b"\0"

UNMAP_ONE = bytes.fromhex("0016 0010 00000000") + bytes(8) + bytes.fromhex("00000001 00000000")


def unmap(length: int) -> bytes:
    return b"\x42" + bytes(6) + length.to_bytes(2, "big") + b"\0"


def test_6_1_01_a_failed_discard_is_not_good(bench, sense) -> None:
    bench.handler.discard_error = OSError(errno.EIO, "")
    sent = bench.send(unmap(len(UNMAP_ONE)), out=UNMAP_ONE)
    assert sent.response == (2, sense(3, 0x0C, 0), None)


def test_6_1_02_unmap_descriptors_are_counted_by_the_list_that_was_sent(bench, sense) -> None:
    for length in (8, 16, 23):
        sent = bench.send(unmap(length), out=UNMAP_ONE[:length])
        assert sent.response.sense == sense(5, 0x1A, 0)
    assert bench.handler.calls == []


@pytest.mark.parametrize("code", [0x2A, 0xAA, 0x8A])
def test_6_1_03_fua_reaches_the_storage_and_dpo_is_no_error(bench, code) -> None:
    assert bench.send(ranged(code, 0, 1, flags=0x18), out=bytes(SIZE)).response.status == 0
    assert bench.handler.calls == ["write 0+512 fua"]
    assert bench.send("1a 08 3f 00 ff 00", 255).data[2] & 0x10  # DPOFUA


# 6.1.4, a failed sync stays failed, is the handler's: handlers/test_file.py.


@pytest.mark.usefixtures("all_parts")
def test_6_1_05_no_write_comes_between_comparison_and_write(bench) -> None:
    handler = bench.handler
    reading, go_on = threading.Event(), threading.Event()
    handler.blocking = False
    plain_read = handler.read

    def slow_read(buffers, offset):
        plain_read(buffers, offset)
        reading.set()
        assert go_on.wait(10)

    handler.read = slow_read
    swap = bytes((0x89,)) + bytes(12) + b"\1\0\0"
    old_and_new = memoryview(bytearray(bytes(SIZE) + b"\2" * SIZE))
    first = bench.disk.execute(Command(swap, [old_and_new], 2 * SIZE))
    assert isinstance(first, Deferred)
    swapping = threading.Thread(target=first.run)
    swapping.start()
    assert reading.wait(10)
    data = memoryview(bytearray(b"\1" * SIZE))
    second = bench.disk.execute(Command(ranged(0x2A, 0, 1), [data], SIZE))
    assert isinstance(second, Deferred)
    writing = threading.Thread(target=second.run)
    writing.start()
    elsewhere = bench.disk.execute(Command(ranged(0x2A, 9, 1), [data], SIZE))
    assert elsewhere is GOOD  # and one in another place does not wait
    assert handler.memory[0] == 0
    go_on.set()
    swapping.join(10)
    writing.join(10)
    assert handler.memory[0] == 1  # the write came last, as it was sent last


def test_6_1_08_format_unit_tells_errors_and_ends_on_any_size(make_bench, sense) -> None:
    bench = make_bench(1, claim_blocks=1 << 34)
    ends: list[int] = []
    bench.handler.discard = lambda offset, size: ends.append(offset + size)
    assert bench.send("04 00 00 00 00 00").response.status == 0
    assert ends[-1] == (1 << 34) * SIZE

    def fail(offset, size):
        raise OSError(errno.ENOSPC, "")

    bench.handler.discard = fail
    assert bench.send("04 00 00 00 00 00").response.sense == sense(7, 0x27, 7)


@pytest.mark.parametrize(
    "cdb",
    [
        "12 00 00 00 ff 00",
        "1a 00 3f 00 ff 00",
        "a3 0c 00 00 00 00 00 00 00 ff 00 00",
        "28 00 00 00 00 00 00 00 01 00",
        "00 00 00 00 00 00",
    ],
)
def test_6_1_09_short_answers_leave_nothing_stale(bench, cdb) -> None:
    bench.handler.memory[:] = b"\x11" * len(bench.handler.memory)
    sent = bench.send(cdb, 5000)
    assert sent.response.status == 0
    assert bytes((bench.stale,)) * 4 not in sent.area
    assert not any(sent.area[sent.response.read_len :])


def test_6_1_10_write_same_with_unmap_divides_by_nothing(make_bench) -> None:
    for physical in (0, 512, 4096):
        bench = make_bench(physical=physical)
        sent = bench.send(ranged(0x93, 3, 5, flags=0x08), out=bytes(SIZE))
        assert sent.response.status == 0
        assert bench.handler.calls == ["discard 1536+2560"]


def test_6_1_11_an_allocation_length_allocates_nothing(bench) -> None:
    cdbs = (
        "a3 0a 00 00 00 00 ff ff ff ff 00 00",
        "a3 0c 00 00 00 00 ff ff ff ff 00 00",
        "9e 12" + "00" * 8 + "ff ff ff ff 00 00",
        "84 03" + "00" * 8 + "ff ff ff ff 00 00",
    )
    tracemalloc.start()
    try:
        for cdb in cdbs:
            assert bench.send(cdb, 64).response.status == 0
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("code", [0x60, 0x7E, 0x7F, 0xC0, 0xE5, 0xFF])
@pytest.mark.parametrize("length", [1, 6, 10, 16, 32, 260])
def test_6_2_12_vendor_specific_and_reserved_commands_are_answered(bench, code, length) -> None:
    sent = bench.send(bytes((code,)) + bytes(length - 1), 64)
    assert sent.response.status == 2
    assert sent.response.sense[2] == 5


def test_6_2_20_a_copy_walks_over_no_other_device(make_bench, sense) -> None:
    """Another disk of this process cannot be named: none is looked for, none can go meanwhile."""
    bench = make_bench(64)
    for names in ([NAA, OTHER_NAA], [OTHER_NAA, NAA], [OTHER_NAA]):
        last = len(names) - 1
        out = parameters(map(target, names), [segment(0, 8, 1, from_to=(0, last))])
        cdb = b"\x83" + bytes(9) + len(out).to_bytes(4, "big") + bytes(2)
        assert bench.send(cdb, out=out).response.sense == sense(0xA, 0x0D, 2)
    assert bench.handler.calls == []
