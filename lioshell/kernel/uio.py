# SPDX-License-Identifier: Apache-2.0
"""The TCMU devices of the real kernel: sysfs tells which there are, /dev/uioN is their door.

Sources: drivers/uio/uio.c, drivers/target/target_core_user.c, lib/kobject_uevent.c.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
import time

from lioshell.errors import HostError
from lioshell.kernel.ports import UioDevice
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Final

NODE_TIMEOUT_S: Final = 5.0
_NODE_INTERVAL_S: Final = 0.02
_MAPS_TIMEOUT_S: Final = 0.05
_MAPS_INTERVAL_S: Final = 0.001
_TRY_AGAIN_S: Final = 0.5
"""Within which a program that was interrupted tries again."""

_KOBJECT_UEVENT: Final = 15
_KERNEL_GROUP: Final = 1
_MESSAGE_SIZE: Final = 16384
_NAME_PREFIX: Final = "tcm-user/"


def list_devices(sysfs_root: str) -> list[UioDevice]:
    """List the TCMU devices below a sysfs folder, ordered by uio number.

    A device that is just being removed is left out; so is a uio device of another driver.
    """
    folder = f"{sysfs_root}/class/uio"
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    numbers = sorted(int(name[3:]) for name in names if name[:3] == "uio" and name[3:].isdecimal())
    devices = (read_device(sysfs_root, f"uio{number}") for number in numbers)
    return [device for device in devices if device is not None]


def read_device(sysfs_root: str, uio_name: str) -> UioDevice | None:
    """Read one device from sysfs; None when it is gone or no TCMU device.

    Its name is "tcm-user/<hba index>/<storage object>[/<dev_config>]" (tcmu_update_uio_info), where
    dev_config may hold more slashes and is left out when it is empty.
    """
    folder = f"{sysfs_root}/class/uio/{uio_name}"
    try:
        name = _read_text(f"{folder}/name")
        if not name.startswith(_NAME_PREFIX):
            return None
        size_bytes = int(_read_when_there(f"{folder}/maps/map0/size"), 16)
        parts = name.split("/", 3)
        return UioDevice(
            uio_name=uio_name,
            hba_index=int(parts[1]),
            name=parts[2],
            dev_config=parts[3] if len(parts) > 3 else "",
            map_size_bytes=size_bytes,
        )
    except (OSError, ValueError, IndexError):
        return None


def _read_text(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().rstrip("\n")


def _read_when_there(path: str) -> str:
    """Read an attribute that the kernel adds just after the event that announced its device.

    __uio_register_device sends no event after it has added the maps. FileNotFoundError when it
    does not come: the device is on its way out.
    """
    deadline = time.monotonic() + _MAPS_TIMEOUT_S
    while True:
        try:
            return _read_text(path)
        except FileNotFoundError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_MAPS_INTERVAL_S)


class RealUioHandle:
    """An open /dev/uioN; its descriptor and its map are released by `close`.

    `mmap.mmap` duplicates the descriptor: the file stays open, and the kernel's ownership with it,
    until both the descriptor and the map are closed.
    """

    __slots__ = ("_fd", "_map")

    def __init__(self, fd: int, region: mmap.mmap) -> None:
        self._fd = fd
        self._map = region

    @property
    def map(self) -> mmap.mmap:
        """The mailbox, command ring and data area."""
        return self._map

    def fileno(self) -> int:
        """Return the uio file's descriptor."""
        return self._fd

    def read_event(self) -> bool:
        """Read the event count, which is always 4 bytes (uio_read); OSError(EIO): removed."""
        try:
            os.read(self._fd, 4)
        except BlockingIOError:
            return False
        return True

    def notify(self) -> None:
        """Write to the file: any 4 bytes make the kernel look at cmd_tail (tcmu_irqcontrol).

        A device that was removed meanwhile answers EIO: `read_event` tells it to the loop.
        """
        try:
            os.write(self._fd, b"\x01\x00\x00\x00")
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO, errno.ENODEV):
                raise

    def close(self) -> None:
        """Unmap and close; BufferError when views of the map are left (it may be called again)."""
        self._map.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class RealUioWatch:
    """The kernel's uevents (netlink, the kernel's own multicast group), uio devices only."""

    __slots__ = ("_socket",)

    def __init__(self) -> None:
        import socket

        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket: socket.socket = socket.socket(socket.AF_NETLINK, kind, _KOBJECT_UEVENT)
        try:
            self._socket.bind((0, _KERNEL_GROUP))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def drain(self) -> bool:
        """Read all pending messages and tell whether one was about a uio device."""
        relevant = False
        while True:
            try:
                message, sender = self._socket.recvfrom(_MESSAGE_SIZE)
            except BlockingIOError:
                return relevant
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # Messages were lost: one of them may have been ours.
                relevant = True
                continue
            relevant = relevant or is_uio_event(message, sender[0])

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def is_uio_event(message: bytes, sender_pid: int) -> bool:
    """Tell whether a uevent message comes from the kernel and is about a uio device.

    A message is "ACTION@DEVPATH" and KEY=value strings, each ended by a NUL byte; the kernel sends
    as port 0, so that a process cannot fake one.
    """
    return sender_pid == 0 and b"SUBSYSTEM=uio" in message.split(b"\0")


class RealUio:
    """The uio devices below /sys and /dev (other folders for tests)."""

    def __init__(self, sysfs_root: str = "/sys", dev_root: str = "/dev") -> None:
        self._sysfs_root = sysfs_root
        self._dev_root = dev_root

    def devices(self) -> list[UioDevice]:
        """List the TCMU devices that are configured now, ordered by uio number."""
        return list_devices(self._sysfs_root)

    def open(self, device: UioDevice, node_timeout_s: float = NODE_TIMEOUT_S) -> RealUioHandle:
        """Open and map a device, waiting a moment for its node in /dev to be made.

        Raises OSError: EBUSY when another process serves it, ENOENT when it has gone, ENXIO when
        the device is there but no node for it appeared.
        """
        fd = self._open_node(device, node_timeout_s)
        try:
            # The number may have gone to another device since it was listed.
            if read_device(self._sysfs_root, device.uio_name) != device:
                raise OSError(errno.ENOENT, "The device has gone", device.uio_name)
            return RealUioHandle(fd, mmap.mmap(fd, device.map_size_bytes))
        except BaseException:
            os.close(fd)
            raise

    def _open_node(self, device: UioDevice, timeout_s: float) -> int:
        node = f"{self._dev_root}/{device.uio_name}"
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fd = os.open(node, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            except (FileNotFoundError, PermissionError) as error:
                # udev makes the node and sets its mode after the kernel's event.
                if isinstance(error, PermissionError) and os.geteuid() != 0:
                    raise
                problem: OSError = error
            except OSError as error:
                if error.errno not in (errno.ENODEV, errno.ENXIO):
                    raise
                problem = error
            else:
                if self._is_node_of(fd, device):
                    return fd
                os.close(fd)
                problem = OSError(errno.ENXIO, "The node is another device's", node)
            if read_device(self._sysfs_root, device.uio_name) is None:
                raise OSError(errno.ENOENT, "The device has gone", node)
            if time.monotonic() >= deadline:
                raise OSError(
                    errno.ENXIO, f"No usable node appeared ({problem.strerror})", node
                ) from problem
            time.sleep(_NODE_INTERVAL_S)

    def _is_node_of(self, fd: int, device: UioDevice) -> bool:
        """Compare a character device's number with sysfs: a stale node may be left in /dev."""
        status = os.fstat(fd)
        if not stat.S_ISCHR(status.st_mode):
            return True
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        try:
            return _read_text(f"{self._sysfs_root}/class/uio/{device.uio_name}/dev") == number
        except OSError:
            return False

    def is_open(self, device: UioDevice) -> bool:
        """Tell whether some process serves a device."""
        from lioshell.kernel.device_users import is_open

        return is_open(f"{self._dev_root}/{device.uio_name}")

    def watch(self) -> RealUioWatch:
        """Start watching for devices that appear or vanish."""
        return RealUioWatch()

    def watch_close(self) -> NodeCloseWatch:
        """Start watching for devices that another process gives up. Raises OSError."""
        return NodeCloseWatch(lambda device: f"{self._dev_root}/{device.uio_name}")

    def reset_netlink(self) -> None:
        """Block netlink, fail who waits, unblock (target_core_user.c, tcmu_reset_netlink).

        Who waits gets EINTR, and most programs try again at once: they have to find it blocked
        still, which is EAGAIN, or they would wait anew. Raises HostError.
        """
        folder = f"{self._sysfs_root}/module/target_core_user/parameters"
        try:
            for name, value, pause_s in (
                ("block", "1", 0.0),
                ("reset", "1", _TRY_AGAIN_S),
                ("block", "0", 0.0),
            ):
                with open(f"{folder}/{name}_netlink", "w", encoding="ascii") as file:
                    file.write(value)
                time.sleep(pause_s)
        except OSError as error:
            raise HostError(
                f"The kernel's netlink of user: devices cannot be reset: {error.strerror}",
                hint="Run it as root, on a kernel with target_core_user loaded.",
                path=folder,
            ) from error


class NodeCloseWatch:
    """Wake-ups when a device's node is closed; `path_of` names the node."""

    def __init__(self, path_of: Callable[[UioDevice], str]) -> None:
        # Here and not above: ctypes is wanted only where another process serves a device.
        from lioshell.kernel.close_watch import CloseWatch

        self._watch = CloseWatch()
        self._path_of = path_of

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._watch.fileno()

    def add(self, device: UioDevice) -> None:
        """Watch a device too; nothing happens when it is watched or gone."""
        with contextlib.suppress(OSError):
            self._watch.add(self._path_of(device))

    def drain(self) -> bool:
        """Consume all pending wake-ups and tell whether there was one."""
        return self._watch.drain()

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()
