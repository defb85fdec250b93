# SPDX-License-Identifier: Apache-2.0
"""`python3 -m lioshell`, and where the installed program begins.

Ctrl-C while the rest is still being imported ends it as it does later: quietly, with its exit code.
"""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def run() -> int:
    """Import and run lioshell, and return the exit code."""
    try:
        from lioshell.cli import main

        return main()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
