# SPDX-License-Identifier: Apache-2.0
"""Parsed specs, kept between runs, because importing and running yaml costs more than all else.

One file per spec in a folder of the user's own. It counts only where it is as old and as long as
the spec was when it was parsed, and where nobody else could have written it; else it is made anew.
A folder that cannot be used is a reason to parse, never an error.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys

_VERSION = 3
"""Of what `spec_loader.parse` returns: raise it with any change there."""


def default_folder() -> str:
    """Return the user's cache folder, or "" where there is none."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{base}/lioshell/specs" if os.path.isabs(base) else ""


def load(folder: str, path: str) -> dict[str, object] | None:
    """Return what `parse(path)` gave when the file was as it is now, or None."""
    try:
        if not _is_ours(os.stat(folder)):
            return None
        with open(_file(folder, path), "rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            # Checked above: nobody but this user or root can have written it.
            stamp, plain = marshal.load(file)  # noqa: S302  # its owner was checked
        return dict(plain) if stamp == _stamp(path) else None
    except (OSError, ValueError, EOFError, TypeError):
        # Not there, cut short, or of another Python: parse the spec again.
        return None


def store(folder: str, path: str, plain: dict[str, object]) -> None:
    """Keep what `parse(path)` gave; where that is not possible, nothing happens."""
    target = _file(folder, path)
    temporary = f"{target}.{os.getpid()}"
    try:
        there = folder
        while not os.path.lexists(there):
            there = os.path.dirname(there)
        if os.stat(there).st_uid != os.geteuid():
            # Root with the home of another user (sudo) must not leave folders of root's there.
            return
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not _is_ours(os.stat(folder)):
            return
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            marshal.dump((_stamp(path), plain), file)
        os.replace(temporary, target)
    except OSError:
        # A full or read-only disk, a home that is not there: the next run parses again.
        return


def _file(folder: str, path: str) -> str:
    """Return the cache file of a spec; its name tells spec and Python apart."""
    return f"{folder}/{path.replace('/', '%')}.{sys.implementation.cache_tag}"


def _stamp(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    return (_VERSION, status.st_mtime_ns, status.st_size)


def _is_ours(status: os.stat_result) -> bool:
    """Tell whether only this user or root can have written it."""
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid in (os.geteuid(), 0) and not writable_by_others
