# SPDX-License-Identifier: Apache-2.0
"""The byte stream to an NBD server: a socket as it is, or TLS on it.

One thread receives; any thread sends, one at a time (the caller's lock). Nothing here waits but
`send_all`, `receive_exactly` and `fill`, which take a deadline.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from abc import ABC, abstractmethod

IOV_MAX = 512
_BUFFER_BYTES = 4 << 20


class Transport(ABC):
    """A connected stream; `peer` is what to call its other end."""

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self.socket = sock
        self.peer = peer
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        else:
            # TCP's buffers grow by themselves, those of Unix sockets are small for ever.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self.socket.fileno()

    @property
    def unsent(self) -> bool:
        """Whether something was taken that is not on its way yet."""
        return False

    @abstractmethod
    def send(self, parts: list[bytes | bytearray | memoryview]) -> int:
        """Send what can be sent now of at most IOV_MAX parts; return how many bytes were taken.

        Raises BlockingIOError when that is nothing, OSError when the connection is broken.
        """

    @abstractmethod
    def receive_into(self, views: list[memoryview]) -> int:
        """Receive what is there into at most IOV_MAX views; 0: the server has closed.

        Raises BlockingIOError when nothing is there, OSError when the connection is broken.
        """

    def send_all(self, data: bytes, deadline: float) -> None:
        """Send all of it. Raises OSError, TimeoutError after the deadline."""
        view = memoryview(data)
        while view or self.unsent:
            try:
                view = view[self.send([view]) :]
            except BlockingIOError:
                self.wait(select.POLLOUT, deadline)

    def receive_exactly(self, size_bytes: int, deadline: float) -> bytes:
        """Receive that many bytes. Raises OSError, TimeoutError after the deadline."""
        data = bytearray(size_bytes)
        self.fill([memoryview(data)], deadline)
        return bytes(data)

    def fill(self, views: list[memoryview], deadline: float) -> None:
        """Receive until all views are full. Raises OSError, TimeoutError after the deadline."""
        views = [view for view in views if view]
        while views:
            try:
                done = self.receive_into(views[:IOV_MAX])
            except BlockingIOError:
                self.wait(select.POLLIN, deadline)
                continue
            if not done:
                raise ConnectionResetError(errno.ECONNRESET, f"{self.peer} closed the connection")
            views = after(views, done)

    def wait(self, events: int, deadline: float) -> None:
        """Wait until the socket is ready. Raises TimeoutError after the deadline."""
        left_s = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self.socket, events)
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise TimeoutError(errno.ETIMEDOUT, f"{self.peer} does not answer")

    def close(self) -> None:
        """End the connection; once more is harmless."""
        self.socket.close()


class PlainTransport(Transport):
    """The socket as it is."""

    def send(self, parts: list[bytes | bytearray | memoryview]) -> int:
        """Send what can be sent now."""
        return self.socket.sendmsg(parts)

    def receive_into(self, views: list[memoryview]) -> int:
        """Receive what is there."""
        if len(views) == 1:
            return self.socket.recv_into(views[0])
        return self.socket.recvmsg_into(views)[0]


def after(views: list[memoryview], done_bytes: int) -> list[memoryview]:
    """Return what is left of some views behind their first bytes."""
    for index, view in enumerate(views):
        if done_bytes < len(view):
            return [view[done_bytes:], *views[index + 1 :]]
        done_bytes -= len(view)
    return []
