# SPDX-License-Identifier: Apache-2.0
"""Wake-ups when somebody closes a file: how it is noticed that a device's server has ended.

inotify(7) tells of the last close of an opened file, however its process ended. It does so before
the file is released (fs/file_table.c, __fput), so the next open may be refused for a moment still.
"""

from __future__ import annotations

import ctypes
import os

_IN_CLOSE = 0x8 | 0x10
_IN_NONBLOCK = os.O_NONBLOCK
_IN_CLOEXEC = os.O_CLOEXEC


class CloseWatch:
    """One descriptor (`fileno()`) for any number of files; raises OSError where there is none."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify is not available")

    def fileno(self) -> int:
        """Return the descriptor, readable when a file was closed."""
        return self._fd

    def add(self, path: str) -> None:
        """Watch one more file; the same one again changes nothing. Raises OSError."""
        if self._libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_CLOSE) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)

    def drain(self) -> bool:
        """Consume all pending wake-ups and tell whether there was one."""
        woken = False
        while True:
            try:
                if not os.read(self._fd, 65536):
                    return woken
            except BlockingIOError:
                return woken
            woken = True

    def close(self) -> None:
        """Stop watching."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
