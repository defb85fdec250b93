# SPDX-License-Identifier: Apache-2.0
"""One file or device behind two storage objects would be two disks that overwrite each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lioshell.errors import ConflictError
from lioshell.lio.backstores import list_storage_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio

_FILE_SUBTYPE = "file"


def refuse_second_use(lio: Lio, path: str) -> None:
    """Raise ConflictError when a storage object stands on a file or device already.

    The kernel allows it for fileio (drivers/target/target_core_file.c opens without O_EXCL).
    """
    for storage_object, backing in _backings(lio):
        if _is_same(backing, path):
            raise ConflictError(
                f"{path} is behind {storage_object.tree_path} already",
                hint="One file or device is one disk: choose another, or delete that object first.",
                path=storage_object.path,
            )


def _backings(lio: Lio) -> Iterator[tuple[StorageObject, str]]:
    for plugin in ("fileio", "block", "user"):
        for storage_object in list_storage_objects(lio, plugin):
            if plugin != "user":
                yield storage_object, storage_object.device
            elif storage_object.subtype == _FILE_SUBTYPE:
                yield storage_object, storage_object.config


def _is_same(first: str, second: str) -> bool:
    if os.path.realpath(first) == os.path.realpath(second):
        return True
    try:
        one, two = os.stat(first), os.stat(second)
    except OSError:
        # One of them is not there: they cannot be the same.
        return False
    devices = one.st_rdev and one.st_rdev == two.st_rdev
    return bool(devices) or (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)
