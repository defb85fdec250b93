# SPDX-License-Identifier: Apache-2.0
"""EXTENDED COPY and RECEIVE COPY RESULTS."""

from __future__ import annotations

import errno

import pytest

from lioshell.runner.command import Command, Deferred
from lioshell.runner.handlers.base import CHUNK_BYTES
from lioshell.runner.scsi.xcopy import KEPT_S
from tests.unit.runner.scsi.cdbs import SIZE, pattern

NAA = bytes.fromhex("60014056c0c2a0e4f6b4d8e9a510f2c7")


def target(naa: bytes = NAA, *, kind: int = 0xE4, device: int = 0, block: int = 512) -> bytes:
    head = bytes((kind, device, 0, 0, 1, 3, 0, 16)) + naa
    return head.ljust(29, b"\0") + block.to_bytes(3, "big")


def segment(source: int, to: int, count: int, *, kind=2, size=24, from_to=(0, 0)) -> bytes:
    return (
        bytes((kind, 0))
        + size.to_bytes(2, "big")
        + from_to[0].to_bytes(2, "big")
        + from_to[1].to_bytes(2, "big")
        + bytes(2)
        + count.to_bytes(2, "big")
        + source.to_bytes(8, "big")
        + to.to_bytes(8, "big")
    )


def parameters(targets, segments, *, list_id: int = 1, usage: int = 0, inline: int = 0) -> bytes:
    target_list, segment_list = b"".join(targets), b"".join(segments)
    return (
        bytes((list_id, usage << 3))
        + len(target_list).to_bytes(2, "big")
        + bytes(4)
        + len(segment_list).to_bytes(4, "big")
        + bytes(3)
        + bytes((inline,))
        + target_list
        + segment_list
    )


def cdb(length: int) -> bytes:
    return b"\x83" + bytes(9) + length.to_bytes(4, "big") + bytes(2)


def send(bench, out: bytes, length: int | None = None):
    return bench.send(cdb(len(out) if length is None else length), out=out, cuts=2)


def results(bench, action: int, list_id: int = 0, length: int = 64):
    head = bytes((0x84, action, list_id)) + bytes(7)
    return bench.send(head + length.to_bytes(4, "big") + bytes(2), 64)


@pytest.fixture
def filled(make_bench):
    bench = make_bench(64)
    bench.handler.memory[:] = pattern(64 * SIZE)
    return bench


def test_blocks_are_copied_in_the_order_of_the_segments(filled) -> None:
    old = pattern(64 * SIZE)
    out = parameters([target()], [segment(0, 10, 4), segment(10, 40, 2), segment(9, 9, 0)])
    assert send(filled, out).response.status == 0
    memory = filled.handler.memory
    assert memory[10 * SIZE : 14 * SIZE] == old[: 4 * SIZE]
    assert memory[40 * SIZE : 42 * SIZE] == old[: 2 * SIZE]
    assert memory[: 10 * SIZE] == old[: 10 * SIZE]
    assert memory[14 * SIZE : 40 * SIZE] == old[14 * SIZE : 40 * SIZE]


@pytest.mark.parametrize(("source", "to"), [(0, 3), (3, 0), (5, 5)])
def test_overlapping_ranges_take_what_was_there(make_bench, source, to) -> None:
    count = 3 * CHUNK_BYTES // SIZE
    bench = make_bench(count + 8)
    old = pattern((count + 8) * SIZE)
    bench.handler.memory[:] = old
    assert send(bench, parameters([target()], [segment(source, to, count)])).response.status == 0
    expected = old[source * SIZE : (source + count) * SIZE]
    assert bench.handler.memory[to * SIZE : (to + count) * SIZE] == expected


def test_nothing_to_copy(filled) -> None:
    assert filled.send(cdb(0)).response.status == 0
    assert send(filled, parameters([target()], [])).response.status == 0
    assert filled.handler.calls == []


@pytest.mark.parametrize(
    ("out", "key", "codes"),
    [
        (bytes(15), 5, (0x1A, 0)),
        (parameters([target()], [segment(0, 1, 1)])[:-1], 5, (0x1A, 0)),
        (parameters([target()] * 3, []), 5, (0x26, 6)),
        (parameters([target(kind=0xE0)], []), 5, (0x26, 7)),
        (parameters([target()], [segment(0, 1, 1)] * 17), 5, (0x26, 8)),
        (parameters([target()], [segment(0, 1, 1, kind=3)]), 5, (0x26, 9)),
        (parameters([target()], [], inline=1), 5, (0x26, 0x0B)),
        (parameters([target()] * 3, [segment(0, 1, 1)] * 17), 5, (0x1A, 0)),
        (parameters([target()], [segment(0, 1, 1)[:20]]), 5, (0x1A, 0)),
        (parameters([target(naa=bytes(16))], []), 0xA, (0x0D, 2)),
        (parameters([target(device=1)], []), 0xA, (0x0D, 3)),
        (parameters([target(block=4096)], []), 0xA, (0x0D, 3)),
        (parameters([target()], [segment(0, 1, 1, from_to=(0, 1))]), 0xA, (0x0D, 2)),
        (parameters([target()], [segment(0, 1, 1, from_to=(7, 0))]), 0xA, (0x0D, 2)),
        (parameters([], [segment(0, 1, 1)]), 0xA, (0x0D, 2)),
        (parameters([target()], [segment(60, 0, 5)]), 0xA, (0x0D, 2)),
        (parameters([target()], [segment(0, 1 << 63, 1)]), 0xA, (0x0D, 2)),
    ],
)
def test_what_cannot_be_copied(filled, sense, out, key, codes) -> None:
    assert send(filled, out).response == (2, sense(key, *codes), None)
    assert filled.handler.calls == []


def test_a_segment_of_another_length_and_missing_data(filled, sense, invalid_field) -> None:
    out = parameters([target()], [segment(0, 1, 1, size=20)])
    assert send(filled, out).response.sense == sense(5, 0x26, 0, pointer=(0x80, 0, 50))
    assert send(filled, out, len(out) + 1).response.sense == invalid_field(10)


def test_a_list_of_lengths_that_lie_reads_nothing_beyond(filled, sense) -> None:
    out = bytearray(parameters([target()], [segment(0, 1, 1)]))
    out[8:12] = b"\xff\xff\xff\xff"
    assert send(filled, bytes(out)).response.sense == sense(5, 0x1A, 0)
    out[2:4] = b"\xff\xff"
    assert send(filled, bytes(out)).response.status == 2


def test_a_disk_without_a_name_is_no_target(make_bench, sense) -> None:
    from lioshell.runner.scsi.unit import Identity

    bench = make_bench(identity=Identity)
    sent = send(bench, parameters([target()], [segment(0, 1, 1)]))
    assert sent.response.sense == sense(0xA, 0x0D, 2)


def test_read_only(make_bench, sense) -> None:
    sent = send(make_bench(read_only=True), parameters([target()], [segment(0, 1, 1)]))
    assert sent.response.sense == sense(7, 0x27, 0)


def test_copy_status(filled, sense, invalid_field) -> None:
    assert results(filled, 0, 1).response.sense == invalid_field(2)
    assert send(filled, parameters([target()], [segment(0, 8, 4)])).response.status == 0
    assert results(filled, 0, 1).data[:12] == bytes.fromhex("00000008 01 0001 01 00000002")
    assert results(filled, 0, 1).response.sense == invalid_field(2)  # it is told once
    filled.handler.write_error = OSError(errno.ENOSPC, "")
    failed = send(filled, parameters([target()], [segment(0, 8, 4)], list_id=9))
    assert failed.response.sense == sense(7, 0x27, 7)
    assert results(filled, 0, 9).data[:12] == bytes.fromhex("00000008 02 0000 01 00000000")


def test_copy_status_is_kept_for_a_moment(filled, invalid_field, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr("lioshell.runner.scsi.xcopy.time.monotonic", lambda: now[0])
    assert send(filled, parameters([target()], [segment(0, 8, 4)])).response.status == 0
    now[0] += KEPT_S
    assert results(filled, 0, 1).response.status == 0
    assert send(filled, parameters([target()], [segment(0, 8, 4)])).response.status == 0
    now[0] += KEPT_S + 0.1
    assert results(filled, 0, 1).response.sense == invalid_field(2)
    assert filled.disk.copies == {}


def test_a_list_id_that_is_not_kept_and_one_in_use(filled, invalid_field, sense) -> None:
    out = parameters([target()], [segment(0, 8, 1)], usage=3)
    assert send(filled, out).response.status == 0
    assert results(filled, 0, 1).response.sense == invalid_field(2)
    out = parameters([target()], [segment(0, 8, 1)])
    first = filled.disk.execute(Command(cdb(len(out)), [memoryview(bytearray(out))], len(out)))
    assert isinstance(first, Deferred)
    assert results(filled, 0, 1).data[4] == 0
    assert send(filled, out).response.sense == sense(5, 0x26, 0, pointer=(0x80, 0, 0))
    assert first.run().status == 0
    assert results(filled, 0, 1).data[4] == 1


def test_a_copy_that_was_dropped_is_not_in_progress_for_ever(filled, invalid_field) -> None:
    out = parameters([target()], [segment(0, 8, 1)])
    answer = filled.disk.execute(Command(cdb(len(out)), [memoryview(bytearray(out))], len(out)))
    assert isinstance(answer, Deferred)
    answer.drop()
    assert results(filled, 0, 1).response.sense == invalid_field(2)
    assert send(filled, out).response.status == 0


def test_operating_parameters(filled) -> None:
    data = results(filled, 3).data
    assert int.from_bytes(data[:4], "big") == len(data) - 4 == 42
    assert data[4] == 1
    assert data[8:10] == (2).to_bytes(2, "big")
    assert data[10:12] == (16).to_bytes(2, "big")
    assert data[12:16] == (512).to_bytes(4, "big")
    assert data[16:20] == (0xFFFF * 512).to_bytes(4, "big")
    assert data[37] == 9
    assert data[43:] == bytes((2, 0x02, 0xE4))
