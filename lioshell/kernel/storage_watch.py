# SPDX-License-Identifier: Apache-2.0
"""Wake-ups when storage may have appeared: a block device, or a mounted file system.

A restore that misses a device or a file is tried again then. The kernel sends a uevent for each
block device (lib/kobject_uevent.c), and marks /proc/self/mountinfo with POLLPRI and POLLERR when
a mount came or went (fs/proc_namespace.c, mounts_poll).
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket

_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_MESSAGE_SIZE = 65536
_MOUNTS = "/proc/self/mountinfo"


class StorageWatch:
    """One descriptor (`fileno()`) that is readable when storage may have appeared."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._mounts_fd = -1
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):  # no /proc: block devices are seen all the same
            self._mounts_fd = os.open(_MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
            self._epoll.register(self._mounts_fd, select.EPOLLPRI | select.EPOLLERR)
        with contextlib.suppress(OSError):  # a container without netlink: mounts are seen
            kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_NETLINK, kind, _KOBJECT_UEVENT)
            self._socket.bind((0, _KERNEL_GROUP))
            self._epoll.register(self._socket.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._epoll.fileno()

    def drain(self) -> bool:
        """Consume all pending wake-ups, and tell whether one may mean new storage."""
        # A wake-up without a message is a mount's: waiting for it has consumed it already.
        messages: list[bool] = []
        while self._socket is not None:
            try:
                message, sender = self._socket.recvfrom(_MESSAGE_SIZE)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # Messages were lost: one of them may have been a block device's.
                messages.append(True)
            else:
                messages.append(is_block_event(message, sender[0]))
        return not messages or any(messages)

    def close(self) -> None:
        """Stop watching."""
        self._epoll.close()
        if self._socket is not None:
            self._socket.close()
        if self._mounts_fd >= 0:
            os.close(self._mounts_fd)


def is_block_event(message: bytes, sender_port: int) -> bool:
    """Tell whether a uevent comes from the kernel and says that a block device came or changed."""
    fields = message.split(b"\0")
    if sender_port != 0 or b"SUBSYSTEM=block" not in fields:
        return False
    return b"ACTION=add" in fields or b"ACTION=change" in fields
