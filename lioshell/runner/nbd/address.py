# SPDX-License-Identifier: Apache-2.0
"""NBD URIs: which server, which export (doc/uri.md of github.com/NetworkBlockDevice/nbd).

nbd://HOST[:PORT]/EXPORT                 TCP
nbd+unix:///EXPORT?socket=PATH           a Unix socket
nbds://... and nbds+unix://...           the same with TLS
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from lioshell.errors import UsageError
from lioshell.runner.nbd import protocol
from lioshell.runner.nbd.handshake import Export, shake_hands
from lioshell.runner.nbd.transport import PlainTransport, Transport
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

FORM: Final = "nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH, nbds: with TLS"
_SCHEMES: Final = ("nbd", "nbd+tcp", "nbds", "nbds+tcp", "nbd+unix", "nbds+unix")
_QUERY: Final = ("socket", "tls-certificates", "tls-hostname", "tls-verify-peer")
_NAME_LIMIT_BYTES: Final = 4096
_SOCKET_LIMIT_BYTES: Final = 107
"""sun_path less its NUL (unix(7))."""


@dataclass(frozen=True)
class Address:
    """Where an export is; `socket_path` is "" for TCP, `host` then the machine.

    `certificates` is a folder with ca-cert.pem and, if the server wants to know who we are,
    client-cert.pem and client-key.pem.
    """

    export: str
    host: str = ""
    port: int = protocol.DEFAULT_PORT
    socket_path: str = ""
    tls: bool = False
    tls_host: str = ""
    certificates: str = ""
    verify_peer: bool = True

    @property
    def server(self) -> str:
        """What to call the server."""
        if self.socket_path:
            return f"the NBD server at {self.socket_path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the NBD server {host}:{self.port}"

    def connect(self, timeout_s: float) -> tuple[Transport, Export]:
        """Connect and negotiate. Raises OSError."""
        deadline = time.monotonic() + timeout_s
        transport: Transport = PlainTransport(self._socket(timeout_s), self.server)
        start_tls = None
        if self.tls:
            from lioshell.runner.nbd import tls

            def start_tls(plain: Transport, until: float) -> Transport:
                return tls.start(plain, self, until)

        try:
            return shake_hands(transport, self.export, deadline, start_tls)
        except BaseException:
            transport.close()
            raise

    def _socket(self, timeout_s: float) -> socket.socket:
        if not self.socket_path:
            try:
                return socket.create_connection((self.host, self.port), timeout_s)
            except socket.gaierror as error:
                raise OSError(errno.EHOSTUNREACH, f"{self.host}: {error.strerror}") from None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(timeout_s)
            connection.connect(self.socket_path)
        except BaseException:
            connection.close()
            raise
        return connection


def parse(uri: str) -> Address:
    """Return the address that a URI names. Raises UsageError."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise _bad(uri, "is no URI") from None
    if parts.scheme not in _SCHEMES:
        raise _bad(uri, "is no URI of an NBD server")
    if parts.username is not None or parts.password is not None:
        # The text is not shown: it may hold a password.
        raise UsageError(
            "The URI of an NBD server has no user and no password here",
            hint="Let the server know this machine by a certificate: ?tls-certificates=FOLDER.",
        )
    if parts.fragment:
        raise _bad(uri, 'has a part behind "#"')
    query = _query(uri, parts.query)
    name = unquote(parts.path.removeprefix("/"), errors="surrogateescape")
    if len(name.encode(errors="surrogateescape")) > _NAME_LIMIT_BYTES or "\0" in name:
        raise _bad(uri, "has a name of an export that NBD does not allow")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _bad(uri, "has a name of an export that is no UTF-8") from None
    address = Address(
        name,
        tls=parts.scheme.startswith("nbds"),
        certificates=query.get("tls-certificates", ""),
        verify_peer=query.get("tls-verify-peer", "true") not in ("false", "0"),
        tls_host=query.get("tls-hostname", parts.hostname or ""),
    )
    if not address.tls and any(key.startswith("tls-") for key in query):
        raise _bad(uri, "speaks of TLS", "Write nbds: for a connection with TLS.")
    if address.certificates and not address.certificates.startswith("/"):
        raise _bad(uri, "names certificates by no absolute path", "Give the whole path.")
    if parts.scheme.endswith("+unix"):
        return replace(address, socket_path=_socket_path(uri, parts.netloc, query))
    if "socket" in query:
        raise _bad(uri, "names a socket and no nbd+unix:")
    if not parts.hostname:
        raise _bad(uri, "names no machine")
    return replace(address, host=parts.hostname, port=port or protocol.DEFAULT_PORT)


def _socket_path(uri: str, machine: str, query: dict[str, str]) -> str:
    path = query.get("socket", "")
    if machine:
        raise _bad(uri, "names a machine and a Unix socket", "Write three slashes: nbd+unix:///")
    if not path.startswith("/"):
        raise _bad(uri, "names no absolute path of a socket", "As in ?socket=/run/nbd.sock.")
    with contextlib.suppress(UnicodeEncodeError):
        if len(os.fsencode(path)) <= _SOCKET_LIMIT_BYTES and "\0" not in path:
            return path
    raise _bad(uri, "names a socket whose path is too long", "Choose one of 107 bytes at most.")


def _query(uri: str, text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=20)
    except ValueError:
        raise _bad(uri, "has too many parameters") from None
    query = dict(pairs)
    if len(query) < len(pairs):
        raise _bad(uri, "says something twice")
    for key in query:
        if key not in _QUERY:
            raise _bad(uri, f"has an unknown parameter {key!r}", f"There is: {', '.join(_QUERY)}.")
    return query


def _bad(uri: str, why: str, hint: str = f"The form is {FORM}.") -> UsageError:
    return UsageError(f"{uri!r} {why}", hint=hint)
