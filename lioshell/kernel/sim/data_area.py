# SPDX-License-Identifier: Apache-2.0
"""The data area of a TCMU region: blocks for commands, and the iovs that describe them.

As in drivers/target/target_core_user.c the lowest free block is taken first, neighbouring blocks
become one iov, and a block that is used again still holds what was in it.
"""

from __future__ import annotations

import heapq

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

BLOCK_SIZE: Final = 4096
"""One page: the kernel's data_pages_per_blk is 1 unless set."""

Iov = tuple[int, int]
"""Offset in the region and size, in bytes."""


class DataArea:
    """Allocates the blocks from `offset` (bytes) to the end of a region."""

    def __init__(self, view: memoryview, offset: int) -> None:
        self._view = view
        self._offset = offset
        self.block_count = (len(view) - offset) // BLOCK_SIZE
        self._freed: list[int] = []
        self._fresh = 0

    @property
    def free_count(self) -> int:
        """How many blocks are free."""
        return len(self._freed) + self.block_count - self._fresh

    def take(self, count: int) -> list[int]:
        """Take the lowest free blocks; the caller has made sure that there are as many."""
        blocks: list[int] = []
        for _ in range(count):
            if self._freed:
                blocks.append(heapq.heappop(self._freed))
            else:
                blocks.append(self._fresh)
                self._fresh += 1
        return blocks

    def free(self, blocks: list[int]) -> None:
        """Give blocks back; their contents stay as they are."""
        for block in blocks:
            heapq.heappush(self._freed, block)

    def free_all(self) -> None:
        """Give every block back."""
        self._freed.clear()
        self._fresh = 0

    def iovs(self, blocks: list[int], length_bytes: int) -> list[Iov]:
        """Describe `length_bytes` in `blocks`: one iov for each run of neighbouring blocks."""
        iovs: list[Iov] = []
        left = length_bytes
        for index, block in enumerate(blocks):
            size = min(BLOCK_SIZE, left)
            left -= size
            if index and blocks[index - 1] + 1 == block:
                iovs[-1] = (iovs[-1][0], iovs[-1][1] + size)
            else:
                iovs.append((self._offset + block * BLOCK_SIZE, size))
        return iovs

    def write(self, iovs: list[Iov], data: bytes) -> None:
        """Copy data-out into the area."""
        position = 0
        for offset, size in iovs:
            self._view[offset : offset + size] = data[position : position + size]
            position += size

    def read(self, iovs: list[Iov]) -> bytes:
        """Copy data-in out of the area."""
        return b"".join([self._view[offset : offset + size] for offset, size in iovs])
