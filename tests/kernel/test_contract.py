# SPDX-License-Identifier: Apache-2.0
"""The contract suite on the real kernel: what the simulated one promises is what LIO does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.conftest import LEFTOVERS

if TYPE_CHECKING:
    from tests.kernel.vm import Guest

CHECKS = ("tests/contract", "--ignore=tests/contract/test_captures.py")
DUMPS = ("tests/contract/test_captures.py",)


@pytest.mark.parametrize("arguments", [CHECKS, DUMPS], ids=["checks", "dumps"])
def test_the_contract_holds_on_the_real_kernel(guest: Guest, arguments: tuple[str, ...]) -> None:
    # The dumps begin with modules that remember nothing: credentials, numbers of HBAs.
    print(guest.run(LEFTOVERS, timeout_s=180))
    guest.run("lioshell ls", check=True)
    report = guest.pytest(*arguments, timeout_s=600, env={"LIOSHELL_CONTRACT": "real"})
    print(report)
    if not report.ok or report.of("skipped"):
        pytest.fail(str(report), pytrace=False)
