# SPDX-License-Identifier: Apache-2.0
"""The table of what must not disturb what: each figure against the same without the disturbance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measure.markdown import judged, number, table

if TYPE_CHECKING:
    from benchmarks.measure.fio import Load
    from benchmarks.measure.samples import Results

IDLE = "idle"
SESSION = "a disk that a session serves, 4 KiB random read QD1"
GIVEN = "the same, once `serve service` has given it to a process of its own"
LISTING = "while the session shows 1,000 nodes"
SERVICE = "a service with 100 disks"
HOG = "a computing program on one processor"
NO_RUNNER = "without a runner"
OURS_BUSY = "beside fio QD1 on lioshell"
BARE_BUSY = "beside fio QD1 on the C loop"
SLOW = "while another disk's storage takes 200 ms"
HANGING = "while another disk's storage hangs"


def other_storage(load: Load) -> str:
    """The figure of one disk beside another one whose storage is bad."""
    return f"a disk of two, {load}"


class Comparison(NamedTuple):
    """One value, as a ratio to another contestant's in the same figure, or by itself."""

    figure: str
    disturbed: str
    value: str
    against: str = ""
    goal: float | None = None
    at_most: bool = True


_TWO = tuple(f"a disk of two, 4 KiB random read QD{depth}" for depth in (1, 16))
COMPARISONS = (
    Comparison(SESSION, LISTING, "p99_us", IDLE, 3),
    Comparison(SESSION, LISTING, "iops", IDLE),
    Comparison(GIVEN, LISTING, "p99_us", IDLE, 3),
    Comparison(GIVEN, LISTING, "iops", IDLE),
    Comparison(SERVICE, IDLE, "percent", "", 0.5),
    Comparison(SERVICE, IDLE, "wakeups"),
    Comparison(HOG, IDLE, "turns", NO_RUNNER, 0.95, at_most=False),
    Comparison(HOG, BARE_BUSY, "turns", NO_RUNNER),
    Comparison(HOG, OURS_BUSY, "turns", NO_RUNNER),
    # What spins takes no more from others than what blocks.
    Comparison(HOG, OURS_BUSY, "turns", BARE_BUSY, 0.8, at_most=False),
    Comparison(HOG, OURS_BUSY, "iops", BARE_BUSY),
    *(
        Comparison(figure, who, value, IDLE, 0.7 if value == "iops" else None, at_most=False)
        for figure in _TWO
        for who in (SLOW, HANGING)
        for value in ("iops", "p99_us")
    ),
)
_UNITS = {
    "p99_us": "99th percentile, us",
    "iops": "IOPS",
    "percent": "per cent of a processor",
    "wakeups": "wake-ups a second",
    "turns": "turns a second",
}


def tables(results: Results) -> str:
    """One row a comparison that was measured."""
    rows = []
    for one in COMPARISONS:
        value = results.median(one.figure, one.disturbed, one.value)
        base = results.median(one.figure, one.against, one.value) if one.against else None
        if value is None:
            continue
        judged_value = value if not one.against else value / base if base else None
        rows.append(
            [
                f"{one.figure}: {one.disturbed}",
                _UNITS[one.value],
                number(value),
                f"{number(base)} ({one.against})" if one.against else "-",
                judged(judged_value, one.goal, at_most=one.at_most),
            ]
        )
    return table(("", "what", "value", "beside", "ratio or value (goal)"), rows)
