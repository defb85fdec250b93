# SPDX-License-Identifier: Apache-2.0
"""UNMAP and GET LBA STATUS."""

from __future__ import annotations

import errno
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.runner.scsi.cdbs import SIZE

BLOCKS = 64


def parameters(*extents: tuple[int, int], data_length: int | None = None) -> bytes:
    body = b"".join(lba.to_bytes(8, "big") + n.to_bytes(4, "big") + bytes(4) for lba, n in extents)
    size = len(body) if data_length is None else data_length
    return (len(body) + 6).to_bytes(2, "big") + size.to_bytes(2, "big") + bytes(4) + body


def unmap(length: int, flags: int = 0) -> bytes:
    return bytes((0x42, flags, 0, 0, 0, 0, 0)) + length.to_bytes(2, "big") + b"\0"


def send(bench, out: bytes, length: int | None = None):
    return bench.send(unmap(len(out) if length is None else length), out=out, cuts=2)


def status(lba: int, length: int = 24) -> bytes:
    return b"\x9e\x12" + lba.to_bytes(8, "big") + length.to_bytes(4, "big") + bytes(2)


def descriptors(data: bytes) -> list[tuple[int, int, int]]:
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    return [
        (
            int.from_bytes(data[at : at + 8], "big"),
            int.from_bytes(data[at + 8 : at + 12], "big"),
            data[at + 12],
        )
        for at in range(8, len(data), 16)
    ]


def test_blocks_read_as_zeros_afterwards(bench) -> None:
    bench.handler.memory[:] = b"\xff" * len(bench.handler.memory)
    assert send(bench, parameters((3, 2), (10, 0), (20, 1))).response.status == 0
    zeroed = [lba for lba in range(BLOCKS) if not bench.handler.memory[lba * SIZE]]
    assert zeroed == [3, 4, 20]
    assert bench.handler.calls == ["discard 1536+1024", "discard 10240+512"]


def test_neighbours_and_overlaps_are_one_discard(bench) -> None:
    assert send(bench, parameters((9, 1), (4, 1), (3, 1), (5, 3), (6, 1))).response.status == 0
    assert bench.handler.calls == ["discard 1536+2560", "discard 4608+512"]


def test_nothing_to_do(bench) -> None:
    assert bench.send(unmap(0)).response.status == 0
    assert send(bench, parameters()).response.status == 0
    assert send(bench, parameters((5, 0))).response.status == 0
    assert bench.handler.calls == []


@pytest.mark.parametrize("length", [1, 4, 7])
def test_a_list_without_its_header(bench, sense, length) -> None:
    assert send(bench, bytes(64), length).response.sense == sense(5, 0x1A, 0)


def test_descriptors_beyond_the_list_are_not_there(bench, sense) -> None:
    # What tcmu-runner reads beyond its buffer for (weakness 2 of the inventory).
    sent = send(bench, parameters((0, 1), data_length=64))
    assert sent.response.sense == sense(5, 0x1A, 0)
    sent = send(bench, parameters(data_length=64), 8)
    assert sent.response.sense == sense(5, 0x1A, 0)
    assert bench.handler.calls == []


def test_an_incomplete_descriptor_is_ignored(bench) -> None:
    assert send(bench, parameters((0, 1), (5, 1), data_length=31)).response.status == 0
    assert bench.handler.calls == ["discard 0+512"]


def test_less_data_than_the_cdb_says(bench, invalid_field) -> None:
    out = parameters((0, 1))
    assert bench.send(unmap(len(out) + 1), out=out).response.sense == invalid_field(7)


def test_limits(bench, make_bench, sense) -> None:
    assert send(bench, parameters(*[(0, 1)] * 256)).response.status == 0
    sent = send(bench, parameters(*[(0, 1)] * 257))
    assert sent.response.sense == sense(5, 0x26, 0, pointer=(0x80, 0, 2))
    huge = make_bench(claim_blocks=1 << 40)
    sent = send(huge, parameters((0, 1), (9, 1 << 20)))
    assert sent.response.sense == sense(5, 0x26, 0, pointer=(0x80, 0, 32))
    assert huge.handler.calls == []


@pytest.mark.parametrize("extent", [(64, 1), (63, 2), (0xFFFFFFFFFFFFFFFF, 1), (0, 0xFFFFFFFF)])
def test_out_of_range_undoes_all(bench, sense, extent) -> None:
    assert send(bench, parameters((0, 1), extent)).response.sense == sense(5, 0x21, 0)
    assert bench.handler.calls == []


def test_anchor_and_read_only(bench, make_bench, invalid_field, sense) -> None:
    out = parameters((0, 1))
    assert bench.send(unmap(len(out), 1), out=out).response.sense == invalid_field(1, 0)
    assert send(make_bench(read_only=True), out).response.sense == sense(7, 0x27, 0)


def test_a_failed_discard_is_no_success(bench, sense) -> None:
    # tcmu-runner reports it as GOOD (weakness 1 of the inventory).
    bench.handler.discard_error = OSError(errno.EIO, "")
    assert send(bench, parameters((7, 1))).response == (2, sense(3, 0x0C, 0), None)


def test_a_write_through_disk_flushes_what_it_unmapped(bench) -> None:
    bench.disk.set_modes(False, False)
    assert send(bench, parameters((7, 1))).response.status == 0
    assert bench.handler.calls == ["discard 3584+512", "flush"]


def test_lba_status(bench) -> None:
    assert descriptors(bench.send(status(0), 24).data) == [(0, 64, 1)]
    bench.handler.mapped[4:6] = b"\1\1"
    assert descriptors(bench.send(status(0), 24).data) == [(0, 4, 1)]
    assert descriptors(bench.send(status(4), 24).data) == [(4, 2, 0)]
    assert descriptors(bench.send(status(5), 24).data) == [(5, 1, 0)]
    whole = [(0, 4, 1), (4, 2, 0), (6, 58, 1)]
    assert descriptors(bench.send(status(0, 512), 512).data) == whole


def test_lba_status_beyond_the_end(bench, sense) -> None:
    assert bench.send(status(64), 24).response.sense == sense(5, 0x21, 0)
    assert descriptors(bench.send(status(63), 24).data) == [(63, 1, 1)]


@pytest.mark.parametrize("length", [0, 4, 8, 23])
def test_lba_status_truncates(bench, length) -> None:
    sent = bench.send(status(0, length), 64)
    assert sent.response.read_len == length
    assert sent.area == bench.send(status(0), 24).data[:length] + bytes(64 - length)


def test_counts_beyond_32_bits_take_several_descriptors(make_bench) -> None:
    bench = make_bench(1, claim_blocks=(1 << 33) + 5, thin=True)
    bench.handler.allocation = lambda offset, size: iter([(size, True)])
    found = descriptors(bench.send(status(0, 512), 512).data)
    assert found == [
        (0, 0xFFFFFFFF, 0),
        (0xFFFFFFFF, 0xFFFFFFFF, 0),
        (2 * 0xFFFFFFFF, 7, 0),
    ]


@given(
    mapped=st.binary(min_size=64, max_size=64).map(lambda b: bytes(v & 1 for v in b)),
    start=st.integers(0, 7),
)
def test_a_block_with_any_storage_is_mapped(make_bench, mapped, start) -> None:
    bench = make_bench(8, 4096)
    bench.handler.mapped[:] = mapped
    found = descriptors(bench.send(status(start, 4096), 4096).data)
    told = [state for _, count, state in found for _ in range(count)]
    truth = [0 if any(mapped[8 * lba : 8 * lba + 8]) else 1 for lba in range(start, 8)]
    assert told == truth
    assert found[0][0] == start
    for (lba, count, state), (following, _, other) in itertools.pairwise(found):
        assert following == lba + count
        assert other != state
