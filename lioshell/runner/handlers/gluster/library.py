# SPDX-License-Identifier: Apache-2.0
"""libgfapi through ctypes: the functions that are used, as glusterfs/api/glfs.h has them (6.0).

Not PyPI's gfapi: it declares the callbacks of releases before 6.0, and it has no asynchronous calls
with several buffers.
"""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_ssize_t, c_void_p

from lioshell.runner.handlers import shared_library
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

GFAPI: Final = "libgfapi.so.0"
INSTALL: Final = "Install the client library of Gluster 6 or newer, as in: apt install libgfapi0"

ENDED = ctypes.CFUNCTYPE(None, c_void_p, c_ssize_t, c_void_p, c_void_p, c_void_p, use_errno=True)
"""glfs_io_cbk: file, result, attributes before and after, and the number that was given."""

GF_LOG_ERROR: Final = 4


class Flock(ctypes.Structure):
    """`struct flock` with 64-bit offsets, fcntl(2)."""

    _fields_ = (
        ("type", ctypes.c_short),
        ("whence", ctypes.c_short),
        ("start", c_int64),
        ("length", c_int64),
        ("pid", c_int),
    )


_VECTORED = (c_int, c_void_p, c_void_p, c_int, c_int64, c_int, ENDED, c_void_p)
_PROTOTYPES = {
    "glfs_new": (c_void_p, c_char_p),
    "glfs_set_volfile_server": (c_int, c_void_p, c_char_p, c_char_p, c_int),
    "glfs_set_logging": (c_int, c_void_p, c_char_p, c_int),
    "glfs_set_xlator_option": (c_int, c_void_p, c_char_p, c_char_p, c_char_p),
    "glfs_init": (c_int, c_void_p),
    "glfs_fini": (c_int, c_void_p),
    "glfs_open": (c_void_p, c_void_p, c_char_p, c_int),
    "glfs_creat": (c_void_p, c_void_p, c_char_p, c_int, ctypes.c_uint),
    "glfs_close": (c_int, c_void_p),
    "glfs_unlink": (c_int, c_void_p, c_char_p),
    "glfs_lseek": (c_int64, c_void_p, c_int64, c_int),
    "glfs_ftruncate": (c_int, c_void_p, c_int64, c_void_p, c_void_p),
    "glfs_fsync": (c_int, c_void_p, c_void_p, c_void_p),
    "glfs_stat": (c_int, c_void_p, c_char_p, c_void_p),
    "glfs_posix_lock": (c_int, c_void_p, c_int, POINTER(Flock)),
    "glfs_discard": (c_int, c_void_p, c_int64, c_size_t),
    "glfs_zerofill": (c_int, c_void_p, c_int64, c_int64),
    "glfs_preadv_async": _VECTORED,
    "glfs_pwritev_async": _VECTORED,
    "glfs_fdatasync_async": (c_int, c_void_p, ENDED, c_void_p),
    # Of 6.0: before it the callbacks had other arguments under the same names.
    "glfs_copy_file_range": (c_ssize_t,),
}


@functools.cache
def load() -> ctypes.CDLL:
    """Load the library, once. Raises HostError."""
    return shared_library.load(GFAPI, _PROTOTYPES, INSTALL)


def check(result: int | None, what: str) -> int:
    """Return a result that is no failure; raise OSError from errno for -1 and for no pointer."""
    if result is None or result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
