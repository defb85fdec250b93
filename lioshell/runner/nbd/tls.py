# SPDX-License-Identifier: Apache-2.0
"""TLS on the connection to an NBD server, with Python's own ssl module.

The TLS state lives between two buffers in memory (ssl.MemoryBIO) and under a lock, because OpenSSL
does not let one thread send while another receives on the same connection.
"""

from __future__ import annotations

import errno
import os
import select
import ssl
import threading

from lioshell.runner.nbd.transport import Transport
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn

    from lioshell.runner.nbd.address import Address

DEFAULT_CERTIFICATES = ("/etc/pki/nbd", "/etc/pki/qemu")
_STEP_BYTES = 128 << 10


class TlsTransport(Transport):
    """A stream that is encrypted; made by `start`."""

    def __init__(self, plain: Transport, context: ssl.SSLContext, host: str) -> None:
        super().__init__(plain.socket, plain.peer)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host or None)
        self._lock = threading.Lock()
        self._pending = memoryview(b"")
        self._room = bytearray(_STEP_BYTES)

    @property
    def unsent(self) -> bool:
        """Whether bytes are encrypted that are not on their way yet."""
        return bool(self._pending) or bool(self._outgoing.pending)

    def handshake(self, deadline: float) -> None:
        """Agree on keys and check the server's certificate. Raises OSError."""
        while True:
            try:
                with self._lock:
                    self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.send_all(b"", deadline)
                self.wait(select.POLLIN, deadline)
                self._feed()
            except ssl.SSLError as error:
                self._fail(error)
            else:
                self.send_all(b"", deadline)
                return

    def send(self, parts: list[bytes | bytearray | memoryview]) -> int:
        """Encrypt and send what can be sent now."""
        taken = 0
        with self._lock:
            self._drain()
            if self._pending:
                if any(len(part) for part in parts):
                    raise BlockingIOError
                return 0
            try:
                for part in (part for part in parts if len(part)):
                    done: int = self._tls.write(memoryview(part)[: _STEP_BYTES - taken])
                    taken += done
                    if done < len(part):
                        break
            except ssl.SSLError as error:
                self._fail(error)
            self._drain()
        return taken

    def _drain(self) -> None:
        """Send what is encrypted, as far as the socket takes it; under the lock."""
        while self._pending or self._outgoing.pending:
            if not self._pending:
                self._pending = memoryview(self._outgoing.read())
            try:
                done = self.socket.send(self._pending)
            except BlockingIOError:
                return
            self._pending = self._pending[done:]

    def _feed(self) -> int:
        """Take what the socket has; raises BlockingIOError when that is nothing."""
        size = self.socket.recv_into(self._room)
        if size:
            self._incoming.write(memoryview(self._room)[:size])
        return size

    def receive_into(self, views: list[memoryview]) -> int:
        """Receive and decrypt what is there."""
        size = self._read(views)
        while not size:
            if not self._feed():
                return 0
            size = self._read(views)
        return size

    def _read(self, views: list[memoryview]) -> int:
        size = 0
        with self._lock:
            for view in views:
                while view:
                    try:
                        done = int(self._tls.read(len(view), view))
                    except ssl.SSLWantReadError:
                        return size
                    except ssl.SSLZeroReturnError:
                        if size:
                            return size
                        raise ConnectionResetError(
                            errno.ECONNRESET, f"{self.peer} closed the connection"
                        ) from None
                    except ssl.SSLError as error:
                        self._fail(error)
                    size += done
                    view = view[done:]
        return size

    def _fail(self, error: ssl.SSLError) -> NoReturn:
        raise ConnectionError(errno.EPROTO, f"TLS with {self.peer} failed: {error.reason or error}")


def start(plain: Transport, address: Address, deadline: float) -> TlsTransport:
    """Begin TLS on a connection. Raises OSError."""
    transport = TlsTransport(plain, _context(address), address.tls_host)
    transport.handshake(deadline)
    return transport


def _context(address: Address) -> ssl.SSLContext:
    """Return what is to be believed, and what we show, by the files' names of QEMU and libnbd."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = address.verify_peer and bool(address.tls_host)
    context.verify_mode = ssl.CERT_REQUIRED if address.verify_peer else ssl.CERT_NONE
    folder = address.certificates or next(filter(os.path.isdir, DEFAULT_CERTIFICATES), "")
    try:
        authority = os.path.join(folder, "ca-cert.pem")
        if folder and os.path.exists(authority):
            context.load_verify_locations(authority)
        elif address.certificates:
            raise FileNotFoundError(errno.ENOENT, f"There is no {authority}")
        else:
            context.load_default_certs()
        own = os.path.join(folder, "client-cert.pem")
        if folder and os.path.exists(own):
            context.load_cert_chain(own, os.path.join(folder, "client-key.pem"))
    except ssl.SSLError as error:
        reason = error.reason or error
        raise OSError(errno.EINVAL, f"A certificate in {folder} cannot be used: {reason}") from None
    return context
