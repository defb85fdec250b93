# SPDX-License-Identifier: Apache-2.0
"""The commands that Linux sends while it logs in: each answered GOOD, or with the right sense.

The table is a trace of tcmu-runner, which answered the a3h and 85h lines with "not supported" in
its log, at every login of every disk.
"""

from __future__ import annotations

import pytest

GOOD = (
    "12 00 00 00 24 00",
    "12 00 00 00 fe 00",
    "12 01 00 00 ff 00",
    "12 01 00 00 40 00",
    "12 01 00 00 fe 00",
    "12 01 80 00 ff 00",
    "12 01 80 00 fe 00",
    "12 01 83 00 ff 00",
    "12 01 83 00 fe 00",
    "12 01 b0 00 40 00",
    "12 01 b1 00 40 00",
    "00 00 00 00 00 00",
    "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00",
    "1a 00 3f 00 04 00",
    "1a 00 08 00 04 00",
    "a3 0c 01 12 00 00 00 00 02 00 00 00",
    "a3 0c 01 93 00 00 00 00 02 00 00 00",
    "a3 0c 01 41 00 00 00 00 02 00 00 00",
    "28 00 00 00 00 00 00 00 08 00",
)
ATA_PASS_THROUGH = (
    "85 06 20 00 05 00 fe 00 00 00 00 00 00 40 ef 00",
    "85 08 0e 00 00 00 01 00 00 00 00 00 00 40 ec 00",
)


@pytest.mark.parametrize("cdb", GOOD)
def test_answered_good(bench, cdb) -> None:
    sent = bench.send(cdb, 4096)
    assert sent.response.status == 0
    assert sent.data or cdb.startswith("00")


@pytest.mark.parametrize("code", [0x12, 0x93, 0x41])
def test_what_linux_asks_for_is_supported(bench, code) -> None:
    data = bench.send(bytes((0xA3, 0x0C, 1, code, 0, 0, 0, 0, 2, 0, 0, 0)), 512).data
    assert data[1] & 7 == 3
    assert data[4] == code


@pytest.mark.parametrize("cdb", ATA_PASS_THROUGH)
def test_a_disk_is_no_ata_disk(bench, sense, cdb) -> None:
    assert bench.send(cdb, 512).response == (2, sense(5, 0x20, 0), None)
