# SPDX-License-Identifier: Apache-2.0
"""The consumer's side of a TCMU ring: commands out of shared memory, responses back into it.

Nothing in the region is believed before it is checked, and nothing is read twice: a response
overlays the request of the entry that it is written to (a union in struct tcmu_cmd_entry), so the
CDB and the iovs are copied out when an entry is parsed.
"""

from __future__ import annotations

import os
import struct
import threading
from collections import deque

from lioshell.errors import RunnerError
from lioshell.runner import abi
from lioshell.runner.command import GOOD, Command
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap

    from lioshell.runner.command import Response

_CHECK_CONDITION = 0x02

# Length of a CDB by its group code (SPC-6 4.2.5.1, the kernel's scsi_command_size_tbl); 0: the
# entry alone tells how long it is (reserved, variable length and vendor specific groups).
_CDB_LENGTH = (6, 10, 10, 0, 16, 12, 0, 0)
_VARIABLE_LENGTH_CDB = 0x7F

_NO_SENSE = bytes(abi.SENSE_SIZE)

# Names of this module are found faster than attributes of another: these are used per command.
_HEAD = abi.MAILBOX_HEAD_WORD
_TAIL = abi.MAILBOX_TAIL_WORD
_LENGTH_MASK = abi.LENGTH_MASK
_OP_MASK = abi.OP_MASK
_OP_CMD = abi.OP_CMD
_ENTRY_SIZE = abi.ENTRY_SIZE
_IOVS_IN_BASE = (abi.ENTRY_SIZE - abi.ENTRY_IOV) // abi.IOV_SIZE
_ID_SHIFT = abi.CMD_ID_SHIFT

# A uflag of an entry at position 0 that nobody reads but `was_reset`: the kernel looks at uflags of
# answered entries only, and writes 0 to those of a new one (target_core_user.c, queue_cmd_ring).
_POPPED = 0x80 << abi.UFLAGS_SHIFT
# An entry from its second word on: id and flags, the three iov counts, cdb_off, the first iov.
_ENTRY = struct.Struct("=IIIIxxxxQxxxxxxxxxxxxxxxxQQ")

# x86 keeps stores in order and loads in order, as a ring needs it; other CPUs want to be told.
_ORDERED_CPU = os.uname().machine == "x86_64"


def _header(cmd_id: int, uflags: int) -> int:
    return cmd_id << _ID_SHIFT | uflags << abi.UFLAGS_SHIFT


class Ring:
    """The command ring of one device, used by one thread.

    `pop` gives commands in the order in which the kernel queued them, `complete` answers them in
    any order. Raises RunnerError where the ring breaks a rule of the ABI; from then on nothing of
    it may be trusted and only `close` may be called.
    """

    __slots__ = (
        "_has_keep_buf",
        "_has_read_len",
        "_map",
        "_quads",
        "aborted",
        "cursor",
        "data_offset",
        "fence",
        "map_size",
        "memory",
        "out_of_order",
        "ring_offset",
        "ring_size",
        "slots",
        "words",
    )

    def __init__(self, region: mmap.mmap) -> None:
        mailbox = abi.read_mailbox(region)
        self._map = region
        self.map_size = len(region)
        self.ring_offset = mailbox.ring_offset
        self.ring_size = mailbox.ring_size
        self.data_offset = mailbox.data_offset
        self._has_read_len = bool(mailbox.flags & abi.CAP_READ_LEN)
        self._has_keep_buf = bool(mailbox.flags & abi.CAP_KEEP_BUF)
        self.out_of_order = bool(mailbox.flags & abi.CAP_OOOC)
        """Whether commands may be completed in another order than they came in."""
        self.aborted: list[int] = []
        """Ids that task management notices have named; see `take_aborted`."""
        self.memory = memoryview(region)
        # Only mailbox and ring: a store through these views cannot reach the data area, and their
        # length is a multiple of 8 whatever the length of the region.
        self.words = self.memory[: mailbox.data_offset].cast("I")
        self._quads = self.memory[: mailbox.data_offset].cast("Q")
        self.fence = None if _ORDERED_CPU else threading.Lock()
        self.slots: deque[int] = deque()
        """Positions (bytes from the start of the ring) of the command entries that were parsed and
        whose place no response has taken yet; the first of them is where cmd_tail stands."""
        self.cursor = self.words[abi.MAILBOX_TAIL_WORD]
        """Up to where commands were popped, in bytes from the start of the ring."""
        if self.cursor >= self.ring_size or self.cursor % abi.ALIGNMENT:
            position = self.cursor
            self.close()
            raise RunnerError(f"The ring is broken: its tail stands at {position}")

    @property
    def in_flight(self) -> int:
        """The number of commands that were popped and not completed."""
        return len(self.slots)

    @property
    def empty(self) -> bool:
        """Whether the kernel has queued nothing that was not popped."""
        return self.words[abi.MAILBOX_HEAD_WORD] == self.cursor

    def filled_bytes(self, position: int) -> int:
        """Return how much of the ring lies from a position to the kernel's head."""
        return (self.words[abi.MAILBOX_HEAD_WORD] - position) % self.ring_size

    def distance(self, start: int, end: int) -> int:
        """Return how many bytes lie from one position to another."""
        return (end - start) % self.ring_size

    @property
    def was_reset(self) -> bool:
        """Whether somebody has emptied the ring (action/reset_ring), so that nothing is in flight.

        cmd_tail is written by this side alone, but for that: it stands at 0 then.
        """
        slots = self.slots
        words = self.words
        tail = words[_TAIL]
        if tail != (slots[0] if slots else self.cursor):
            return True
        if not tail and slots and not words[(self.ring_offset >> 2) + 1] & _POPPED:
            # Another command stands where the oldest one stood that was popped.
            return True
        # The head never stands behind what was popped, but for a reset while the tail was at 0.
        size = self.ring_size
        return (words[_HEAD] - tail) % size < (self.cursor - tail) % size

    def start_over(self) -> None:
        """Forget what was in flight, after a reset."""
        self.slots.clear()
        self.aborted.clear()
        self.cursor = self.words[_TAIL]

    def take_aborted(self) -> list[int]:
        """Return the ids that task management notices have named since the last call.

        Their initiators wait no more; each is to be completed all the same.
        """
        aborted = self.aborted
        if aborted:
            self.aborted = []
        return aborted

    def pop(self) -> tuple[int, Command] | None:
        """Return the next command and its id, or None when there is none now.

        PAD entries are skipped, TMR entries too, once their ids are noted; an entry of an unknown
        kind is answered here with the UNKNOWN_OP flag. Raises RunnerError when the entry breaks
        the rules of the ABI.
        """
        words = self.words
        ring_size = self.ring_size
        while True:
            position = self.cursor
            head = words[_HEAD]
            if head == position:
                return None
            if self.fence is not None:
                self.order_memory()
            start = self.ring_offset + position
            len_op = words[start >> 2]
            length = len_op & _LENGTH_MASK
            # An entry ends before the head, and never wraps.
            end = position + length
            if head > position:
                limit = head
                if head >= ring_size:
                    raise RunnerError(f"The ring is broken: its head stands at {head}")
            else:
                limit = ring_size
            if head & 7 or length == 0 or end > limit:
                raise RunnerError(
                    f"The ring is broken: an entry of {length} bytes at {position}, its head"
                    f" stands at {head}"
                )
            if end == ring_size:
                end = 0
            op = len_op & _OP_MASK
            if op == _OP_CMD:
                popped = self._parse(start, length)
                if not position:
                    words[(start >> 2) + 1] |= _POPPED
                self.slots.append(position)
                self.cursor = end
                return popped
            if op not in (abi.OP_PAD, abi.OP_TMR):
                if self.slots:
                    # A response of another command cannot be written into an entry of unknown
                    # shape: it waits until the commands before it have been completed.
                    return None
                header = (start >> 2) + 1
                cmd_id = (words[header] >> _ID_SHIFT) & 0xFFFF
                words[header] = _header(cmd_id, abi.UFLAG_UNKNOWN_OP)
            elif op == abi.OP_TMR:
                self._note_aborted(start, length)
            self.cursor = end
            if not self.slots:
                self._move_tail(end)

    def _note_aborted(self, start: int, length: int) -> None:
        """Note the ids of a TMR entry; the kernel wants no answer (tcmu_tmr_notify)."""
        if length < abi.TMR_IDS:
            raise RunnerError(f"The ring is broken: a TMR entry of {length} bytes")
        count = self.words[(start + abi.TMR_COUNT) >> 2]
        if abi.TMR_IDS + 2 * count > length:
            raise RunnerError(
                f"The ring is broken: {count} command ids in a TMR entry of {length} bytes"
            )
        first = start + abi.TMR_IDS
        self.aborted += self.memory[first : first + 2 * count].cast("H").tolist()

    def _parse(self, start: int, length: int) -> tuple[int, Command]:
        """Copy id, CDB and iovs of the command entry at `start` (offset in the region), checked.

        Every check is made before the first slice of the data area is taken.
        """
        if length <= _ENTRY_SIZE:
            raise RunnerError(f"The ring is broken: a command entry of {length} bytes")
        region = self._map
        id_word, count, bidi, dif, cdb_offset, offset, size = _ENTRY.unpack_from(region, start + 4)
        total = count + bidi + dif
        base = _ENTRY_SIZE if total <= _IOVS_IN_BASE else abi.ENTRY_IOV + abi.IOV_SIZE * total
        available = start + length - cdb_offset
        if base >= length or cdb_offset < start + base or available <= 0:
            raise RunnerError(
                f"The ring is broken: {total} buffers and a CDB at {cdb_offset} in an entry of"
                f" {length} bytes at {start}"
            )
        cdb = region[cdb_offset : cdb_offset + available]
        cdb_length = _CDB_LENGTH[cdb[0] >> 5]
        if cdb_length:
            cdb = cdb[:cdb_length]
        elif cdb[0] == _VARIABLE_LENGTH_CDB and available >= 8:
            cdb = cdb[: 8 + cdb[7]]
        cmd_id = (id_word >> _ID_SHIFT) & 0xFFFF
        if total == 0:
            return cmd_id, Command(cdb, [], 0)
        if total == 1 and count:
            if offset < self.data_offset or offset + size > self.map_size:
                raise self._bad_buffer(offset, size)
            return cmd_id, Command(cdb, [self.memory[offset : offset + size]], size)

        first = (start + abi.ENTRY_IOV) >> 3
        iovs = self._quads[first : first + 2 * total].tolist()
        size_bytes = 0
        for index in range(0, 2 * total, 2):
            offset = iovs[index]
            size = iovs[index + 1]
            if offset < self.data_offset or offset + size > self.map_size:
                raise self._bad_buffer(offset, size)
            if index < 2 * count:
                size_bytes += size
        view = self.memory
        data = [view[iovs[i] : iovs[i] + iovs[i + 1]] for i in range(0, 2 * count, 2)]
        if total > count:
            # No command of ours has data-in beside data-out. The kernel copies these buffers to
            # the initiator all the same, so they must not hold another command's data.
            extra = [view[iovs[i] : iovs[i] + iovs[i + 1]] for i in range(2 * count, 2 * total, 2)]
            Command(b"", extra, 0).zero_fill(0)
        return cmd_id, Command(cdb, data, size_bytes)

    def complete(
        self, cmd_id: int, command: Command, response: Response, keep_buffers: bool = False
    ) -> None:
        """Answer a popped command; the kernel sees it with the next notification.

        With `keep_buffers` its buffers stay its own until its id is written to
        action/free_kept_buf; ValueError where the kernel cannot do that. An exception (a response
        that is no response) leaves the ring as it was, so that the command can be completed again.
        Raises IndexError when no command is in flight.
        """
        slots = self.slots
        position = slots[0]
        words = self.words
        word = (self.ring_offset + position) >> 2
        flags = 0
        if response is GOOD:
            words[word + 2] = 0
        else:
            status, sense, read_len = response
            flags = self._write_response(word, command, status, sense, read_len)
        if keep_buffers:
            if not self._has_keep_buf:
                raise ValueError("This kernel keeps no buffers")
            flags |= abi.UFLAG_KEEP_BUF
        # One store for id, kflags and uflags. The entry that takes the response is the oldest one,
        # whichever command it came with: that is how commands are completed out of order.
        words[word + 1] = _header(cmd_id, flags) if flags else cmd_id << _ID_SHIFT
        slots.popleft()
        if self.fence is not None:
            self.order_memory()
        # As in _move_tail, without the call: this is done for every command.
        words[_TAIL] = slots[0] if slots else self.cursor

    def _write_response(
        self, word: int, command: Command, status: int, sense: bytes, read_len: int | None
    ) -> int:
        """Write status, sense and read_len and return the uflags that belong to them."""
        if not 0 <= status <= 0xFF:
            raise ValueError(f"{status} is no SCSI status")
        flags = 0
        valid = 0
        if read_len is None and status not in (0, _CHECK_CONDITION):
            # The kernel copies data-in with every status but CHECK CONDITION.
            read_len = 0
        if read_len is not None:
            if read_len < 0:
                raise ValueError(f"A read length of {read_len}")
            if read_len < command.size_bytes:
                # To the kernel a length of 0 means "no length": it would copy all of the buffer.
                if self._has_read_len and read_len > 0:
                    flags = abi.UFLAG_READ_LEN
                    valid = read_len
                else:
                    command.zero_fill(read_len)
            elif self._has_read_len and read_len and status == _CHECK_CONDITION:
                # Data with CHECK CONDITION is delivered only when its length is given.
                flags = abi.UFLAG_READ_LEN
                valid = command.size_bytes
        if status == _CHECK_CONDITION:
            start = word * 4 + abi.ENTRY_SENSE
            padded = sense[: abi.SENSE_SIZE].ljust(abi.SENSE_SIZE, b"\0") if sense else _NO_SENSE
            self.memory[start : start + abi.SENSE_SIZE] = padded
        self.words[word + 2] = status << abi.STATUS_SHIFT
        self.words[word + 3] = valid
        return flags

    def _move_tail(self, position: int) -> None:
        """Publish everything before `position` as answered.

        The kernel may read cmd_tail at any time. A store through the cast view is one aligned
        store of 4 bytes; struct.pack_into would zero the place first, which the kernel can see.
        """
        if self.fence is not None:
            self.order_memory()
        self.words[_TAIL] = position

    def order_memory(self) -> None:
        """Keep loads and stores before this call before those after it.

        What precedes a release stays before it and what follows an acquire stays behind it, so a
        release followed by an acquire is what separates the two sides.
        """
        fence = self.fence
        if fence is not None:
            with fence:
                pass
            with fence:
                pass

    def _bad_buffer(self, offset: int, size: int) -> RunnerError:
        return RunnerError(
            f"The ring is broken: a buffer of {size} bytes at {offset} lies outside the data area"
            f" ({self.data_offset} to {self.map_size})"
        )

    def close(self) -> None:
        """Release every view of the region, so that it can be unmapped."""
        self._quads.release()
        self.words.release()
        self.memory.release()
