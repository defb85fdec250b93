# SPDX-License-Identifier: Apache-2.0
"""Which lines may take something away, by their words alone: cheap enough for every keystroke."""

from __future__ import annotations

_DESTRUCTIVE = frozenset(
    (
        *("delete", "disable", "clearconfig", "restoreconfig", "apply"),
        *("untag", "unexport", "forget", "changemedium", "repair"),
    )
)


def is_destructive(line: str) -> bool:
    """Tell whether a line may take something away; `PATH/delete` is a command too."""
    words = (word.strip("\"'\\").rpartition("/")[2] for word in line.split())
    return not _DESTRUCTIVE.isdisjoint(words)
