# SPDX-License-Identifier: Apache-2.0
"""Exports of NBD servers, by lioshell's own client (runner/nbd)."""

from __future__ import annotations

from lioshell.errors import NotFoundError, RunnerError, UsageError
from lioshell.runner.handlers import backing_file, config_string
from lioshell.runner.handlers.base import Option, nothing_made
from lioshell.runner.nbd import address, protocol
from lioshell.runner.nbd.disk import NbdDisk, require_size
from lioshell.runner.nbd.handshake import RefusedError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar, Self

    from lioshell.runner.handlers.base import Undo
    from lioshell.runner.nbd.handshake import Export
    from lioshell.runner.nbd.transport import Transport

DEFAULT_TIMEOUT_S = 20
"""Less than the 30 s after which the kernel and Linux' initiators give a command up."""

TIMEOUT_OPTION = Option(
    "timeout", "int", "Seconds that commands wait for a lost server", str(DEFAULT_TIMEOUT_S)
)


class NbdHandler(NbdDisk):
    """An export of an NBD server, on TCP or a Unix socket, with TLS or without."""

    subtype = "nbd"
    help = "An export of an NBD server (qemu-nbd, nbdkit, nbd-server)"
    config_help = f"URI of the export: {address.FORM}"
    options: ClassVar[tuple[Option, ...]] = (TIMEOUT_OPTION,)

    def __init__(
        self,
        where: address.Address,
        first: tuple[Transport, Export],
        read_only: bool,
        timeout_s: float,
    ) -> None:
        super().__init__(where.connect, first, read_only, timeout_s)
        self._where = where

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check the URI and the options. Raises UsageError."""
        _parse(config)

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Ask the server for the size of the export. Raises LioshellError."""
        where, timeout_s = _parse(config)
        transport, export = _connected(where, timeout_s)
        transport.close()
        return export.size_bytes

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Look whether the export is there and fits; exports are made on their server.

        Raises LioshellError.
        """
        cls.open(config, size_bytes, block_size_bytes).close()
        return nothing_made

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Connect to the server, whose export must have exactly `size_bytes`.

        Raises UsageError, NotFoundError (no such export), ConflictError (another size, read-only,
        larger blocks) or RunnerError (no server).
        """
        where, timeout_s = _parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        transport, export = _connected(where, timeout_s)
        name = f"The export {where.export!r}"
        try:
            hint = f"Give {export.size_bytes} as the size, or another export."
            require_size(export, name, size_bytes, block_size_bytes, hint)
            return cls(where, (transport, export), read_only, timeout_s)
        except BaseException:
            transport.close()
            raise

    def resize(self, size_bytes: int) -> None:
        """Take over the size that the export was given on its server. Raises RunnerError."""
        transport, export = _connected(self._where, self._timeout_s)
        transport.close()
        if export.size_bytes != size_bytes:
            raise RunnerError(
                f"The export {self._where.export!r} has {export.size_bytes} bytes, "
                f"not {size_bytes}",
                hint="Resize it on its server first; then give the same size here.",
            )
        self._adopt(export)


def _parse(config: str) -> tuple[address.Address, float]:
    config_string.check_text(config, "nbd/")
    uri, values = config_string.split_options(config, NbdHandler.options)
    timeout_s = int(values["timeout"])
    if not 1 <= timeout_s <= 3600:
        raise UsageError(
            f"timeout={timeout_s} is no sensible number of seconds", hint="Give 1 to 3600."
        )
    return address.parse(uri), timeout_s


def _connected(where: address.Address, timeout_s: float) -> tuple[Transport, Export]:
    """Connect for the first time. Raises NotFoundError or RunnerError."""
    try:
        return where.connect(min(timeout_s, 10))
    except RefusedError as error:
        reason = error.strerror or str(error)
        if error.code == protocol.ERR_UNKNOWN_EXPORT:
            raise NotFoundError(
                reason[0].upper() + reason[1:], hint="Ask it for its exports: nbdinfo --list URI"
            ) from None
        hint = "Check its configuration and its log."
        if error.code == protocol.ERR_TLS_REQUIRED:
            hint = "Write nbds: for a connection with TLS."
        raise RunnerError(reason[0].upper() + reason[1:], hint=hint) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunnerError(
            f"Cannot use {where.server}: {reason}",
            hint="Start the server, or check its address.",
        ) from None
