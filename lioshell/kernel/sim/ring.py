# SPDX-License-Identifier: Apache-2.0
"""The kernel's side of a TCMU ring: it queues commands and collects their completions.

It follows drivers/target/target_core_user.c (queue_cmd_ring, tcmu_handle_completions,
tcmu_reset_ring).
"""

from __future__ import annotations

import struct

from lioshell.kernel.sim import layout
from lioshell.kernel.sim.data_area import BLOCK_SIZE, DataArea
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import mmap
    from collections.abc import Sequence
    from typing import Final

STATUS_BUSY: Final = 0x08
STATUS_CHECK_CONDITION: Final = 0x02

_LAST_ID: Final = 0xFFFF


class Completion(NamedTuple):
    """What became of a command.

    `sense` is the 96 bytes that the runner wrote, or empty; `data_in` what the kernel copied for
    the initiator: all that it expected, or read_len bytes of it.
    """

    cmd_id: int
    status: int
    sense: bytes
    data_in: bytes
    expired: bool = False


class _InFlight:
    """A command that the ring has not answered yet."""

    __slots__ = ("blocks", "data_in_bytes", "expired")

    def __init__(self, blocks: list[int], data_in_bytes: int) -> None:
        self.blocks = blocks
        self.data_in_bytes = data_in_bytes
        self.expired = False


class RingProducer:
    """Queues commands into a region and collects what the runner answers.

    One object at a time may work on a region. It starts where the runner's tail stands.
    """

    def __init__(self, region: mmap.mmap) -> None:
        offset: int
        self.flags: int
        self.ring_size: int
        _, self.flags, offset, self.ring_size, _ = layout.MAILBOX.unpack_from(region, 0)
        self._map = region
        self._view = memoryview(region)
        data_offset = offset + self.ring_size
        self._words = self._view[:data_offset].cast("I")
        self.data = DataArea(self._view, data_offset)
        self.broken = False
        self._in_flight: dict[int, _InFlight] = {}
        self._kept: dict[int, _InFlight] = {}
        self._next_id = 1
        self._last_cleaned = self.tail

    @property
    def head(self) -> int:
        """Where the next entry goes, in bytes from the start of the ring."""
        return self._words[layout.HEAD_WORD]

    @property
    def tail(self) -> int:
        """Up to where the runner has answered."""
        return self._words[layout.TAIL_WORD]

    @property
    def in_flight(self) -> int:
        """How many commands wait for their completion, the expired ones included."""
        return len(self._in_flight)

    @property
    def idle(self) -> bool:
        """Whether the runner has answered everything in the ring."""
        return self.head == self.tail

    # Queueing ---------------------------------------------------------------------------------

    def queue(
        self, cdb: bytes, data_out: bytes = b"", data_in_bytes: int = 0, bidi: bool = False
    ) -> int | None:
        """Put a command into the ring and return its id; None when ring or data area is full.

        With `bidi` the command has data-out and data-in; else one of them. Raises ValueError for
        a command that can never fit (the kernel answers it with INVALID FIELD IN CDB).
        """
        length = layout.cdb_length(cdb)
        cdb_bytes = cdb[:length].ljust(length, b"\0")
        out_blocks = -(-len(data_out) // BLOCK_SIZE)
        in_blocks = -(-data_in_bytes // BLOCK_SIZE)
        total = out_blocks + in_blocks
        cdb_space = -(-length // 8) * 8
        # The kernel reckons with one iov for each block before it knows how many there will be.
        most = max(layout.COMMAND_SIZE, 48 + 16 * total) + cdb_space
        if most > self.ring_size // 2 or total > self.data.block_count:
            raise ValueError(f"A command with {len(data_out) + data_in_bytes} bytes is too big")
        if data_out and data_in_bytes and not bidi:
            raise ValueError("Only a bidirectional command has data-out and data-in")
        if not self._has_space(most) or total > self.data.free_count:
            return None
        if self.ring_size - self.head < most:
            self._pad()

        blocks = self.data.take(total)
        iovs = self.data.iovs(blocks[:out_blocks], len(data_out))
        iovs_in = self.data.iovs(blocks[out_blocks:], data_in_bytes)
        self.data.write(iovs, data_out)
        cmd_id = self._take_id()
        second = iovs_in if data_out else []
        first = iovs if data_out else iovs_in
        base = max(layout.COMMAND_SIZE, 48 + 16 * (len(iovs) + len(iovs_in)))
        size = base + cdb_space
        start = layout.RING_OFFSET + self.head
        entry = bytearray(size)
        layout.COMMAND.pack_into(
            entry,
            0,
            size | layout.OP_CMD,
            cmd_id,
            0,
            0,
            len(first),
            len(second),
            0,
            start + base,
            0,
            0,
        )
        for index, (offset, length_bytes) in enumerate([*first, *second]):
            layout.IOV.pack_into(entry, 48 + 16 * index, offset, length_bytes)
        entry[base : base + length] = cdb_bytes
        self._in_flight[cmd_id] = _InFlight(blocks, data_in_bytes)
        self._publish(bytes(entry))
        return cmd_id

    def queue_tmr(self, kind: int, cmd_ids: Sequence[int]) -> bool:
        """Put a task management notice into the ring (tcmu_tmr_entry); False when it is full."""
        size = -(-(layout.TMR.size + 2 * len(cmd_ids)) // 8) * 8
        if not self._has_space(size):
            return False
        if self.ring_size - self.head < size:
            self._pad()
        entry = bytearray(size)
        layout.TMR.pack_into(
            entry, 0, size | layout.OP_TMR, 0, 0, 0, kind, 0, 0, len(cmd_ids), 0, 0
        )
        struct.pack_into(f"={len(cmd_ids)}H", entry, layout.TMR.size, *cmd_ids)
        self._publish(bytes(entry))
        return True

    def queue_raw(self, entry: bytes) -> bool:
        """Put arbitrary bytes (a multiple of 8) into the ring, for tests; False when it is full."""
        if not self._has_space(len(entry)):
            return False
        if self.ring_size - self.head < len(entry):
            self._pad()
        self._publish(entry)
        return True

    def expect(self, cmd_id: int) -> None:
        """Count a command that `queue_raw` put into the ring as one in flight."""
        self._in_flight[cmd_id] = _InFlight([], 0)

    def _has_space(self, size: int) -> bool:
        head = self.head
        to_end = self.ring_size - head
        needed = size if to_end >= size else size + to_end
        used = (head - self._last_cleaned) % self.ring_size
        return self.ring_size - used - 1 >= needed

    def _pad(self) -> None:
        """Fill the ring to its end: no entry wraps, and a PAD may be as short as 8 bytes."""
        size = self.ring_size - self.head
        word = (layout.RING_OFFSET + self.head) // 4
        self._words[word] = size | layout.OP_PAD
        self._words[word + 1] = 0
        self._words[layout.HEAD_WORD] = 0

    def _publish(self, entry: bytes) -> None:
        start = layout.RING_OFFSET + self.head
        self._view[start : start + len(entry)] = entry
        self._words[layout.HEAD_WORD] = (self.head + len(entry)) % self.ring_size

    def _take_id(self) -> int:
        # Cyclic, as xa_alloc_cyclic does.
        while self._next_id in self._in_flight or self._next_id in self._kept:
            self._next_id = self._next_id % _LAST_ID + 1
        cmd_id = self._next_id
        self._next_id = cmd_id % _LAST_ID + 1
        return cmd_id

    # Completions --------------------------------------------------------------------------------

    def collect(self, limit: int | None = None) -> list[Completion]:
        """Collect what the runner has answered up to its tail (tcmu_handle_completions).

        `limit` stands for the tail where a reset has zeroed it since. An id that is not in flight
        or an impossible entry breaks the ring: nothing is collected until `reset`.
        """
        done: list[Completion] = []
        end = self.tail if limit is None else limit
        while not self.broken and self._last_cleaned != end:
            start = layout.RING_OFFSET + self._last_cleaned
            len_op = self._words[start // 4]
            length = len_op & ~7
            op = len_op & 7
            if length == 0 or self._last_cleaned + length > self.ring_size:
                self.broken = True
                break
            if op not in (layout.OP_PAD, layout.OP_TMR):
                completion = self._complete(start)
                if completion is None:
                    self.broken = True
                    break
                done.append(completion)
            self._last_cleaned = (self._last_cleaned + length) % self.ring_size
        return done

    def _complete(self, start: int) -> Completion | None:
        response = bytes(self._view[start : start + layout.RESPONSE.size]).ljust(
            layout.RESPONSE.size, b"\0"
        )
        _, cmd_id, _, uflags, status, _, _, read_len, sense = layout.RESPONSE.unpack(response)
        command = self._in_flight.pop(cmd_id, None)
        if command is None:
            return None
        data = b""
        if uflags & layout.UFLAG_UNKNOWN_OP:
            status, sense = STATUS_CHECK_CONDITION, b""
        else:
            has_length = bool(uflags & layout.UFLAG_READ_LEN and read_len and command.data_in_bytes)
            if status != STATUS_CHECK_CONDITION:
                sense = b""
            if status != STATUS_CHECK_CONDITION or has_length:
                size = command.data_in_bytes
                data = self._gather(command, min(size, read_len) if has_length else size)
        if uflags & layout.UFLAG_KEEP_BUF:
            # The id stays taken and the blocks stay its own (tcmu_handle_completion).
            self._kept[cmd_id] = command
        else:
            self.data.free(command.blocks)
        return Completion(cmd_id, status, sense, data, command.expired)

    def _gather(self, command: _InFlight, length_bytes: int) -> bytes:
        """Copy data-in out of the data area; a command's data-in blocks are its last ones."""
        count = -(-command.data_in_bytes // BLOCK_SIZE)
        blocks = command.blocks[len(command.blocks) - count :]
        return self.data.read(self.data.iovs(blocks, command.data_in_bytes))[:length_bytes]

    def free_kept(self, cmd_id: int) -> bool:
        """Take back what a completion kept (action/free_kept_buf); False: it kept nothing."""
        command = self._kept.pop(cmd_id, None)
        if command is None:
            return False
        self.data.free(command.blocks)
        return True

    def expire(self, cmd_id: int) -> None:
        """Give up waiting (cmd_time_out): its place and blocks stay taken until it is answered."""
        command = self._in_flight.get(cmd_id)
        if command is not None:
            command.expired = True

    # Reset --------------------------------------------------------------------------------------

    def reset(self, how: int) -> list[Completion]:
        """Empty the ring (action/reset_ring) and return what was in flight.

        `how` 1: answered BUSY, initiators retry; 2: CHECK CONDITION without sense.
        """
        layout.zero_ring(self._map)
        return self.abandon(how)

    def abandon(self, how: int) -> list[Completion]:
        """Forget what was in flight after the ring was zeroed, by `reset` or another process."""
        status = STATUS_BUSY if how == 1 else STATUS_CHECK_CONDITION
        lost = [
            Completion(cmd_id, status, b"", b"", command.expired)
            for cmd_id, command in self._in_flight.items()
        ]
        self._in_flight.clear()
        self._kept.clear()
        self.data.free_all()
        self._last_cleaned = 0
        self.broken = False
        return lost

    def close(self) -> None:
        """Release the views of the region."""
        self._words.release()
        self._view.release()
