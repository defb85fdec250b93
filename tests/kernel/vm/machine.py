# SPDX-License-Identifier: Apache-2.0
"""The size of the virtual machine, and what runs it: software, or the host's processor."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from tests.kernel.vm.errors import VmError

ACCELERATORS = {"tcg": "tcg,thread=multi,tb-size=512", "kvm": "kvm"}

# A guest on KVM is up in a few seconds, or hangs for ever where virtual machines are nested.
BOOT_TIMEOUT_S = {"tcg": 180.0, "kvm": 45.0}

MAX_CPUS = 4

# Everything that a machine can be in software, without "enhanced rep movsb": the kernel copies with
# it where it is there, and QEMU carries that out a byte at a time, some 60 times slower than a
# processor where all else is 10 to 20 times slower. What is measured would be the copies alone.
SOFTWARE_CPU = "max,-erms"


@dataclass(frozen=True)
class Machine:
    """One kind of virtual machine."""

    accelerator: str = "tcg"
    cpu: str = SOFTWARE_CPU
    """QEMU's -cpu, in software; the host's own on KVM."""
    cpus: int = 2
    memory_mib: int = 3072
    systemd: bool = False
    """Whether systemd is process 1, and the machine survives a reset with its disk as it was; else
    a small script is, and a reset is its end."""

    @property
    def boot_timeout_s(self) -> float:
        """After how many seconds without a word from the guest its boot has failed."""
        return BOOT_TIMEOUT_S[self.accelerator]


def machines_to_try() -> list[Machine]:
    """What to boot, in this order: KVM only when LIOSHELL_VM_ACCEL asks for it, TCG after it."""
    wish = os.environ.get("LIOSHELL_VM_ACCEL") or "tcg"
    if wish not in ACCELERATORS:
        raise VmError(f"LIOSHELL_VM_ACCEL is {wish!r}", f"set it to {' or '.join(ACCELERATORS)}")
    machine = Machine(
        cpu=os.environ.get("LIOSHELL_VM_CPU") or SOFTWARE_CPU,
        cpus=min(os.cpu_count() or 1, MAX_CPUS),
        memory_mib=int(os.environ.get("LIOSHELL_VM_MEMORY") or Machine.memory_mib),
    )
    if wish == "kvm":
        return [replace(machine, accelerator="kvm"), machine]
    return [machine]
