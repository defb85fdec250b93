# SPDX-License-Identifier: Apache-2.0
"""The whole of iscsi-test-cu against user:file and the kernel's fileio, and its table.

    python3 -m tests.kernel.iscsi_test_cu [--only BACKSTORE] [--tests PATTERN] [--write FILE]

Each suite is a run of its own: a reservation that one leaves behind is not the failure of the
next. The file is written after each, so a run that is ended early leaves what it found. Exits with
1 where user:file fails a test that REASONS does not name.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.kernel.conformance import FILEIO, USER_FILE, lun, run_tests, suites, together
from tests.kernel.vm import Guest, ensure_image

if TYPE_CHECKING:
    from tests.kernel.conformance import Outcome

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


def main() -> int:
    """Run, print the table, and say whether every failure has its reason."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.kernel.iscsi_test_cu")
    parser.add_argument("--only", choices=(USER_FILE, FILEIO))
    parser.add_argument("--tests", default="ALL", metavar="PATTERN")
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    outcomes: dict[str, Outcome] = {}
    with Guest.boot(ensure_image(say=_say), say=_say) as guest:
        guest.push_project()
        for backstore in (USER_FILE, FILEIO):
            if arguments.only not in (None, backstore):
                continue
            with lun(guest, backstore):
                found: list[Outcome] = []
                for pattern in suites(guest) if arguments.tests == "ALL" else [arguments.tests]:
                    found.append(run_tests(guest, pattern))
                    last = found[-1]
                    _say(
                        f"{backstore} {pattern}: {last.passed} of {len(last.results)}"
                        f" in {last.seconds:.0f} s"
                    )
                    outcomes[backstore] = together(found)
                    if arguments.write:
                        text = table(outcomes, guest.kernel_release)
                        arguments.write.write_text(text, encoding="utf-8")
        print(table(outcomes, guest.kernel_release))
    ours = outcomes.get(USER_FILE)
    return 1 if ours and any(result.name not in REASONS for result in ours.failures) else 0


def table(outcomes: dict[str, Outcome], kernel: str) -> str:
    """Return the outcomes as Markdown."""
    lines = [
        "# SCSI conformance",
        "",
        "libiscsi's `iscsi-test-cu -V -t ALL --dataloss`, suite by suite, on an iSCSI LUN, made by",
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
    for backstore, outcome in outcomes.items():
        lines += ["", f"## What {backstore} does not pass", ""]
        for result in outcome.failures:
            first = result.problems[0] if result.problems else "no reason printed"
            reason = REASONS.get(result.name, "") if backstore == USER_FILE else ""
            lines.append(f"- {result.name}: {reason or first}")
    for backstore, outcome in outcomes.items():
        counted = Counter(skip for result in outcome.results for skip in result.skips)
        lines += ["", f"## What is skipped on {backstore}", ""]
        lines += [f"- {count} x {text}" for text, count in counted.most_common()]
    return "\n".join(lines) + "\n"


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
