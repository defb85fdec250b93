# SPDX-License-Identifier: Apache-2.0
"""Faults on purpose: let the n-th change of the simulated kernel fail, to test what is left."""

from __future__ import annotations

import errno


class Faults:
    """Counts the changes (mkdir, rmdir, write, symlink, unlink) and fails one of them.

    `fail_nth` counts from 1; 0 never fails, and then `operations` shows what there would be to
    fail. The failing operation changes nothing.
    """

    def __init__(self, fail_nth: int = 0, code: int = errno.EIO) -> None:
        self.fail_nth = fail_nth
        self.code = code
        self.operations: list[tuple[str, str]] = []

    def check(self, operation: str, path: str) -> int:
        """Count an operation, and return the errno that it fails with, or 0."""
        self.operations.append((operation, path))
        return self.code if len(self.operations) == self.fail_nth else 0
