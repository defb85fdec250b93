# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with the virtual machine, each with a word on what to do next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CONSOLE_LINES = 30
CRASH_LINES = 60
_CRASH = re.compile(r"BUG:|Oops:|Kernel panic|general protection|divide error")


class VmError(Exception):
    """The base of every error of this package: a message, and a hint where there is one."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class VmUnavailable(VmError):  # noqa: N818 - a state of the machine, no failure of ours
    """This machine cannot have the virtual machine: a missing program, no root, another run.

    The one error for which tests are skipped; its message is a single line.
    """


class BuildError(VmError):
    """A step of making the image failed, though everything that it needs is here."""


class GuestError(VmError):
    """The guest did not boot, died, or does not answer; it quotes the end of the console."""

    def __init__(self, message: str, console: Path, hint: str = "") -> None:
        super().__init__(message, hint)
        self.console_tail = console_tail(console)

    def __str__(self) -> str:
        tail = self.console_tail or "(nothing)"
        return f"{super().__str__()}\n--- the end of the guest's console:\n{tail}"


class CommandTimeoutError(VmError):
    """A command in the guest ran over its time and was killed, with all of its process group."""

    def __init__(
        self, command: str, timeout_s: float, stdout: str, stderr: str, stuck: str
    ) -> None:
        message = f"{command!r} in the guest was killed after {timeout_s:g} s"
        if stuck:
            message += f"; it does not die, its kernel stack is:\n{stuck}"
        if stdout or stderr:
            message += f"\n--- its stdout so far:\n{stdout}--- its stderr so far:\n{stderr}"
        super().__init__(message)
        self.stdout = stdout
        self.stderr = stderr
        self.stuck = stuck


class CommandError(VmError):
    """A command that was run with check=True ended with another code than 0."""


def console_tail(console: Path) -> str:
    """The last lines of a console log, or the beginning of the crash where it shows one.

    A crash takes more lines than a tail has, and its first lines are those that name the culprit.
    """
    try:
        text = console.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [line.rstrip() for line in text.replace("\r", "").splitlines() if line.strip()]
    crash = next((number for number, line in enumerate(lines) if _CRASH.search(line)), len(lines))
    first = min(max(crash - 3, 0), max(len(lines) - CONSOLE_LINES, 0))
    return "\n".join(lines[first : first + CRASH_LINES])
