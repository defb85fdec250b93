# SPDX-License-Identifier: Apache-2.0
"""The table of the control path: seconds, and how many times faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure.markdown import judged, number, table

if TYPE_CHECKING:
    from benchmarks.measure.samples import Results

OURS = "lioshell"
PEER = "targetcli"
BARE = "bare script"
FASTER = {"restore": 5.0, "save": 5.0, "clear": 5.0, "ls": 4.0, "create": 8.0}
BARE_MOST = 2.0
GROWTH_MOST = 4.5


def tables(results: Results) -> str:
    """Seconds a command at each number of LUNs, with the ratios; then how it grows."""
    rows = []
    for figure in results.figures:
        own, peer, bare = (results.median(figure, who, "seconds") for who in (OURS, PEER, BARE))
        faster = peer / own if own and peer else None
        slower = own / bare if own and bare else None
        operation = figure.partition(",")[0]
        goal = FASTER.get(operation) if figure.endswith(" 100 LUNs") else None
        most = BARE_MOST if operation == "restore" else None
        rows.append(
            [
                figure,
                *(number(value) for value in (own, peer, bare)),
                judged(faster, goal),
                judged(slower, most, at_most=True),
            ]
        )
    growth = []
    for operation in FASTER:
        for who in (OURS, PEER):
            few, many = (
                results.median(f"{operation}, {luns} LUNs", who, "seconds") for luns in (100, 400)
            )
            if few and many:
                most = GROWTH_MOST if who == OURS else None
                growth.append([f"{operation}: {who}", judged(many / few, most, at_most=True)])
    heads = ("seconds", OURS, PEER, BARE, "times faster (goal)", "/ bare script (goal)")
    grown = table(("400 LUNs / 100 LUNs", "ratio (goal)"), growth) if growth else ""
    return f"{table(heads, rows)}\n{grown}"
