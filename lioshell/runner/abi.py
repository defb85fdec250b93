# SPDX-License-Identifier: Apache-2.0
"""The TCMU ABI, version 2: offsets and flags of the memory that the kernel shares with a runner.

Source: include/uapi/linux/target_core_user.h (struct tcmu_mailbox, tcmu_cmd_entry_hdr,
tcmu_cmd_entry, tcmu_tmr_entry), in the layout of 64-bit kernels. Offsets are in bytes; those
named MAILBOX_* count from the start of the region, those named ENTRY_* from the start of an entry,
and words are the 4-byte units of `memoryview.cast("I")`.
"""

from __future__ import annotations

import struct
import sys

from lioshell.errors import RunnerError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import mmap
    from typing import Final

VERSION: Final = 2

CAP_OOOC: Final = 1 << 0
"""Commands may be completed in any order."""
CAP_READ_LEN: Final = 1 << 1
"""A response may say how much of data-in is valid."""
CAP_TMR: Final = 1 << 2
"""Task management notices may be in the ring."""
CAP_KEEP_BUF: Final = 1 << 3
"""A response may keep the buffers of its command."""

MAILBOX_SIZE: Final = 128
MAILBOX_HEAD_WORD: Final = 12 // 4
MAILBOX_TAIL_WORD: Final = 64 // 4

OP_PAD: Final = 0
OP_CMD: Final = 1
OP_TMR: Final = 2
OP_MASK: Final = 0x7
LENGTH_MASK: Final = 0xFFFFFFF8
ALIGNMENT: Final = 8

UFLAG_UNKNOWN_OP: Final = 0x1
UFLAG_READ_LEN: Final = 0x2
UFLAG_KEEP_BUF: Final = 0x4

ENTRY_IOV_COUNT: Final = 8
ENTRY_IOV_BIDI_COUNT: Final = 12
ENTRY_IOV_DIF_COUNT: Final = 16
ENTRY_CDB_OFFSET: Final = 24
ENTRY_IOV: Final = 48
ENTRY_STATUS: Final = 8
ENTRY_READ_LEN: Final = 12
ENTRY_SENSE: Final = 16
SENSE_SIZE: Final = 96
ENTRY_SIZE: Final = 112
"""sizeof(struct tcmu_cmd_entry): what a response needs, so the least length of a command."""
IOV_SIZE: Final = 16
TMR_COUNT: Final = 12
TMR_IDS: Final = 32
"""sizeof(struct tcmu_tmr_entry): the ids follow, 2 bytes each."""

# The second word of a header holds cmd_id (2 bytes), kflags (1) and uflags (1), the word of the
# status holds that byte and padding: one aligned store writes all of it, in the CPU's byte order.
_LITTLE = sys.byteorder == "little"
CMD_ID_SHIFT: Final = 0 if _LITTLE else 16
UFLAGS_SHIFT: Final = 24 if _LITTLE else 0
STATUS_SHIFT: Final = 0 if _LITTLE else 24

_MAILBOX = struct.Struct("=HHII")


class Mailbox(NamedTuple):
    """The part of the mailbox that never changes; offsets and sizes in bytes."""

    flags: int
    ring_offset: int
    ring_size: int

    @property
    def data_offset(self) -> int:
        """Where the data area starts: it is all that follows the ring."""
        return self.ring_offset + self.ring_size


def read_mailbox(region: mmap.mmap | memoryview) -> Mailbox:
    """Return the mailbox of a mapped region after checking that this code can serve it.

    Raises RunnerError for another ABI version, for a 32-bit Python (the kernel's structs have
    other offsets for it) and for a ring that does not lie in the region.
    """
    if struct.calcsize("P") != 8:
        raise RunnerError(
            "TCMU devices cannot be served by a 32-bit Python",
            hint="Run lioshell with a 64-bit Python",
        )
    region_size = len(region)
    if region_size < MAILBOX_SIZE:
        raise RunnerError(f"A TCMU region of {region_size} bytes cannot hold a mailbox")
    version, flags, ring_offset, ring_size = _MAILBOX.unpack_from(region, 0)
    if version != VERSION:
        raise RunnerError(
            f"The kernel speaks version {version} of the TCMU ring, lioshell speaks {VERSION}",
            hint="Use a lioshell made for this kernel; the device cannot be served by this one",
        )
    mailbox = Mailbox(flags, ring_offset, ring_size)
    if (
        ring_offset < MAILBOX_SIZE
        or ring_offset % ALIGNMENT
        or ring_size < ENTRY_SIZE + ALIGNMENT
        or ring_size % ALIGNMENT
        or mailbox.data_offset > region_size
    ):
        raise RunnerError(
            f"The TCMU ring ({ring_size} bytes at {ring_offset}) does not lie in its region"
            f" of {region_size} bytes"
        )
    return mailbox
