# SPDX-License-Identifier: Apache-2.0
"""The file of an overlay: a header, two maps of the clusters that it holds, and their data.

    0        header: size, cluster size, how much of the base is visible, which base, which boot
    1 MiB    the maps in pages of 4 KiB, one bit a cluster: a page of the stable map, then the same
             page of the running map, and so on
    128 MiB  the data, each byte of the disk at its own offset; sparse

A bit of the stable map is written after the data of its cluster was synced, so it is true after a
power failure. A bit of the running map is written with the data, into the page cache: it is true as
long as the machine runs, whatever becomes of the process. The header holds the boot id of the
machine (proc_sys_kernel(5)), by which the next process tells which map to believe.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib

from lioshell.errors import ConflictError, HostError
from lioshell.runner.handlers.vectored import read_rest, write_rest
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

MAGIC: Final = b"lioshell overlay\x01"
PAGE_BYTES: Final = 4096
MAPS_BYTES: Final = 1 << 20
DATA_BYTES: Final = 128 << 20
"""Where the data begins."""
MAX_CLUSTERS: Final = (DATA_BYTES - MAPS_BYTES) // 2 * 8

_HEADER: Final = struct.Struct(">17sQQQQQ36s")
_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"


class Header(NamedTuple):
    """What the file says of itself; sizes in bytes, times in nanoseconds.

    `visible_bytes`: behind it the base counts as zeros, because the disk was shorter once.
    """

    size_bytes: int
    cluster_bytes: int
    visible_bytes: int
    base_size_bytes: int
    base_mtime_ns: int
    boot_id: bytes

    def pack(self) -> bytes:
        """Return the bytes at the beginning of the file: less than a sector, written as one."""
        text = _HEADER.pack(MAGIC, *self)
        return text + struct.pack(">I", zlib.crc32(text))

    @property
    def clusters(self) -> int:
        """How many clusters the disk has."""
        return -(-self.size_bytes // self.cluster_bytes)


def read_header(fd: int, path: str) -> Header:
    """Return the header of an open file. Raises ConflictError where it is no overlay."""
    text = os.pread(fd, _HEADER.size + 4, 0)
    if len(text) == _HEADER.size + 4 and text.startswith(MAGIC):
        (checksum,) = struct.unpack_from(">I", text, _HEADER.size)
        if checksum == zlib.crc32(text[: _HEADER.size]):
            return Header(*_HEADER.unpack_from(text)[1:])
        raise ConflictError(
            f"The header of {path} is damaged", hint="Restore the file from a backup.", path=path
        )
    raise ConflictError(
        f"{path} is there, and is no overlay",
        hint="Name a file that is not there yet; it is made.",
        path=path,
    )


def boot_id() -> bytes:
    """Return what is another one after each start of the machine. Raises HostError."""
    try:
        with open(_BOOT_ID, "rb") as file:
            return file.read(36).ljust(36, b"0")
    except OSError as error:
        raise HostError(
            f"Nobody knows whether the machine was started anew: {_BOOT_ID}: {error.strerror}",
            hint="Mount proc on /proc.",
        ) from error


class Maps:
    """Which clusters an open overlay file holds; any thread.

    `fd` is the file, or -1 where nothing is to be written (read only).
    """

    def __init__(self, fd: int, clusters: int, bits: bytearray, changed: set[int]) -> None:
        self._fd = fd
        self._clusters = clusters
        self._bits = bits
        # Pages of the stable map that lack bits.
        self._changed = changed
        self._lock = threading.Lock()

    @classmethod
    def load(cls, fd: int, header: Header, *, write: bool) -> Maps:
        """Read the map that is to be believed; with `write` the running map is made the same."""
        pages = _pages(header.clusters)
        area = bytearray(pages * 2 * PAGE_BYTES)
        read_all(fd, area, MAPS_BYTES)
        stable, running = bytearray(), bytearray()
        for number in range(pages):
            at = number * 2 * PAGE_BYTES
            stable += area[at : at + PAGE_BYTES]
            running += area[at + PAGE_BYTES : at + 2 * PAGE_BYTES]
        same_boot = header.boot_id == boot_id()
        bits = running if same_boot else stable
        changed = {n for n in range(pages) if _page(bits, n) != _page(stable, n)}
        maps = cls(fd if write else -1, header.clusters, bits, changed)
        if write and not same_boot:
            for number in range(pages):
                if _page(running, number) != _page(bits, number):
                    maps._write_page(number, running=True)
        return maps

    def first_change(self, cluster: int, end: int) -> int:
        """Return where the run of held, or not held, clusters from `cluster` on ends."""
        held = self.holds(cluster)
        cluster += 1
        while cluster < end and self.holds(cluster) == held:
            cluster += 1
        return cluster

    def holds(self, cluster: int) -> bool:
        """Tell whether a cluster's data is in the file."""
        return bool(self._bits[cluster >> 3] & 1 << (cluster & 7))

    def add(self, first: int, end: int) -> None:
        """Remember clusters whose data is in the page cache by now. Raises OSError."""
        with self._lock:
            for cluster in range(first, end):
                self._bits[cluster >> 3] |= 1 << (cluster & 7)
            for number in range(first // (PAGE_BYTES * 8), (end - 1) // (PAGE_BYTES * 8) + 1):
                self._changed.add(number)
                self._write_part(number, first >> 3, (end - 1 >> 3) + 1)

    def begin_sync(self) -> dict[int, bytes]:
        """Return the pages of the stable map as they are to become, before the data is synced."""
        with self._lock:
            pages = {number: _page(self._bits, number) for number in self._changed}
            self._changed.clear()
        return pages

    def end_sync(self, pages: dict[int, bytes]) -> None:
        """Write what `begin_sync` returned, whose data is stable now. Raises OSError."""
        for number, page in pages.items():
            write_rest(self._fd, [memoryview(page)], MAPS_BYTES + number * 2 * PAGE_BYTES, 0)

    def resize(self, clusters: int) -> None:
        """Have another number of clusters; those that are cut off are forgotten, in both maps."""
        with self._lock:
            pages = _pages(max(clusters, self._clusters))
            self._bits.extend(bytes(pages * PAGE_BYTES - len(self._bits)))
            for cluster in range(clusters, self._clusters):
                self._bits[cluster >> 3] &= ~(1 << (cluster & 7))
            if clusters < self._clusters:
                for number in range(clusters // (PAGE_BYTES * 8), pages):
                    self._write_page(number, running=True)
                    self._write_page(number, running=False)
            self._clusters = clusters
            del self._bits[_pages(clusters) * PAGE_BYTES :]
            self._changed = {n for n in self._changed if n < _pages(clusters)}

    def count(self) -> int:
        """Return how many clusters are held."""
        return int.from_bytes(self._bits, "little").bit_count()

    def _write_page(self, number: int, *, running: bool) -> None:
        at = MAPS_BYTES + (number * 2 + running) * PAGE_BYTES
        write_rest(self._fd, [memoryview(_page(self._bits, number))], at, 0)

    def _write_part(self, number: int, begin: int, end: int) -> None:
        """Write bytes of the running map that lie in one of its pages."""
        begin, end = max(begin, number * PAGE_BYTES), min(end, (number + 1) * PAGE_BYTES)
        at = MAPS_BYTES + (number * 2 + 1) * PAGE_BYTES + begin - number * PAGE_BYTES
        write_rest(self._fd, [memoryview(bytes(self._bits[begin:end]))], at, 0)


def read_all(fd: int, buffer: bytearray, offset_bytes: int) -> None:
    """Fill a buffer from a file; behind its end are zeros. Raises OSError."""
    there = max(0, min(len(buffer), os.fstat(fd).st_size - offset_bytes))
    read_rest(fd, [memoryview(buffer)[:there]], offset_bytes, 0)


def _pages(clusters: int) -> int:
    return -(-clusters // (PAGE_BYTES * 8))


def _page(bits: bytearray, number: int) -> bytes:
    return bytes(bits[number * PAGE_BYTES : (number + 1) * PAGE_BYTES])
