# SPDX-License-Identifier: Apache-2.0
"""CDBs of commands on a range of blocks, in every length."""

from __future__ import annotations

SIZE = 512


def ranged(code: int, lba: int, count: int, *, flags: int = 0, control: int = 0) -> bytes:
    """Make a CDB of 10, 12 or 16 bytes, as the group of its operation code has it."""
    end = bytes((0, control))
    if code >> 5 in (1, 2):
        return bytes((code, flags)) + lba.to_bytes(4, "big") + b"\0" + _be(count, 2) + end[1:]
    if code >> 5 == 5:
        return bytes((code, flags)) + _be(lba, 4) + _be(count, 4) + end
    return bytes((code, flags)) + _be(lba, 8) + _be(count, 4) + end


def variable(action: int, lba: int, count: int, *, flags: int = 0, control: int = 0) -> bytes:
    """Make a CDB of 32 bytes."""
    head = bytes((0x7F, control, 0, 0, 0, 0, 0, 0x18)) + _be(action, 2) + bytes((flags, 0))
    return head + _be(lba, 8) + bytes(8) + _be(count, 4)


def pattern(size: int, seed: int = 1) -> bytes:
    """Make bytes in which no two blocks are alike."""
    return bytes((index * 7 + index // 256 + seed) % 251 for index in range(size))


def _be(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")
