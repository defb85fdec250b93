# SPDX-License-Identifier: Apache-2.0
"""An initiator on the ring harness: commands to a handler through ring, loop and SCSI emulation."""

from __future__ import annotations

import struct
import time
from functools import cached_property

from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.device import ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.loop import Loop
from lioshell.runner.scsi.unit import Identity, Unit
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from lioshell.kernel.sim.ring import Completion
    from lioshell.runner.command import LogicalUnit

TIMEOUT_S = 60.0
OPTICAL, ZONED = 0x05, 0x14
"""Peripheral device types beside that of a disk (SPC-6, 6.7.2); host-aware zones are a disk's."""

DATA_BYTES = 16 << 20
"""The data area: what all commands in flight together may transfer."""


class CommandFailedError(AssertionError):
    """A command was not answered, or not as it should have been."""


class Initiator:
    """One logical unit in a loop with its thread, and the commands that one sends it.

    Takes over `unit`; for one thread; a context manager. Sizes are bytes, addresses blocks of
    `block_size_bytes`.
    """

    def __init__(self, unit: LogicalUnit, block_size_bytes: int = 512) -> None:
        self.block_size_bytes = block_size_bytes
        self.reports: list[str] = []
        """What the runner told its user."""
        self.harness = RingHarness(data_bytes=DATA_BYTES)
        self.loop = Loop(report=self.reports.append)
        self.device = ServedDevice(self.harness.device, self.harness, unit, self.reports.append)
        self.is_zoned = isinstance(unit, Unit) and unit.is_zoned
        self._done: dict[int, Completion] = {}
        self.loop.add(self.device)
        self.loop.start_thread()

    @classmethod
    def of(
        cls, dev_config: str, size_bytes: int, block_size_bytes: int = 512, serial: str = "1"
    ) -> Self:
        """Open the storage of a dev_config ("file//srv/a.img"). Raises LioshellError."""
        unit = registry.make_unit(
            dev_config,
            size_bytes=size_bytes,
            block_size_bytes=block_size_bytes,
            identity=Identity(serial, "exercise"),
        )
        return cls(unit, unit.block_size_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the unit and the device."""
        self.loop.close()
        if self.device.closed:
            self.harness.discard()

    # Commands -------------------------------------------------------------------------------------

    def submit(self, cdb: bytes, data_out: bytes = b"", data_in_bytes: int = 0) -> int | None:
        """Queue a command and return its id; None while ring or data area are full."""
        cmd_id = self.harness.producer.queue(cdb, data_out, data_in_bytes)
        if cmd_id is not None:
            self.harness.wake()
        return cmd_id

    def completions(self, timeout_s: float = TIMEOUT_S) -> list[Completion]:
        """Wait for answers and return them. Raises CommandFailedError when none comes."""
        done = self._collect()
        deadline = time.monotonic() + timeout_s
        while not done:
            if not self.harness.wait(max(0.0, deadline - time.monotonic())):
                raise CommandFailedError(f"no answer in {timeout_s:g} s")
            done = self._collect()
        return done

    def _collect(self) -> list[Completion]:
        producer = self.harness.producer
        done = producer.collect()
        if producer.broken:
            raise CommandFailedError("the ring is broken")
        return done

    def execute(
        self,
        cdb: bytes,
        data_out: bytes = b"",
        data_in_bytes: int = 0,
        timeout_s: float = TIMEOUT_S,
    ) -> Completion:
        """Send one command and return its answer. Raises CommandFailedError without one."""
        cmd_id = self.submit(cdb, data_out, data_in_bytes)
        if cmd_id is None:
            raise CommandFailedError("ring or data area are full")
        deadline = time.monotonic() + timeout_s
        while cmd_id not in self._done:
            for completion in self.completions(max(0.0, deadline - time.monotonic())):
                self._done[completion.cmd_id] = completion
        return self._done.pop(cmd_id)

    def good(self, cdb: bytes, data_out: bytes = b"", data_in_bytes: int = 0) -> bytes:
        """Send one command that must end with GOOD and return its data-in."""
        answer = self.execute(cdb, data_out, data_in_bytes)
        if answer.status:
            raise CommandFailedError(
                f"{cdb.hex(' ')} ended with {describe(answer)} instead of GOOD"
            )
        return answer.data_in

    def refused(
        self, cdb: bytes, sense: tuple[int, int, int], data_out: bytes = b"", data_in_bytes: int = 0
    ) -> None:
        """Send one command that must end with this sense key, ASC and ASCQ."""
        answer = self.execute(cdb, data_out, data_in_bytes)
        if answer.status != 2 or sense_of(answer) != sense:
            raise CommandFailedError(
                f"{cdb.hex(' ')} ended with {describe(answer)} instead of"
                f" {'/'.join(f'{part:02x}' for part in sense)}"
            )

    def read(self, lba: int, blocks: int) -> bytes:
        """READ."""
        cdb = self.transfer(lba, blocks)
        return self.good(cdb, data_in_bytes=blocks * self.block_size_bytes)

    def write(self, lba: int, data: bytes, *, fua: bool = False) -> None:
        """WRITE."""
        blocks = len(data) // self.block_size_bytes
        self.good(self.transfer(lba, blocks, writes=True, flags=8 if fua else 0), data)

    def flush(self) -> None:
        """SYNCHRONIZE CACHE."""
        self.good(bytes((0x35,)) + bytes(9) if self.kind == OPTICAL else rw16(0x91, 0, 0))

    @cached_property
    def kind(self) -> int:
        """The PERIPHERAL DEVICE TYPE of its INQUIRY data."""
        return self.good(bytes((0x12, 0, 0, 0, 36, 0)), b"", 36)[0] & 0x1F

    def transfer(self, lba: int, blocks: int, *, writes: bool = False, flags: int = 0) -> bytes:
        """Return the CDB of a READ or WRITE: of 10 bytes for an optical drive, else of 16."""
        if self.kind == OPTICAL:
            return struct.pack(">BBIBHB", 0x2A if writes else 0x28, flags, lba, 0, blocks, 0)
        return rw16(0x8A if writes else 0x88, lba, blocks, flags)

    def capacity(self) -> tuple[int, int]:
        """READ CAPACITY: the number of blocks and their size in bytes."""
        if self.kind == OPTICAL:
            last, block = struct.unpack(">II", self.good(bytes((0x25,)) + bytes(9), b"", 8))
            return last + 1, block
        data = self.good(bytes((0x9E, 0x10)) + bytes(8) + struct.pack(">IH", 32, 0), b"", 32)
        last, block = struct.unpack_from(">QI", data)
        return last + 1, block

    def keep_busy(
        self, commands: Callable[[], tuple[bytes, bytes, int] | None], depth: int
    ) -> list[Completion]:
        """Keep `depth` commands in flight as long as `commands()` gives some; return the answers.

        A command is CDB, data-out and bytes of data-in.
        """
        answers: list[Completion] = []
        in_flight = 0
        more = True
        while more or in_flight:
            while more and in_flight < depth:
                wanted = commands()
                if wanted is None:
                    more = False
                    break
                while self.submit(*wanted) is None:
                    done = self.completions()
                    in_flight -= len(done)
                    answers += done
                in_flight += 1
            if in_flight:
                done = self.completions()
                in_flight -= len(done)
                answers += done
        return answers


def rw16(opcode: int, lba: int, blocks: int, flags: int = 0) -> bytes:
    """Return a 16-byte CDB of the layout of READ (16): flags are byte 1."""
    return struct.pack(">BBQIxx", opcode, flags, lba, blocks)


def sense_of(answer: Completion) -> tuple[int, int, int]:
    """Return sense key, ASC and ASCQ of fixed format sense data."""
    sense = answer.sense
    return (sense[2] & 0xF, sense[12], sense[13]) if len(sense) > 13 else (0, 0, 0)


def describe(answer: Completion) -> str:
    """Say a status, with its sense data."""
    if answer.status == 2:
        return "CHECK CONDITION " + "/".join(f"{part:02x}" for part in sense_of(answer))
    return f"status {answer.status:02x}h"
