# SPDX-License-Identifier: Apache-2.0
"""The lock of changes: held while one command changes something, never while a prompt is idle."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from lioshell.errors import HostError, LockedError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RETRY_S = 0.05


class ChangeLock:
    """A flock on `run_dir`/lock that says who holds it.

    flock(2) cannot wait with a time-out, so a busy lock is tried again every 50 ms for at most
    `timeout_s`.
    """

    def __init__(
        self, run_dir: str, *, timeout_s: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = os.path.join(run_dir, "lock")
        self._timeout_s = timeout_s
        self._clock = clock

    @contextlib.contextmanager
    def __call__(self, command: str) -> Iterator[None]:
        """Hold the lock for a command; raises LockedError after the time-out."""
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HostError(
                f"The lock {self._path} cannot be opened: {os.strerror(error.errno or 0)}",
                hint="Run as root, or try the simulated kernel: lioshell --sim",
            ) from error
        try:
            self._acquire(descriptor)
            holder = f"process {os.getpid()} ({command})"
            _note(descriptor, holder.encode(errors="backslashreplace"))
            yield
            _note(descriptor, b"")
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        deadline = self._clock() + self._timeout_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if self._clock() >= deadline:
                    holder = os.pread(descriptor, 200, 0).decode(errors="replace")
                    raise LockedError(
                        f"The configuration is being changed by {holder or 'another process'}",
                        hint="Wait for it to finish, then try again.",
                        path=self._path,
                    ) from None
                time.sleep(_RETRY_S)


def _note(descriptor: int, text: bytes) -> None:
    """Replace what the file says; on a full disk others wait without knowing for whom."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text, 0)
