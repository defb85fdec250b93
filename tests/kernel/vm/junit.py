# SPDX-License-Identifier: Apache-2.0
"""What pytest reported from inside the guest, for the assertions of a test outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from tests.kernel.vm.process import Result

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
_ELEMENTS = {"failure": FAILED, "error": FAILED, "skipped": SKIPPED}


@dataclass(frozen=True)
class Outcome:
    """One test that ran in the guest."""

    name: str
    outcome: str
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class Report:
    """All tests of one run of pytest in the guest, and what it printed."""

    outcomes: tuple[Outcome, ...]
    result: Result

    def of(self, outcome: str) -> list[Outcome]:
        """The tests that passed, failed or were skipped."""
        return [test for test in self.outcomes if test.outcome == outcome]

    @property
    def ok(self) -> bool:
        """Whether tests ran and all that ran passed; nothing that ran is not well."""
        return self.result.rc == 0 and bool(self.of(PASSED))

    def __str__(self) -> str:
        failures = "\n\n".join(f"{test.name}:\n{test.message}" for test in self.of(FAILED))
        skips = "\n".join(f"{test.name} skipped: {test.message}" for test in self.of(SKIPPED))
        counts = ", ".join(f"{len(self.of(kind))} {kind}" for kind in (PASSED, FAILED, SKIPPED))
        told = failures or skips or ("" if self.ok else str(self.result))
        return f"pytest in the guest: {counts}\n{told}".rstrip()


def parse_report(xml: str, result: Result) -> Report:
    """A report from the JUnit XML that pytest wrote."""
    cases = ET.fromstring(xml).iter("testcase")
    return Report(tuple(_outcome(case) for case in cases), result)


def _outcome(case: ET.Element) -> Outcome:
    name = f"{case.get('classname', '')}::{case.get('name', '')}"
    seconds = float(case.get("time", "0"))
    for child in case:
        if kind := _ELEMENTS.get(child.tag):
            return Outcome(name, kind, seconds, child.text or child.get("message") or "")
    return Outcome(name, PASSED, seconds)
