# SPDX-License-Identifier: Apache-2.0
"""The disk as a whole: any CDB, no exception, nothing stale, no buffer kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.runner.command import Command
from lioshell.runner.scsi.opcodes import OPERATIONS

WRITES = set(bytes.fromhex("04 0a 2a 2e 41 42 7f 83 89 8a 8b 8e 93 aa ae"))


@st.composite
def known_cdbs(draw) -> bytes:
    """A command that is there, with random contents of the fields that it has."""
    operation = draw(st.sampled_from(OPERATIONS))
    length = len(operation.usage)
    contents = draw(st.binary(min_size=length, max_size=length))
    kept = draw(st.sampled_from([0xFF, 0x0F, 0x01, 0x00]))
    cdb = bytearray(
        byte & kept & usage for byte, usage in zip(contents, operation.usage, strict=True)
    )
    cdb[0] = operation.code
    if operation.service_action is not None:
        cdb[1] = operation.service_action
    cdb[-1] = 0
    return bytes(cdb)


CDBS = st.one_of(st.binary(max_size=32), known_cdbs())


@given(cdb=CDBS, size=st.integers(0, 5000), cuts=st.integers(1, 9))
def test_no_cdb_raises_or_lets_stale_bytes_out(make_bench, cdb, size, cuts) -> None:
    answers = []
    for stale in (0xA5, 0x5A):
        bench = make_bench(16)
        bench.handler.memory[:] = bytes(range(256)) * 32
        bench.stale = stale
        sent = bench.send(cdb, size, cuts=cuts)
        response = sent.response
        assert response.status in (0, 2)
        assert len(response.sense) == (18 if response.status else 0)
        if response.read_len is not None:
            assert 0 <= response.read_len < size
            assert not any(sent.area[response.read_len :])
        if cdb[:1] and cdb[0] in WRITES:
            return
        assert bench.handler.memory == bytes(range(256)) * 32
        answers.append((response, sent.data))
    # Two different stale contents: whatever differed between the answers came from there.
    assert answers[0] == answers[1]


@given(cdb=CDBS, size=st.integers(0, 5000))
def test_a_read_only_disk_is_never_written(make_bench, cdb, size) -> None:
    bench = make_bench(16, read_only=True)
    bench.send(cdb, size)
    assert not any(bench.handler.memory)


def test_an_empty_cdb_is_refused(bench, sense) -> None:
    assert bench.send(b"", 16).response == (2, sense(5, 0x24, 0), None)


@pytest.mark.parametrize("size", [512, 600])
def test_no_slice_of_the_map_is_kept(bench, size) -> None:
    area = bytearray(size)
    for code in (0x28, 0x2A, 0x12):
        view = memoryview(area)
        cdb = bytes((code, 0, 0, 0, 0, 0, 0, 0, 1, 0))
        bench.disk.execute(Command(cdb, [view[:300], view[300:]], size))
        view.release()
    area.append(1)  # BufferError while anything still exports it


def test_close_closes_the_handler(bench) -> None:
    bench.disk.close()
    assert bench.handler.closed


def test_what_is_no_oserror_is_left_to_the_loop(bench) -> None:
    def fail(buffers, offset):
        raise ValueError("a bug")

    bench.handler.read = fail
    with pytest.raises(ValueError, match="a bug"):
        bench.send("28 00 00 00 00 00 00 00 01 00", 512)
