# SPDX-License-Identifier: Apache-2.0
"""A disk on a bytearray, and a way to send it a CDB."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from lioshell.runner import ring
from lioshell.runner.command import Command, Deferred, Response
from lioshell.runner.handlers.base import Extent, Handler, nothing_made
from lioshell.runner.scsi.disk import Disk
from lioshell.runner.scsi.unit import Geometry, Identity

STALE = 0xA5
UNIT = 512


class RamHandler(Handler):
    """Keeps a device in memory, records flushes, and fails where a test wants it."""

    subtype = "testram"
    help = "memory"
    config_help = "nothing"

    def __init__(self, size_bytes: int) -> None:
        self.memory = bytearray(size_bytes)
        self.calls: list[str] = []
        self.read_error: OSError | None = None
        self.write_error: OSError | None = None
        self.flush_error: OSError | None = None
        self.cached = True
        self.closed = False
        self.protected = False
        self.thin = True
        self.physical = 0
        self.discard_error: OSError | None = None
        # Which of its units of 512 bytes have storage.
        self.mapped = bytearray(size_bytes // UNIT)

    @classmethod
    def check_config(cls, config):
        raise NotImplementedError  # it is made by hand, and has no configuration

    @classmethod
    def prepare(cls, config, size_bytes, block_size_bytes):
        return nothing_made

    @classmethod
    def open(cls, config, size_bytes, block_size_bytes, read_only=False):
        return cls(size_bytes)

    @property
    def size_bytes(self):
        return len(self.memory)

    @property
    def write_cache(self):
        return self.cached

    @property
    def read_only(self):
        return self.protected

    def _range(self, buffers, offset_bytes):
        total = sum(map(len, buffers))
        assert total > 0
        assert offset_bytes >= 0
        assert offset_bytes + total <= len(self.memory)
        return total

    def read(self, buffers, offset_bytes):
        self.calls.append(f"read {offset_bytes}+{self._range(buffers, offset_bytes)}")
        if self.read_error is not None:
            raise self.read_error
        for view in buffers:
            view[:] = self.memory[offset_bytes : offset_bytes + len(view)]
            offset_bytes += len(view)

    def write(self, buffers, offset_bytes, fua):
        fua_text = " fua" if fua else ""
        self.calls.append(f"write {offset_bytes}+{self._range(buffers, offset_bytes)}{fua_text}")
        if self.write_error is not None:
            raise self.write_error
        for view in buffers:
            end = offset_bytes + len(view)
            self.memory[offset_bytes:end] = view
            self.mapped[offset_bytes // UNIT : -(-end // UNIT)] = b"\x01" * (
                -(-end // UNIT) - offset_bytes // UNIT
            )
            offset_bytes = end

    def flush(self):
        self.calls.append("flush")
        if self.flush_error is not None:
            raise self.flush_error

    @property
    def can_discard(self):
        return self.thin

    @property
    def physical_block_size_bytes(self):
        return self.physical

    def discard(self, offset_bytes, size_bytes):
        self.calls.append(f"discard {offset_bytes}+{size_bytes}")
        if self.discard_error is not None:
            raise self.discard_error
        self.memory[offset_bytes : offset_bytes + size_bytes] = bytes(size_bytes)
        first, end = -(-offset_bytes // UNIT), (offset_bytes + size_bytes) // UNIT
        self.mapped[first:end] = bytes(max(0, end - first))

    def allocation(self, offset_bytes, size_bytes):
        for unit in range(offset_bytes // UNIT, (offset_bytes + size_bytes) // UNIT):
            yield Extent(UNIT, bool(self.mapped[unit]))

    def prefetch(self, offset_bytes, size_bytes):
        self.calls.append(f"prefetch {offset_bytes}+{size_bytes}")

    def close(self):
        self.closed = True


@dataclass
class Sent:
    """A response together with what the initiator would see of the data area."""

    response: Response
    area: bytearray

    @property
    def data(self) -> bytes:
        """What the kernel hands to the initiator: read_len 0 means "no length" to it."""
        if self.response.status != 0:
            return b""
        length = self.response.read_len
        return bytes(self.area[: length or len(self.area)])


@dataclass
class Bench:
    """A disk, its handler, and `send`."""

    disk: Disk
    handler: RamHandler
    stale: int = field(default=STALE)

    def send(self, cdb: str | bytes, size: int = 0, *, out: bytes = b"", cuts: int = 1) -> Sent:
        """Execute a CDB on `size` stale bytes, or on data-out, cut into `cuts` slices."""
        cdb = bytes.fromhex(cdb) if isinstance(cdb, str) else cdb
        area = bytearray(out) if out else bytearray([self.stale]) * size
        view = memoryview(area)
        step = max(1, -(-len(area) // cuts))
        slices = [view[start : start + step] for start in range(0, len(area), step)]
        answer = self.disk.execute(Command(cdb, slices, len(area)))
        return Sent(answer.run() if isinstance(answer, Deferred) else answer, area)


@pytest.fixture(scope="session")
def make_bench():
    """Return a function that makes a disk: blocks, block_size and the Disk's own arguments."""

    def make(
        blocks: int = 64,
        block_size: int = 512,
        *,
        identity=None,
        hw_max_sectors: int = 1024,
        read_only: bool = False,
        write_cache: bool = True,
        claim_blocks: int | None = None,
        thin: bool = True,
        physical: int = 0,
    ) -> Bench:
        handler = RamHandler(blocks * block_size)
        handler.cached = write_cache
        handler.thin = thin
        handler.physical = physical
        # Tests of large addresses claim more blocks than there is memory for.
        geometry = Geometry((claim_blocks or blocks) * block_size, block_size, hw_max_sectors)
        identity = identity or Identity(
            unit_serial="6c0c2a0e-4f6b-4d8e-9a51-0f2c7b1e33d4", name="vol0"
        )
        return Bench(Disk(identity, geometry, handler, read_only=read_only), handler)

    return make


@pytest.fixture
def bench(make_bench):
    """A disk of 64 blocks of 512 bytes."""
    return make_bench()


@pytest.fixture(scope="session")
def sense():
    """Return a function that builds the 18 bytes a test expects."""

    def expected(key: int, asc: int, ascq: int, *, info: int | None = None, pointer=()) -> bytes:
        data = bytearray(18)
        data[0] = 0x70 if info is None else 0xF0
        data[2] = key
        data[3:7] = (info or 0).to_bytes(4, "big")
        data[7] = 10
        data[12:14] = bytes((asc, ascq))
        data[15:18] = bytes(pointer) or bytes(3)
        return bytes(data)

    return expected


@pytest.fixture(scope="session")
def invalid_field(sense):
    """Return a function: sense data of INVALID FIELD IN CDB at a byte and perhaps a bit."""

    def expected(byte: int, bit: int | None = None) -> bytes:
        return sense(5, 0x24, 0, pointer=(0xC0 if bit is None else 0xC8 | bit, 0, byte))

    return expected


@pytest.fixture
def general(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The CDBs that went through the general path."""
    seen: list[bytes] = []
    real = ring.Command

    def command(cdb: bytes, data: list[memoryview], size_bytes: int) -> Command:
        seen.append(cdb)
        return real(cdb, data, size_bytes)

    monkeypatch.setattr(ring, "Command", command)
    return seen
