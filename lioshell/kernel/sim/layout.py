# SPDX-License-Identifier: Apache-2.0
"""The layout of a TCMU region as the kernel's side writes it.

It is written down here a second time, from include/uapi/linux/target_core_user.h and not from the
runner's own constants: a wrong offset on one side shows up against the other.
"""

from __future__ import annotations

import struct

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap
    from typing import Final

RING_OFFSET: Final = 128
VERSION: Final = 2
# OOOC, READ_LEN and TMR as Linux 6.1; not KEEP_BUF (1 << 3), which this side does not do.
FLAGS: Final = 0x7

OP_PAD: Final = 0
OP_CMD: Final = 1
OP_TMR: Final = 2

HEAD_WORD: Final = 3
TAIL_WORD: Final = 16

MAILBOX: Final = struct.Struct("=HHIII")
"""version, flags, cmdr_off, cmdr_size, cmd_head"""
COMMAND: Final = struct.Struct("=IHBBIIIxxxxQQQ")
"""len_op, cmd_id, kflags, uflags, iov_cnt, iov_bidi_cnt, iov_dif_cnt, cdb_off, padding"""
COMMAND_SIZE: Final = 112
IOV: Final = struct.Struct("=QQ")
TMR: Final = struct.Struct("=IHBBBBHIQQ")
"""len_op, cmd_id, kflags, uflags, tmr_type, padding, cmd_cnt, padding"""
RESPONSE: Final = struct.Struct("=IHBBBBHI96s")
"""len_op, cmd_id, kflags, uflags, scsi_status, padding, read_len, sense_buffer"""
UFLAG_UNKNOWN_OP: Final = 0x1
UFLAG_READ_LEN: Final = 0x2
UFLAG_KEEP_BUF: Final = 0x4

_CDB_LENGTH: Final = (6, 10, 10, 12, 16, 12, 10, 10)


def cdb_length(cdb: bytes) -> int:
    """Return how many bytes of a CDB the kernel puts into the ring (scsi_command_size)."""
    if cdb[0] == 0x7F:
        return cdb[7] + 8
    return _CDB_LENGTH[cdb[0] >> 5]


def initialise(region: mmap.mmap, data_offset: int, flags: int = FLAGS) -> None:
    """Write the mailbox of a fresh region, whose data area starts at `data_offset` bytes."""
    MAILBOX.pack_into(region, 0, VERSION, flags, RING_OFFSET, data_offset - RING_OFFSET, 0)


def read_tail(region: mmap.mmap) -> int:
    """Return up to where the runner has answered."""
    with memoryview(region) as view, view[:RING_OFFSET].cast("I") as words:
        return words[TAIL_WORD]


def zero_ring(region: mmap.mmap) -> None:
    """Set head and tail to 0, each with one store."""
    with memoryview(region) as view, view[:RING_OFFSET].cast("I") as words:
        words[TAIL_WORD] = 0
        words[HEAD_WORD] = 0
