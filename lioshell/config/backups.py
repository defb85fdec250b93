# SPDX-License-Identifier: Apache-2.0
"""Backups: older versions of the saved configuration, in the folder `backup` beside it.

Named and packed as targetcli does it, so that either tool's backups are found by the other.
"""

from __future__ import annotations

import gzip
import os
import time

from lioshell.config.durable import write_whole
from lioshell.errors import HostError

_FOLDER = "backup"


def folder_of(path: str) -> str:
    """Return the folder of a file's backups."""
    return os.path.join(os.path.dirname(os.path.abspath(path)), _FOLDER)


def names(path: str) -> list[str]:
    """Return the names of a file's backups, the oldest first."""
    stem, _, kind = os.path.basename(path).rpartition(".")
    try:
        found = os.listdir(folder_of(path))
    except OSError:
        # None was ever made.
        return []
    return sorted(n for n in found if n.startswith(f"{stem}-") and n.endswith(f"-{kind}.gz"))


def keep(path: str, limit: int) -> str | None:
    """Keep a file as it is now, unless the newest backup is the same, and prune to `limit`.

    Returns the backup's path, None where none was made. Raises HostError; a limit of 0 keeps none.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
        found = names(path)
        made = None
        if limit > 0 and not (found and _content(path, found[-1]) == data):
            os.makedirs(folder_of(path), mode=0o700, exist_ok=True)
            made = os.path.join(folder_of(path), _new_name(path))
            write_whole(made, gzip.compress(data, mtime=0))
        for name in names(path)[: -limit or None]:
            os.unlink(os.path.join(folder_of(path), name))
    except OSError as error:
        raise HostError(
            f"No backup of {path} can be kept: {os.strerror(error.errno or 0)}",
            hint=f"The file is as it was; check {folder_of(path)}, or: "
            "set global max_backup_files=0",
            path=folder_of(path),
        ) from error
    return made


def _content(path: str, name: str) -> bytes:
    try:
        with gzip.open(os.path.join(folder_of(path), name)) as file:
            return file.read()
    except (OSError, EOFError):
        # Cut off, or not ours to read: another one is made.
        return b""


def _new_name(path: str) -> str:
    """Return a name after the time; of one second, each sorts behind those that were made before.

    The plain name of a second may have been pruned already: it is not given a second time.
    """
    stem, _, kind = os.path.basename(path).rpartition(".")
    now = time.time()
    second = f"{stem}-{time.strftime('%Y%m%d-%H:%M:%S', time.localtime(now))}"
    of_second = [n for n in names(path) if n.startswith(second)]
    if not of_second:
        return f"{second}-{kind}.gz"
    micros = int(now * 1e6) % 1_000_000
    while (name := f"{second}.{micros:06}-{kind}.gz") <= of_second[-1]:
        micros += 1
    return name
