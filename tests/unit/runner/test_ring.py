# SPDX-License-Identifier: Apache-2.0
"""The consumer's side of a ring against the simulated kernel's side."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import RunnerError
from lioshell.kernel.sim import layout
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.command import GOOD, Command, Response
from lioshell.runner.ring import Ring

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_4K = bytes([0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0])
WRITE_4K = bytes([0x2A, 0, 0, 0, 0, 0, 0, 0, 8, 0])
SENSE = bytes([0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0])


class Bench:
    """Both sides of one ring."""

    def __init__(self, data_offset: int = 65536, flags: int = layout.FLAGS) -> None:
        self.harness = RingHarness(data_offset=data_offset, flags=flags)
        self.kernel = self.harness.producer
        self.ring = Ring(self.harness.map)

    def pop(self) -> tuple[int, Command]:
        popped = self.ring.pop()
        assert popped is not None
        return popped

    def answer(self, response: Response = GOOD) -> int:
        cmd_id, command = self.pop()
        self.ring.complete(cmd_id, command, response)
        return cmd_id

    def raw(self, op: int, length: int, cmd_id: int, rest: bytes) -> None:
        entry = struct.pack("=IHBB", length | op, cmd_id, 0, 0) + rest
        assert self.kernel.queue_raw(entry.ljust(max(8, -(-len(entry) // 8) * 8), b"\0"))
        self.kernel.expect(cmd_id)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.ring.close()
    bench.harness.close()
    bench.harness.discard()


def command_entry(
    bench: Bench,
    cdb: bytes = READ_4K,
    iovs: tuple[tuple[int, int], ...] = (),
    *,
    counts: tuple[int, int, int] | None = None,
    cdb_off: int | None = None,
    length: int | None = None,
) -> None:
    """Queue a command entry made by hand, any field of which may lie."""
    base = max(112, 48 + 16 * len(iovs))
    total = base + -(-len(cdb) // 8) * 8
    start = layout.RING_OFFSET + bench.kernel.head
    counts = counts or (len(iovs), 0, 0)
    offset = start + base if cdb_off is None else cdb_off
    entry = bytearray(total)
    layout.COMMAND.pack_into(
        entry, 0, (length or total) | layout.OP_CMD, 7, 0, 0, *counts, offset, 0, 0
    )
    for index, iov in enumerate(iovs):
        layout.IOV.pack_into(entry, 48 + 16 * index, *iov)
    entry[base : base + len(cdb)] = cdb
    assert bench.kernel.queue_raw(bytes(entry))
    bench.kernel.expect(7)


def test_a_write_arrives_whole_and_its_answer_goes_back(bench: Bench) -> None:
    data = bytes(range(256)) * 16
    cmd_id = bench.kernel.queue(WRITE_4K, data)
    popped, command = bench.pop()
    assert popped == cmd_id
    assert command.cdb == WRITE_4K
    assert command.size_bytes == 4096
    assert command.gather(5000) == data
    assert command.gather(10) == data[:10]
    bench.ring.complete(popped, command, GOOD)
    assert [(c.cmd_id, c.status) for c in bench.kernel.collect()] == [(cmd_id, 0)]
    assert bench.ring.pop() is None


def test_a_read_goes_back_whole(bench: Bench) -> None:
    bench.kernel.queue(READ_4K, data_in_bytes=4096)
    cmd_id, command = bench.pop()
    assert command.scatter(b"x" * 5000) == 4096
    bench.ring.complete(cmd_id, command, GOOD)
    [completion] = bench.kernel.collect()
    assert completion.data_in == b"x" * 4096


def test_fragmented_buffers_keep_their_order(bench: Bench) -> None:
    kernel = bench.kernel
    for _ in range(6):
        kernel.queue(WRITE_4K, b"." * 4096)
    popped = [bench.pop() for _ in range(6)]
    for index in (0, 2, 4):
        bench.ring.complete(*popped[index], GOOD)
    assert len(kernel.collect()) == 3
    # The three free blocks are not neighbours.
    data = b"a" * 4096 + b"b" * 4096 + b"c" * 100
    kernel.queue(WRITE_4K, data)
    for index in (1, 3, 5):
        bench.ring.complete(*popped[index], GOOD)
    kernel.collect()
    cmd_id, command = bench.pop()
    assert [len(part) for part in command.data] == [4096, 4096, 100]
    assert command.size_bytes == 8292
    assert command.gather(10000) == data
    assert command.gather(4100) == data[:4100]
    assert command.scatter(b"z" * 4100) == 4100
    assert command.gather(10000) == b"z" * 4100 + data[4100:]
    command.zero_fill(4098)
    assert command.gather(10000) == b"z" * 4098 + bytes(8292 - 4098)
    bench.ring.complete(cmd_id, command, GOOD)


@pytest.mark.parametrize("left", range(8, 120, 8))
def test_entries_never_wrap_and_a_pad_may_have_8_bytes(left: int) -> None:
    """11 entries of 120 bytes (112 and a CDB of 6, rounded) leave `left` bytes at the end."""
    bench = Bench(data_offset=128 + 11 * 120 + left)
    kernel = bench.kernel
    pads = []
    for index in range(100):
        before = kernel.head
        cdb = bytes([0, index]) + bytes(4)
        cmd_id = kernel.queue(cdb)
        if kernel.head < before and kernel.head > 0:
            pads.append(kernel.ring_size - before)
        popped, command = bench.pop()
        assert (popped, command.cdb) == (cmd_id, cdb)
        bench.ring.complete(popped, command, GOOD)
        if index % 4 == 3:
            assert len(kernel.collect()) == 4
    assert pads == [left] * (100 // 11)
    assert kernel.idle


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_commands_complete_in_any_order(bench: Bench, order: tuple[int, ...]) -> None:
    kernel = bench.kernel
    ids = [kernel.queue(READ_4K, data_in_bytes=4096) for _ in range(4)]
    popped = [bench.pop() for _ in range(4)]
    assert bench.ring.in_flight == 4
    done = []
    for index in order:
        cmd_id, command = popped[index]
        assert cmd_id == ids[index]
        command.scatter(bytes([index]) * 4096)
        bench.ring.complete(cmd_id, command, GOOD)
        done += kernel.collect()
    assert [c.cmd_id for c in done] == [ids[index] for index in order]
    assert [c.data_in[0] for c in done] == list(order)
    assert not kernel.broken
    assert kernel.idle


def test_cdb_and_buffers_are_copied_before_any_answer(bench: Bench) -> None:
    """The sense of one command overwrites the CDB offset and the iovs of another's entry."""
    bench.kernel.queue(READ_4K, data_in_bytes=4096)
    second = bench.kernel.queue(WRITE_4K, b"w" * 4096)
    first_popped = bench.pop()
    second_popped = bench.pop()
    bench.ring.complete(*second_popped, Response(2, SENSE))
    assert first_popped[1].cdb == READ_4K
    first_popped[1].scatter(b"r" * 4096)
    bench.ring.complete(*first_popped, GOOD)
    done = {c.cmd_id: c for c in bench.kernel.collect()}
    assert second is not None
    assert done[second].status == 2
    assert done[second].sense == SENSE.ljust(96, b"\0")
    assert done[first_popped[0]].data_in == b"r" * 4096


def test_check_condition_without_sense_carries_no_leftovers(bench: Bench) -> None:
    bench.kernel.queue(WRITE_4K, b"w" * 4096)
    bench.answer(Response(2))
    [completion] = bench.kernel.collect()
    assert (completion.status, completion.sense) == (2, bytes(96))


def test_long_sense_is_cut(bench: Bench) -> None:
    bench.kernel.queue(WRITE_4K, b"w" * 4096)
    bench.kernel.queue(WRITE_4K, b"v" * 4096)
    bench.answer(Response(2, b"s" * 300))
    assert bench.kernel.collect()[0].sense == b"s" * 96
    assert bench.pop()[1].gather(1) == b"v"


def test_tmr_and_pad_are_skipped(bench: Bench) -> None:
    assert bench.kernel.queue_tmr(1, [1, 2, 3])
    cmd_id = bench.kernel.queue(READ_4K)
    assert bench.kernel.queue_tmr(5, [])
    assert bench.answer() == cmd_id
    assert bench.ring.pop() is None
    assert [c.cmd_id for c in bench.kernel.collect()] == [cmd_id]
    assert bench.kernel.idle


def test_a_tmr_between_commands_that_finish_out_of_order(bench: Bench) -> None:
    ids = [bench.kernel.queue(READ_4K)]
    bench.kernel.queue_tmr(1, [1])
    ids.append(bench.kernel.queue(READ_4K))
    first, second = bench.pop(), bench.pop()
    bench.ring.complete(*second, GOOD)
    assert [c.cmd_id for c in bench.kernel.collect()] == [ids[1]]
    bench.ring.complete(*first, GOOD)
    assert [c.cmd_id for c in bench.kernel.collect()] == [ids[0]]
    assert bench.kernel.idle


@pytest.mark.parametrize(
    ("cdb", "length"),
    [
        (bytes([0x12, 0, 0, 0, 36, 0]), 6),
        (bytes([0xA8]) + bytes(11), 12),
        (bytes([0x88]) + bytes(15), 16),
        (bytes([0x7F, 0, 0, 0, 0, 0, 0, 24, 0, 9]) + bytes(22), 32),
        # Vendor specific and reserved groups: the entry holds 10 and 12 bytes, rounded up to 16.
        (bytes([0xC1]) + bytes(9), 16),
        (bytes([0xFF]) + bytes(9), 16),
        (bytes([0x60]) + bytes(11), 16),
    ],
)
def test_every_cdb_arrives_and_is_answered(bench: Bench, cdb: bytes, length: int) -> None:
    cmd_id = bench.kernel.queue(cdb)
    popped, command = bench.pop()
    assert command.cdb == cdb.ljust(length, b"\0")
    bench.ring.complete(popped, command, Response(2, SENSE))
    assert [(c.cmd_id, c.status) for c in bench.kernel.collect()] == [(cmd_id, 2)]


@pytest.mark.parametrize("op", [3, 4, 5, 6, 7])
def test_an_unknown_entry_is_answered_with_unknown_op(bench: Bench, op: int) -> None:
    bench.raw(op, 16, 9, bytes(8))
    cmd_id = bench.kernel.queue(READ_4K)
    assert bench.answer() == cmd_id
    done = bench.kernel.collect()
    assert [(c.cmd_id, c.status) for c in done] == [(9, 2), (cmd_id, 0)]


def test_an_unknown_entry_waits_for_commands_in_flight(bench: Bench) -> None:
    first = bench.kernel.queue(READ_4K)
    bench.raw(5, 8, 9, b"")
    second = bench.kernel.queue(READ_4K)
    popped = bench.pop()
    assert bench.ring.pop() is None
    assert not bench.ring.empty
    bench.ring.complete(*popped, GOOD)
    assert bench.answer() == second
    assert [c.cmd_id for c in bench.kernel.collect()] == [first, 9, second]


def test_6_2_14_bidirectional_data_in_is_zeroed(bench: Bench) -> None:
    bench.kernel.queue(READ_4K, data_in_bytes=8192)
    cmd_id, command = bench.pop()
    command.scatter(b"secret.." * 1024)
    bench.ring.complete(cmd_id, command, GOOD)
    bench.kernel.collect()
    bench.kernel.queue(bytes([0x53]) + bytes(9), b"o" * 4096, data_in_bytes=4096, bidi=True)
    cmd_id, command = bench.pop()
    assert command.size_bytes == 4096
    assert command.gather(9999) == b"o" * 4096
    bench.ring.complete(cmd_id, command, GOOD)
    [completion] = bench.kernel.collect()
    assert completion.data_in == bytes(4096)


def leave_secret(bench: Bench, size: int = 4096) -> None:
    bench.kernel.queue(READ_4K, data_in_bytes=size)
    cmd_id, command = bench.pop()
    command.scatter(b"S" * size)
    bench.ring.complete(cmd_id, command, GOOD)
    bench.kernel.collect()


@pytest.mark.parametrize("flags", [layout.FLAGS, 0])
@pytest.mark.parametrize("status", [0, 2, 8, 0x18])
@pytest.mark.parametrize("read_len", [None, 0, 1, 36, 4095, 4096, 5000])
def test_a_short_answer_leaks_nothing(flags: int, status: int, read_len: int | None) -> None:
    bench = Bench(flags=flags)
    leave_secret(bench)
    bench.kernel.queue(READ_4K, data_in_bytes=4096)
    cmd_id, command = bench.pop()
    written = 4096 if read_len is None and status == 0 else min(read_len or 0, 4096)
    command.scatter(b"d" * written)
    bench.ring.complete(cmd_id, command, Response(status, SENSE, read_len))
    [completion] = bench.kernel.collect()
    assert completion.status == status
    assert b"S" not in completion.data_in
    if status == 0:
        assert completion.data_in.rstrip(b"\0") == b"d" * written
        if flags & 2 and read_len:
            assert len(completion.data_in) == written
        else:
            assert len(completion.data_in) == 4096
    if status == 2 and flags & 2 and read_len:
        assert completion.data_in == b"d" * written


def test_read_len_does_not_stick_to_the_entry() -> None:
    """The next answer in the same place must not inherit flags or length."""
    bench = Bench(data_offset=4096)
    for index in range(200):
        bench.kernel.queue(READ_4K, data_in_bytes=512)
        cmd_id, command = bench.pop()
        command.scatter(b"d" * 512)
        bench.ring.complete(cmd_id, command, Response(0, b"", 7 if index % 2 else None))
        [completion] = bench.kernel.collect()
        assert len(completion.data_in) == (7 if index % 2 else 512)


@pytest.mark.parametrize(
    "response",
    [
        None,
        (0,),
        Response(256),
        Response(-1),
        Response("0"),  # type: ignore[arg-type]
        Response(2, "sense"),  # type: ignore[arg-type]
        Response(0, b"", -1),
        Response(0, b"", 1.5),  # type: ignore[arg-type]
    ],
)
def test_a_response_that_is_none_leaves_the_command_to_be_answered(
    bench: Bench, response: Response
) -> None:
    cmd_id = bench.kernel.queue(READ_4K, data_in_bytes=4096)
    popped, command = bench.pop()
    with pytest.raises((TypeError, ValueError)):
        bench.ring.complete(popped, command, response)
    assert bench.kernel.tail != bench.kernel.head
    bench.ring.complete(popped, command, Response(2, SENSE))
    assert [(c.cmd_id, c.status) for c in bench.kernel.collect()] == [(cmd_id, 2)]


def data_area(bench: Bench) -> tuple[int, int]:
    return layout.RING_OFFSET + bench.kernel.ring_size, len(bench.harness.map)


@pytest.mark.parametrize("where", ["mailbox", "ring", "end", "beyond", "huge", "long"])
@pytest.mark.parametrize("count", [1, 2])
def test_6_2_14_a_buffer_outside_the_data_area_is_refused(
    bench: Bench, where: str, count: int
) -> None:
    start, end = data_area(bench)
    iov = {
        "mailbox": (0, 8),
        "ring": (start - 8, 16),
        "end": (end - 8, 16),
        "beyond": (end + 4096, 0),
        "huge": (2**64 - 4096, 8192),
        "long": (start, 2**64 - 1),
    }[where]
    command_entry(bench, iovs=((start, 4096), iov)[-count:])
    with pytest.raises(RunnerError, match="outside the data area"):
        bench.ring.pop()


def test_the_whole_data_area_may_be_used(bench: Bench) -> None:
    start, end = data_area(bench)
    command_entry(bench, iovs=((start, end - start), (end, 0)))
    _, command = bench.pop()
    assert command.size_bytes == end - start


@pytest.mark.parametrize(
    "fields",
    [
        {"counts": (2, 0, 0), "length": 112},
        {"counts": (6, 0, 0)},
        {"counts": (0, 6, 0)},
        {"counts": (0, 0, 6)},
        {"counts": (2**32 - 1, 2**32 - 1, 2**32 - 1)},
        {"counts": (2**32 - 1, 1, 0)},
        {"cdb_off": 0},
        {"cdb_off": 128},
        {"cdb_off": 128 + 111},
        {"cdb_off": 128 + 128},
        {"cdb_off": 2**64 - 1},
        {"length": 8},
        {"length": 104},
        {"length": 112},
    ],
)
def test_an_entry_that_lies_is_refused(bench: Bench, fields: dict[str, int]) -> None:
    command_entry(bench, **fields)  # type: ignore[arg-type]
    with pytest.raises(RunnerError, match="ring is broken"):
        bench.ring.pop()


@pytest.mark.parametrize("length", [0, 136, 2**31, 2**32 - 8])
@pytest.mark.parametrize("op", [0, 1, 2, 5])
def test_an_entry_beyond_the_head_is_refused(bench: Bench, op: int, length: int) -> None:
    entry = struct.pack("=IHBB", length | op, 1, 0, 0).ljust(128, b"\0")
    assert bench.kernel.queue_raw(entry)
    with pytest.raises(RunnerError, match="ring is broken"):
        bench.ring.pop()


@pytest.mark.parametrize("head", [4, 2**32 - 8, 65536])
def test_an_impossible_head_is_refused(bench: Bench, head: int) -> None:
    struct.pack_into("=I", bench.harness.map, 12, head)
    with pytest.raises(RunnerError, match="its head"):
        bench.ring.pop()


@pytest.mark.parametrize("tail", [4, 2**32 - 8, 65536])
def test_an_impossible_tail_is_refused(tail: int) -> None:
    harness = RingHarness()
    struct.pack_into("=I", harness.map, 64, tail)
    with pytest.raises(RunnerError, match="its tail"):
        Ring(harness.map)
    harness.close()


def test_a_full_ring_is_answered_to_the_last_byte() -> None:
    bench = Bench(data_offset=4096)
    for _ in range(5):
        queued = []
        while (cmd_id := bench.kernel.queue(READ_4K, data_in_bytes=1)) is not None:
            queued.append(cmd_id)
        assert len(queued) > 20
        answered = []
        while bench.ring.pop() is not None:
            answered.append(1)
        assert len(answered) == len(queued)
        bench.ring.close()
        bench.ring = Ring(bench.harness.map)
        while (popped := bench.ring.pop()) is not None:
            bench.ring.complete(*popped, GOOD)
        assert [c.cmd_id for c in bench.kernel.collect()] == queued


def test_the_map_can_be_closed_afterwards() -> None:
    harness = RingHarness()
    ring = Ring(harness.map)
    harness.producer.queue(WRITE_4K, b"x" * 4096)
    assert ring.pop() is not None
    ring.close()
    harness.close()
    assert harness.map.closed


def test_a_region_of_odd_length_can_be_served() -> None:
    """Only mailbox and ring are viewed as words; the data area may end anywhere."""
    harness = RingHarness(data_bytes=4096 + 3)
    ring = Ring(harness.map)
    harness.producer.queue(WRITE_4K, b"x" * 4096)
    popped = ring.pop()
    assert popped is not None
    ring.complete(*popped, GOOD)
    assert len(harness.producer.collect()) == 1


def test_6_2_15_the_memory_order_of_other_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lioshell.runner.ring._ORDERED_CPU", False)
    bench = Bench()
    cmd_id = bench.kernel.queue(READ_4K)
    assert bench.answer() == cmd_id
    assert len(bench.kernel.collect()) == 1


def test_the_producer_sees_what_breaks_a_ring(bench: Bench) -> None:
    """Contract of the simulated side: an answer to an unknown id breaks it until a reset."""
    kernel = bench.kernel
    kernel.queue(READ_4K)
    cmd_id, command = bench.pop()
    bench.ring.complete(cmd_id + 1, command, GOOD)
    assert kernel.collect() == []
    assert kernel.broken
    lost = kernel.reset(1)
    assert [(c.cmd_id, c.status) for c in lost] == [(cmd_id, 8)]
    assert not kernel.broken
    assert kernel.idle


def test_an_answer_may_keep_its_buffers() -> None:
    harness = RingHarness(flags=0xF)
    consumer = Ring(harness.map)
    cmd_id = harness.producer.queue(bytes([0x28]) + bytes(9), data_in_bytes=4096)
    popped = consumer.pop()
    assert popped is not None
    command = popped[1]
    consumer.complete(popped[0], command, Response(0x08), keep_buffers=True)
    assert [(c.cmd_id, c.status) for c in harness.producer.collect()] == [(cmd_id, 8)]
    # Whoever still writes there harms nobody until the id is freed.
    command.scatter(b"late")
    assert cmd_id is not None
    assert harness.producer.free_kept(cmd_id)
    command.data.clear()
    del popped
    consumer.close()
    harness.close()
    harness.discard()


def test_a_kernel_that_keeps_no_buffers_is_not_asked_to() -> None:
    harness = RingHarness(flags=0x7)
    consumer = Ring(harness.map)
    harness.producer.queue(bytes(6))
    popped = consumer.pop()
    assert popped is not None
    with pytest.raises(ValueError, match="keeps no buffers"):
        consumer.complete(*popped, Response(0), keep_buffers=True)
    consumer.complete(*popped, Response(0))
    assert len(harness.producer.collect()) == 1
    consumer.close()
    harness.close()
    harness.discard()


@pytest.mark.parametrize(("length", "count"), [(24, 0), (32, 1), (40, 5), (64, 0xFFFFFFFF)])
def test_a_tmr_entry_that_lies_is_refused(length, count) -> None:
    harness = RingHarness()
    consumer = Ring(harness.map)
    entry = bytearray(length)
    entry[0:4] = (length | 2).to_bytes(4, "little")
    entry[12:16] = count.to_bytes(4, "little")
    assert harness.producer.queue_raw(bytes(entry))
    with pytest.raises(RunnerError, match="broken"):
        consumer.pop()
    consumer.close()
    harness.close()
    harness.discard()


def test_a_tmr_tells_whom_it_aborts_once() -> None:
    harness = RingHarness()
    consumer = Ring(harness.map)
    assert harness.producer.queue_tmr(1, [7, 513])
    assert consumer.pop() is None
    assert consumer.take_aborted() == [7, 513]
    assert consumer.take_aborted() == []
    consumer.close()
    harness.close()
    harness.discard()
