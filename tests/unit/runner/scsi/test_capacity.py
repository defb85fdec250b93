# SPDX-License-Identifier: Apache-2.0
"""READ CAPACITY (10) and (16)."""

from __future__ import annotations

import pytest

RC10 = "25 00 00 00 00 00 00 00 00 00"


def rc16(allocation_length: int = 32, lba: int = 0, pmi: int = 0) -> bytes:
    return (
        b"\x9e\x10"
        + lba.to_bytes(8, "big")
        + allocation_length.to_bytes(4, "big")
        + bytes((pmi, 0))
    )


@pytest.mark.parametrize(
    ("blocks", "block_size", "expected"),
    [
        (64, 512, "0000003f 00000200"),
        (1, 4096, "00000000 00001000"),
        (0xFFFFFFFF, 512, "fffffffe 00000200"),
        (0x100000000, 512, "ffffffff 00000200"),
        (0x100000001, 512, "ffffffff 00000200"),
    ],
)
def test_read_capacity_10(make_bench, blocks, block_size, expected) -> None:
    bench = make_bench(1, block_size, claim_blocks=blocks)
    assert bench.send(RC10, 8).data.hex() == expected.replace(" ", "")


def test_read_capacity_10_with_more_room_leaves_nothing_stale(bench) -> None:
    sent = bench.send(RC10, 12)
    assert sent.response == (0, b"", 8)
    assert sent.area[8:] == bytes(4)


def test_read_capacity_16(make_bench) -> None:
    bench = make_bench(1, 4096, claim_blocks=0x123456789A, thin=False)
    sent = bench.send(rc16(), 32)
    assert sent.data == (0x1234567899).to_bytes(8, "big") + bytes.fromhex("00001000") + bytes(20)


def test_read_capacity_16_is_truncated_by_its_allocation_length(bench) -> None:
    assert bench.send(rc16(12), 32).response == (0, b"", 12)
    assert bench.send(rc16(0), 32).response == (0, b"", 0)


@pytest.mark.parametrize(
    "cdb", ["25 00 00 00 00 01 00 00 00 00", rc16(lba=1), rc16(lba=0xFFFFFFFFFFFFFFFF)]
)
def test_an_lba_without_pmi_is_refused(bench, invalid_field, cdb) -> None:
    assert bench.send(cdb, 32).response.sense == invalid_field(2)


def test_pmi_answers_the_last_block_that_is_reached_as_fast(bench, sense) -> None:
    assert bench.send("25 00 00 00 00 3f 00 00 01 00", 8).data[:4].hex() == "0000003f"
    assert bench.send(rc16(lba=63, pmi=1), 32).data[:8].hex() == "000000000000003f"
    refused = bench.send(rc16(lba=64, pmi=1), 32).response
    assert refused == (2, sense(5, 0x21, 0), None)
