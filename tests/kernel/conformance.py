# SPDX-License-Identifier: Apache-2.0
"""libiscsi's iscsi-test-cu against a LUN in the guest, and what came of it, test by test."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.kernel.service import start_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

IQN: Final = "iqn.2003-01.com.example:conformance"
URL: Final = f"iscsi://127.0.0.1/{IQN}/0"
SIZE: Final = "256M"
FOLDER: Final = "/run/conformance"
USER_FILE: Final = "user:file"
FILEIO: Final = "fileio"
_OUTPUT: Final = f"{FOLDER}/output.txt"
_TIMEOUT_S: Final = 1800.0
_ATTRIBUTES: Final = (
    "generate_node_acls=1 demo_mode_write_protect=0 authentication=0 cache_dynamic_acls=1"
)

_LISTED = re.compile(r"^\s*ALL\.(\w+)\s*$", re.MULTILINE)
_SUITE = re.compile(r"^Suite: (\S+)")
_TEST = re.compile(r"^  Test: (\S+) \.\.\.(.*)")
_RESULT = re.compile(r"^(passed|FAILED)")
_SKIPPED = re.compile(r"\[SKIPPED\]\s*(.*)")
_PROBLEM = re.compile(r"\[(?:FAILED|FAILURE)\]\s*(.*)|^\s+\d+\. (\S+:\d+.*)")


class TestResult(NamedTuple):
    """One test: "Suite.Test", whether it passed, what it skipped and what it did not like."""

    __test__ = False

    name: str
    passed: bool
    skips: tuple[str, ...]
    problems: tuple[str, ...]


class Outcome(NamedTuple):
    """A whole run."""

    results: tuple[TestResult, ...]
    seconds: float

    @property
    def passed(self) -> int:
        """The number of tests that passed, those that skipped themselves among them."""
        return sum(result.passed for result in self.results)

    @property
    def failures(self) -> list[TestResult]:
        """The tests that did not pass."""
        return [result for result in self.results if not result.passed]

    @property
    def skips(self) -> int:
        """The number of skips that were printed: a test may print several."""
        return sum(len(result.skips) for result in self.results)


def suites(guest: Guest) -> list[str]:
    """List the patterns of all suites."""
    listed = guest.run("iscsi-test-cu -l 2>&1", check=True).stdout
    return [f"ALL.{name}" for name in dict.fromkeys(_LISTED.findall(listed))]


def together(outcomes: list[Outcome]) -> Outcome:
    """Return the outcome of several runs as that of one."""
    results = tuple(result for outcome in outcomes for result in outcome.results)
    return Outcome(results, sum(outcome.seconds for outcome in outcomes))


def run_tests(guest: Guest, pattern: str = "ALL") -> Outcome:
    """Run the tests that a pattern (FAMILY[.SUITE[.TEST]]) names against the LUN of `lun`."""
    words = f"iscsi-test-cu -v -t {pattern} --dataloss --allow-sanitize {URL}"
    start = time.monotonic()
    guest.run(f"{words} >{_OUTPUT} 2>&1", timeout_s=_TIMEOUT_S)
    seconds = time.monotonic() - start
    # Of the log of each command only what the result is made of.
    wanted = r"^Suite: |^  Test: |^passed|^FAILED|SKIPPED|\[FAIL|^ *[0-9]+\. "
    text = guest.run(f"grep -aE '{wanted}' {_OUTPUT}", timeout_s=120).stdout
    return Outcome(tuple(parse_results(text)), seconds)


def parse_results(text: str) -> Iterator[TestResult]:
    """Yield the tests of CUnit's verbose output, between whose lines the log of libiscsi stands."""
    suite = name = ""
    passed = False
    skips: list[str] = []
    problems: list[str] = []
    for line in text.splitlines():
        begun = _TEST.match(line)
        if begun or _SUITE.match(line):
            if name:
                yield TestResult(name, passed, tuple(skips), tuple(problems))
            name, passed, skips, problems = "", False, [], []
        if begun:
            name = f"{suite}.{begun[1]}"
            line = begun[2]
        elif found := _SUITE.match(line):
            suite = found[1]
            continue
        if found := _RESULT.match(line):
            passed = found[1] == "passed"
        if found := _SKIPPED.search(line):
            skips.append(found[1].strip())
        elif (found := _PROBLEM.search(line)) and name:
            problems.append((found[1] or found[2]).strip())
    if name:
        yield TestResult(name, passed, tuple(skips), tuple(problems))


@contextmanager
def lun(
    guest: Guest, backstore: str, *, served: bool = False, block_size_bytes: int = 512
) -> Iterator[None]:
    """Export a backstore of `SIZE` as LUN 0 of a target that lets everybody in.

    With `served` a service runs already.
    """
    guest.run(
        f"mkdir -p {FOLDER} /etc/target/pr /var/target/pr; mount -t tmpfs tmpfs {FOLDER}",
        check=True,
    )
    service = start_service(guest) if backstore == USER_FILE and not served else None
    image = f"{FOLDER}/disk.img"
    lines = [
        f"/backstores/{backstore} create conformance {image} {SIZE}"
        if backstore == FILEIO
        else f"/backstores/{backstore} create conformance {SIZE} {image}"
        f" hw_block_size={block_size_bytes}",
        f"/iscsi create {IQN}",
        f"/iscsi/{IQN}/tpg1/luns create /backstores/{backstore}/conformance",
        f"/iscsi/{IQN}/tpg1 set attribute {_ATTRIBUTES}",
    ]
    if backstore == FILEIO:
        more = "emulate_tpu=1 emulate_tpws=1 emulate_caw=1 emulate_3pc=1"
        if block_size_bytes != 512:
            more += f" block_size={block_size_bytes}"
        lines.append(f"/backstores/{backstore}/conformance set attribute {more}")
    try:
        guest.run(_words(lines), timeout_s=120, check=True)
        yield
    finally:
        gone = [f"/iscsi delete {IQN}", f"/backstores/{backstore} delete conformance"]
        for line in gone:
            guest.run(["lioshell", "--yes", "-c", line], timeout_s=120)
        if service is not None:
            service.kill()
            print(service.output())
        guest.run(f"umount {FOLDER}")


def _words(lines: list[str]) -> list[str]:
    return ["lioshell", *(word for line in lines for word in ("-c", line))]
