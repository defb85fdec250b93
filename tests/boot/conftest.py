# SPDX-License-Identifier: Apache-2.0
"""A machine with systemd, which is cut off and boots again: a virtual machine of its own.

Only one runs at a time, so that these tests have a run of their own, after those of tests/kernel.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.kernel.conftest import (
    TEST_TIMEOUT_S,
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
    unavailable,
)
from tests.kernel.vm import Guest, VmUnavailable, ensure_image
from tests.kernel.vm.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["pytest_configure", "pytest_sessionfinish", "pytest_terminal_summary"]

UNITS = "/srv/lioshell/systemd"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests and give them the time of a boot."""
    for item in items:
        item.add_marker(pytest.mark.kernel)
        item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S, func_only=True))


@pytest.fixture(scope="session")
def machine() -> Iterator[Guest]:
    """The machine with the project and its units installed, none of them enabled."""
    with ExitStack() as stack:
        try:
            booted = stack.enter_context(Guest.boot(ensure_image(), Machine(systemd=True)))
        except VmUnavailable as error:
            unavailable(error)
        booted.push_project()
        booted.run(
            f"ln -s /usr/local/bin/lioshell /usr/bin/lioshell && cp {UNITS}/*.service"
            " /etc/systemd/system/ && systemctl daemon-reload",
            check=True,
        )
        yield booted
