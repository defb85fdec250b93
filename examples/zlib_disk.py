#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk of compressed blocks in a dict: `zlib_disk.py DIRECTORY [SIM_FOLDER]`; Enter ends it."""

import sys
import zlib

from lioshell import tcmu

BLOCK = 4096
NOTHING = zlib.compress(bytes(BLOCK))


class ZlibDisk:
    """Has pread and pwrite, as os has them; offsets and sizes are whole blocks."""

    def __init__(self) -> None:
        self.blocks: dict[int, bytes] = {}

    def pread(self, n: int, offset: int) -> bytes:
        numbers = range(offset // BLOCK, (offset + n) // BLOCK)
        return b"".join(zlib.decompress(self.blocks.get(b, NOTHING)) for b in numbers)

    def pwrite(self, data: bytes, offset: int) -> int:
        for at in range(0, len(data), BLOCK):
            self.blocks[(offset + at) // BLOCK] = zlib.compress(data[at : at + BLOCK])
        return len(data)


if __name__ == "__main__":
    place, sim = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    with tcmu.attach(
        ZlibDisk(), name="zlib0", size="64MiB", block_size=BLOCK, directory=place, sim=sim
    ) as disk:
        print(disk.path, flush=True)
        sys.stdin.readline()
