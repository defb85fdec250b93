# SPDX-License-Identifier: Apache-2.0
"""The kernel's side of the simulated ring keeps the kernel's rules."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from lioshell.kernel.sim import layout
from lioshell.kernel.sim.data_area import BLOCK_SIZE
from lioshell.kernel.sim.harness import RingHarness
from lioshell.kernel.sim.ring import RingProducer

if TYPE_CHECKING:
    from collections.abc import Iterator

READ = bytes([0x28]) + bytes(9)


@pytest.fixture
def harness() -> Iterator[RingHarness]:
    harness = RingHarness()
    yield harness
    harness.close()
    harness.discard()


def entry(harness: RingHarness, position: int = 0) -> tuple[int, ...]:
    return layout.COMMAND.unpack_from(harness.map, layout.RING_OFFSET + position)


def iovs(harness: RingHarness, count: int, position: int = 0) -> list[tuple[int, int]]:
    start = layout.RING_OFFSET + position + 48
    return [layout.IOV.unpack_from(harness.map, start + 16 * index) for index in range(count)]


def respond(
    harness: RingHarness,
    position: int,
    cmd_id: int,
    status: int = 0,
    flags: int = 0,
    read_len: int = 0,
    sense: bytes = b"",
) -> None:
    """Write a response into an entry and move the tail past it, as a runner in C would."""
    start = layout.RING_OFFSET + position
    (len_op,) = struct.unpack_from("=I", harness.map, start)
    layout.RESPONSE.pack_into(
        harness.map, start, len_op, cmd_id, 0, flags, status, 0, 0, read_len, sense
    )
    struct.pack_into("=I", harness.map, 64, (position + (len_op & ~7)) % harness.producer.ring_size)


def test_mailbox_and_entry_have_the_kernels_layout(harness: RingHarness) -> None:
    assert struct.unpack_from("=HHIII", harness.map) == (2, 7, 128, 64 * 1024 - 128, 0)
    cmd_id = harness.producer.queue(READ, data_in_bytes=6000)
    # Two neighbouring blocks are one iov; 112 bytes and the CDB of 10, rounded to 8.
    assert entry(harness) == (128 | 1, cmd_id, 0, 0, 1, 0, 0, 128 + 112, 0, 0)
    assert iovs(harness, 1) == [(64 * 1024, 6000)]
    assert harness.map[240:250] == READ
    assert harness.producer.head == 128


def test_many_iovs_make_an_entry_longer(harness: RingHarness) -> None:
    producer = harness.producer
    positions = []
    for _ in range(12):
        positions.append(producer.head)
        producer.queue(READ, data_in_bytes=1)
    # Answer every second one, through the oldest entries, so that every second block is free.
    for place, cmd_id in enumerate(range(1, 13, 2)):
        respond(harness, positions[place], cmd_id)
    assert len(producer.collect()) == 6
    start = producer.head
    producer.queue(READ, b"x" * (6 * BLOCK_SIZE))
    assert iovs(harness, 6, start) == [
        (64 * 1024 + block * BLOCK_SIZE, BLOCK_SIZE) for block in range(0, 12, 2)
    ]
    base = 48 + 6 * 16
    assert entry(harness, start)[0] == (base + 16) | 1
    assert entry(harness, start)[7] == 128 + start + base


def test_bidirectional_iovs_follow_the_others(harness: RingHarness) -> None:
    harness.producer.queue(READ, b"o" * 5000, data_in_bytes=100, bidi=True)
    assert entry(harness)[4:7] == (1, 1, 0)
    assert iovs(harness, 2) == [(64 * 1024, 5000), (64 * 1024 + 2 * BLOCK_SIZE, 100)]


def test_a_full_ring_keeps_one_byte_and_a_full_area_takes_nothing(harness: RingHarness) -> None:
    producer = harness.producer
    count = 0
    while producer.queue(bytes(6)) is not None:
        count += 1
    assert count == (64 * 1024 - 128 - 1) // 120
    producer.reset(1)
    assert producer.queue(READ, data_in_bytes=1024 * 1024) is not None
    assert producer.queue(READ, data_in_bytes=1) is None
    assert producer.queue(READ) is not None


def test_what_can_never_fit_is_refused(harness: RingHarness) -> None:
    with pytest.raises(ValueError, match="too big"):
        harness.producer.queue(READ, data_in_bytes=1024 * 1024 + 1)
    small = RingHarness(data_offset=4096)
    with pytest.raises(ValueError, match="too big"):
        small.producer.queue(READ, data_in_bytes=1024 * 1024)
    with pytest.raises(ValueError, match="bidirectional"):
        small.producer.queue(READ, b"x", data_in_bytes=1)


def test_a_pad_fills_the_end(harness: RingHarness) -> None:
    producer = harness.producer
    # One entry of 120 bytes and 510 of 128 leave 8.
    assert producer.ring_size == 120 + 510 * 128 + 8
    for index in range(511):
        position = producer.head
        cmd_id = producer.queue(READ if index else bytes(6))
        assert cmd_id is not None
        respond(harness, position, cmd_id)
        assert len(producer.collect()) == 1
    pad = producer.head
    producer.queue(READ)
    assert struct.unpack_from("=II", harness.map, 128 + pad) == (8, 0)
    assert entry(harness)[0] & 7 == 1
    assert producer.head == 128


def test_blocks_keep_what_was_in_them(harness: RingHarness) -> None:
    """The kernel zeroes pages only when it allocates them: short answers can leak."""
    producer = harness.producer
    first = producer.queue(READ, b"secret" * 100)
    assert first is not None
    respond(harness, 0, first)
    producer.collect()
    second = producer.queue(READ, data_in_bytes=600)
    assert second is not None
    respond(harness, 128, second)
    assert producer.collect()[0].data_in == b"secret" * 100


@pytest.mark.parametrize(
    ("status", "flags", "read_len", "expected"),
    [
        (0, 0, 0, 100),
        (0, 0, 10, 100),
        (0, 2, 10, 10),
        (0, 2, 0, 100),
        (0, 2, 500, 100),
        (2, 0, 0, 0),
        (2, 0, 10, 0),
        (2, 2, 10, 10),
        (8, 0, 0, 100),
        (0, 1, 0, 0),
        (0, 3, 10, 0),
    ],
)
def test_how_much_data_in_is_copied(
    harness: RingHarness, status: int, flags: int, read_len: int, expected: int
) -> None:
    cmd_id = harness.producer.queue(READ, data_in_bytes=100)
    assert cmd_id is not None
    respond(harness, 0, cmd_id, status, flags, read_len, b"s" * 96)
    [completion] = harness.producer.collect()
    assert len(completion.data_in) == expected
    assert completion.status == (2 if flags & 1 else status)
    assert completion.sense == (b"s" * 96 if status == 2 and not flags & 1 else b"")


def test_an_expired_command_keeps_its_place_until_it_is_answered(harness: RingHarness) -> None:
    producer = harness.producer
    free = producer.data.free_count
    cmd_id = producer.queue(READ, data_in_bytes=4096)
    assert cmd_id is not None
    producer.expire(cmd_id)
    assert producer.in_flight == 1
    assert producer.data.free_count == free - 1
    respond(harness, 0, cmd_id)
    assert [c.expired for c in producer.collect()] == [True]
    assert producer.data.free_count == free


@pytest.mark.parametrize("how", [1, 2])
def test_a_reset_ends_what_is_in_flight(harness: RingHarness, how: int) -> None:
    producer = harness.producer
    ids = [producer.queue(READ, data_in_bytes=4096) for _ in range(3)]
    lost = producer.reset(how)
    assert [(c.cmd_id, c.status) for c in lost] == [(i, 8 if how == 1 else 2) for i in ids]
    assert (producer.head, producer.tail, producer.in_flight) == (0, 0, 0)
    assert producer.data.free_count == producer.data.block_count


def test_an_answer_twice_breaks_the_ring(harness: RingHarness) -> None:
    producer = harness.producer
    first, _ = producer.queue(READ), producer.queue(READ)
    assert first is not None
    respond(harness, 0, first)
    respond(harness, 128, first)
    assert [c.cmd_id for c in producer.collect()] == [first]
    assert producer.broken
    assert producer.collect() == []


def test_a_tail_beyond_the_head_breaks_the_ring(harness: RingHarness) -> None:
    harness.producer.queue(READ)
    struct.pack_into("=I", harness.map, 64, 4096)
    harness.producer.collect()
    assert harness.producer.broken


def test_ids_are_not_used_twice_at_a_time() -> None:
    harness = RingHarness(data_offset=1024 * 1024)
    producer = harness.producer
    producer._next_id = 0xFFFE
    ids = [producer.queue(bytes(6)) for _ in range(4)]
    assert ids == [0xFFFE, 0xFFFF, 1, 2]
    producer._next_id = 0xFFFE
    assert producer.queue(bytes(6)) == 3


def test_another_producer_goes_on_where_the_tail_stands(harness: RingHarness) -> None:
    cmd_id = harness.producer.queue(READ)
    assert cmd_id is not None
    respond(harness, 0, cmd_id)
    other = RingProducer(harness.map)
    assert other.collect() == []
    assert other.queue(READ) is not None
    assert other.head == 256
    other.close()


@pytest.mark.parametrize(
    ("first", "length"),
    [(0x12, 6), (0x28, 10), (0x5A, 10), (0x60, 12), (0x88, 16), (0xA8, 12), (0xC0, 10), (0xE0, 10)],
)
def test_cdb_lengths_are_the_kernels(first: int, length: int) -> None:
    assert layout.cdb_length(bytes([first]) + bytes(31)) == length
    assert layout.cdb_length(bytes([0x7F, 0, 0, 0, 0, 0, 0, 24])) == 32


def test_kept_buffers_stay_taken_until_they_are_freed() -> None:
    harness = RingHarness(flags=0xF)
    producer = harness.producer
    free = producer.data.free_count
    cmd_id = producer.queue(READ, data_in_bytes=BLOCK_SIZE)
    assert cmd_id is not None
    respond(harness, 0, cmd_id, flags=layout.UFLAG_KEEP_BUF)
    assert [c.cmd_id for c in producer.collect()] == [cmd_id]
    assert producer.in_flight == 0
    assert producer.data.free_count == free - 1
    assert producer.queue(READ) != cmd_id
    assert producer.free_kept(cmd_id) is True
    assert producer.free_kept(cmd_id) is False
    assert producer.data.free_count == free
    harness.close()
    harness.discard()


def test_a_reset_takes_kept_buffers_too() -> None:
    harness = RingHarness(flags=0xF)
    producer = harness.producer
    cmd_id = producer.queue(READ, data_in_bytes=BLOCK_SIZE)
    assert cmd_id is not None
    respond(harness, 0, cmd_id, flags=layout.UFLAG_KEEP_BUF)
    producer.collect()
    producer.reset(1)
    assert producer.free_kept(cmd_id) is False
    harness.close()
    harness.discard()
