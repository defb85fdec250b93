# SPDX-License-Identifier: Apache-2.0
"""What makes the runner fast and is not needed for it to be right: each part can be left out.

The environment variable LIOSHELL_RUNNER_WITHOUT names what is left out, with commas: to find out
whether one of them is to blame, and for tests, which pass with and without each.
"""

from __future__ import annotations

import os

from lioshell.errors import UsageError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

VARIABLE: Final = "LIOSHELL_RUNNER_WITHOUT"

FAST_PATH: Final = "fast-path"
"""Plain READs and WRITEs of a file from the ring straight to a system call (scsi/fast_path.py)."""
INLINE: Final = "inline"
"""What needs no wait in the loop's thread; without it every READ and WRITE is a worker's."""
SPINNING: Final = "spinning"
"""Looking at the rings for a while before the loop's thread sleeps (spinning.py)."""
PRIORITY: Final = "priority"
"""The loop's thread goes before others (priority.py)."""
PARTS: Final = (FAST_PATH, INLINE, SPINNING, PRIORITY)

LARGE_BYTES: Final = 128 * 1024
"""The kernel is told at once of a transfer above this: it copies that one's data, and takes a
further one from the initiator, while the next one is executed."""


def has(part: str) -> bool:
    """Tell whether a part is there. Raises UsageError where the variable names another one."""
    text = os.environ.get(VARIABLE, "")
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PARTS:
            raise UsageError(
                f"{VARIABLE}={text}: there is no part {name!r} of the runner",
                hint=f"There are: {', '.join(PARTS)}.",
            )
    return part not in names
