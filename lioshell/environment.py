# SPDX-License-Identifier: Apache-2.0
"""The environment of a run: streams, terminal, folders, clock, kernel; all that a test replaces."""

from __future__ import annotations

import os
import sys
import time

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from lioshell.kernel.ports import Kernel

SAVECONFIG = "/etc/target/saveconfig.json"
"""Where targetcli keeps the saved configuration, and so do we."""


class Environment:
    """Everything outside the program that a run depends on.

    `kernel` is None until the command line has chosen one; `spec_folders` None means the shipped
    specs and the drop-ins.
    """

    def __init__(
        self,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        kernel: Kernel | None = None,
        spec_folders: tuple[str, ...] | None = None,
    ) -> None:
        self.stdin = _standard(sys.stdin) if stdin is None else stdin
        self.stdout = _standard(sys.stdout) if stdout is None else stdout
        self.stderr = _standard(sys.stderr) if stderr is None else stderr
        self.environ = os.environ if environ is None else environ
        self.clock = clock
        self.kernel = kernel
        self.spec_folders = spec_folders

    @property
    def home(self) -> str:
        """The user's home folder."""
        return self.environ.get("HOME") or os.path.expanduser("~")

    @property
    def state_dir(self) -> str:
        """Where history and preferences are kept (XDG_STATE_HOME)."""
        base = self.environ.get("XDG_STATE_HOME") or os.path.join(self.home, ".local", "state")
        return os.path.join(base, "lioshell")

    @property
    def handlers_dir(self) -> str:
        """Where handlers of others lie, LIOSHELL_HANDLERS_D; "" for /etc/lioshell/handlers.d.

        A service that this process starts has the same environment, and so the same handlers.
        """
        return self.environ.get("LIOSHELL_HANDLERS_D", "")

    @property
    def default_sim_dir(self) -> str:
        """The folder of the simulated kernel where --sim names none."""
        return os.path.join(self.state_dir, "sim")

    @property
    def interactive(self) -> bool:
        """Whether a person can answer: stdin is a terminal, and so is stdout or stderr.

        `lioshell | tee LOG` is interactive: the prompt is on stderr then.
        """
        return is_terminal(self.stdin) and (is_terminal(self.stdout) or is_terminal(self.stderr))

    @property
    def width(self) -> int:
        """Columns of the terminal, COLUMNS, or 80."""
        try:
            return int(self.environ["COLUMNS"])
        except (KeyError, ValueError):
            # Not given or not a number: ask the terminal.
            try:
                return os.get_terminal_size(self.stdout.fileno()).columns or 80
            except (OSError, ValueError, AttributeError):
                return 80

    def wants_color(self, choice: str, stream: TextIO) -> bool:
        """Decide about colour on a stream: `choice` is auto, always or never.

        NO_COLOR and a dumb terminal count for auto.
        """
        if choice != "auto":
            return choice == "always"
        if self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb":
            return False
        return is_terminal(stream)


def _standard(stream: TextIO | None) -> TextIO:
    """Return a standard stream, or where it was closed (`<&-`), and is None, one of /dev/null."""
    # For a run as long as the process.
    return stream or open(os.devnull, "r+", encoding="utf-8")


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a person may look at a stream."""
    try:
        return stream.isatty()
    except ValueError:
        # A closed stream.
        return False
