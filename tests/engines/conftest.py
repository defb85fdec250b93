# SPDX-License-Identifier: Apache-2.0
"""Tests on real engines (Ceph, Gluster, QEMU, NBD servers), on loopback, started by themselves.

What they need is installed before the first of them runs (tests/engines/packages.py). Where it
cannot be had they are skipped, with the reason; they fail instead where CI=true says so.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]

# `pytest`, unlike `python3 -m pytest`, does not put the folder that it is started in on the path.
if str(CHECKOUT) not in sys.path:
    sys.path.insert(0, str(CHECKOUT))

from tests.engines import packages  # noqa: E402 - after the path

TEST_TIMEOUT_S = 300

_NOT_RUN: dict[str, None] = {}
"""Why tests of this session did not run, in order."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known where the project's own settings are not read."""
    config.addinivalue_line("markers", f"{packages.MARK}(*names): needs packages of Debian")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the tests of this folder the time that engines take to start."""
    for item in items:
        if (
            HERE in item.path.parents
            and config.pluginmanager.hasplugin("timeout")
            and not item.get_closest_marker("timeout")
        ):
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S, func_only=True))


@pytest.fixture(scope="session")
def debian_packages(request: pytest.FixtureRequest) -> str:
    """Install what all collected tests need; return why that failed, or ""."""
    wanted = {name for item in request.session.items for name in _wanted(item)}
    problem = packages.install(wanted)
    packages.see_debian_modules()
    return problem


@pytest.fixture(autouse=True, scope="module")
def _engine_is_there(request: pytest.FixtureRequest, debian_packages: str) -> None:
    """Keep the tests of a file from running without its engine."""
    items = [item for item in request.session.items if item.path == request.path]
    absent = packages.missing(name for item in items for name in _wanted(item))
    if absent:
        reason = f"{', '.join(absent)} missing ({debian_packages})"
        _NOT_RUN[reason] = None
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def _wanted(item: pytest.Item) -> list[str]:
    return [name for mark in item.iter_markers(packages.MARK) for name in mark.args]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tell apart tests that passed and tests that could not run (pytest's code for none)."""
    if _NOT_RUN and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that tests did not run, and why."""
    for reason in _NOT_RUN:
        terminalreporter.write_line(f"Tests of engines did not run: {reason}")
