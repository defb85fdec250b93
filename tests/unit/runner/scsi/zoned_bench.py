# SPDX-License-Identifier: Apache-2.0
"""A zoned disk on a file, a way to send it a CDB, and its zones as REPORT ZONES tells them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from lioshell.runner.command import Command, Deferred, Response
from lioshell.runner.handlers.zbc import ZbcHandler
from lioshell.runner.scsi.unit import Geometry, Identity
from lioshell.runner.scsi.zoned import ZonedDisk

BLOCK = 512
MIB = 1 << 20
ZONE = MIB // BLOCK
CLOSE, FINISH, OPEN, RESET = 1, 2, 3, 4


class Told(NamedTuple):
    """A zone descriptor."""

    kind: int
    condition: int
    non_sequential: bool
    blocks: int
    start: int
    pointer: int


class ZonedBench:
    """A zoned disk of 1 MiB zones; `config` is what stands behind the path."""

    def __init__(self, path, config: str = "", size_bytes: int = 8 * MIB, block: int = BLOCK):
        self.config = f"{path};zone_size=1M{config}"
        self.size_bytes, self.block = size_bytes, block
        ZbcHandler.prepare(self.config, size_bytes, block)
        self.open()

    def open(self) -> None:
        handler = ZbcHandler.open(self.config, self.size_bytes, self.block)
        self.disk = ZonedDisk(Identity("1"), Geometry(self.size_bytes, self.block), handler)

    def reopen(self) -> None:
        self.disk.close()
        self.open()

    def send(self, cdb: bytes, out: bytes = b"", size: int = 0) -> tuple[Response, bytes]:
        area = bytearray(out) if out else bytearray(size)
        answer = self.disk.execute(Command(cdb, [memoryview(area)] if area else [], len(area)))
        if isinstance(answer, Deferred):
            answer = answer.run()
        return answer, bytes(area)

    def write(self, lba: int, data: bytes, flags: int = 0) -> tuple[int, int, int] | None:
        """WRITE (16); return the sense, None for GOOD."""
        cdb = struct.pack(">BBQIxx", 0x8A, flags, lba, len(data) // self.block)
        return failure(self.send(cdb, data)[0])

    def read(self, lba: int, count: int) -> bytes:
        answer, data = self.send(
            struct.pack(">BBQIxx", 0x88, 0, lba, count), b"", count * self.block
        )
        assert answer.status == 0, answer
        return data

    def manage(self, action: int, lba: int = 0, every: bool = False):
        """Send ZBC OUT; return the sense, None for GOOD."""
        return failure(self.send(struct.pack(">BBQxxxxBx", 0x94, action, lba, every))[0])

    def report(self, lba: int = 0, options: int = 0, size: int = 4096) -> list[Told]:
        answer, data = self.send(struct.pack(">BBQIBx", 0x95, 0, lba, size, options), b"", size)
        assert answer.status == 0, answer
        length = min(struct.unpack_from(">I", data)[0], size - 64)
        found = []
        for place in range(64, 64 + length // 64 * 64, 64):
            kind, attributes, blocks, start, pointer = struct.unpack_from(
                ">BBxxxxxxQQQ", data, place
            )
            condition = attributes >> 4
            found.append(Told(kind, condition, bool(attributes & 2), blocks, start, pointer))
        return found

    def zone(self, number: int) -> Told:
        return self.report(number * ZONE)[0]


def failure(answer: Response) -> tuple[int, int, int] | None:
    """Return sense key, ASC and ASCQ, None for GOOD."""
    if answer.status == 0:
        return None
    assert answer.status == 2, answer
    return answer.sense[2] & 0xF, answer.sense[12], answer.sense[13]
