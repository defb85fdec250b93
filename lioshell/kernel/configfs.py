# SPDX-License-Identifier: Apache-2.0
"""The configfs of the running kernel: `ConfigfsPort` over system calls."""

from __future__ import annotations

import errno
import os
import stat
import sys

from lioshell.errors import KernelError
from lioshell.kernel.refusal import refusal
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lioshell.errors import LioshellError

_ATTRIBUTE_BYTES = 4095
"""What one write(2) carries at most: fs/configfs/file.c, SIMPLE_ATTR_SIZE less the NUL."""

_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()


class RealConfigfs:
    """The `target` folder below a configfs mount point.

    Raises KernelError for every refusal, and HostError where only root may do what was asked for.
    """

    def __init__(self, root: str = "/sys/kernel/config") -> None:
        self._location = f"{root}/target"

    @property
    def location(self) -> str:
        """The folder's absolute path."""
        return self._location

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder, in the kernel's order."""
        full = self._full(path)
        try:
            return os.listdir(full)
        except OSError as error:
            raise _failure("listdir", full, error) from error

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders in a folder."""
        return self._scan(path, links=False)

    def folder_numbers(self, path: str) -> dict[str, int]:
        """Return the folders in a folder with their inode numbers."""
        full = self._full(path)
        try:
            with os.scandir(full) as entries:
                return {e.name: e.inode() for e in entries if e.is_dir(follow_symlinks=False)}
        except OSError as error:
            raise _failure("listdir", full, error) from error

    def links(self, path: str) -> list[str]:
        """Return the names of the symbolic links in a folder."""
        return self._scan(path, links=True)

    def exists(self, path: str) -> bool:
        """Tell whether something is there; a dangling link counts as not there."""
        return os.path.exists(self._full(path))

    def is_dir(self, path: str) -> bool:
        """Tell whether a folder (or a link to one) is there."""
        return os.path.isdir(self._full(path))

    def is_link(self, path: str) -> bool:
        """Tell whether a symbolic link is there."""
        return os.path.islink(self._full(path))

    def is_linked(self, path: str) -> bool:
        """Tell whether a link leads to a folder that holds a link itself.

        The kernel is asked to remove the folder, and refuses: with EBUSY while a link leads to it,
        and else with ENOTEMPTY for the link in it (fs/configfs/dir.c, configfs_detach_prep).
        """
        full = self._full(path)
        try:
            os.rmdir(full)
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
                return error.errno == errno.EBUSY
            raise _failure("rmdir", full, error) from error
        # Another program took the link out of it at this moment: then it was to go anyway.
        return False

    def read(self, path: str) -> str:
        """Return an attribute's text without NULs and without one trailing newline.

        `members` of an ALUA group has a NUL after each line (target_core_configfs.c,
        target_tg_pt_gp_members_show counts the terminator).
        """
        full = self._full(path)
        try:
            descriptor = os.open(full, os.O_RDONLY | os.O_CLOEXEC)
            try:
                # One page at most: fs/configfs/file.c shows an attribute once, at its first read.
                data = os.read(descriptor, _ATTRIBUTE_BYTES + 1)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _failure("read", full, error) from error
        return _shown(data)

    def values(self, path: str) -> dict[str, str]:
        """Return the texts of a folder's attributes that can be read and written, by name.

        Three system calls an attribute: an open for both fails where the kernel has no function for
        one of them (fs/configfs/file.c, __configfs_open_file).
        """
        full = self._full(path)
        found = {}
        try:
            folder = os.open(full, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _failure("listdir", full, error) from error
        try:
            for name in os.listdir(folder):
                try:
                    found[name] = _value(name, folder)
                except PermissionError:
                    if os.geteuid() != 0:
                        return self._values_one_by_one(path)
                except OSError:
                    # A folder; or ESRCH, ENODEV: there is nothing to show at the moment.
                    continue
        finally:
            os.close(folder)
        return found

    def _values_one_by_one(self, path: str) -> dict[str, str]:
        """Return `values` to somebody who may only look: what root could write is told by modes."""
        found = {}
        for name in self.listdir(path):
            try:
                if self.is_writable(f"{path}/{name}"):
                    found[name] = self.read(f"{path}/{name}")
            except KernelError:
                # No attribute but a folder; or one that is not shown.
                continue
        return found

    def write(self, path: str, value: str, *, secret: bool = False) -> None:
        """Write an attribute in one write(2), exactly as given."""
        del secret
        full = self._full(path)
        data = os.fsencode(value)
        if len(data) > _ATTRIBUTE_BYTES:
            # The kernel would take the first page and say nothing.
            raise refusal("write", full, errno.E2BIG)
        try:
            descriptor = os.open(full, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _failure("write", full, error) from error

    def is_writable(self, path: str) -> bool:
        """Tell whether the attribute's mode has a write bit for its owner."""
        full = self._full(path)
        try:
            return bool(os.stat(full).st_mode & stat.S_IWUSR)
        except OSError as error:
            raise _failure("stat", full, error) from error

    def mkdir(self, path: str) -> None:
        """Create an object."""
        full = self._full(path)
        try:
            os.mkdir(full)
        except OSError as error:
            raise _failure("mkdir", full, error) from error

    def rmdir(self, path: str) -> None:
        """Remove an object."""
        full = self._full(path)
        try:
            os.rmdir(full)
        except OSError as error:
            raise _failure("rmdir", full, error) from error

    def symlink(self, target: str, path: str) -> None:
        """Link the object `target` (relative to this folder) at `path`."""
        full = self._full(path)
        try:
            os.symlink(self._full(target), full)
        except OSError as error:
            raise _failure("symlink", full, error) from error

    def readlink(self, path: str) -> str:
        """Return what a link points to, relative to this folder.

        The kernel makes the text itself: as many ".." as lead up to the mount point, then
        "target/..." (fs/configfs/symlink.c, configfs_get_target_path).
        """
        full = self._full(path)
        try:
            text = os.readlink(full)
        except OSError as error:
            raise _failure("readlink", full, error) from error
        if not text.startswith("../"):
            return os.path.relpath(text, self._location)
        return text.rpartition("../")[2].removeprefix("target/")

    def unlink(self, path: str) -> None:
        """Remove a link."""
        full = self._full(path)
        try:
            os.unlink(full)
        except OSError as error:
            raise _failure("unlink", full, error) from error

    def unlink_all(self, paths: Sequence[str]) -> dict[str, LioshellError]:
        """Remove links at once: for each the kernel waits (target_core_tpg.c, lun_ref)."""
        from lioshell.kernel.in_parallel import in_parallel

        return in_parallel(self.unlink, paths)

    def _full(self, path: str) -> str:
        return f"{self._location}/{path}" if path else self._location

    def _scan(self, path: str, *, links: bool) -> list[str]:
        full = self._full(path)
        try:
            with os.scandir(full) as entries:
                if links:
                    return [entry.name for entry in entries if entry.is_symlink()]
                return [e.name for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise _failure("listdir", full, error) from error


def _value(name: str, folder: int) -> str:
    descriptor = os.open(name, os.O_RDWR | os.O_CLOEXEC, dir_fd=folder)
    try:
        return _shown(os.read(descriptor, _ATTRIBUTE_BYTES + 1))
    finally:
        os.close(descriptor)


def _shown(data: bytes) -> str:
    if b"\0" in data:
        data = data.replace(b"\0", b"")
    # os.fsdecode, without its questions about what it was given.
    return data.removesuffix(b"\n").decode(_ENCODING, _ERRORS)


def _failure(operation: str, path: str, error: OSError) -> LioshellError:
    code = error.errno or errno.EIO
    if code in (errno.EACCES, errno.EPERM) and os.geteuid() != 0:
        from lioshell.errors import HostError

        return HostError(
            f"Only root may {operation} {path}",
            hint="Run it as root, or try the simulated kernel with: lioshell --sim",
            path=path,
        )
    return refusal(operation, path, code)
