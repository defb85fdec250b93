# SPDX-License-Identifier: Apache-2.0
"""Locks between processes: one build at a time, one virtual machine at a time."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING, Self

from tests.kernel.vm.errors import VmUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

_RETRY_S = 0.5


class FileLock:
    """An exclusive flock on a file, which the kernel lets go of when its holders are dead.

    `fileno()` may be given to a child: the lock then lasts until that child has ended as well.
    """

    def __init__(self, path: Path, what: str, wait_s: float, say: Callable[[str], None]) -> None:
        self._path = path
        self._what = what
        self._wait_s = wait_s
        self._say = say
        self._fd: int | None = None

    def __enter__(self) -> Self:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._wait(fd)
        except BaseException:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def fileno(self) -> int:
        """The descriptor that holds the lock."""
        if self._fd is None:
            raise ValueError("the lock is not held")
        return self._fd

    def _wait(self, fd: int) -> None:
        deadline = time.monotonic() + self._wait_s
        told = False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
                if time.monotonic() > deadline:
                    raise VmUnavailable(
                        f"process {holder} has been {self._what} for over {self._wait_s:g} s",
                        "wait for it to end, or set LIOSHELL_VM_WAIT to more seconds",
                    ) from None
                if not told:
                    self._say(f"waiting: process {holder} is {self._what}")
                    told = True
                time.sleep(_RETRY_S)
            else:
                return
