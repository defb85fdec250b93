# SPDX-License-Identifier: Apache-2.0
"""The whole of iscsi-test-cu against user:file and the kernel's fileio, and its table.

    python3 -m tests.kernel.iscsi_test_cu [--only BACKSTORE] [--block-size BYTES] [--suites]
                                          [--tests PATTERN] [--write FILE] [--join FILE]

All tests are one run; with --suites each suite is a run of its own, where a reservation that one
leaves behind is not the failure of the next. --join keeps what was measured in a file, and makes
the table of all that it has: an emulated machine wants minutes for each. Exits with 1 where
user:file fails a test that REASONS does not name.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from tests.kernel.conformance import (
    FILEIO,
    USER_FILE,
    Outcome,
    TestResult,
    lun,
    run_tests,
    suites,
    together,
)
from tests.kernel.vm import Guest, ensure_image

TESTS: Final = 230
"""How many tests iscsi-test-cu 1.19 has."""

_RESIDUAL = (
    "the kernel sets the overflow, and for writes the underflow, of no TCMU command: it leaves"
    " target_cmd_size_check out for them (target_core_device.c, passthrough_parse_cdb)"
)

REASONS: Final[dict[str, str]] = {
    "GetLBAStatus.UnmapSingle": (
        "the test asks for block i + 1 and wants the descriptor of block i + LBPPB, which is the"
        " same only where a physical block is one logical block"
    ),
    "ReportSupportedOpcodes.OneCommand": (
        "libiscsi has room for 16 bytes of a usage map (scsi_report_supported_op_codes_one_command)"
        " and takes nothing of the 32 that a 32-byte command has"
    ),
    **dict.fromkeys(
        ("Reserve6.Logout", "Reserve6.ITNexusLoss"),
        "the kernel keeps RESERVE(6) itself (target_core_pr.c), and beyond a logout; fileio fails"
        " it as well",
    ),
    "TestUnitReady.Simple": (
        "the reservation that Reserve6 left behind is still held; it passes in a run of its suite"
    ),
    "iSCSIdatasn.iSCSIDataSnInvalid": "DataSN is iSCSI's, so the kernel's (iscsi_target.c)",
    **{
        f"iSCSIResiduals.{name}": _RESIDUAL
        for name in (
            "Read10Invalid",
            *(f"Read{n}Residuals" for n in (10, 12, 16)),
            *(f"Write{n}Residuals" for n in (10, 12, 16)),
            *(f"WriteVerify{n}Residuals" for n in (10, 12, 16)),
        )
    },
}
"""Why a test that user:file fails is not the runner's to pass."""

KERNELS: Final = tuple(name for name in REASONS if name.startswith("iSCSI"))
"""Those of them that are about iSCSI, which is all the kernel's."""


def main() -> int:
    """Run, print the table, and say whether every failure has its reason."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.kernel.iscsi_test_cu")
    parser.add_argument("--only", choices=(USER_FILE, FILEIO))
    parser.add_argument("--block-size", type=int, default=512, metavar="BYTES")
    parser.add_argument("--suites", action="store_true")
    parser.add_argument("--tests", default="ALL", metavar="PATTERN")
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--join", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    outcomes: dict[str, Outcome] = {}
    if arguments.join and arguments.join.exists():
        outcomes = _loaded(arguments.join.read_text(encoding="utf-8"))
    with Guest.boot(ensure_image(say=_say), say=_say) as guest:
        guest.push_project()
        for backstore in (USER_FILE, FILEIO):
            if arguments.only not in (None, backstore):
                continue
            label = f"{backstore}, blocks of {arguments.block_size} bytes"
            if arguments.suites:
                label += ", suite by suite"
            with lun(guest, backstore, block_size_bytes=arguments.block_size):
                found: list[Outcome] = []
                for pattern in suites(guest) if arguments.suites else [arguments.tests]:
                    found.append(run_tests(guest, pattern))
                    last = found[-1]
                    _say(
                        f"{label} {pattern}: {last.passed} of {len(last.results)}"
                        f" in {last.seconds:.0f} s"
                    )
            outcomes[label] = together(found)
            if arguments.join:
                arguments.join.write_text(json.dumps(outcomes), encoding="utf-8")
        text = table(outcomes, guest.kernel_release)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")
    print(text)
    ours = [outcome for label, outcome in outcomes.items() if label.startswith(USER_FILE)]
    failed = {result.name for outcome in ours for result in outcome.failures}
    return 1 if failed - set(REASONS) else 0


def _loaded(text: str) -> dict[str, Outcome]:
    return {
        label: Outcome(
            tuple(
                TestResult(name, passed, tuple(skips), tuple(problems))
                for name, passed, skips, problems in results
            ),
            seconds,
        )
        for label, (results, seconds) in json.loads(text).items()
    }


def table(outcomes: dict[str, Outcome], kernel: str) -> str:
    """Return the outcomes as Markdown."""
    lines = [
        "# SCSI conformance",
        "",
        "libiscsi's `iscsi-test-cu -v -t ALL --dataloss --allow-sanitize` on an iSCSI LUN, made by",
        "`python3 -m tests.kernel.iscsi_test_cu --write docs/scsi-conformance.md`",
        f"on Linux {kernel}.",
        "",
        "| backstore | tests | passed | failed | skips printed |",
        "|---|---|---|---|---|",
    ]
    for backstore, outcome in outcomes.items():
        failed = len(outcome.failures)
        total = len(outcome.results)
        lines.append(f"| {backstore} | {total} | {outcome.passed} | {failed} | {outcome.skips} |")
    kernels = len(KERNELS)
    lines += [
        "",
        f"{kernels} of the tests fail on every user: object, whatever its runner answers: they ask",
        "for what the kernel alone can say (iSCSIResiduals, iSCSIdatasn). So no runner passes more",
        f"than {TESTS - kernels} of the {TESTS}.",
    ]
    lines += _sections(
        "What {} does not pass",
        {
            label: [f"- {r.name}: {_reason(label, r)}" for r in outcome.failures]
            for label, outcome in outcomes.items()
        },
    )
    lines += _sections(
        "What is skipped on {}",
        {
            label: [
                f"- {count} x {text}"
                for text, count in Counter(
                    skip for result in outcome.results for skip in result.skips
                ).most_common()
            ]
            for label, outcome in outcomes.items()
        },
    )
    return "\n".join(lines) + "\n"


def _reason(label: str, result: TestResult) -> str:
    known = REASONS.get(result.name) if label.startswith(USER_FILE) else None
    return known or next(iter(result.problems), "no reason printed")


def _sections(title: str, lists: dict[str, list[str]]) -> list[str]:
    """Return a section for each list; runs with the same one share it."""
    labels: dict[tuple[str, ...], list[str]] = {}
    for label, found in lists.items():
        labels.setdefault(tuple(found), []).append(label)
    lines: list[str] = []
    for found, of in labels.items():
        lines += ["", f"## {title.format('; '.join(of))}", "", *found]
    return lines


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
