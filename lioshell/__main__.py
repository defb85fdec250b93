# SPDX-License-Identifier: Apache-2.0
"""`python3 -m lioshell`, and where the installed program begins.

Ctrl-C while the rest is still being imported ends it as it does later: quietly, with its exit code.
"""

from __future__ import annotations

import gc
import sys

_INTERRUPTED = 130

_YOUNG_OBJECTS = 20_000
"""So many new objects are looked through for garbage at once; with Python's 700 that is done some
twenty times before a command begins, and finds nothing."""


def run() -> int:
    """Import and run lioshell, and return the exit code."""
    gc.set_threshold(_YOUNG_OBJECTS)
    try:
        from lioshell.cli import main

        return main()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
