# SPDX-License-Identifier: Apache-2.0
"""The fixed newstyle handshake: from a connected stream to an export that can be used."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

from lioshell.runner.nbd import protocol
from lioshell.runner.nbd.protocol import ProtocolError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.nbd.transport import Transport

    StartTls = Callable[[Transport, float], Transport]

_REPLY_LIMIT_BYTES = 64 << 10
_ALLOCATION = b"base:allocation"


class RefusedError(ConnectionError):
    """The server does not let us in; `code` is the number of its NBD_REP_ERR_, 0 for none."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(errno.ECONNREFUSED, reason)
        self.code = code


@dataclass(frozen=True)
class Export:
    """What a server told of an export.

    `flags` are its transmission flags; `structured` says which replies it sends, `allocation` is
    the id of its base:allocation, None without one. Block sizes are bytes; 0: not told.
    """

    size_bytes: int
    flags: int
    structured: bool = False
    allocation: int | None = None
    min_block_bytes: int = 0
    preferred_block_bytes: int = 0
    max_payload_bytes: int = protocol.DEFAULT_MAX_PAYLOAD_BYTES

    @property
    def read_only(self) -> bool:
        """Whether the server refuses writes."""
        return bool(self.flags & protocol.EXPORT_READ_ONLY)

    @property
    def flushes(self) -> bool:
        """Whether it has a cache that can be flushed; else a write that is answered is safe."""
        return bool(self.flags & protocol.EXPORT_SEND_FLUSH)

    def contradiction(self, now: Export) -> str:
        """Say why the export of a new connection is not this one, "" where it is."""
        if now.size_bytes != self.size_bytes:
            return f"The export has {now.size_bytes} bytes now, not {self.size_bytes}"
        if now.read_only and not self.read_only:
            return "The export is read-only now"
        if self.flushes and not now.flushes:
            return "The export cannot be flushed any more"
        if now.min_block_bytes > max(self.min_block_bytes, 512):
            return "The export has larger blocks now"
        return ""


def shake_hands(
    transport: Transport, export_name: str, deadline: float, start_tls: StartTls | None = None
) -> tuple[Transport, Export]:
    """Negotiate with a server; with `start_tls` nothing but the greeting is in the clear.

    Returns the stream to go on with. Raises RefusedError, ProtocolError and other OSErrors.
    """
    magic = transport.receive_exactly(16, deadline)
    if magic[:8] != protocol.INIT_MAGIC:
        raise ProtocolError(errno.EPROTO, f"{transport.peer} is no NBD server")
    if magic[8:] != protocol.OPTION_MAGIC:
        raise ProtocolError(errno.EPROTO, f"{transport.peer} speaks only the old NBD handshake")
    (flags,) = struct.unpack(">H", transport.receive_exactly(2, deadline))
    if not flags & protocol.FLAG_FIXED_NEWSTYLE:
        raise ProtocolError(errno.EPROTO, f"{transport.peer} has no fixed newstyle handshake")
    ours = protocol.FLAG_FIXED_NEWSTYLE | flags & protocol.FLAG_NO_ZEROES
    transport.send_all(struct.pack(">I", ours), deadline)
    if start_tls is not None:
        _Options(transport, deadline).require(protocol.OPT_STARTTLS, b"", "TLS")
        transport = start_tls(transport, deadline)
    options = _Options(transport, deadline)
    structured = options.ask(protocol.OPT_STRUCTURED_REPLY)
    name = export_name.encode()
    allocation = options.ask_for_allocation(name) if structured else None
    return transport, options.go(
        name, structured, allocation, bool(flags & protocol.FLAG_NO_ZEROES)
    )


class _Options:
    """The options that a client may ask for before it uses an export."""

    def __init__(self, transport: Transport, deadline: float) -> None:
        self._transport = transport
        self._deadline = deadline

    def _send(self, option: int, data: bytes) -> None:
        head = protocol.OPTION.pack(protocol.OPTION_MAGIC, option, len(data))
        self._transport.send_all(head + data, self._deadline)

    def _reply(self, option: int) -> tuple[int, bytes]:
        """Return kind and data of the next reply."""
        receive = self._transport.receive_exactly
        head = receive(protocol.OPTION_REPLY.size, self._deadline)
        magic, about, kind, size = protocol.OPTION_REPLY.unpack(head)
        if magic != protocol.OPTION_REPLY_MAGIC or about != option or size > _REPLY_LIMIT_BYTES:
            raise ProtocolError(errno.EPROTO, f"{self._transport.peer} does not speak NBD properly")
        return kind, receive(size, self._deadline)

    def ask(self, option: int, data: bytes = b"") -> bool:
        """Ask for something that is merely useful."""
        self._send(option, data)
        return self._reply(option)[0] == protocol.REP_ACK

    def require(self, option: int, data: bytes, what: str) -> None:
        """Ask for something that cannot be done without. Raises RefusedError."""
        self._send(option, data)
        kind, text = self._reply(option)
        if kind != protocol.REP_ACK:
            raise self._refused(kind, text, f"{self._transport.peer} refuses {what}")

    def ask_for_allocation(self, name: bytes) -> int | None:
        """Ask for base:allocation and return its id."""
        query = struct.pack(">II", 1, len(_ALLOCATION)) + _ALLOCATION
        option = protocol.OPT_SET_META_CONTEXT
        self._send(option, struct.pack(">I", len(name)) + name + query)
        found = None
        while True:
            kind, data = self._reply(option)
            if kind == protocol.REP_META_CONTEXT and data[4:] == _ALLOCATION:
                (found,) = struct.unpack_from(">I", data)
            elif kind == protocol.REP_ACK:
                return found
            elif kind & protocol.REP_ERROR_BIT:
                return None

    def go(self, name: bytes, structured: bool, allocation: int | None, no_zeroes: bool) -> Export:
        """Begin to use an export."""
        option = protocol.OPT_GO
        wanted = struct.pack(">HH", 1, protocol.INFO_BLOCK_SIZE)
        self._send(option, struct.pack(">I", len(name)) + name + wanted)
        size = flags = -1
        smallest = preferred = 0
        largest = protocol.DEFAULT_MAX_PAYLOAD_BYTES
        while True:
            kind, data = self._reply(option)
            if kind == protocol.REP_ACK and size >= 0:
                break
            if kind == protocol.REP_ERR_UNSUP:
                return self._export_name(name, structured, allocation, no_zeroes)
            if kind & protocol.REP_ERROR_BIT:
                what = f"{self._transport.peer} refuses the export {name.decode()!r}"
                raise self._refused(kind, data, what)
            if kind != protocol.REP_INFO or len(data) < 2:
                raise ProtocolError(errno.EPROTO, f"{self._transport.peer} answers out of turn")
            (about,) = struct.unpack_from(">H", data)
            if about == protocol.INFO_EXPORT and len(data) == 12:
                size, flags = protocol.EXPORT.unpack_from(data, 2)
            elif about == protocol.INFO_BLOCK_SIZE and len(data) == 14:
                smallest, preferred, largest = protocol.BLOCK_SIZES.unpack_from(data, 2)
        return Export(
            size,
            flags,
            structured,
            allocation,
            smallest,
            preferred,
            min(largest or protocol.DEFAULT_MAX_PAYLOAD_BYTES, protocol.DEFAULT_MAX_PAYLOAD_BYTES),
        )

    def _export_name(
        self, name: bytes, structured: bool, allocation: int | None, no_zeroes: bool
    ) -> Export:
        """Begin to use an export as servers without NBD_OPT_GO want it."""
        self._send(protocol.OPT_EXPORT_NAME, name)
        size = protocol.EXPORT.size + (0 if no_zeroes else 124)
        try:
            data = self._transport.receive_exactly(size, self._deadline)
        except ConnectionResetError:
            raise RefusedError(
                f"{self._transport.peer} refuses the export {name.decode()!r}",
                protocol.ERR_UNKNOWN_EXPORT,
            ) from None
        found_bytes, flags = protocol.EXPORT.unpack_from(data)
        return Export(found_bytes, flags, structured, allocation)

    def _refused(self, kind: int, text: bytes, what: str) -> RefusedError:
        code = kind & ~protocol.REP_ERROR_BIT
        reason = protocol.OPTION_ERRORS.get(code, f"error {code}")
        said = " ".join(text.decode(errors="replace").split())[:200]
        if said.isprintable() and said:
            reason += f" ({said})"
        return RefusedError(f"{what}: {reason}", code)
