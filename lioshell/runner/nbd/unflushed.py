# SPDX-License-Identifier: Apache-2.0
"""Writes that the server has answered and no flush has covered yet.

A server that dies loses what it had not put on stable storage, and the client behind it is told
nothing: its initiators hold those writes for done. So they are kept here, and written again to the
server that takes over. `Client` begins a flush of its own before there are too many.
"""

from __future__ import annotations

from collections import deque

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from lioshell.runner.nbd.request import Request

LIMIT_BYTES: Final = 64 << 20
_FLUSH_AT_BYTES: Final = 16 << 20
LIMIT_WRITES: Final = 1 << 15
_BATCH_WRITES: Final = 64
_SPARE_SIZES: Final = 4
_PAGE_BITS: Final = 12


class Unflushed:
    """The writes in the order of their answers; the caller sees to it that one thread is here."""

    def __init__(self) -> None:
        self._writes: deque[tuple[int, Request]] = deque()
        self.size_bytes = 0
        self._spare: dict[int, list[bytearray]] = {}
        self.last = 0
        """The number of the newest write; a flush that is sent now covers all up to it."""

    def __len__(self) -> int:
        return len(self._writes)

    @property
    def full(self) -> bool:
        """Whether no more may be kept until a flush has succeeded."""
        return self.size_bytes >= LIMIT_BYTES or len(self._writes) >= LIMIT_WRITES

    @property
    def wants_flush(self) -> bool:
        """Whether a flush should be begun, so that writes need not wait for it later."""
        return self.size_bytes >= _FLUSH_AT_BYTES or len(self._writes) * 4 >= LIMIT_WRITES

    def add(self, request: Request) -> None:
        """Keep a write that was answered."""
        self.last += 1
        self._writes.append((self.last, request))
        self.size_bytes += len(request.payload)

    def forget(self, mark: int) -> None:
        """Drop what a flush has covered: the writes up to number `mark`."""
        writes = self._writes
        while writes and writes[0][0] <= mark:
            payload = writes.popleft()[1].payload
            self.size_bytes -= len(payload)
            if isinstance(payload, bytearray):
                self._keep_spare(payload)

    def _keep_spare(self, buffer: bytearray) -> None:
        size = len(buffer)
        spare = self._spare.get(size)
        if spare is None:
            if len(self._spare) >= _SPARE_SIZES:
                self._spare.clear()
            spare = self._spare[size] = []
        if (len(spare) + 1) * size <= LIMIT_BYTES // 2:
            spare.append(buffer)

    def copy_of(self, data: memoryview) -> bytearray:
        """Return a copy of what a write sends, in memory that an earlier one had if there is some.

        New memory has to be cleared by the kernel, which costs several times the copy. By any
        thread.
        """
        spare = self._spare.get(len(data))
        try:
            buffer = spare.pop() if spare else bytearray(len(data))
        except IndexError:  # another thread has taken the last one
            buffer = bytearray(len(data))
        buffer[:] = data
        return buffer

    def batches(self) -> Iterator[list[Request]]:
        """Return the writes in order, in batches whose members do not overlap.

        The members of a batch may be written in any order, the batches only one after the other.
        """
        batch: list[Request] = []
        pages: set[int] = set()
        for _, request in self._writes:
            end = request.offset_bytes + request.size_bytes
            touched = range(request.offset_bytes >> _PAGE_BITS, ((end - 1) >> _PAGE_BITS) + 1)
            # A range of zeroes may be huge: it is a batch of its own.
            alone = len(touched) > 1 << 14
            if batch and (alone or len(batch) >= _BATCH_WRITES or not pages.isdisjoint(touched)):
                yield batch
                batch, pages = [], set()
            batch.append(request)
            if alone:
                yield batch
                batch = []
            else:
                pages.update(touched)
        if batch:
            yield batch
