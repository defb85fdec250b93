# SPDX-License-Identifier: Apache-2.0
"""An optical drive on a disc in memory, and a way to send it a CDB."""

from __future__ import annotations

from lioshell.runner.command import Command, Deferred, Response
from lioshell.runner.handlers.optical import NoMedium
from lioshell.runner.scsi.optical import OpticalDrive
from lioshell.runner.scsi.unit import Geometry, Identity

from .conftest import STALE, RamHandler

SECTOR = 2048


def disc(sectors: int = 64, *, read_only: bool = True) -> RamHandler:
    """Make a disc; its bytes tell their sector."""
    handler = RamHandler(sectors * SECTOR)
    handler.memory[:] = b"".join((n % 251).to_bytes(1, "big") * SECTOR for n in range(sectors))
    handler.protected, handler.thin = read_only, False
    return handler


class OpticalBench:
    """A drive; `handler` is the disc in it, None for none."""

    def __init__(self, handler: RamHandler | None) -> None:
        self.handler = handler
        storage = handler or NoMedium()
        size = storage.size_bytes or SECTOR
        identity = Identity("6c0c2a0e-4f6b-4d8e-9a51-0f2c7b1e33d4", "cd0")
        self.drive = OpticalDrive(identity, Geometry(size, SECTOR), storage)

    def send(self, cdb: str | bytes, size: int = 0, out: bytes = b"") -> tuple[Response, bytes]:
        """Execute a CDB on stale bytes or data-out; return what the initiator sees of data-in."""
        cdb = bytes.fromhex(cdb) if isinstance(cdb, str) else cdb
        area = bytearray(out) if out else bytearray([STALE]) * size
        answer = self.drive.execute(Command(cdb, [memoryview(area)] if area else [], len(area)))
        if isinstance(answer, Deferred):
            answer = answer.run()
        told = answer.read_len if answer.read_len is not None else len(area)
        return answer, bytes(area[:told])

    def good(self, cdb: str | bytes, size: int = 0, out: bytes = b"") -> bytes:
        answer, data = self.send(cdb, size, out)
        assert answer.status == 0, answer
        return data

    def failure(self, cdb: str | bytes, size: int = 0, out: bytes = b""):
        """Return sense key, ASC and ASCQ, None for GOOD."""
        answer, _ = self.send(cdb, size, out)
        if answer.status == 0:
            return None
        return answer.sense[2] & 0xF, answer.sense[12], answer.sense[13]
