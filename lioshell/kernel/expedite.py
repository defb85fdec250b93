# SPDX-License-Identifier: Apache-2.0
"""Thousands of changes without a pause after each: the kernel's grace periods end at once.

To link a LUN, to unlink it and to remove a storage object the kernel waits until every CPU has
passed through a state in which it uses none of what goes (target_core_alua.c and target_core_tpg.c,
synchronize_rcu). Each takes 20 ms of an idle machine, one after the other; expedited ones take none
worth mentioning, for which the other CPUs are interrupted (Documentation/admin-guide,
kernel-parameters.txt, rcupdate.rcu_expedited).
"""

from __future__ import annotations

import contextlib
import os

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "rcu_expedited"


@contextlib.contextmanager
def expedited(knob: str, run_dir: str) -> Iterator[None]:
    """Have grace periods expedited until the block ends, where the kernel and our rights allow it.

    `knob` is /sys/kernel/rcu_expedited. Whoever has set it already has his way. That we did is told
    by a file in `run_dir` until it is undone: after a kill the next restore or clear undoes it.
    """
    marker = f"{run_dir}/{_NAME}"
    is_ours = _begin(knob, marker)
    try:
        yield
    finally:
        if is_ours:
            # What cannot be undone is told by the marker.
            with contextlib.suppress(OSError):
                _write(knob, "0")
                os.unlink(marker)


def _begin(knob: str, marker: str) -> bool:
    try:
        with open(knob, encoding="ascii") as file:
            is_set = file.read().strip() != "0"
        if is_set and not os.path.exists(marker):
            return False
        os.makedirs(os.path.dirname(marker), mode=0o755, exist_ok=True)
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _write(knob, "1")
    except OSError:
        # Not root, or a kernel without it, as a real-time one: each change takes its time then.
        return False
    return True


def _write(knob: str, text: str) -> None:
    descriptor = os.open(knob, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
