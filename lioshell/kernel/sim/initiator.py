# SPDX-License-Identifier: Apache-2.0
"""An initiator for simulated TCMU devices: what a SCSI disk driver is to the real ones."""

from __future__ import annotations

from lioshell.errors import NotFoundError, RunnerError
from lioshell.kernel.sim.nexus import Answer, Nexus
from lioshell.kernel.uio import list_devices
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final, Self

    from lioshell.kernel.ports import UioDevice

_TRANSFER_BYTES: Final = 1024 * 1024


class Capacity(NamedTuple):
    """READ CAPACITY(16) in short."""

    blocks: int
    block_size_bytes: int


class SimDisk:
    """A disk as an initiator sees it, for one thread; a context manager.

    Every command raises RunnerError when it is not answered within `timeout_s` or the device is
    removed; all but `execute` also when it does not end with status GOOD.
    """

    def __init__(self, sim_root: str, device: UioDevice, timeout_s: float) -> None:
        self._device = device
        self._nexus = Nexus(sim_root, device, timeout_s)
        self._block_size_bytes = 0

    @classmethod
    def open(cls, sim_root: str, configfs_path: str, timeout_s: float = 10.0) -> SimDisk:
        """Open the disk of a storage object ("core/user_0/vol0").

        Raises NotFoundError when it is not there or not enabled, ConflictError when another
        initiator has it open.
        """
        for device in list_devices(f"{sim_root}/sys"):
            if device.configfs_path == configfs_path:
                try:
                    return cls(sim_root, device, timeout_s)
                except FileNotFoundError:
                    break  # removed since it was listed
        raise NotFoundError(
            f"There is no simulated TCMU device for {configfs_path}",
            hint="See which there are: lioshell --sim ls /backstores",
            path=configfs_path,
        )

    def close(self) -> None:
        """Let go of the device."""
        self._nexus.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def execute(self, cdb: bytes, data_out: bytes = b"", data_in_bytes: int = 0) -> Answer:
        """Send one command with data-out or data-in and return its answer, whatever it is."""
        return self._nexus.execute(cdb, data_out, data_in_bytes)

    def inquiry(self, page: int | None = None, size_bytes: int = 255) -> bytes:
        """Return the standard inquiry data or a vital product data page (SPC-6 6.6)."""
        evpd = 0 if page is None else 1
        cdb = bytes((0x12, evpd, page or 0)) + size_bytes.to_bytes(2, "big") + b"\0"
        return self._good("INQUIRY", self.execute(cdb, data_in_bytes=size_bytes))

    def capacity(self) -> Capacity:
        """Return the number of blocks and their size (READ CAPACITY(16), SBC-4 5.21)."""
        cdb = b"\x9e\x10" + bytes(8) + (32).to_bytes(4, "big") + bytes(2)
        data = self._good("READ CAPACITY(16)", self.execute(cdb, data_in_bytes=32))
        last = int.from_bytes(data[:8], "big")
        self._block_size_bytes = int.from_bytes(data[8:12], "big")
        return Capacity(last + 1, self._block_size_bytes)

    def read(self, lba: int, blocks: int) -> bytes:
        """Read blocks (READ(16), in pieces of 1 MiB)."""
        size = self._block_size()
        parts: list[bytes] = []
        for start, count in _pieces(lba, blocks, size):
            cdb = _cdb16(0x88, start, count)
            parts.append(self._good("READ(16)", self.execute(cdb, data_in_bytes=count * size)))
        return b"".join(parts)

    def write(self, lba: int, data: bytes) -> None:
        """Write whole blocks (WRITE(16), in pieces of 1 MiB)."""
        size = self._block_size()
        if len(data) % size:
            raise ValueError(f"{len(data)} bytes are no multiple of the block size {size}")
        for start, count in _pieces(lba, len(data) // size, size):
            offset = (start - lba) * size
            cdb = _cdb16(0x8A, start, count)
            self._good("WRITE(16)", self.execute(cdb, data[offset : offset + count * size]))

    def flush(self) -> None:
        """Make everything written durable (SYNCHRONIZE CACHE(16))."""
        self._good("SYNCHRONIZE CACHE(16)", self.execute(_cdb16(0x91, 0, 0)))

    def _block_size(self) -> int:
        if not self._block_size_bytes:
            self.capacity()
        return self._block_size_bytes

    def _good(self, name: str, answer: Answer) -> bytes:
        if answer.status == 0:
            return answer.data_in
        sense = answer.sense
        detail = f", sense {sense[2] & 0xF:X}/{sense[12]:02X}/{sense[13]:02X}" if sense else ""
        path = self._device.configfs_path
        raise RunnerError(f"{name} on {path} ended with status {answer.status:02X}h{detail}")


def _cdb16(opcode: int, lba: int, blocks: int) -> bytes:
    return bytes((opcode, 0)) + lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + bytes(2)


def _pieces(lba: int, blocks: int, block_size_bytes: int) -> list[tuple[int, int]]:
    step = max(1, _TRANSFER_BYTES // block_size_bytes)
    return [(lba + done, min(step, blocks - done)) for done in range(0, blocks, step)]
