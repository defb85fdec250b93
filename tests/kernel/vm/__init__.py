# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with Debian's own kernel, for tests that need a real LIO.

    with Guest.boot(ensure_image()) as guest:
        guest.push_project()
        assert guest.run("lioshell --version").rc == 0

The image is made once and cached outside of the checkout; see `image.py`. Environment:

    LIOSHELL_VM_ACCEL    tcg (default), or kvm, with tcg after it where kvm does not boot
    LIOSHELL_VM_CPU      QEMU's -cpu in software, max,-erms by default (machine.py says why)
    LIOSHELL_VM_MEMORY   MiB of memory, 3072 by default
    LIOSHELL_VM_WAIT     seconds to wait for another virtual machine to end, 1800 by default
    LIOSHELL_VM_MIRROR   a Debian mirror for the image, instead of Debian's own
"""

from __future__ import annotations

from tests.kernel.vm.errors import (
    BuildError,
    CommandError,
    CommandTimeoutError,
    GuestError,
    VmError,
    VmUnavailable,
)
from tests.kernel.vm.guest import Guest
from tests.kernel.vm.image import Image, ensure_image
from tests.kernel.vm.junit import Outcome, Report
from tests.kernel.vm.process import Background, Result

__all__ = [
    "Background",
    "BuildError",
    "CommandError",
    "CommandTimeoutError",
    "Guest",
    "GuestError",
    "Image",
    "Outcome",
    "Report",
    "Result",
    "VmError",
    "VmUnavailable",
    "ensure_image",
]
