# SPDX-License-Identifier: Apache-2.0
"""Daemons of an engine as children of the test run: none outlives it, however it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import ExitStack
from signal import SIGKILL
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

START_TIMEOUT_S = 120.0


class EngineError(Exception):
    """An engine did not start; the message ends with what it logged."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(*command: str, timeout_s: float = START_TIMEOUT_S) -> str:
    """Run a command and return its output. Raises EngineError."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        raise EngineError(f"{' '.join(command)}: {done.stdout[-2000:]}")
    return done.stdout


def wait_until(
    condition: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S
) -> None:
    """Wait until something is so. Raises EngineError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise EngineError(f"{what}: not in {timeout_s:g} s")
        time.sleep(0.05)


class Daemon:
    """A process in the foreground of its own session, killed when this process dies."""

    def __init__(self, folder: Path, name: str, *command: str) -> None:
        self._log = folder / f"{name}.out"
        self._command = ("setpriv", "--pdeathsig", "KILL", *command)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, again after `stop`."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise EngineError when it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise EngineError(
                f"{self._command[3]} ended: {self._log.read_text(errors='replace')[-2000:]}"
            )

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def stop(self, number: int = SIGKILL) -> None:
        """End it and wait for its end."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Engine:
    """What starts daemons; a context manager that stops them in the other order."""

    def __init__(self) -> None:
        self.cleanup = ExitStack()

    def daemon(self, folder: Path, name: str, *command: str) -> Daemon:
        """Start a daemon that is stopped at the end."""
        daemon = Daemon(folder, name, *command)
        self.cleanup.callback(daemon.stop)
        return daemon

    def start(self) -> None:
        """Bring everything up. Raises EngineError."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup.close()
