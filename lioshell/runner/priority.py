# SPDX-License-Identifier: Apache-2.0
"""Who serves disks goes first: every command of every initiator waits for this one thread.

It is the way of the kernel's own block workers (block/blk-core.c, WQ_HIGHPRI) and of iscsid. The
scheduler then also keeps other busy threads off its CPU. The time it takes is what initiators ask
for, so what is left for others does not change by much.
"""

from __future__ import annotations

import contextlib
import os
import threading

from lioshell.runner import tuning
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

NICE: Final = -10
"""As nice(1) counts: -20 goes first, 0 is everybody's."""
_AUTOGROUP = "/proc/self/autogroup"


def serve_first() -> None:
    """Give this thread, and those that it starts, a priority above the usual.

    Nothing happens where another than the usual was chosen for it, or without CAP_SYS_NICE. In
    Linux the nice value is a thread's own (setpriority(2), C library/kernel differences).
    """
    if not tuning.has(tuning.PRIORITY):
        return
    thread = threading.get_native_id()
    if os.getpriority(os.PRIO_PROCESS, thread) == 0:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, NICE)


def session_first() -> None:
    """Give the session of a service, which is its leader, that priority among the others.

    Where the kernel shares the CPUs out among sessions, a nice value counts inside its own alone
    (sched(7), The autogroup feature). A session that somebody works in is left as it is, and so is
    one whose nice value somebody has chosen.
    """
    leads = os.getsid(0) == os.getpid()
    if tuning.has(tuning.PRIORITY) and leads and os.getpriority(os.PRIO_PROCESS, 0) == 0:
        with contextlib.suppress(OSError), open(_AUTOGROUP, "w") as file:
            file.write(str(NICE))
