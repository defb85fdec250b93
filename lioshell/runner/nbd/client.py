# SPDX-License-Identifier: Apache-2.0
"""An NBD client that outlives its connections.

What was in flight when a connection broke is asked again on the next one; it is all idempotent, and
nobody was told of an answer. Writes that were answered and not flushed are written again first, in
their order, because a server that died may have lost them (unflushed.py). So a flush that succeeds
speaks the truth, whatever happened to the server. Requests wait `timeout_s` for all of this and
then fail with ETIMEDOUT.

One thread receives; requests are sent by the threads that submit them, as far as the socket takes
them at once.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections import deque

from lioshell.runner.nbd import protocol
from lioshell.runner.nbd.link import Link
from lioshell.runner.nbd.request import Request, nobody_waits
from lioshell.runner.nbd.unflushed import Unflushed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.nbd.handshake import Export
    from lioshell.runner.nbd.transport import Transport

    Connect = Callable[[float], tuple[Transport, Export]]

_CONNECT_TIMEOUT_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.05
_LAST_PAUSE_S: Final = 2.0
_FLUSH_PATIENCE: Final = 4
_TICK_S: Final = 1.0
"""How often time-outs are looked at, and how old a write gets before it is flushed unasked."""


class Client:
    """Requests to one export, over one connection at a time.

    `connect(timeout_s)` makes a connection or raises OSError; the first was made by the caller.
    `keeps` says whether answered writes are kept until a flush: not where they are durable at once.
    All methods may be called by any thread.
    """

    def __init__(
        self,
        connect: Connect,
        first: tuple[Transport, Export],
        *,
        timeout_s: float,
        keeps: bool = True,
    ) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._longest_pause_s = min(_LAST_PAUSE_S, timeout_s / 4)
        self.export = first[1]
        self._keeps = keeps and self.export.flushes and not self.export.read_only
        self._unflushed = Unflushed()
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._waiting: deque[Request] = deque()
        self._own_flush: Request | None = None
        self._flushed_at = time.monotonic()
        self._lost = ""
        self._closing = False
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._wake_fd, select.POLLIN)
        self._trouble = ""
        self._down_since = 0.0
        self.reconnects = 0
        """How many connections there were after the first."""
        self._thread = threading.Thread(
            target=self._run, args=(Link(*first),), name="lioshell-nbd", daemon=True
        )
        self._thread.start()

    # What other threads ask for -------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """Take a request, which `kick` sends. Raises OSError for a flush of data that are lost."""
        with self._lock:
            if self._lost and request.kind == protocol.CMD_FLUSH:
                raise OSError(errno.EIO, self._lost)
            if self._closing:
                raise OSError(errno.ESHUTDOWN, "The device is closed")
            link = self._link
            # A server that is there may have much to put on its disk.
            patience = _FLUSH_PATIENCE if link and request.kind == protocol.CMD_FLUSH else 1
            request.deadline = time.monotonic() + patience * self._timeout_s
            if link is None or (request.writes and self._unflushed.full):
                self._waiting.append(request)
                return
            self._put(link, request)

    def copy_of(self, buffers: list[memoryview]) -> bytes | bytearray:
        """Return what a write is to send: the buffers are another command's once it is answered."""
        one = self._keeps and len(buffers) == 1
        return self._unflushed.copy_of(buffers[0]) if one else b"".join(buffers)

    def kick(self) -> None:
        """Send what was submitted, all of it by one system call, as far as the socket takes it."""
        link = self._link
        if link is None or not link.outgoing:
            return
        with self._lock:
            sent = self._send_rest(link)
        if not sent:
            self._wake()

    def status(self) -> dict[str, str]:
        """Tell how the connection does."""
        since = self._down_since
        told = {"connection": "being made" if self._link is None else "up"}
        if self._link is None and since:
            told["connection"] = f"down for {time.monotonic() - since:.0f} s: {self._trouble}"
        if self.reconnects:
            told["reconnects"] = str(self.reconnects)
        if self._lost:
            told["lost"] = self._lost
        if len(self._unflushed):
            told["unflushed"] = f"{self._unflushed.size_bytes >> 10} KiB"
        return told

    def close(self, timeout_s: float) -> None:
        """Flush what was not flushed and end the connection.

        Raises OSError when that was not possible in time: writes may be lost then.
        """
        problem: OSError | None = None
        if len(self._unflushed) and not self._lost:
            problem = self._last_flush(timeout_s)
        with self._lock:
            self._closing = True
        self._wake()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            os.close(self._wake_fd)
        if problem is not None:
            raise problem

    def _last_flush(self, timeout_s: float) -> OSError | None:
        ended = threading.Event()
        errors: list[OSError | None] = []

        def done(error: OSError | None) -> None:
            errors.append(error)
            ended.set()

        try:
            self.submit(Request(protocol.CMD_FLUSH, 0, 0, done))
            self.kick()
        except OSError as error:
            return error
        while not ended.wait(timeout_s):
            if self._link is None:
                return TimeoutError(errno.ETIMEDOUT, "Writes could not be flushed: no server")
        return errors[0]

    def adopt(self, export: Export) -> None:
        """Go on, by a new connection, with an export that has been changed."""
        with self._lock:
            self.export = export
            if self._link is not None:
                self._link.hang_up()

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    def _put(self, link: Link, request: Request) -> None:
        """Have a request sent by the next `_send_rest`; under the lock."""
        if request.kind == protocol.CMD_FLUSH:
            request.mark = self._unflushed.last
        link.put(request)

    def _send_rest(self, link: Link) -> bool:
        """Send; False: the receiving thread has to see to the rest. Under the lock."""
        try:
            return link.send_rest()
        except OSError:
            link.hang_up()  # the receiving thread goes on with the next connection
            return False

    # The receiving thread ---------------------------------------------------------------------

    def _run(self, link: Link | None) -> None:
        pause_s = 0.0
        while True:
            if link is None:
                link = self._connected_again(pause_s)
                if link is None:
                    break
            began = time.monotonic()
            self._poll.register(link, select.POLLIN)
            try:
                self._write_again(link)
                self._begin(link)
                self._serve(link)
                break
            except OSError as error:
                self._disconnected(link, error)
                link = None
                # A server that accepts and breaks connections is not asked all the time.
                short = time.monotonic() - began < _TICK_S
                pause_s = min(2 * pause_s + _FIRST_PAUSE_S, self._longest_pause_s) if short else 0.0
        if link is not None:
            link.say_goodbye()
        for request in [*self._waiting, *(link.in_flight.values() if link else ())]:
            request.done(OSError(errno.ESHUTDOWN, "The device is closed"))

    def _serve(self, link: Link) -> None:
        """Receive until the client is closed. Raises OSError when the connection breaks."""
        looked_at = time.monotonic()
        while not self._closing:
            try:
                more = link.receive()
            except BlockingIOError:
                more = False
            finally:
                self._take_finished(link)
            if not more:
                self._await(link)
            now = time.monotonic()
            if now - looked_at > _TICK_S:
                looked_at = now
                self._look_at_times(link, now)

    def _await(self, link: Link) -> None:
        """Wait until something is to be done, sending what the socket would not take."""
        with self._lock:
            sent = link.send_rest()
        self._poll.modify(link, select.POLLIN | (0 if sent else select.POLLOUT))
        for fd, _ in self._poll.poll(_TICK_S * 1000):
            if fd == self._wake_fd:
                os.eventfd_read(fd)

    def _take_finished(self, link: Link) -> None:
        finished, link.finished = link.finished, []
        if not finished:
            return
        with self._lock:
            for request in finished:
                if request.kind == protocol.CMD_FLUSH:
                    self._flushed(request)
                elif self._keeps and request.writes and not request.error:
                    self._keep(request)
            if self._unflushed.wants_flush and self._own_flush is None:
                self._flush_unasked(link)
            if self._waiting:
                self._send_waiting(link)
        for request in finished:
            request.finish()

    def _keep(self, request: Request) -> None:
        # What is durable by itself is kept too where older writes are: those are written again
        # after a lost connection, perhaps over it.
        if len(self._unflushed) or not request.flags & protocol.CMD_FLAG_FUA:
            self._unflushed.add(request)

    def _flushed(self, request: Request) -> None:
        if request is self._own_flush:
            self._own_flush = None
        if not request.error:
            self._unflushed.forget(request.mark)
            self._flushed_at = time.monotonic()
        elif not self._lost:
            self._lost = (
                f"A flush failed ({os.strerror(request.error)}): writes before it may be lost"
            )

    def _flush_unasked(self, link: Link) -> None:
        """Begin a flush, so that fewer writes have to be kept; under the lock."""
        if self._lost:  # nothing becomes safe any more
            self._unflushed.forget(self._unflushed.last)
            return

        flush = Request(protocol.CMD_FLUSH, 0, 0, nobody_waits)
        flush.deadline = time.monotonic() + _FLUSH_PATIENCE * self._timeout_s
        self._own_flush = flush
        self._put(link, flush)

    def _send_waiting(self, link: Link) -> None:
        """Send what has waited, in order; under the lock."""
        kept: deque[Request] = deque()
        full = self._unflushed.full
        for request in self._waiting:
            if full and request.writes:
                kept.append(request)
            else:
                self._put(link, request)
        self._waiting = kept

    def _look_at_times(self, link: Link, now: float) -> None:
        if any(request.deadline < now for request in list(link.in_flight.values())):
            raise TimeoutError(errno.ETIMEDOUT, f"{link.transport.peer} does not answer")
        with self._lock:
            old = now - self._flushed_at > 2 * _TICK_S
            if len(self._unflushed) and old and self._own_flush is None:
                self._flush_unasked(link)
        self._expire(now, f"{link.transport.peer} does not flush its cache")

    def _expire(self, now: float, reason: str) -> None:
        """Fail what has waited too long for being sent."""
        with self._lock:
            expired = [request for request in self._waiting if request.deadline < now]
            if expired:
                self._waiting = deque(r for r in self._waiting if r.deadline >= now)
        for request in expired:
            request.expire(reason)

    # Between two connections ------------------------------------------------------------------

    def _disconnected(self, link: Link, error: OSError) -> None:
        with self._lock:
            self._link = None
            self._down_since = self._down_since or time.monotonic()
            self._trouble = error.strerror or str(error)
            # A flush of our own is begun anew where it is still wanted.
            interrupted = [r for r in link.in_flight.values() if r is not self._own_flush]
            self._own_flush = None
            link.in_flight.clear()
            for request in interrupted:
                request.begin_again()
            self._waiting.extendleft(reversed(interrupted))
        self._poll.unregister(link)
        link.close()
        self._expire(time.monotonic(), self._trouble)

    def _connected_again(self, pause_s: float) -> Link | None:
        """Try to connect until it works; None: the client is closed meanwhile."""
        self._pause(pause_s)
        while not self._closing:
            try:
                transport, export = self._connect(min(_CONNECT_TIMEOUT_S, self._timeout_s))
                problem = self.export.contradiction(export)
                if not problem:
                    self.reconnects += 1
                    return Link(transport, export)
                transport.close()
            except OSError as error:
                problem = error.strerror or str(error)
            self._trouble = problem
            self._expire(time.monotonic(), problem)
            pause_s = min(2 * pause_s + _FIRST_PAUSE_S, self._longest_pause_s)
            self._pause(pause_s)
        return None

    def _pause(self, pause_s: float) -> None:
        """Wait for a while, or until somebody wakes this thread."""
        if pause_s and self._poll.poll(pause_s * 1000):
            os.eventfd_read(self._wake_fd)

    def _write_again(self, link: Link) -> None:
        """Write what an earlier server may have lost. Raises OSError when the connection breaks."""
        if self._lost:
            return
        for batch in self._unflushed.batches():
            try:
                self._write_batch_again(link, batch)
            except OSError:
                # They are kept elsewhere; nobody waits for these.
                link.in_flight.clear()
                raise
            finished, link.finished = link.finished, []
            failed = next((request for request in finished if request.error), None)
            if failed is not None:
                reason = os.strerror(failed.error)
                self._lost = f"Writes that the server lost could not be repeated: {reason}"
                return

    def _write_batch_again(self, link: Link, batch: list[Request]) -> None:
        for kept in batch:
            link.put(kept.again(nobody_waits))
        deadline = time.monotonic() + self._timeout_s
        while link.in_flight:
            try:
                link.receive()
            except BlockingIOError:
                self._await(link)
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"{link.transport.peer} does not answer")
            self._expire(time.monotonic(), "Writes are repeated after a lost connection")

    def _begin(self, link: Link) -> None:
        """Send all that waits, and let others send from now on."""
        with self._lock:
            self._trouble = ""
            self._down_since = 0.0
            self._link = link
            self._send_waiting(link)
