# SPDX-License-Identifier: Apache-2.0
"""The handlers that need nothing but this machine, in the suite of all handlers."""

from __future__ import annotations

import itertools

import pytest

from tests.handler_suite import Case, HandlerSuite


@pytest.fixture
def paths(tmp_path):
    """Return what gives another path at each call, with nothing there."""
    numbers = itertools.count()
    return lambda: f"{tmp_path}/{next(numbers)}.img"


class TestFile(HandlerSuite):
    @pytest.fixture
    def case(self, paths):
        return Case("file", paths)


class TestFileSync(HandlerSuite):
    @pytest.fixture
    def case(self, paths):
        return Case("file", lambda: f"{paths()};sync", block_size_bytes=4096, examples=3)


class TestRam(HandlerSuite):
    @pytest.fixture
    def case(self):
        return Case("ram", lambda: "label", lasts=False, exclusive=False, sized=False)


class TestFault(HandlerSuite):
    """With no fault on it, it is what it stands on."""

    @pytest.fixture
    def case(self, paths):
        return Case("fault", lambda: f"file/{paths()};delay_ms=1;every=7", examples=3)


class TestOverlay(HandlerSuite):
    """On an empty base, so that what is new reads as zeros."""

    @pytest.fixture
    def case(self, paths, tmp_path):
        base = tmp_path / "base"
        base.write_bytes(bytes(100_000))
        return Case("overlay", lambda: f"{paths()};base={base}", examples=8, steps=50)


class TestOverlayOfSmallClusters(HandlerSuite):
    @pytest.fixture
    def case(self, paths, tmp_path):
        base = tmp_path / "base"
        base.write_bytes(bytes(5 << 20))
        return Case("overlay", lambda: f"{paths()};base={base};cluster=4k", examples=5)


class TestFbo(HandlerSuite):
    """A drive; the random commands are a disk's, and in their place stands `verify`."""

    test_random_commands_against_a_model = None

    @pytest.fixture
    def case(self, paths):
        return Case("fbo", paths, block_size_bytes=2048, grows=False)


class TestZbc(HandlerSuite):
    """Zones have a model of their own: tests/unit/runner/test_zones.py."""

    test_random_commands_against_a_model = None

    @pytest.fixture
    def case(self, paths):
        return Case("zbc", lambda: f"{paths()};zone_size=1M", grows=False)
