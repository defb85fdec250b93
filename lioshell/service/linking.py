# SPDX-License-Identifier: Apache-2.0
"""Whether a LUN may be made on a user: device: linking one that nobody answers for can hang."""

from __future__ import annotations

import time

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.ports import UioPort

_OTHER_RUNNER_S, _LOOK_AGAIN_S = 3.0, 0.05
"""How long another runner may take to open a new device of its own, and how often to look."""

_LOOPBACK = "loopback"
"""The fabric whose link scans the disk, so that the link waits for an answer of the runner."""


def link_problem(uio: UioPort) -> Callable[[str, str], str]:
    """Return a function of a device (its configfs path) and a fabric.

    It tells what keeps a LUN of the fabric from being made on the device, "" where nothing does. Of
    another runner's device all that can be told is whether some process has it open, which happens
    soon after the kernel has announced it.
    """

    def problem(path: str, fabric: str) -> str:
        if fabric != _LOOPBACK:
            return ""
        deadline = time.monotonic() + _OTHER_RUNNER_S
        while True:
            found = [device for device in uio.devices() if device.configfs_path == path]
            if found and uio.is_open(found[0]):
                return ""
            if time.monotonic() >= deadline:
                return f"no runner for {found[0].dev_config}" if found else "no device"
            time.sleep(_LOOK_AGAIN_S)

    return problem
