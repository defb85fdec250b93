# SPDX-License-Identifier: Apache-2.0
"""An open RBD image: size, features, metadata, lock and watchers; its data are the handler's."""

from __future__ import annotations

import ctypes
import errno

from lioshell.errors import ConflictError, NotFoundError, UsageError
from lioshell.runner.handlers.ceph.library import (
    DIFFERENCE,
    FEATURE_EXCLUSIVE_LOCK,
    LOCK_EXCLUSIVE,
    OPTION_FEATURES_SET,
    ConfigOption,
    Watcher,
    check,
    load,
    text_of,
)
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.runner.handlers.ceph.cluster import Cluster

_MANY = 64
_SETTINGS = 256


class Image:
    """An image of a cluster that is opened; methods raise OSError where nothing else is said."""

    def __init__(self, cluster: Cluster, read_only: bool) -> None:
        self._rbd = load().rbd
        self.handle = ctypes.c_void_p()
        name = cluster.name
        opener = self._rbd.rbd_open_read_only if read_only else self._rbd.rbd_open
        snapshot = name.snapshot.encode() or None
        result = opener(cluster.ioctx, name.image.encode(), ctypes.byref(self.handle), snapshot)
        if result == -errno.ENOENT:
            raise NotFoundError(
                f"There is no image {name} in the cluster",
                hint=f"See what there is: {name.command} ls {name.pool}; it is not made anew, so "
                "that nothing is lost.",
            )
        check(result, "opening the image")

    def close(self) -> None:
        """Close it, which ends its lock. Raises OSError."""
        handle, self.handle = self.handle, ctypes.c_void_p()
        if handle.value:
            check(self._rbd.rbd_close(handle), "closing the image")

    def id(self) -> str:
        """Return what tells this image from another one of the same name."""
        return text_of(lambda buffer, size: self._rbd.rbd_get_id(self.handle, buffer, size), "id")

    def size_bytes(self) -> int:
        """Return the size as it is now, whoever has changed it."""
        size = ctypes.c_uint64()
        check(self._rbd.rbd_get_size(self.handle, ctypes.byref(size)), "its size")
        return size.value

    def resize(self, size_bytes: int) -> None:
        """Make the image longer or shorter."""
        check(self._rbd.rbd_resize(self.handle, size_bytes), "resizing the image")

    def write_zeroes(self, offset_bytes: int, size_bytes: int, flags: int) -> None:
        """Zero a range exactly; without ZEROES_THICK its objects are given back."""
        result = self._rbd.rbd_write_zeroes(self.handle, offset_bytes, size_bytes, flags, 0)
        check(result, "zeroing a range")

    def has_exclusive_lock(self) -> bool:
        """Tell whether the image has the feature."""
        features = ctypes.c_uint64()
        check(self._rbd.rbd_get_features(self.handle, ctypes.byref(features)), "its features")
        return bool(features.value & FEATURE_EXCLUSIVE_LOCK)

    def owner(self) -> str:
        """Return the address of the client that has the lock, "" where nobody has."""
        mode = ctypes.c_int()
        owners = (ctypes.c_char_p * _MANY)()
        count = ctypes.c_size_t(_MANY)
        result = self._rbd.rbd_lock_get_owners(
            self.handle, ctypes.byref(mode), owners, ctypes.byref(count)
        )
        if result == -errno.ENOENT:
            return ""
        check(result, "who has its lock")
        try:
            return (owners[0] or b"").decode() if count.value else ""
        finally:
            self._rbd.rbd_lock_get_owners_cleanup(owners, count.value)

    def lock(self) -> None:
        """Take the exclusive lock; it is not given to others who ask for it."""
        check(self._rbd.rbd_lock_acquire(self.handle, LOCK_EXCLUSIVE), "locking the image")

    def owns_lock(self) -> bool:
        """Tell whether the lock is this client's."""
        owns = ctypes.c_int()
        check(self._rbd.rbd_is_exclusive_lock_owner(self.handle, ctypes.byref(owns)), "who has it")
        return bool(owns.value)

    def break_lock(self, owner: str) -> None:
        """Have the cluster refuse everything of `owner`, and take its lock away."""
        result = self._rbd.rbd_lock_break(self.handle, LOCK_EXCLUSIVE, owner.encode())
        if result != -errno.ENOENT:  # it let go of it itself
            check(result, f"breaking the lock of {owner}")

    def watchers(self) -> list[str]:
        """Return the addresses of the clients that have the image open."""
        watchers = (Watcher * _MANY)()
        count = ctypes.c_size_t(_MANY)
        check(
            self._rbd.rbd_watchers_list(self.handle, watchers, ctypes.byref(count)), "who opened it"
        )
        try:
            return [watchers[index].address.decode() for index in range(count.value)]
        finally:
            self._rbd.rbd_watchers_list_cleanup(watchers, count.value)

    def metadata(self, key: str) -> str:
        """Return a value that somebody has stored with the image, "" where there is none."""
        buffer = ctypes.create_string_buffer(4096)
        size = ctypes.c_size_t(len(buffer))
        result = self._rbd.rbd_metadata_get(self.handle, key.encode(), buffer, ctypes.byref(size))
        if result == -errno.ENOENT:
            return ""
        check(result, f"its metadata {key}")
        return buffer.value.decode(errors="replace")

    def set_metadata(self, key: str, value: str) -> None:
        """Store a value with the image."""
        result = self._rbd.rbd_metadata_set(self.handle, key.encode(), value.encode())
        check(result, f"setting its metadata {key}")

    def setting(self, name: str) -> str:
        """Return an option of librbd as it is in force for this image, "" where there is none."""
        options = (ConfigOption * _SETTINGS)()
        count = ctypes.c_int(_SETTINGS)
        result = self._rbd.rbd_config_image_list(self.handle, options, ctypes.byref(count))
        check(result, "its settings")
        try:
            for index in range(count.value):
                if options[index].name == name.encode():
                    return str((options[index].value or b"").decode())
            return ""
        finally:
            self._rbd.rbd_config_image_list_cleanup(options, count.value)

    def differences(self, offset_bytes: int, size_bytes: int) -> list[tuple[int, int, bool]]:
        """Return offset, length and whether there is data, for what is not a hole all along."""
        found: list[tuple[int, int, bool]] = []

        def add(offset: int, length: int, exists: int, _: object) -> int:
            found.append((offset, length, bool(exists)))
            return 0

        result = self._rbd.rbd_diff_iterate2(
            self.handle, None, offset_bytes, size_bytes, 1, 1, DIFFERENCE(add), None
        )
        check(result, "looking for holes")
        return found


def make(cluster: Cluster, size_bytes: int) -> None:
    """Make an image with what the cluster's configuration says and an exclusive lock.

    Raises ConflictError when there is one, UsageError for a snapshot, OSError.
    """
    name = cluster.name
    if name.snapshot:
        raise UsageError(
            f"There is no image {name}, and a snapshot is not made by writing to it",
            hint=f"Make it: {name.command} snap create {name}",
        )
    rbd = load().rbd
    options = ctypes.c_void_p()
    rbd.rbd_image_options_create(ctypes.byref(options))
    try:
        check(
            rbd.rbd_image_options_set_uint64(options, OPTION_FEATURES_SET, FEATURE_EXCLUSIVE_LOCK),
            "asking for an exclusive lock",
        )
        result = rbd.rbd_create4(cluster.ioctx, name.image.encode(), size_bytes, options)
    finally:
        rbd.rbd_image_options_destroy(options)
    if result == -errno.EEXIST:
        raise ConflictError(
            f"rbd/{name} was made by somebody else at this moment",
            hint="Look what it is, and type the command again to use it.",
        )
    check(result, "making the image")


def remove(cluster: Cluster, image_id: str) -> None:
    """Remove the image if it is still the one of this id. Raises OSError."""
    try:
        image = Image(cluster, read_only=True)
    except NotFoundError:
        return
    found = image.id()
    image.close()
    if found == image_id:
        result = load().rbd.rbd_remove(cluster.ioctx, cluster.name.image.encode())
        if result != -errno.ENOENT:
            check(result, "removing the image")
