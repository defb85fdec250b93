# SPDX-License-Identifier: Apache-2.0
"""Uevents of the simulated kernel: a datagram to everybody who watches, so that nobody polls.

Each watcher binds a socket in SIM/run/uevent. A socket's path may have 107 bytes only (sun_path),
a simulated kernel's folder any length: the path goes through the folder's descriptor.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_MESSAGE_SIZE: Final = 4096
_KIND: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_numbers = itertools.count()


@contextlib.contextmanager
def _folder(sim_root: str) -> Iterator[str]:
    """Make the folder of the sockets and give a short path to it."""
    path = f"{sim_root}/run/uevent"
    os.makedirs(path, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def send(sim_root: str, action: str, uio_name: str) -> None:
    """Tell all watchers that a uio device was added ("add") or removed ("remove")."""
    message = f"{action}@/devices/tcm_user/uio/{uio_name}".encode()
    with _folder(sim_root) as folder, socket.socket(socket.AF_UNIX, _KIND) as sender:
        for name in os.listdir(folder):
            try:
                sender.sendto(message, f"{folder}/{name}")
            except ConnectionRefusedError:
                # The watcher died without removing its socket.
                with contextlib.suppress(OSError):
                    os.unlink(f"{folder}/{name}")
            except OSError:
                # Full: it is awake anyway. Gone, or another user's: nothing to tell it.
                continue


class SimUioWatch:
    """Wake-ups when simulated TCMU devices appear or vanish."""

    __slots__ = ("_name", "_sim_root", "_socket")

    def __init__(self, sim_root: str) -> None:
        self._sim_root = sim_root
        self._name = f"{os.getpid()}-{next(_numbers)}"
        self._socket = socket.socket(socket.AF_UNIX, _KIND)
        try:
            with _folder(sim_root) as folder:
                path = f"{folder}/{self._name}"
                # One of a dead process that had this process's number.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                self._socket.bind(path)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def drain(self) -> bool:
        """Consume all pending wake-ups and tell whether there was one."""
        woken = False
        while True:
            try:
                self._socket.recv(_MESSAGE_SIZE)
            except BlockingIOError:
                return woken
            woken = True

    def close(self) -> None:
        """Stop watching."""
        self._socket.close()
        with contextlib.suppress(OSError):
            os.unlink(f"{self._sim_root}/run/uevent/{self._name}")
