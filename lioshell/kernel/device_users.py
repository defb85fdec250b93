# SPDX-License-Identifier: Apache-2.0
"""Which processes have a device node open: a look at what proc(5) shows, without opening it."""

from __future__ import annotations

import os


def is_open(device: str) -> bool:
    """Tell whether some process has a device node open; only root sees those of all users.

    To open it instead would keep its rightful runner out for a moment: a uio device of TCMU has one
    user at a time (target_core_user.c, tcmu_open).
    """
    for process in os.listdir("/proc"):
        if not process.isdigit():
            continue
        folder = f"/proc/{process}/fd"
        try:
            names = os.listdir(folder)
        except OSError:
            # It has ended, or is another user's.
            continue
        for name in names:
            try:
                if os.readlink(f"{folder}/{name}") == device:
                    return True
            except OSError:
                # Closed meanwhile.
                continue
    return False
