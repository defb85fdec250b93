# SPDX-License-Identifier: Apache-2.0
"""A disk: a logical unit that answers the commands of SPC-4 and SBC-3 from a handler's storage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lioshell.runner.scsi.attention import CAPACITY_CHANGED, with_attention
from lioshell.runner.scsi.opcodes import dispatch_table, operations_of
from lioshell.runner.scsi.sense import INVALID_CDB
from lioshell.runner.scsi.unit import Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.handlers.base import Handler
    from lioshell.runner.scsi.unit import Geometry, Identity


class Disk(Unit):
    """A direct access block device, PERIPHERAL DEVICE TYPE 00h (a `LogicalUnit`).

    Takes over `handler`: `close` closes it. Keeps no reference to a command's buffers.
    """

    __slots__ = ("_commands", "_dispatch")

    def __init__(
        self,
        identity: Identity | Callable[[], Identity],
        geometry: Geometry,
        handler: Handler,
        *,
        read_only: bool = False,
    ) -> None:
        super().__init__(identity, geometry, handler, (), read_only)
        self.operations = operations_of(self.provisioned)
        self._commands = dispatch_table(self, self.operations)
        self._dispatch = self._commands

    def execute(self, command: Command) -> Response | Deferred:
        """Execute one command, whatever its CDB holds; what may block is returned as Deferred.

        What a handler or the identity callable raises comes through, but for a handler's OSError
        on data: that is answered with the sense data of storage_error.
        """
        try:
            run = self._dispatch[command.cdb[0]]
        except IndexError:
            return INVALID_CDB
        return run(command)

    def set_size(self, size_bytes: int) -> None:
        """Have another size from the next command on, and tell initiators that it changed.

        Raises RunnerError for a size that is none. The handler's storage is the caller's affair.
        """
        self.geometry = replace(self.geometry, size_bytes=size_bytes)
        self.blocks = self.geometry.blocks
        self._dispatch = with_attention(self._commands, CAPACITY_CHANGED, self._reported)

    def _reported(self) -> None:
        self._dispatch = self._commands

    def close(self) -> None:
        """Close the handler. Raises OSError when its last write-back failed."""
        self.handler.close()
