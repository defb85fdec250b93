# SPDX-License-Identifier: Apache-2.0
"""Tables as Markdown has them, and numbers as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOTHING = "-"


def number(value: float | None) -> str:
    """Three significant digits, none lost before the point."""
    if value is None:
        return NOTHING
    if abs(value) >= 100 or value == 0:
        return f"{value:.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f}"


def judged(ratio: float | None, goal: float | None, *, at_most: bool = False) -> str:
    """A ratio with its goal, and whether it was reached."""
    if ratio is None or goal is None:
        return number(ratio)
    met = ratio <= goal if at_most else ratio >= goal
    sign = "<=" if at_most else ">="
    return f"{'' if met else '**'}{ratio:.2f}{'' if met else '**'} ({sign} {goal:g})"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
