# SPDX-License-Identifier: Apache-2.0
"""Start a service that outlives this process, and wait until it serves."""

from __future__ import annotations

import os
import select
import sys

from lioshell.errors import RunnerError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lioshell.kernel.ports import Kernel

_START_TIMEOUT_S = 60.0


def start(kernel: Kernel, kernel_options: Sequence[str]) -> None:
    """Start `lioshell serve` in a session of its own; it ends when no device is left.

    `kernel_options` are the options that choose the kernel (--sim=DIR, --configfs=DIR). Raises
    RunnerError with the end of its log when it does not come up.
    """
    os.makedirs(kernel.run_dir, mode=0o755, exist_ok=True)
    log_path = os.path.join(kernel.run_dir, "serve.log")
    reader, writer = os.pipe()
    # -P: what lies in the caller's folder is not imported by a process of root.
    words = ["-P", "-m", "lioshell", *kernel_options]
    words += ["serve", "--until-idle", f"--ready-fd={writer}"]
    os.set_inheritable(writer, True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        # Not subprocess: nobody waits for this child, which outlives its parent.
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, *words],
            environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log_path, flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    except OSError as error:
        os.close(reader)
        raise RunnerError(
            f"The service cannot be started: {os.strerror(error.errno or 0)}",
            hint="Start it yourself: lioshell serve",
            path=log_path,
        ) from error
    finally:
        os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], _START_TIMEOUT_S)
        word = os.read(reader, 16) if ready else b""
    finally:
        os.close(reader)
    if not word:
        raise RunnerError(
            f"The service did not start: {_last_line(log_path) or f'see process {child}'}",
            hint="Start it in the foreground to see why: lioshell serve",
            path=log_path,
        )


def environment() -> dict[str, str]:
    """Return this process' environment in which the child finds the same package."""
    package_parent = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _last_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
