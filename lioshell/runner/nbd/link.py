# SPDX-License-Identifier: Apache-2.0
"""One connection to an NBD server: requests out, replies in, as bytes and nothing else.

`put` and `send_rest` are called by one thread at a time (the client's lock), `receive` by one.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections import deque
from itertools import islice

from lioshell.runner.nbd import protocol
from lioshell.runner.nbd.protocol import ProtocolError
from lioshell.runner.nbd.transport import IOV_MAX, after
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.nbd.handshake import Export
    from lioshell.runner.nbd.request import Request
    from lioshell.runner.nbd.transport import Transport

_BUFFER_BYTES: Final = 256 << 10
_HEAD_BYTES: Final = 1024
_CHUNK_LIMIT_BYTES: Final = 64 << 10
_PAYLOAD_TIMEOUT_S: Final = 25.0
"""How long a server may take for the rest of a reply that it has begun."""
_LATER: Final = -1


class Link:
    """Numbers requests, sends them and finds the request that a reply belongs to."""

    def __init__(self, transport: Transport, export: Export) -> None:
        self.transport = transport
        self.export = export
        self.in_flight: dict[int, Request] = {}
        """What was sent and not answered, by cookie, in the order of sending."""
        self.outgoing: deque[bytes | bytearray | memoryview] = deque()
        """What the socket has not taken yet."""
        self.finished: list[Request] = []
        """What was answered; the client takes it, even when `receive` has raised."""
        self._cookie = 0
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._more = False
        # Two counters, because each thread may change its own only.
        self._large_sent = 0
        self._large_answered = 0

    # Requests -----------------------------------------------------------------------------------

    def put(self, request: Request) -> None:
        """Number a request and put it where `send_rest` finds it."""
        self._cookie += 1
        self.in_flight[self._cookie] = request
        self._large_sent += request.is_large_read
        flags = request.flags
        if (
            request.into is not None
            and self.export.flags & protocol.EXPORT_SEND_DF
            and request.size_bytes <= protocol.DF_LIMIT_BYTES
        ):
            # A small read with holes is cheaper in one piece than looked up and cut.
            flags |= protocol.CMD_FLAG_DF
        head = protocol.REQUEST.pack(
            protocol.REQUEST_MAGIC,
            flags,
            request.kind,
            self._cookie,
            request.offset_bytes,
            request.size_bytes,
        )
        self.outgoing.append(head)
        if request.payload:
            self.outgoing.append(request.payload)

    def send_rest(self) -> bool:
        """Send what waits as far as the socket takes it; tell whether that was all of it.

        Raises OSError when the connection is broken.
        """
        outgoing = self.outgoing
        while outgoing or self.transport.unsent:
            parts = list(islice(outgoing, IOV_MAX))
            try:
                done = self.transport.send(parts)
            except BlockingIOError:
                return False
            while outgoing and done >= len(outgoing[0]):
                done -= len(outgoing.popleft())
            if done:
                outgoing[0] = memoryview(outgoing[0])[done:]
        return True

    # Replies --------------------------------------------------------------------------------------

    def receive(self) -> bool:
        """Receive what has come and put the requests that are answered by it into `finished`.

        Tells whether more may be there, without a word from poll(2). Raises BlockingIOError
        when nothing has come, OSError when the connection is broken.
        """
        if self._start:
            left = self._end - self._start
            self._view[:left] = self._view[self._start : self._end]
            self._start, self._end = 0, left
        # What is behind the head of a large read goes straight to where it belongs.
        large = self._large_sent != self._large_answered
        room = self._end + _HEAD_BYTES if large else _BUFFER_BYTES
        size = self.transport.receive_into([self._view[self._end : room]])
        if not size:
            raise ConnectionResetError(
                errno.ECONNRESET, f"{self.transport.peer} closed the connection"
            )
        self._end += size
        self._more = self._end == room
        unpack_simple = protocol.SIMPLE_REPLY.unpack_from
        while self._end - self._start >= protocol.SIMPLE_REPLY.size:
            magic, error, cookie = unpack_simple(self._buffer, self._start)
            if magic == protocol.SIMPLE_REPLY_MAGIC:
                self._start += protocol.SIMPLE_REPLY.size
                request = self._request(cookie)
                if error:
                    request.error = protocol.ERRNOS.get(error, errno.EINVAL)
                elif request.into is not None:
                    if self.export.structured:
                        raise self._broken("a read's data without structure")
                    self._take(request.into)
                    request.missing_bytes = 0
            elif magic == protocol.STRUCTURED_REPLY_MAGIC and self.export.structured:
                cookie = self._chunk()
                if cookie == _LATER:
                    break
                if not cookie:
                    continue
                request = self._request(cookie)
            else:
                raise self._broken(f"a reply of magic {magic:08x}")
            self._judge(request)
            del self.in_flight[cookie]
            self._large_answered += request.is_large_read
            self.finished.append(request)
        return self._more

    def _request(self, cookie: int) -> Request:
        request = self.in_flight.get(cookie)
        if request is None:
            raise self._broken("a reply that nobody waits for")
        return request

    def _judge(self, request: Request) -> None:
        """Look whether a request got all that it asked for."""
        if request.error == errno.ESHUTDOWN:
            # It stays in flight: the next connection is asked for it again.
            raise ConnectionResetError(errno.ESHUTDOWN, f"{self.transport.peer} shuts down")
        if request.into is not None and request.missing_bytes and not request.error:
            raise self._broken("less data than a read asked for")

    def _chunk(self) -> int:
        """Digest one chunk; return the cookie that it completes, 0 for none, _LATER: more of it
        has to come first."""
        head = protocol.STRUCTURED_REPLY
        available = self._end - self._start - head.size
        if available < 0:
            return _LATER
        _, flags, kind, cookie, size = head.unpack_from(self._buffer, self._start)
        done = int(cookie) if flags & protocol.REPLY_FLAG_DONE else 0
        if kind == protocol.REPLY_OFFSET_DATA:
            if available < 8:
                return _LATER
            (offset,) = struct.unpack_from(">Q", self._buffer, self._start + head.size)
            self._start += head.size + 8
            request = self._request(cookie)
            self._take(self._window(request, offset, size - 8))
            return done
        if size > _CHUNK_LIMIT_BYTES:
            raise self._broken(f"a chunk of {size} bytes")
        if available < size:
            return _LATER
        self._start += head.size + size
        payload = bytes(self._view[self._start - size : self._start])
        try:
            self._small_chunk(self._request(cookie), kind, payload)
        except struct.error:
            raise self._broken("a chunk that is cut off") from None
        return done

    def _small_chunk(self, request: Request, kind: int, payload: bytes) -> None:
        if kind == protocol.REPLY_NONE:
            return
        if kind == protocol.REPLY_OFFSET_HOLE:
            offset, size = struct.unpack(">QI", payload)
            for view in self._window(request, offset, size):
                view[:] = bytes(len(view))
        elif kind == protocol.REPLY_BLOCK_STATUS:
            if request.kind != protocol.CMD_BLOCK_STATUS:
                raise self._broken("a status that nobody asked for")
            (context,) = struct.unpack_from(">I", payload)
            if context == self.export.allocation:
                request.extents = list(struct.iter_unpack(">II", payload[4:]))
        elif kind & protocol.REPLY_ERROR_BIT:
            (error,) = struct.unpack_from(">I", payload)
            request.error = protocol.ERRNOS.get(error, errno.EINVAL)
        else:
            raise self._broken(f"a chunk of type {kind}")

    def _window(self, request: Request, offset: int, size: int) -> list[memoryview]:
        """Return the part of a read's buffers that a chunk belongs to, and count it."""
        begin = offset - request.offset_bytes
        if request.into is None or begin < 0 or size <= 0 or size > request.missing_bytes:
            raise self._broken("data beside what a read asked for")
        if begin + size > request.size_bytes:
            raise self._broken("data behind what a read asked for")
        request.missing_bytes -= size
        if size == request.size_bytes:
            return request.into
        views = []
        for view in after(request.into, begin):
            views.append(view[:size])
            size -= len(views[-1])
            if not size:
                break
        return views

    def _take(self, views: list[memoryview]) -> None:
        """Move the next bytes of the stream into buffers, waiting for the rest of them."""
        start, end = self._start, self._end
        for index, view in enumerate(views):
            size = len(view)
            if end - start < size:
                part = end - start
                view[:part] = self._view[start:end]
                self._start = self._end = 0
                self._more = True
                rest = [view[part:], *views[index + 1 :]]
                self.transport.fill(rest, time.monotonic() + _PAYLOAD_TIMEOUT_S)
                return
            view[:] = self._view[start : start + size]
            start += size
        self._start = start

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(errno.EPROTO, f"{self.transport.peer} sent {what}")

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self.transport.fileno()

    def hang_up(self) -> None:
        """Break the connection: who receives is told, who sends too; from any thread."""
        with contextlib.suppress(OSError):  # it is broken already
            self.transport.socket.shutdown(socket.SHUT_RDWR)

    def say_goodbye(self) -> None:
        """Tell the server that no request comes any more, and end the connection."""
        head = protocol.REQUEST.pack(protocol.REQUEST_MAGIC, 0, protocol.CMD_DISC, 0, 0, 0)
        with contextlib.suppress(OSError):  # it notices the end of the connection as well
            self.transport.send_all(head, time.monotonic() + 1)
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.transport.close()
