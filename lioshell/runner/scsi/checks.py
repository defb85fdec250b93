# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the fields that READ, WRITE and their kind share, and parts of buffers."""

from __future__ import annotations

from lioshell.runner.scsi.cdb import NACA, PROTECT
from lioshell.runner.scsi.sense import LBA_OUT_OF_RANGE, invalid_field
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.runner.command import Response
    from lioshell.runner.scsi.cdb import Fields, Layout
    from lioshell.runner.scsi.unit import Unit


def refusal(
    unit: Unit,
    layout: Layout,
    fields: Fields,
    *,
    data_bytes: int = 0,
    data_blocks: int = 0,
    limit_blocks: int = 0,
) -> Response | None:
    """Return what is wrong with a command on a range of blocks, None when nothing is.

    `data_blocks` is what it transfers and `data_bytes` what there are buffers for: the initiator
    may have announced less than its CDB asks for, and part of a command is not done.
    `limit_blocks` is the most that one command may ask for, 0: anything (SBC-3 4.22, 6.6.4).
    """
    flags, lba, count, control = fields
    if flags & PROTECT:
        return invalid_field(layout.flags_byte, 7)
    if control & NACA:
        return invalid_field(layout.control_byte, 2)
    if lba + count > unit.blocks:
        return LBA_OUT_OF_RANGE
    if (limit_blocks and count > limit_blocks) or data_blocks * unit.block_size_bytes > data_bytes:
        return invalid_field(layout.length_byte)
    return None


def first_bytes(data: list[memoryview], size_bytes: int) -> list[memoryview]:
    """Return the first `size_bytes` of the buffers, which are at least as many."""
    parts: list[memoryview] = []
    for view in data:
        if size_bytes <= len(view):
            parts.append(view[:size_bytes])
            break
        parts.append(view)
        size_bytes -= len(view)
    return parts
