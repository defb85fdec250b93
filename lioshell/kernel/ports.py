# SPDX-License-Identifier: Apache-2.0
"""What lioshell asks of a kernel: the ports that the real and the simulated one implement.

Paths given to `ConfigfsPort` are relative to configfs' `target` folder, with "/" between
components and none in front: "core/user_0/vol0/control". "" is the folder itself.
"""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import mmap
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from typing import Protocol

    from lioshell.errors import LioshellError
else:
    # A type checker alone looks at them; to make one takes as long as to make ten plain classes.
    Protocol = object


class ConfigfsPort(Protocol):
    """The `target` folder of configfs.

    Every method raises `KernelError` with the errno, the operation and the path when the
    kernel refuses; nothing else is raised for a refusal.
    """

    @property
    def location(self) -> str:
        """The folder's absolute path, for messages (e.g. /sys/kernel/config/target)."""

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder, in the kernel's order."""

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders in a folder; links are not among them (d_type)."""

    def folder_numbers(self, path: str) -> dict[str, int]:
        """Return the folders in a folder with their inode numbers (d_ino: no call per name).

        A number is never given to another folder later (fs/configfs/inode.c, get_next_ino); 0 is
        one that does not exist yet.
        """

    def links(self, path: str) -> list[str]:
        """Return the names of the symbolic links in a folder (d_type: no call per name)."""

    def exists(self, path: str) -> bool:
        """Tell whether something is there; a dangling link counts as not there."""

    def is_dir(self, path: str) -> bool:
        """Tell whether a folder (or a link to one) is there."""

    def is_link(self, path: str) -> bool:
        """Tell whether a symbolic link is there."""

    def is_linked(self, path: str) -> bool:
        """Tell whether a link leads to a folder, without a look at what may hold it.

        The folder has to hold a link itself, as a LUN does. A dry run cannot tell, and says True.
        """

    def read(self, path: str) -> str:
        """Return an attribute's text without the trailing newline."""

    def values(self, path: str) -> dict[str, str]:
        """Return the texts of a folder's attributes that can be read and written, by name.

        An attribute that the kernel refuses to show is left out.
        """

    def write(self, path: str, value: str, *, secret: bool = False) -> None:
        """Write an attribute in one write(2), exactly as given; `secret` values are never shown."""

    def is_writable(self, path: str) -> bool:
        """Tell whether the attribute's mode has a write bit for its owner."""

    def mkdir(self, path: str) -> None:
        """Create an object."""

    def rmdir(self, path: str) -> None:
        """Remove an object."""

    def symlink(self, target: str, path: str) -> None:
        """Link the object `target` (relative to this folder) at `path`."""

    def readlink(self, path: str) -> str:
        """Return what a link points to, relative to this folder."""

    def unlink(self, path: str) -> None:
        """Remove a link."""

    def unlink_all(self, paths: Sequence[str]) -> dict[str, LioshellError]:
        """Remove links in no particular order, of which each may make the kernel wait.

        Returns those that it refuses to remove; all others are gone.
        """


class UioDevice(NamedTuple):
    """A TCMU device as sysfs shows it (drivers/target/target_core_user.c, tcmu_configure_device).

    `uio_name` is "uio0"; `hba_index` is N of core/user_N; `name` the storage object;
    `dev_config` e.g. "file//srv/vol0.img", may be empty; `map_size_bytes` the exact size to map.
    """

    uio_name: str
    hba_index: int
    name: str
    dev_config: str
    map_size_bytes: int

    @property
    def configfs_path(self) -> str:
        """The storage object's path below configfs' target folder."""
        return f"core/user_{self.hba_index}/{self.name}"


class UioHandle(Protocol):
    """An open TCMU device; opening is exclusive, the kernel's own ownership lock."""

    @property
    def map(self) -> mmap.mmap:
        """The mailbox, command ring and data area, shared and writable."""

    def fileno(self) -> int:
        """Return a descriptor for poll/epoll: readable when commands came or the device went."""

    def read_event(self) -> bool:
        """Consume pending wake-ups without blocking and tell whether there was one.

        Raises OSError(EIO) once the device has been removed.
        """

    def notify(self) -> None:
        """Tell the kernel that cmd_tail has moved."""

    def close(self) -> None:
        """Release the device; every memoryview of `map` must have been released before."""


class UioWatch(Protocol):
    """Wake-ups when TCMU devices appear or vanish."""

    def fileno(self) -> int:
        """Return a descriptor for poll/epoll."""

    def drain(self) -> bool:
        """Consume all pending wake-ups; True: TCMU devices may have changed, list them again."""

    def close(self) -> None:
        """Stop watching."""


class UioCloseWatch(UioWatch, Protocol):
    """Wake-ups when a process that had a device open has closed it or ended."""

    def add(self, device: UioDevice) -> None:
        """Watch a device too; nothing happens when it is watched or gone."""


class UioPort(Protocol):
    """The TCMU devices of the machine."""

    def devices(self) -> list[UioDevice]:
        """List the TCMU devices that are configured now, ordered by uio number."""

    def open(self, device: UioDevice) -> UioHandle:
        """Open and map a device.

        Raises OSError: EBUSY when another process serves it, ENOENT when it has gone.
        """

    def is_open(self, device: UioDevice) -> bool:
        """Tell whether some process serves a device, without getting in its way."""

    def watch(self) -> UioWatch:
        """Start watching for devices that appear or vanish."""

    def watch_close(self) -> UioCloseWatch:
        """Start watching for devices that another process gives up; `add` says which.

        Raises OSError where the system cannot tell.
        """

    def reset_netlink(self) -> None:
        """Fail what waits in the kernel for a daemon's answer on netlink. Raises HostError."""


class BlockDevice(NamedTuple):
    """A block device of the machine, as far as a backstore needs it."""

    path: str
    size_bytes: int
    block_size_bytes: int
    read_only: bool
    scsi_type: int | None
    in_use: bool


class StorageWatch(Protocol):
    """Wake-ups when a block device or a mounted file system may have appeared."""

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when something happened."""

    def drain(self) -> bool:
        """Consume all pending wake-ups, and tell whether one may mean new storage."""

    def close(self) -> None:
        """Stop watching."""


class SystemPort(Protocol):
    """What is needed of the machine beside configfs and uio."""

    def prepare(self) -> None:
        """Make the `target` folder available: mount configfs, load target_core_mod.

        Raises HostError: not root, no configfs or no LIO in this kernel.
        """

    def expedited(self) -> AbstractContextManager[None]:
        """Return a context for many changes, in which the kernel does not pause after each."""

    def preparations(self) -> list[str]:
        """Return what `prepare` would do, as command lines, where the folder is not there."""

    def require_root(self) -> None:
        """Raise HostError unless this process may change the target."""

    def load_module(self, module: str) -> None:
        """Load a kernel module; a module that is built in or loaded is fine.

        Raises HostError when the kernel does not have it.
        """

    def block_device(self, path: str) -> BlockDevice | None:
        """Look a block device up; None when `path` is no block device."""

    def block_devices(self) -> list[BlockDevice]:
        """List the block devices of the machine that have a size, without waiting for any."""

    def addresses(self) -> list[tuple[str, str]]:
        """List the IP addresses of the machine with the interface of each, IPv4 first."""

    def scsi_address(self, path: str) -> tuple[int, int, int, int] | None:
        """Return host, channel, target, lun of a SCSI device node or "H:C:T:L" text."""

    def disks_at(self, address: str, lun: int, timeout_s: float = 0.0) -> list[str]:
        """Return the device nodes (/dev/sdX) of host:channel:target `address` and `lun`.

        A disk that the SCSI layer has found but not probed to its end is waited for.
        """

    def skip_flush(self, address: str, lun: int) -> None:
        """Have a disk that nobody answers for removed without a flush of its write cache.

        `address` is host:channel:target. Raises HostError.
        """

    def find_files(self, pattern: str) -> list[str]:
        """Return the files below /sys or /proc that a pattern finds; `*` is any name."""

    def file_text(self, path: str) -> str:
        """Return the stripped text of a file below /sys or /proc, "" where there is none."""

    def linked_name(self, path: str, link: str) -> str:
        """Return the last name of what `link`, relative to the folder of `path`, points to."""

    def holders(self, path: str) -> list[str]:
        """Return in words what uses a block device or an image file; empty: nothing was found."""

    def foreign_subtypes(self) -> frozenset[str]:
        """Return the subtypes that a running tcmu-runner has registered: they are its own."""

    def foreign_problem(self, subtype: str, config: str) -> str:
        """Return what tcmu-runner says against a configuration of such a subtype, or ""."""

    def watch_storage(self) -> StorageWatch:
        """Start watching for block devices and file systems that appear."""


class Kernel(NamedTuple):
    """A kernel to work on: the real one, or the simulated one."""

    configfs: ConfigfsPort
    uio: UioPort
    system: SystemPort
    simulated: bool
    run_dir: str
    """Folder of lock and pid files: /run/lioshell, or one in the simulated kernel's folder."""
