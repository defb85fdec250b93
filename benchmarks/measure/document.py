# SPDX-License-Identifier: Apache-2.0
"""The section "On a real kernel" of docs/performance.md: one piece a part, between two marks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import control_table, data_table, isolation_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.measure.samples import Results

SECTION = "## On a real kernel"
INTRODUCTION = """\
`python3 benchmarks/kernel.py --write` measures this and writes it here, in one boot of the tests'
virtual machine. It is emulated in software unless LIOSHELL_VM_ACCEL says otherwise, so only the
ratios mean something: the rounds of all contestants are interleaved. The load of the host is told
because it moves even those: where others keep its processors busy, who looks at a ring before
sleeping and who works with several threads loses most, and nothing there is a machine's own speed.

Disks lie on tmpfs and are used through tcm_loop by fio (libaio, direct). tcmu-runner is Debian's,
its qcow handler on a raw image; fileio is the kernel's own, buffered; the C loop is the smallest
consumer of a ring (benchmarks/peers/ring_consumer.c). All user: devices have the limits that
lioshell gives its own (hw_max_sectors, max_data_area_mb, data_pages_per_blk).
"""
TITLES = {
    "data": "### IOPS, beside tcmu-runner, the kernel's fileio and the smallest C consumer",
    "four-disks": "### The same on four disks at once",
    "control": "### Restore, save, listing, beside targetcli and a bare script",
    "isolation": "### What does not disturb what",
}
_TABLES: dict[str, Callable[[Results], str]] = {
    "data": data_table.tables,
    "four-disks": data_table.tables,
    "control": control_table.tables,
    "isolation": isolation_table.tables,
}


@dataclass(frozen=True)
class About:
    """When, with what and where it was measured; `load` is the host's, as the part began."""

    date: str
    commit: str
    machine: str
    guest: str
    load: str
    rounds: int
    options: str = ""


def part_table(part: str, about: About, results: Results) -> str:
    """A part's piece of the document."""
    failures = [
        f"- {who}, {figure}: {results.failure(figure, who)}\n"
        for figure in results.figures
        for who in results.contestants
        if results.failure(figure, who)
    ]
    told = f"Not measured, and why:\n\n{''.join(failures)}\n" if failures else ""
    return (
        f"{TITLES[part]}\n\n"
        f"{about.date}, commit {about.commit}, {about.machine}, {about.guest}, load {about.load}, "
        f"medians of {about.rounds} interleaved rounds{about.options}.\n\n"
        f"{_TABLES[part](results)}\n{told}"
    )


def replace(path: Path, part: str, text: str) -> None:
    """Put a part's piece into the document; the rest of it stays as it is."""
    begin, end = (f"<!-- kernel.py {part}: {word} -->\n" for word in ("begin", "end"))
    piece = f"{begin}\n{text.strip()}\n\n{end}"
    old = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n"
    if begin in old:
        head, _, rest = old.partition(begin)
        new = head + piece + rest.partition(end)[2]
    elif SECTION in old:
        head, _, rest = old.partition(SECTION)
        # After the section's other pieces, which is before the next section.
        own, mark, after = rest.partition("\n## ")
        new = f"{head}{SECTION}{own.rstrip()}\n\n{piece}{mark and chr(10)}{mark[1:]}{after}"
    else:
        new = f"{old.rstrip()}\n\n{SECTION}\n\n{INTRODUCTION}\n{piece}"
    temporary = path.with_suffix(".new")
    temporary.write_text(new, encoding="utf-8")
    os.replace(temporary, path)
