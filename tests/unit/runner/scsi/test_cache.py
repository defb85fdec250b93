# SPDX-License-Identifier: Apache-2.0
"""PRE-FETCH; SYNCHRONIZE CACHE is tested with the commands that fill the cache."""

from __future__ import annotations

import pytest

from tests.unit.runner.scsi.cdbs import ranged


@pytest.mark.parametrize("code", [0x34, 0x90])
@pytest.mark.parametrize("flags", [0, 2])
def test_pre_fetch(bench, sense, code, flags) -> None:
    assert bench.send(ranged(code, 3, 5, flags=flags)).response.status == 0
    assert bench.send(ranged(code, 60, 0, flags=flags)).response.status == 0
    assert bench.handler.calls == ["prefetch 1536+2560", "prefetch 30720+2048"]
    assert bench.send(ranged(code, 60, 5)).response.sense == sense(5, 0x21, 0)
    assert bench.send(ranged(code, 65, 0)).response.sense == sense(5, 0x21, 0)


@pytest.mark.parametrize("code", [0x34, 0x90])
def test_pre_fetch_hands_out_nothing(bench, code) -> None:
    assert bench.send(ranged(code, 0, 1), 64).data == bytes(64)
