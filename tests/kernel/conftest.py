# SPDX-License-Identifier: Apache-2.0
"""Tests on a real kernel: the marker `kernel`, and one virtual machine for all of them.

Where the machine cannot have a virtual machine these tests are skipped, with the reason. They fail
instead where CI=true or LIOSHELL_REQUIRE_KERNEL=1 says that it must be there.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]

# `pytest`, unlike `python3 -m pytest`, does not put the folder that it is started in on the path.
if str(CHECKOUT) not in sys.path:
    sys.path.insert(0, str(CHECKOUT))

from tests.kernel.vm import Guest, VmError, VmUnavailable, ensure_image  # noqa: E402 - after the path

if TYPE_CHECKING:
    from collections.abc import Iterator

TEST_TIMEOUT_S = 900

BOOTED: list[Guest] = []
"""The running virtual machine, if a test has asked for it."""

_NOT_RUN: list[str] = []
"""Why this session has no virtual machine; empty where it has one."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known where the project's own settings are not read."""
    config.addinivalue_line("markers", "kernel: runs on a real LIO kernel in a virtual machine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test of this folder; its time-out leaves out the boot, which has its own."""
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker(pytest.mark.kernel)
        if config.pluginmanager.hasplugin("timeout") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S, func_only=True))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tell apart tests that passed and tests that could not run (pytest's code for none)."""
    if _NOT_RUN and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that the kernel tests did not run, and why."""
    for reason in _NOT_RUN:
        terminalreporter.write_line(f"The kernel tests did not run: {reason}")


@pytest.fixture(scope="session")
def guest(pytestconfig: pytest.Config) -> Iterator[Guest]:
    """The running virtual machine with the project in it, the same for all tests of a run."""
    # Its lines are seen at once, which what a fixture prints is not.
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")
    say = reporter.write_line if reporter else print
    with ExitStack() as stack:
        try:
            booted = stack.enter_context(Guest.boot(ensure_image(say=say), say=say))
        except VmUnavailable as error:
            unavailable(error)
        booted.push_project()
        BOOTED.append(booted)
        yield booted
        BOOTED.clear()


LEFTOVERS = """
    iscsiadm -m node --logout; iscsiadm -m node -o delete; pkill -x iscsid
    rm -rf /etc/iscsi/ifaces /etc/iscsi/nodes /etc/iscsi/send_targets
    # targetcli has D-Bus start it; it answers for devices that are not its own.
    pkill -x tcmu-runner
    pkill -9 -f '[l]ioshell.*serve'
    lioshell --yes clearconfig confirm=True
    # What a module keeps while it is loaded, such as discovery credentials, goes with it.
    for module in iscsi_target_mod tcm_loop vhost_scsi tcm_fc sbp_target tcm_qla2xxx ib_srpt \
            target_core_user target_core_pscsi target_core_iblock target_core_file \
            target_core_mod; do
        grep -q "^$module " /proc/modules && modprobe -r $module
    done
    rm -rf /run/lioshell /etc/lioshell /etc/target/saveconfig.json
    dmesg --clear
"""


@pytest.fixture(scope="module", autouse=True)
def own_target() -> Iterator[None]:
    """Leave no target of one file's tests to those of the next."""
    yield
    for running in BOOTED:
        # A guest that died or hangs has failed a test already, whose report is to be read.
        with suppress(VmError):
            running.run(LEFTOVERS, timeout_s=180)


def unavailable(error: VmUnavailable) -> NoReturn:
    """Skip, or fail where the machine has to be there."""
    required = os.environ.get("CI") == "true" or os.environ.get("LIOSHELL_REQUIRE_KERNEL") == "1"
    if required:
        pytest.fail(f"no kernel tests, and they are required here: {error}", pytrace=False)
    _NOT_RUN.append(str(error))
    pytest.skip(f"no kernel tests: {error}")
