# SPDX-License-Identifier: Apache-2.0
"""Shared libraries of the system: whether one is there, without loading it, and loading it."""

from __future__ import annotations

import os

from lioshell.errors import HostError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Mapping
    from typing import Any

_CACHE = "/etc/ld.so.cache"
_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


def is_there(soname: str) -> bool:
    """Tell whether ld.so(8) would find a library, as "librbd.so.1", without running any of it."""
    try:
        with open(_CACHE, "rb") as file:
            if b"/" + soname.encode() + b"\0" in file.read():
                return True
    except OSError:
        # musl has no such cache.
        pass
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return any(os.path.exists(os.path.join(d, soname)) for d in (*folders, *_FOLDERS) if d)


def load(soname: str, prototypes: Mapping[str, tuple[Any, ...]], hint: str) -> ctypes.CDLL:
    """Load a library and declare functions of it: name -> type of the result, types of arguments.

    What such a function leaves in errno is ctypes.get_errno(). Raises HostError with `hint`.
    """
    import ctypes

    try:
        library = ctypes.CDLL(soname, use_errno=True)
    except OSError as error:
        raise HostError(f"{soname} cannot be loaded: {error}", hint=hint) from error
    for name, (result, *arguments) in prototypes.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise HostError(f"{soname} is too old: it has no {name}", hint=hint) from None
        function.restype = result
        function.argtypes = arguments
    return library
