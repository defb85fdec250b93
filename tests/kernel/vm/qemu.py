# SPDX-License-Identifier: Apache-2.0
"""The QEMU process: its command line, its start, and its certain end."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

from tests.kernel.vm.agent import PORT_NAME
from tests.kernel.vm.machine import ACCELERATORS, Machine
from tests.kernel.vm.requirements import program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.kernel.vm.image import Image

TERMINATE_WAIT_S = 3.0

# oops=panic and panic=-1 with QEMU's -no-reboot: a kernel that stumbles ends the process, at once.
KERNEL_COMMAND_LINE = (
    "console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr audit=0 no_timer_check"
)


class Qemu:
    """One running QEMU, and the host's ends of its sockets.

    `kept_open` are descriptors that it inherits and does not use: a lock lasts as long as it does.
    """

    def __init__(
        self,
        image: Image,
        machine: Machine,
        share: Path,
        console: Path,
        kept_open: Sequence[int] = (),
    ) -> None:
        self.agent_socket, agent_end = socket.socketpair()
        self.terminal_socket, terminal_end = socket.socketpair()
        ends = (agent_end.fileno(), terminal_end.fileno())
        # QEMU's own complaints belong to the story that the console tells: both append to it.
        with agent_end, terminal_end, console.open("ab") as log:
            self._process = subprocess.Popen(
                command_line(image, machine, share, console, *ends),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(*ends, *kept_open),
                # Ctrl-C in the terminal is for the tests; they then end QEMU in order.
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """The exit code of QEMU, or None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """End QEMU: every boot starts from the same disk, so there is nothing to save."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(TERMINATE_WAIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.agent_socket.close()
        self.terminal_socket.close()


def command_line(
    image: Image, machine: Machine, share: Path, console: Path, agent: int, terminal: int
) -> list[str]:
    """The words that start QEMU; setpriv has it killed should this process die without a word."""
    share_option = f"local,path={_escaped(share)},mount_tag=share,security_model=none"
    return [
        *(str(program("setpriv")), "--pdeathsig", "KILL", "--"),
        *(str(program("qemu-system-x86_64")), "-nodefaults", "-no-user-config"),
        *(() if machine.systemd else ("-no-reboot",)),
        *("-machine", "pc,vmport=off", "-display", "none", "-nic", "none"),
        *("-accel", ACCELERATORS[machine.accelerator]),
        *("-cpu", "host" if machine.accelerator == "kvm" else machine.cpu),
        *("-smp", str(machine.cpus), "-m", str(machine.memory_mib)),
        *("-kernel", str(image.vmlinuz), "-initrd", str(image.initramfs)),
        *("-append", KERNEL_COMMAND_LINE + (" lioshell.init=systemd" if machine.systemd else "")),
        *("-drive", f"file={_escaped(image.disk)},format=raw,if=virtio,snapshot=on"),
        *("-virtfs", share_option),
        *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=agent,fd={agent}"),
        *("-device", f"virtserialport,chardev=agent,name={PORT_NAME}"),
        *("-chardev", f"socket,id=terminal,fd={terminal}"),
        *("-device", "virtconsole,chardev=terminal"),
        *("-chardev", f"file,id=console,path={_escaped(console)},append=on"),
        *("-serial", "chardev:console"),
    ]


def _escaped(path: Path) -> str:
    # A comma ends an option of QEMU, two stand for one.
    return str(path).replace(",", ",,")
