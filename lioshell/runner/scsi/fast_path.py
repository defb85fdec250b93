# SPDX-License-Identifier: Apache-2.0
"""The fast path: plain READs and WRITEs of a file, from the ring's entry straight to a system call.

Most of what a disk is asked for is READ or WRITE (10) or (16) without a flag, in one buffer, of
blocks that the page cache holds. Such commands are taken out of the ring many at a time, and are
either executed and GOOD, or left in the ring as they were: whatever is unusual about one, or fails,
is the general path's (ring.py, block.py), which knows what to answer.
"""

from __future__ import annotations

import os
import time
from struct import Struct

from lioshell.runner import abi
from lioshell.runner.tuning import LARGE_BYTES
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final

    from lioshell.runner.ring import Ring
    from lioshell.runner.scsi.unit import Unit
    from lioshell.runner.statistics import Statistics

# An entry with one buffer and a CDB of up to 16 bytes, twice (struct tcmu_cmd_entry): len_op, from
# kflags to what follows iov_dif_cnt, cdb_off, the iov; and the CDB.
_ENTRY: Final = Struct("=I2x18sQ16x16s64x")
_CDB: Final = Struct(f">{abi.ENTRY_SIZE}xHIIIH")
_ENTRY_AT: Final = _ENTRY.unpack_from
_CDB_AT: Final = _CDB.unpack_from
_SIZE: Final = _ENTRY.size
_LEN_OP: Final = _SIZE | abi.OP_CMD
# No flags, one iov, none for data-in beside data-out or for protection information.
_ONE_BUFFER: Final = Struct("=BBIIIxxxx").pack(0, 0, 1, 0, 0)
_IOV: Final = Struct("=QQ")
_WORDS: Final = _SIZE // 4
_HEAD: Final = abi.MAILBOX_HEAD_WORD
_TAIL: Final = abi.MAILBOX_TAIL_WORD

# Operation code and flags: no protection information, FUA or DPO. One bit makes a READ a WRITE.
_READ_10: Final = 0x2800
_READ_16: Final = 0x8800
_WRITES: Final = 0x0200
_KIND: Final = 0xFFFF ^ _WRITES
_COUNT_LIMIT_10: Final = 0x10000

_NO_BUFFER: Final[tuple[list[memoryview], int, int]] = ([], -1, -1)
"""No transfer has this size, and no CDB this end."""

_MOST_BUFFERS: Final = 512
"""So many buffers are remembered, at half a KiB each; the kernel has up to 128 commands in flight
and takes the free pages with the lowest numbers first."""


class FastPath:
    """The fast path of one device, used by the thread that serves it.

    `slow(cdb, seconds)` is told of a command that took longer than it should in this thread.
    """

    __slots__ = (
        "_at",
        "_block_size_bytes",
        "_buffers",
        "_file",
        "_limit_bytes",
        "_most_bytes",
        "_ring",
        "_since",
        "_slow",
        "_unit",
        "executed",
        "first",
        "large",
    )

    def __init__(self, unit: Unit, ring: Ring, slow: Callable[[bytes, float], None]) -> None:
        self._unit = unit
        self._ring = ring
        self._slow = slow
        # What an iov means, by its 16 bytes: the buffer for preadv(2), its size, and the end of the
        # CDB (10) that transfers just so much: GROUP NUMBER, TRANSFER LENGTH, CONTROL.
        self._buffers: dict[bytes, tuple[list[memoryview], int, int]] = {}
        self._at = 0
        # When the turn began that is at it, time.monotonic().
        self._since = 0.0
        self.executed = 0
        """How many commands were answered so far."""
        self.large = False
        """Whether the last one that was looked at is large (tuning.LARGE_BYTES)."""
        self.first: Callable[[float], float] = _none
        """What `single` returns, for a command that may have others behind it: of a large transfer
        the kernel is told at once all the same."""
        self._look_at_storage()

    def _look_at_storage(self) -> None:
        unit = self._unit
        self._file = unit.direct_file
        self._block_size_bytes = unit.block_size_bytes
        self._most_bytes = unit.transfer_limit_blocks * unit.block_size_bytes
        self._limit_bytes = min(self._most_bytes, LARGE_BYTES)
        self._buffers.clear()

    def run(self, budget: int, now: float, enough: float, slow_s: float) -> int:
        """Execute up to `budget` commands at the head of the ring, and return how many.

        Stops at the first that is not plain, and once time.monotonic(), which is `now`, has passed
        `enough`. What is raised leaves its command in the ring.
        """
        unit = self._unit
        ring = self._ring
        self._since = now
        words = ring.words
        first = ring.cursor
        head = words[_HEAD]
        file = unit.direct_file
        if head == first or file is None or ring.slots or unit.attention:
            return 0
        if file is not self._file:
            self._look_at_storage()
        # Entries are not split: those before the end of the ring first. A head that lies beyond it
        # is the general path's to refuse.
        ring_size = ring.ring_size
        count = ((head if first < head <= ring_size else ring_size) - first) // _SIZE
        if count > budget:
            count = budget
        if count <= 0:
            return 0
        if ring.fence is not None:
            ring.order_memory()
        block_size = self._block_size_bytes
        size_bytes = unit.blocks * block_size
        # A large one is told of by itself: it is single's, or the general path's.
        read_limit = write_limit = self._limit_bytes
        if file.read_limit_bytes < read_limit:
            read_limit = file.read_limit_bytes
        if file.write_limit_bytes < write_limit:
            write_limit = file.write_limit_bytes
        if unit.careful_writes or unit.holds.active:
            write_limit = 0
        fd = file.fd
        flags = file.read_flags
        buffers = self._buffers
        preadv = os.preadv
        clock = time.monotonic
        start = ring.ring_offset + first
        cdb_at = start + abi.ENTRY_SIZE
        memory = ring.memory
        # One by one as they are executed: what answers an entry overlays its request.
        part = memory[start : start + count * _SIZE]
        entries: Iterable[tuple[tuple[int, bytes, int, bytes], tuple[int, int, int, int, int]]]
        entries = zip(_ENTRY.iter_unpack(part), _CDB.iter_unpack(part))  # noqa: B905 - `strict` costs 150 ns
        del part
        # Words of the ring that a status is written to: of the first command, of the next one.
        begin = done = (start + abi.ENTRY_STATUS) // 4
        last = now
        size = 0
        try:
            for (len_op, fixed, cdb_offset, iov), (what, a, b, c, d) in entries:
                if len_op != _LEN_OP or fixed != _ONE_BUFFER or cdb_offset != cdb_at:
                    break
                try:
                    buffer, size, end_10 = buffers[iov]
                except KeyError:
                    buffer, size, end_10 = self._remember(iov)
                if b == end_10 and (what & _KIND == _READ_10):
                    offset = a * block_size
                elif c * block_size == size and not d and (what & _KIND == _READ_16):
                    offset = (a << 32 | b) * block_size
                else:
                    break
                if offset + size > size_bytes:
                    break
                self._at = cdb_at
                if what & _WRITES:
                    if size > write_limit or os.pwritev(fd, buffer, offset) != size:
                        break
                    last, now = now, clock()
                elif size > read_limit or preadv(fd, buffer, offset, flags) != size:
                    break
                elif not flags:
                    # With RWF_NOWAIT it has not waited; to ask the clock costs as much as all this.
                    last, now = now, clock()
                after = done + _WORDS
                # GOOD. From the store on nothing can be raised, no interrupt comes and no memory
                # is asked for, until it is noted that this command is answered: its entry is no
                # request any more. The header stays as it is: the entry is the command's own.
                words[done] = 0
                done = after
                if now > enough:
                    break
                cdb_at += _SIZE
        except OSError:
            # The general path does it once more and says what is wrong, or waits for the disk.
            pass
        finally:
            if ring.fence is not None:
                ring.order_memory()
            executed = (done - begin) // _WORDS
            if executed:
                position = first + executed * _SIZE
                if position == ring_size:
                    position = 0
                words[_TAIL] = position
                ring.cursor = position
                self.executed += executed
            self.large = not executed and size > LARGE_BYTES
            self._at = 0
            # Frames of an exception would keep slices of the map, which then cannot be closed.
            entries = ()
            buffer = []
        if now - last > slow_s:
            # The last one that was answered.
            self._slow(self._cdb(start + (executed - 1) * _SIZE + abi.ENTRY_SIZE), now - last)
        return executed

    def single(
        self, notify: Callable[[], None], statistics: Statistics
    ) -> Callable[[float], float]:
        """Return what answers a plain command that is the only one in the ring, at once.

        It takes the time and returns the time afterwards, 0.0 where the command was left in the
        ring. An initiator with one command in flight waits for nothing but this, so it is one
        function with all that it needs bound.
        """
        self.first = self._answering(notify, statistics, alone=False)
        return self._answering(notify, statistics, alone=True)

    def _answering(
        self, notify: Callable[[], None], statistics: Statistics, *, alone: bool
    ) -> Callable[[float], float]:
        unit = self._unit
        ring = self._ring
        words = ring.words
        memory = ring.memory
        buffers = self._buffers
        clock = time.monotonic

        def answer_one(now: float) -> float:
            first = ring.cursor
            after = first + _SIZE
            if after == ring.ring_size:
                after = 0
            file = unit.direct_file
            if (
                (words[_HEAD] != after and (alone or not self._is_whole(first)))
                or words[_TAIL] != first
                or ring.slots
                or file is None
                or file is not self._file
                or unit.attention
                or ring.fence is not None
            ):
                return 0.0
            start = ring.ring_offset + first
            len_op, fixed, cdb_offset, iov = _ENTRY_AT(memory, start)
            if len_op != _LEN_OP or fixed != _ONE_BUFFER or cdb_offset != start + abi.ENTRY_SIZE:
                return 0.0
            buffer, size, end_10 = buffers.get(iov) or self._remember(iov)
            what, a, b, c, d = _CDB_AT(memory, start)
            block_size = self._block_size_bytes
            if b == end_10 and (what & _KIND == _READ_10):
                offset = a * block_size
            elif c * block_size == size and not d and (what & _KIND == _READ_16):
                offset = (a << 32 | b) * block_size
            else:
                return 0.0
            if size > self._most_bytes or offset + size > unit.blocks * block_size:
                return 0.0
            self._since = now
            self._at = cdb_offset
            try:
                if what & _WRITES:
                    if (
                        size > file.write_limit_bytes
                        or unit.careful_writes
                        or unit.holds.active
                        or os.pwritev(file.fd, buffer, offset) != size
                    ):
                        return 0.0
                elif (
                    size > file.read_limit_bytes
                    or os.preadv(file.fd, buffer, offset, file.read_flags) != size
                ):
                    return 0.0
                words[(start + abi.ENTRY_STATUS) // 4] = 0
                words[_TAIL] = ring.cursor = after
                self.large = size > LARGE_BYTES
            except OSError:
                return 0.0
            finally:
                self._at = 0
                buffer = []
                if ring.cursor != first:
                    statistics.commands += 1
                    notify()
            ended = clock()
            if ended - now > statistics.slow_s:
                self._slow(self._cdb(cdb_offset), ended - now)
            return ended

        return answer_one

    def _is_whole(self, first: int) -> bool:
        """Tell whether the entry there lies before the head, and the head within the ring."""
        ring_size = self._ring.ring_size
        head = self._ring.words[_HEAD]
        end = head if head > first else ring_size
        return head != first and head < ring_size and end - first >= _SIZE

    def _remember(self, iov: bytes) -> tuple[list[memoryview], int, int]:
        """Return the buffer that an iov names, checked; `_NO_BUFFER` if it is none."""
        ring = self._ring
        offset, size = _IOV.unpack(iov)
        if offset < ring.data_offset or offset + size > ring.map_size:
            return _NO_BUFFER
        blocks = size // self._block_size_bytes
        if not blocks or blocks * self._block_size_bytes != size:
            return _NO_BUFFER
        if len(self._buffers) >= _MOST_BUFFERS:
            self._buffers.clear()
        end_10 = blocks << 8 if blocks < _COUNT_LIMIT_10 else -1
        found = self._buffers[iov] = ([ring.memory[offset : offset + size]], size, end_10)
        return found

    def current(self) -> tuple[bytes, float] | None:
        """Return the CDB that is executed now and since when, None: none is; from any thread."""
        at = self._at
        if not at:
            return None
        try:
            return self._cdb(at), self._since
        except ValueError:
            return None  # The device was closed meanwhile.

    def _cdb(self, at: int) -> bytes:
        cdb = bytes(self._ring.memory[at : at + 16])
        return cdb if cdb[0] & 0x80 else cdb[:10]

    def close(self) -> None:
        """Let go of every buffer, so that the region can be unmapped."""
        self._buffers.clear()


def _none(_now: float) -> float:
    return 0.0
