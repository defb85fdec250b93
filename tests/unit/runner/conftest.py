# SPDX-License-Identifier: Apache-2.0
"""The runner's tests pass with each of its fast parts left out: see tests/without_fast_parts.py."""

from __future__ import annotations

import pytest

from lioshell.runner import tuning


@pytest.fixture
def all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what a test says of such a part itself."""
    monkeypatch.delenv(tuning.VARIABLE, raising=False)
