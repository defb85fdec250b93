# SPDX-License-Identifier: Apache-2.0
"""The `zbc` subtype: a zoned disk in one file, with its zones in front of the blocks.

A write pointer is written behind the data and before the answer, to the same file: what a process
that is killed had answered is there, and one sync covers both. A file is never formatted by being
opened, whatever its options say.
"""

from __future__ import annotations

import os
import stat

from lioshell.errors import ConflictError, RunnerError
from lioshell.runner.handlers import backing_file, zbc_config, zone_file
from lioshell.runner.handlers.base import Undo, nothing_made
from lioshell.runner.handlers.file import FileHandler
from lioshell.runner.handlers.zoned import ZonedHandler
from lioshell.runner.zones import (
    SEQUENTIAL_PREFERRED,
    SEQUENTIAL_REQUIRED,
    ZoneTable,
    lay_out,
)
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final, Self

    from lioshell.runner.handlers.base import Extent
    from lioshell.runner.handlers.zbc_config import ZbcConfig
    from lioshell.runner.handlers.zone_file import ZoneFileHeader
    from lioshell.runner.zones import Zone

_MODEL_TEXT: Final = {
    zone_file.HOST_MANAGED: "host-managed",
    zone_file.HOST_AWARE: "host-aware",
}


class ZbcHandler(ZonedHandler):
    """An open file of zones, locked against every other user of it."""

    subtype = "zbc"
    help = "A zoned disk, host-managed or host-aware, in a regular file"
    config_help = "PATH of the file, absolute; made when it is not there"
    options = zbc_config.OPTIONS

    def __init__(
        self, file: FileHandler, path: str, header: ZoneFileHeader, zones: list[Zone]
    ) -> None:
        self._file = file
        self._path = path
        self._header = header
        self._base = header.data_offset_bytes
        self.zones = ZoneTable(zones, header.zone_blocks, header.max_open, self._store)

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check path and options. Raises UsageError."""
        zbc_config.parse(config)

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return the path of a file in a folder."""
        return f"{folder}/exercise.zbc"

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return the size of the device that a file was made for. Raises LioshellError."""
        header = _header_of(zbc_config.parse(config).path)
        return None if header is None else header.size_bytes

    @classmethod
    def block_size_of(cls, config: str, block_size_bytes: int) -> int:
        """Return the block size that the file was made with, or is to be. Raises LioshellError."""
        wanted = zbc_config.parse(config)
        header = _header_of(wanted.path)
        if header is not None:
            return header.block_size_bytes
        return wanted.block_size_bytes or block_size_bytes

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the file with its zones, all of them empty, unless it is there.

        A file that is there must be free, and be what the options say. Raises LioshellError.
        """
        wanted = zbc_config.parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        if not backing_file.is_missing(wanted.path):
            cls.open(config, size_bytes, block_size_bytes).close()
            return nothing_made
        header = wanted.header(size_bytes, block_size_bytes)
        preferred = header.model == zone_file.HOST_AWARE
        kind = SEQUENTIAL_PREFERRED if preferred else SEQUENTIAL_REQUIRED
        zones = lay_out(header.blocks, header.zone_blocks, header.conventional, kind)
        undo = backing_file.create(wanted.path, header.file_bytes)
        try:
            descriptor = os.open(wanted.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                zone_file.write_all(descriptor, header, zones)
            finally:
                os.close(descriptor)
        except BaseException as error:
            undo()
            if isinstance(error, OSError):
                raise RunnerError(
                    f"Cannot write the zones of {wanted.path}: {error.strerror}",
                    hint="Make room on the file system, or name a file on another one.",
                    path=wanted.path,
                ) from error
            raise
        return undo

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Open and lock the file, and read its zones. Raises LioshellError."""
        wanted = zbc_config.parse(config)
        header = _header_of(wanted.path)
        # Without a header the file is missing, and this says so.
        expected = size_bytes if header is None else header.file_bytes
        _require_fitting(wanted, header, size_bytes, block_size_bytes)
        descriptor = backing_file.open_locked(
            wanted.path, expected, block_size_bytes, read_only, sync=wanted.sync
        )
        try:
            header = zone_file.read_header(wanted.path, descriptor)
            _require_fitting(wanted, header, size_bytes, block_size_bytes)
            zones = zone_file.read_zones(wanted.path, descriptor, header)
        except BaseException:
            os.close(descriptor)
            raise
        file = FileHandler(
            descriptor, wanted.path, header.file_bytes, read_only, write_cache=not wanted.sync
        )
        handler = cls(file, wanted.path, header, zones)
        handler.restricted_reads = wanted.restricted_reads
        return handler

    def _store(self, number: int, zone: Zone, durable: bool) -> None:
        record = memoryview(zone_file.pack_zone(zone))
        self._file.write([record], zone_file.record_place(number), durable)

    @property
    def size_bytes(self) -> int:
        """The size of the device, without its zones' records."""
        return self._header.size_bytes

    @property
    def write_cache(self) -> bool:
        """Whether a write is acknowledged from the page cache: not with `;sync`."""
        return self._file.write_cache

    @property
    def read_only(self) -> bool:
        """Whether the file was opened for reading only."""
        return self._file.read_only

    def read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill the buffers from the blocks. Raises OSError."""
        self._file.read(buffers, self._base + offset_bytes)

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Write the blocks; their zone's write pointer is the unit's. Raises OSError."""
        self._file.write(buffers, self._base + offset_bytes, fua)

    def try_read(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Read what the page cache holds. Raises OSError."""
        return self._file.try_read(buffers, self._base + offset_bytes)

    def try_write(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Write into the page cache, where that needs no wait. Raises OSError."""
        return self._file.try_write(buffers, self._base + offset_bytes)

    def waited(self, seconds: float) -> None:
        """Leave the next writes to the workers when the page cache made one wait."""
        self._file.waited(seconds)

    def flush(self) -> None:
        """Put blocks and write pointers on stable storage. Raises OSError."""
        self._file.flush()

    def erase(self, zone: Zone) -> None:
        """Punch the blocks of a zone out of the file, or zero them. Raises OSError."""
        block = self._header.block_size_bytes
        place, size = self._base + zone.start * block, zone.blocks * block
        if self._file.can_discard:
            self._file.discard(place, size)
        else:
            self._file.write_zeroes(place, size)

    def allocation(self, offset_bytes: int, size_bytes: int) -> Iterator[Extent]:
        """Tell data from holes. Raises OSError."""
        return self._file.allocation(self._base + offset_bytes, size_bytes)

    def prefetch(self, offset_bytes: int, size_bytes: int) -> None:
        """Have the kernel read the beginning of a range into the page cache."""
        self._file.prefetch(self._base + offset_bytes, size_bytes)

    def status(self) -> dict[str, str]:
        """Tell what the zones are, and how many are in which condition."""
        from collections import Counter

        counted = Counter(_CONDITION_TEXT[zone.condition] for zone in self.zones)
        return {
            "model": _MODEL_TEXT[self._header.model],
            "zone_size_bytes": str(self._header.zone_blocks * self._header.block_size_bytes),
            "zones": ", ".join(f"{number} {name}" for name, number in counted.items()),
            "max_open": str(self._header.max_open),
        }

    def close(self) -> None:
        """Close the file, which drops its lock. Raises OSError when the last write-back failed."""
        self._file.close()


_CONDITION_TEXT: Final = {
    0x0: "conventional",
    0x1: "empty",
    0x2: "implicitly open",
    0x3: "explicitly open",
    0x4: "closed",
    0xD: "read-only",
    0xE: "full",
    0xF: "offline",
}


def _header_of(path: str) -> ZoneFileHeader | None:
    """Return the header of a file of zones, None where there is no such file.

    Raises LioshellError.
    """
    try:
        # Looked at before it is opened: what is no regular file is refused by open_locked.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunnerError(
            f"Cannot read the zones of {path}: {error.strerror}",
            hint="Check the permissions of the file and of the folders above it.",
            path=path,
        ) from error
    try:
        return zone_file.read_header(path, descriptor)
    finally:
        os.close(descriptor)


def _require_fitting(
    wanted: ZbcConfig, header: ZoneFileHeader | None, size_bytes: int, block_size_bytes: int
) -> None:
    """Raise ConflictError where a file is another one than the device and the options want."""
    if header is None:
        return
    if header.size_bytes != size_bytes:
        raise ConflictError(
            f"{wanted.path} is a zoned disk of {header.size_bytes} bytes, not {size_bytes}",
            hint=f"Give {header.size_bytes} as the size to use it as it is, or another file.",
            path=wanted.path,
        )
    if header.block_size_bytes != block_size_bytes:
        raise ConflictError(
            f"{wanted.path} has blocks of {header.block_size_bytes} bytes, not {block_size_bytes}",
            hint=f"Give hw_block_size={header.block_size_bytes}, or name another file.",
            path=wanted.path,
        )
    different = wanted.differs(header)
    if different:
        raise ConflictError(
            f"{wanted.path} was made otherwise: {different}",
            hint="Leave the options out to use it as it is, or name another file.",
            path=wanted.path,
        )
