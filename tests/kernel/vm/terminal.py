# SPDX-License-Identifier: Apache-2.0
"""A shell in the guest on the developer's own terminal."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from typing import TYPE_CHECKING

from tests.kernel.vm.errors import VmError

if TYPE_CHECKING:
    from tests.kernel.vm.guest import Guest

LEAVE = b"\x1d"
"""Ctrl-], as in telnet: leaves even when the guest does not react any more."""

_POLL_S = 0.5


def interactive_shell(guest: Guest) -> None:
    """Join the terminal with a shell in the guest, until that ends or Ctrl-] is typed."""
    keyboard = sys.stdin.fileno()
    if not os.isatty(keyboard):
        raise VmError("the shell needs a terminal", "use: run 'command'")
    size = shutil.get_terminal_size()
    line = (
        f"stty rows {size.lines} cols {size.columns} sane </dev/hvc0; "
        "cd /srv/lioshell 2>/dev/null; "
        # The agent makes it the leader of a session, so this terminal becomes its own.
        "exec bash -il </dev/hvc0 >/dev/hvc0 2>&1"
    )
    before = termios.tcgetattr(keyboard)
    env = {"TERM": os.environ.get("TERM", "linux"), "PYTHONPATH": "/srv/lioshell"}
    with guest.start(line, env=env) as shell:
        try:
            tty.setraw(keyboard)
            while shell.poll() is None and _join(keyboard, guest.terminal):
                continue
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _join(keyboard: int, guest: int) -> bool:
    """Carry bytes both ways for a while; False when the developer or the guest wants to leave."""
    ready, _, _ = select.select([keyboard, guest], [], [], _POLL_S)
    while ready:
        for source, target in ((keyboard, guest), (guest, sys.stdout.fileno())):
            if source in ready:
                content = os.read(source, 65536)
                if not content or (source == keyboard and LEAVE in content):
                    return False
                os.write(target, content)
        ready, _, _ = select.select([keyboard, guest], [], [], _POLL_S)
    return True
