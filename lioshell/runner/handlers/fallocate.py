# SPDX-License-Identifier: Apache-2.0
"""fallocate(2) with its modes, which the standard library does not offer."""

from __future__ import annotations

import ctypes
import os

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

KEEP_SIZE: Final = 0x01
PUNCH_HOLE: Final = 0x02
ZERO_RANGE: Final = 0x10
"""FALLOC_FL_*, include/uapi/linux/falloc.h."""

_libc = ctypes.CDLL(None, use_errno=True)
_fallocate = _libc.fallocate64 if hasattr(_libc, "fallocate64") else _libc.fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_fallocate.restype = ctypes.c_int


def fallocate(fd: int, mode: int, offset_bytes: int, size_bytes: int) -> None:
    """Call fallocate(2). Raises OSError."""
    while _fallocate(fd, mode, offset_bytes, size_bytes) != 0:
        number = ctypes.get_errno()
        error = OSError(number, os.strerror(number))
        if not isinstance(error, InterruptedError):
            raise error
