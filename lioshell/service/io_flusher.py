# SPDX-License-Identifier: Apache-2.0
"""What keeps a process alive and unblocked that disks of its own machine depend on.

With a local initiator (tcm_loop, iSCSI to itself) the kernel may want memory to be written back to
a disk that this process serves, while it waits for memory itself. PR_SET_IO_FLUSHER (prctl(2),
Linux 5.6) says so: its allocations do not wait for writeback then, and it is throttled less.
"""

from __future__ import annotations

import contextlib

_PR_SET_IO_FLUSHER = 57


def become_io_flusher() -> bool:
    """Mark this thread, and those that it starts from now on; False: the kernel refuses it.

    It wants CAP_SYS_RESOURCE. The process is also made the last one that the kernel ends when there
    is no memory, where it may be (proc(5), oom_score_adj).
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    # Here and not above: a shell that serves nothing has no use for ctypes.
    import ctypes

    return bool(ctypes.CDLL(None).prctl(_PR_SET_IO_FLUSHER, 1, 0, 0, 0) == 0)
