# SPDX-License-Identifier: Apache-2.0
"""librados and librbd through ctypes: the functions that are used, and their errors.

Not Ceph's own Python binding: it is built for the system's Python alone, so a virtual environment
cannot have it, and it copies every byte twice where these functions use the memory of the ring.
The declarations are those of rados/librados.h and rbd/librbd.h (Ceph 16).
"""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_ssize_t, c_uint64, c_void_p

from lioshell.runner.handlers import shared_library
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

RADOS: Final = "librados.so.2"
RBD: Final = "librbd.so.1"
INSTALL: Final = "Install librbd of Ceph 16 or newer, as in: apt install librbd1"

DIFFERENCE = ctypes.CFUNCTYPE(c_int, c_uint64, c_size_t, c_int, c_void_p)
"""The callback of rbd_diff_iterate2: offset, length, whether there is data, its argument."""

LOCK_EXCLUSIVE: Final = 0
FEATURE_EXCLUSIVE_LOCK: Final = 1 << 2
OPTION_FEATURES_SET: Final = 8
ZEROES_THICK: Final = 1


class Watcher(ctypes.Structure):
    """rbd_image_watcher_t."""

    _fields_ = (("address", c_char_p), ("id", c_int64), ("cookie", c_uint64))


class ConfigOption(ctypes.Structure):
    """rbd_config_option_t."""

    _fields_ = (("name", c_char_p), ("value", c_char_p), ("source", c_int))


_OUT = POINTER(c_void_p)
_TEXT_OUT = POINTER(c_char_p)
_SIZE_OUT = POINTER(c_size_t)

_RADOS = {
    "rados_create": (c_int, _OUT, c_char_p),
    "rados_conf_read_file": (c_int, c_void_p, c_char_p),
    "rados_conf_set": (c_int, c_void_p, c_char_p, c_char_p),
    "rados_conf_get": (c_int, c_void_p, c_char_p, c_char_p, c_size_t),
    "rados_connect": (c_int, c_void_p),
    "rados_shutdown": (None, c_void_p),
    "rados_getaddrs": (c_int, c_void_p, _TEXT_OUT),
    "rados_buffer_free": (None, c_void_p),
    "rados_ioctx_create": (c_int, c_void_p, c_char_p, _OUT),
    "rados_ioctx_set_namespace": (None, c_void_p, c_char_p),
    "rados_ioctx_destroy": (None, c_void_p),
    "rados_mon_command": (
        *(c_int, c_void_p, _TEXT_OUT, c_size_t, c_char_p, c_size_t),
        *(_OUT, _SIZE_OUT, _OUT, _SIZE_OUT),
    ),
}
_VECTORED = (c_int, c_void_p, c_void_p, c_int, c_uint64, c_void_p)
_RBD = {
    "rbd_open": (c_int, c_void_p, c_char_p, _OUT, c_char_p),
    "rbd_open_read_only": (c_int, c_void_p, c_char_p, _OUT, c_char_p),
    "rbd_close": (c_int, c_void_p),
    "rbd_create4": (c_int, c_void_p, c_char_p, c_uint64, c_void_p),
    "rbd_image_options_create": (None, _OUT),
    "rbd_image_options_set_uint64": (c_int, c_void_p, c_int, c_uint64),
    "rbd_image_options_destroy": (None, c_void_p),
    "rbd_remove": (c_int, c_void_p, c_char_p),
    "rbd_get_id": (c_int, c_void_p, c_char_p, c_size_t),
    "rbd_get_size": (c_int, c_void_p, POINTER(c_uint64)),
    "rbd_get_features": (c_int, c_void_p, POINTER(c_uint64)),
    "rbd_resize": (c_int, c_void_p, c_uint64),
    "rbd_lock_acquire": (c_int, c_void_p, c_int),
    "rbd_lock_break": (c_int, c_void_p, c_int, c_char_p),
    "rbd_lock_get_owners": (c_int, c_void_p, POINTER(c_int), _TEXT_OUT, _SIZE_OUT),
    "rbd_lock_get_owners_cleanup": (None, _TEXT_OUT, c_size_t),
    "rbd_is_exclusive_lock_owner": (c_int, c_void_p, POINTER(c_int)),
    "rbd_watchers_list": (c_int, c_void_p, POINTER(Watcher), _SIZE_OUT),
    "rbd_watchers_list_cleanup": (None, POINTER(Watcher), c_size_t),
    "rbd_metadata_get": (c_int, c_void_p, c_char_p, c_char_p, _SIZE_OUT),
    "rbd_metadata_set": (c_int, c_void_p, c_char_p, c_char_p),
    "rbd_config_image_list": (c_int, c_void_p, POINTER(ConfigOption), POINTER(c_int)),
    "rbd_config_image_list_cleanup": (None, POINTER(ConfigOption), c_int),
    "rbd_diff_iterate2": (
        *(c_int, c_void_p, c_char_p, c_uint64, c_uint64),
        *(ctypes.c_uint8, ctypes.c_uint8, DIFFERENCE, c_void_p),
    ),
    "rbd_write_zeroes": (c_ssize_t, c_void_p, c_uint64, c_size_t, c_int, c_int),
    "rbd_aio_create_completion": (c_int, c_void_p, c_void_p, _OUT),
    "rbd_set_image_notification": (c_int, c_void_p, c_int, c_int),
    "rbd_poll_io_events": (c_int, c_void_p, c_void_p, c_int),
    "rbd_aio_get_return_value": (c_ssize_t, c_void_p),
    "rbd_aio_release": (None, c_void_p),
    "rbd_aio_readv": _VECTORED,
    "rbd_aio_writev": _VECTORED,
    "rbd_aio_flush": (c_int, c_void_p, c_void_p),
}


class Libraries(NamedTuple):
    """Both libraries, their functions declared."""

    rados: ctypes.CDLL
    rbd: ctypes.CDLL


@functools.cache
def load() -> Libraries:
    """Load both libraries, once. Raises HostError."""
    return Libraries(
        shared_library.load(RADOS, _RADOS, INSTALL), shared_library.load(RBD, _RBD, INSTALL)
    )


def check(result: int, what: str) -> int:
    """Return a result that is no error; raise OSError, "`what`: reason", for a negative one."""
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
    return result


def text_of(fill: Callable[[ctypes.Array[ctypes.c_char], int], int], what: str) -> str:
    """Return the text that a function writes into a buffer of a size. Raises OSError."""
    buffer = ctypes.create_string_buffer(4096)
    check(fill(buffer, len(buffer)), what)
    return buffer.value.decode(errors="replace")
