# SPDX-License-Identifier: Apache-2.0
"""One file or device behind two storage objects would be two disks that overwrite each other.

Who stands on what is looked up in the index of all objects, so that nothing is read of those that
stand elsewhere; a file that somebody holds open for writing is looked for among all of them.
"""

from __future__ import annotations

import os
import stat

from lioshell.errors import ConflictError, KernelError
from lioshell.lio.backstores import list_storage_objects, plugin_of, storage_objects_in
from lioshell.lio.object_index import NO_BACKING, Backing, backing_at
from lioshell.lio.user_backing import user_backing_path
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio

_WITH_TRAY = ("fbo",)
"""Which may stand on another file tomorrow."""
_ON_FILES = ("fileio", "block")


def learn(lio: Lio, hbas: Mapping[str, int]) -> None:
    """Look into the HBA folders that nothing is known of, and remember what they hold.

    A folder with an object that is not complete yet is looked into every time.
    """
    for hba in lio.index.unknown(hbas):
        remember(lio, hba, hbas)


def remember(lio: Lio, hba: str, hbas: Mapping[str, int]) -> None:
    """Look into an HBA folder and remember what it holds; `hbas` is what the index listed."""
    try:
        found = [
            (storage_object.name, _lasting_backing(storage_object))
            for storage_object in storage_objects_in(lio, plugin_of(lio, hba) or "", hba)
        ]
    except KernelError:
        # Another program deletes it at this moment: there is nothing to remember.
        return
    lasting = [(name, backing) for name, backing in found if backing is not None]
    if len(lasting) == len(found):
        lio.index.add(hba, hbas.get(hba, 0), lasting)


def _lasting_backing(storage_object: StorageObject) -> Backing | None:
    """Return what an object will stand on as long as it is there; None where that is not sure."""
    if storage_object.plugin not in (*_ON_FILES, "user"):
        return NO_BACKING
    if not storage_object.enabled or storage_object.subtype in _WITH_TRAY:
        return None
    path = backing_path(storage_object)
    if not path:
        return NO_BACKING
    backing = backing_at(path)
    # A file that nobody serves yet may be made later, and by another name then.
    return None if storage_object.plugin == "user" and not backing.numbers else backing


def backing_path(storage_object: StorageObject) -> str:
    """Return the file or device behind an object, "" where it has none on this machine."""
    if storage_object.plugin in _ON_FILES:
        return storage_object.device
    return user_backing_path(storage_object.dev_config) if storage_object.plugin == "user" else ""


def refuse_second_use(lio: Lio, path: str) -> None:
    """Raise ConflictError when a storage object stands on a file or device already.

    The kernel allows it for fileio (drivers/target/target_core_file.c opens without O_EXCL).
    """
    storage_object = standing_on(lio, path)
    if storage_object is not None:
        raise ConflictError(
            f"{path} is behind {storage_object.tree_path} already",
            hint="One file or device is one disk: choose another, or delete that object first.",
            path=storage_object.path,
        )


def standing_on(lio: Lio, path: str) -> StorageObject | None:
    """Return the storage object that stands on a file or device, by whatever name it has it."""
    for storage_object in _candidates(lio, path):
        backing = backing_path(storage_object)
        if backing and _is_same(backing, path):
            return storage_object
    return None


def _candidates(lio: Lio, path: str) -> Iterable[StorageObject]:
    """Return the objects that may stand on a file or device."""
    if lio.survey is not None:
        yield from lio.survey.users_of(path)
        return
    if _may_be_written(path):
        for plugin in (*_ON_FILES, "user"):
            yield from list_storage_objects(lio, plugin)
        return
    hbas = lio.index.hbas()
    for hba in (*lio.index.standing_on(hbas, backing_at(path)), *lio.index.unknown(hbas)):
        kind = plugin_of(lio, hba)
        if kind is not None:
            yield from storage_objects_in(lio, kind, hba)


def _may_be_written(path: str) -> bool:
    """Tell whether somebody has a regular file open for writing, or that cannot be told.

    A read lease is refused where somebody has (fs/locks.c, check_conflicting_open); the kernel's
    own fileio counts. False for a device, which the kernel claims (block_device.in_use).
    """
    import fcntl
    import signal

    try:
        # Before it is opened: to open a device may set it going (a watchdog, a tape).
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        # Nothing is there, or creating an object on it will tell what is wrong.
        return False
    try:
        # Who opens it meanwhile breaks the lease: by default that is a deadly SIGIO for us.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        # Somebody writes, or this file system has no leases.
        return True
    finally:
        os.close(descriptor)
    return False


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
