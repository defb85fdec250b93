# SPDX-License-Identifier: Apache-2.0
"""SCSI commands for who answers some of them himself."""

from __future__ import annotations

import struct
import threading
from typing import Protocol

from lioshell.errors import UsageError
from lioshell.runner.command import GOOD, INTERNAL_TARGET_FAILURE, Deferred, Response
from lioshell.runner.scsi import sense
from lioshell.runner.scsi.cdb import (
    LAYOUT_6,
    LAYOUT_10,
    LAYOUT_12,
    LAYOUT_16,
    LAYOUT_32,
)
from lioshell.runner.scsi.data_in import filled
from lioshell.runner.scsi.disk import Disk
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.command import Command
    from lioshell.runner.handlers.base import Handler
    from lioshell.runner.scsi.unit import Geometry, Identity
    from lioshell.tcmu.attachment import AttachedDisk

# By the GROUP CODE of the operation code, SPC-4 4.2.5.1; 3 is vendor's or of variable length.
_LAYOUTS: Final = {0: LAYOUT_6, 1: LAYOUT_10, 2: LAYOUT_10, 4: LAYOUT_16, 5: LAYOUT_12}
_LENGTHS: Final = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
_VARIABLE_LENGTH: Final = 0x7F


class CommandHandler(Protocol):
    """What answers commands itself; where it wants storage too, it has pread and pwrite beside."""

    def handle_command(self, command: ScsiCommand, /) -> Response | None:
        """Answer a command, or return None: the disk does what it does without a handler.

        Called on a worker thread, by as many at once as the disk has `threads`. What it raises is
        answered as INTERNAL TARGET FAILURE, and the next command comes.
        """


class ScsiCommand:
    """One command; its buffers are valid until `handle_command` returns."""

    def __init__(self, command: Command, unit: CommandDisk) -> None:
        self._command = command
        self._unit = unit
        self._read_bytes = 0
        self._written_bytes = 0

    @property
    def cdb(self) -> bytes:
        """The command descriptor block, at least as long as `cdb_length`."""
        return self._command.cdb

    @property
    def opcode(self) -> int:
        """The operation code, byte 0."""
        return self._command.cdb[0]

    @property
    def cdb_length(self) -> int:
        """The length of the CDB by its operation code (SPC-4 4.2.5.1)."""
        cdb = self._command.cdb
        if cdb[0] == _VARIABLE_LENGTH and len(cdb) > 7:
            return 8 + cdb[7]
        return _LENGTHS.get(cdb[0] >> 5, len(cdb))

    @property
    def lba(self) -> int:
        """The LOGICAL BLOCK ADDRESS where a READ or WRITE of this length has it."""
        return self._fields()[1]

    @property
    def transfer_blocks(self) -> int:
        """The TRANSFER LENGTH in blocks; READ (6) and WRITE (6) say 256 by a 0."""
        return self._fields()[2]

    @property
    def data_bytes(self) -> int:
        """How many bytes the initiator sends, or expects."""
        return self._command.size_bytes

    @property
    def disk(self) -> AttachedDisk | None:
        """The disk that it was sent to; None in a test without one."""
        return self._unit.disk

    @property
    def unit(self) -> CommandDisk:
        """The logical unit that answers what no handler does."""
        return self._unit

    @property
    def command(self) -> Command:
        """The command as the runner has it, with the slices of the data area."""
        return self._command

    def _fields(self) -> tuple[int, int, int, int]:
        cdb = self._command.cdb
        layout = LAYOUT_32 if cdb[0] == _VARIABLE_LENGTH else _LAYOUTS.get(cdb[0] >> 5)
        try:
            if layout is not None:
                return layout.decode(cdb)
        except struct.error:
            # A CDB that ends before its fields do has none of them.
            pass
        raise UsageError(f"The command {cdb.hex(' ')} has no block address")

    # Data --------------------------------------------------------------------------------------

    def read(self, n: int = -1) -> bytes:
        """Return the next `n` bytes that the initiator sent, all the rest without `n`."""
        size = self._command.size_bytes
        end = size if n < 0 else min(size, self._read_bytes + n)
        data = self._command.gather(end)[self._read_bytes :]
        self._read_bytes = end
        return data

    def write(self, data: bytes) -> int:
        """Give the initiator data after what was given before; return how much it takes of it."""
        position = self._written_bytes
        skipped = position
        view = memoryview(data).cast("B")
        done = 0
        for part in self._command.data:
            if skipped >= len(part):
                skipped -= len(part)
                continue
            size = min(len(part) - skipped, len(view) - done)
            part[skipped : skipped + size] = view[done : done + size]
            done += size
            skipped = 0
            if done == len(view):
                break
        self._written_bytes = position + done
        return done

    # Answers -----------------------------------------------------------------------------------

    def ok(self) -> Response:
        """Return GOOD for what was read or written; the initiator sees zeros after the data."""
        if self._read_bytes and not self._written_bytes:
            return GOOD
        return filled(self._command, self._written_bytes)

    def not_handled(self) -> Response:
        """Return INVALID COMMAND OPERATION CODE."""
        return sense.INVALID_OPERATION_CODE

    def check_condition(self, key: int, asc: int, ascq: int = 0) -> Response:
        """Return CHECK CONDITION with a sense key and an additional sense code and qualifier."""
        return sense.check_condition(key, asc, ascq)

    def medium_error(self) -> Response:
        """Return UNRECOVERED READ ERROR."""
        return sense.check_condition(sense.MEDIUM_ERROR, 0x11, 0x00)

    def illegal_request(self) -> Response:
        """Return INVALID FIELD IN CDB."""
        return sense.INVALID_CDB

    def target_failure(self) -> Response:
        """Return INTERNAL TARGET FAILURE."""
        return INTERNAL_TARGET_FAILURE

    def respond_status(self, status: int) -> Response:
        """Return a SCSI status without sense data (SAM-5 5.3.1)."""
        return self.ok() if status == 0 else Response(status)

    def respond_sense(self, status: int, sense_data: bytes) -> Response:
        """Return a SCSI status with sense data, of which the kernel takes 96 bytes."""
        return Response(status, bytes(sense_data[:96]))


class CommandDisk(Disk):
    """A disk some of whose commands a handler answers."""

    __slots__ = ("_answer", "_emulating", "disk")

    def __init__(
        self,
        identity: Identity | Callable[[], Identity],
        geometry: Geometry,
        storage: Handler,
        answer: Callable[[ScsiCommand], Response | None] | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(identity, geometry, storage)
        self._answer = answer
        self._emulating = threading.Lock()
        self.disk: AttachedDisk | None = None
        if threads is not None:
            self.max_in_flight = threads
        elif answer is not None:
            self.max_in_flight = 1

    def execute(self, command: Command) -> Response | Deferred:
        """Have the handler asked on a worker."""
        if self._answer is None:
            return super().execute(command)
        return Deferred(lambda: self._ask(command))

    def _ask(self, command: Command) -> Response:
        assert self._answer is not None
        response = self._answer(ScsiCommand(command, self))
        return self.emulate(command) if response is None else response

    def emulate(self, command: Command) -> Response:
        """Execute a command to its end as a disk without a handler does; on any thread."""
        # The loop's thread does this alone elsewhere: holds are taken in one order.
        with self._emulating:
            answer = super().execute(command)
        return answer.run() if isinstance(answer, Deferred) else answer
