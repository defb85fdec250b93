# SPDX-License-Identifier: Apache-2.0
"""The tables of the data path: what each contestant reached, the ratios, the processor time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure.contestants import BARE_C, FILEIO, OURS, TCMU_RUNNER
from benchmarks.measure.markdown import judged, number, table

if TYPE_CHECKING:
    from benchmarks.measure.samples import Results

_CONTESTANTS = (OURS, TCMU_RUNNER, BARE_C, FILEIO)


def goal(figure: str) -> float | None:
    """How many times tcmu-runner's IOPS a figure asks for."""
    if "disks" in figure:
        return 1.5
    if "1 MiB" in figure:
        return 1.3
    if figure.endswith("QD1"):
        return 2.5
    if figure.endswith("QD16"):
        return 1.8 if "read" in figure else 1.5
    return None


def tables(results: Results) -> str:
    """IOPS with ratios, then microseconds of processor time an I/O and the 99th percentile."""
    figures = [figure for figure in results.figures if figure != "start"]
    speed = [
        [
            figure,
            *(number(results.median(figure, who, "iops")) for who in _CONTESTANTS),
            judged(results.ratio(figure, OURS, TCMU_RUNNER, "iops"), goal(figure)),
            judged(
                results.ratio(figure, OURS, FILEIO, "iops"),
                0.9 if figure.startswith("4 KiB") and figure.endswith("QD16") else None,
            ),
            number(results.ratio(figure, OURS, BARE_C, "iops")),
            *_spread(results, figure),
        ]
        for figure in figures
    ]
    cost = [
        [
            figure,
            *(_process_us(results, figure, who) for who in _CONTESTANTS[:3]),
            *(number(results.median(figure, who, "all_cpu_us")) for who in _CONTESTANTS),
            *(number(results.median(figure, who, "p99_us")) for who in _CONTESTANTS),
        ]
        for figure in figures
    ]
    ratios = (f"/ {TCMU_RUNNER} (goal)", f"/ {FILEIO} (goal)", f"/ {BARE_C}")
    heads = (
        *(f"{who}: process" for who in _CONTESTANTS[:3]),
        *(f"{who}: all" for who in _CONTESTANTS),
        *(f"{who}: p99" for who in _CONTESTANTS),
    )
    return (
        "I/Os a second; a ratio in bold is short of its goal. The last column is how far "
        f"{OURS}'s rounds are apart.\n\n"
        f"{table(('', *_CONTESTANTS, *ratios, 'spread'), speed)}\n"
        "Microseconds of processor time an I/O, of the process that serves (outside of the "
        "kernel) and of the whole machine with fio in it; then the 99th percentile of the "
        "latency, microseconds.\n\n"
        f"{table(('', *heads), cost)}"
    )


def _process_us(results: Results, figure: str, who: str) -> str:
    whole, user = (results.median(figure, who, name) for name in ("cpu_us", "user_us"))
    return f"{number(whole)} ({number(user)})"


def _spread(results: Results, figure: str) -> list[str]:
    spread = results.spread(figure, OURS, "iops")
    return ["-" if spread is None else f"{spread:.0%}"]
