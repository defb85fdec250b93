# SPDX-License-Identifier: Apache-2.0
"""Arbitrary SCSI commands: from noise to commands that are wrong in one bit of one field.

Used against the runner in this process and, from inside a guest, through SG_IO against the kernel.
Nothing but the standard library and the table of commands is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lioshell.runner.scsi.opcodes import OPERATIONS

if TYPE_CHECKING:
    import random

    from lioshell.runner.scsi.opcodes import Operation

SERVED = [operation for operation in OPERATIONS if operation.execute is not None]
LENGTH_BY_GROUP = (6, 10, 10, 16, 16, 12, 16, 16)
NAA = bytes.fromhex("60014050000000000000000000000000")
"""The name of the disk that EXTENDED COPY may name: that of the unit serial "0"."""

# Data-out by operation code; all others take data-in or none.
_LISTS = (0x04, 0x15, 0x42, 0x55, 0x83)
_BLOCKS_OUT = (0x0A, 0x2A, 0x2E, 0x41, 0x89, 0x8A, 0x8B, 0x8E, 0x93, 0xAA, 0xAE)
_BLOCKS_BOTH = (0x2F, 0x8F, 0xAF)
_PAGES = (0x01, 0x08, 0x0A, 0x1C)
_DESTROYS_ALL = 0x04
_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))


class Sent(NamedTuple):
    """A CDB with its data-out, or with the length of its data-in."""

    cdb: bytes
    data_out: bytes
    data_in_bytes: int


def arbitrary(rng: random.Random, blocks: int, block_size: int = 512) -> Sent:
    """Make one command for a disk of `blocks` blocks; blocks have bytes below 80h alone."""
    if rng.random() < 0.2:
        return _noise(rng)
    operation = SERVED[int(rng.random() * len(SERVED))]
    cdb, count = _cdb(rng, operation, blocks)
    out, size = _data(rng, operation, cdb, count, blocks, block_size)
    if rng.random() < 0.1:
        cdb[int(rng.random() * len(cdb))] ^= 1 << int(rng.random() * 8)
    if operation.code == _DESTROYS_ALL and rng.random() < 0.95:
        cdb[1] |= 0x80
    return Sent(bytes(cdb), out, size)


def _noise(rng: random.Random) -> Sent:
    code = int(rng.random() * 256)
    length = LENGTH_BY_GROUP[code >> 5]
    cdb = bytearray(rng.randbytes(length if code != 0x7F else 32))
    cdb[0] = code
    if code == _DESTROYS_ALL:
        cdb[1] |= 0x80
    if code == 0x7F:
        cdb[7] = 24 if rng.random() < 0.7 else int(rng.random() * 25)
    size = rng.choice((0, 1, 8, 36, 511, 512, 513, 4096, 20000))
    if rng.random() < 0.5:
        return Sent(bytes(cdb), _payload(rng, size), 0)
    return Sent(bytes(cdb), b"", size)


def _payload(rng: random.Random, size: int) -> bytes:
    if rng.random() < 0.5:
        return bytes((int(rng.random() * 0x80),)) * size
    return rng.randbytes(size).translate(_SEVEN_BITS)


def _number(rng: random.Random, limit: int, blocks: int) -> int:
    """Choose what is near a limit, or anything; never more than `limit`."""
    kind = rng.random()
    if kind < 0.4:
        return min(limit, int(rng.random() * blocks))
    if kind < 0.6:
        return min(limit, max(0, blocks + int(rng.random() * 5) - 3))
    if kind < 0.9:
        return min(limit, int(rng.random() * 20))
    return int(rng.random() * (limit + 1)) if kind < 0.95 else limit


def _cdb(rng: random.Random, operation: Operation, blocks: int) -> tuple[bytearray, int]:
    """Make a CDB whose fields are plausible, and the number of blocks in it."""
    length = len(operation.usage)
    cdb = bytearray(length)
    cdb[0] = operation.code
    lba_at, lba_size, count_at, count_size = {
        6: (1, 3, 4, 1),
        10: (2, 4, 7, 2),
        12: (2, 4, 6, 4),
        16: (2, 8, 10, 4),
        32: (12, 8, 28, 4),
    }[length]
    if operation.code == 0x89:
        count_at, count_size = 13, 1
    lba = _number(rng, (1 << 8 * lba_size) - 1, blocks)
    count = _number(rng, (1 << 8 * count_size) - 1, min(blocks, 300))
    if rng.random() < 0.6:
        count = min(count, max(1, blocks - lba)) if lba < blocks else count
    cdb[lba_at : lba_at + lba_size] = lba.to_bytes(lba_size, "big")
    cdb[count_at : count_at + count_size] = count.to_bytes(count_size, "big")
    flags_at = 10 if length == 32 else 1
    if length > 6 or operation.code in (0x12, 0x15, 0x1A, 0x04):
        cdb[flags_at] = 0
        if rng.random() < 0.5:
            cdb[flags_at] = int(rng.random() * 256) & rng.choice((0x1F, 0x1E, 0xFF))
    if length == 32:
        cdb[7] = 0x18
        cdb[8:10] = (operation.service_action or 0).to_bytes(2, "big")
    elif operation.service_action is not None:
        cdb[1] = operation.service_action
    if operation.code in (0x1A, 0x5A, 0x4D):
        cdb[2] = int(rng.random() * 4) << 6 | rng.choice((*_PAGES, 0x3F, 0x2F, 0, 2))
        cdb[3] = rng.choice((0, 0, 0, 0xFF, 1))
    if operation.code == 0x12:
        cdb[1] = rng.choice((0, 1, 1, 2, 3))
        cdb[2] = rng.choice((0, 0, 0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB2, 7))
        cdb[3:5] = rng.choice((0, 4, 5, 36, 255, 4096)).to_bytes(2, "big")
    if operation.code == 0xA3:
        cdb[2] = int(rng.random() * 256) & rng.choice((0x83, 0xFF))
        cdb[3] = rng.choice((0x28, 0x7F, 0x9E, 0x42, int(rng.random() * 256)))
    if rng.random() < 0.03:
        cdb[1 if length == 32 else -1] |= 4
    return cdb, count


def _data(
    rng: random.Random,
    operation: Operation,
    cdb: bytearray,
    count: int,
    blocks: int,
    block_size: int,
) -> tuple[bytes, int]:
    """Return data-out and the length of data-in that fit a CDB; sometimes a little off."""
    code = operation.code
    size = min(count, 512) * block_size
    action = operation.service_action
    if code in _LISTS:
        out = _parameters(rng, code, cdb, blocks)
        _announce(rng, code, cdb, len(out))
        return out, 0
    if code in _BLOCKS_OUT or (code == 0x7F and action in (0x0B, 0x0C, 0x0D, 0x0E)):
        if code in (0x41, 0x93) or action == 0x0D:
            size = block_size
        elif code == 0x89:
            size *= 2
        return _payload(rng, _off(rng, size)), 0
    if code in _BLOCKS_BOTH or (code == 0x7F and action == 0x0A):
        check = cdb[10 if code == 0x7F else 1] & 6
        if not check:
            return b"", 0
        return _payload(rng, _off(rng, size if check == 2 else block_size)), 0
    if code in (0x08, 0x28, 0x88, 0xA8) or code == 0x7F:
        return b"", _off(rng, (size or 256 * block_size) if code == 0x08 else size)
    return b"", rng.choice((0, 4, 8, 24, 32, 36, 255, 512, 4096))


def _off(rng: random.Random, size: int) -> int:
    kind = rng.random()
    if kind < 0.85:
        return size
    return max(0, size + rng.choice((-512, -1, 1, 512, 5000)))


def _announce(rng: random.Random, code: int, cdb: bytearray, size: int) -> None:
    """Write the parameter list length; sometimes a wrong one."""
    if rng.random() < 0.1:
        size = int(rng.random() * 600)
    if code == 0x15:
        cdb[4] = min(size, 255)
    elif code in (0x42, 0x55):
        cdb[7:9] = size.to_bytes(2, "big")
    elif code == 0x83:
        cdb[10:14] = size.to_bytes(4, "big")


def _parameters(rng: random.Random, code: int, cdb: bytearray, blocks: int) -> bytes:
    """Make a parameter list that is right, then perhaps break it."""
    if code == 0x42:
        cdb[1] &= 0x01 if rng.random() < 0.2 else 0
        parts = []
        for _ in range(int(rng.random() * 5)):
            lba = _number(rng, (1 << 64) - 1, blocks)
            number = _number(rng, 0xFFFFFFFF, 30)
            parts.append(lba.to_bytes(8, "big") + number.to_bytes(4, "big") + bytes(4))
        body = b"".join(parts)
        out = (len(body) + 6).to_bytes(2, "big") + len(body).to_bytes(2, "big") + bytes(4) + body
    elif code == 0x83:
        out = _copy_list(rng, blocks)
    elif code == 0x04:
        out = bytes(8 if cdb[1] & 0x20 else 4)
    else:
        cdb[1] = 0x10 if rng.random() < 0.8 else int(rng.random() * 256)
        page = rng.choice(_PAGES)
        length = {0x08: 18}.get(page, 10)
        out = bytes(4 if code == 0x15 else 8) + bytes((page, length)) + rng.randbytes(length)
    if rng.random() < 0.3:
        broken = bytearray(out)
        for _ in range(int(rng.random() * 4)):
            if broken:
                broken[int(rng.random() * len(broken))] = int(rng.random() * 256)
        out = bytes(broken[: int(rng.random() * (len(broken) + 1))])
    return out


def _copy_list(rng: random.Random, blocks: int) -> bytes:
    targets = [
        (bytes((0xE4, 0, 0, 0, 1, 3, 0, 16)) + NAA).ljust(29, b"\0") + (512).to_bytes(3, "big")
        for _ in range(int(rng.random() * 4))
    ]
    segments = []
    for _ in range(int(rng.random() * 4)):
        head = bytes((2, 0, 0, 24, 0, int(rng.random() * 3), 0, int(rng.random() * 2), 0, 0))
        numbers = _number(rng, 0xFFFF, 40).to_bytes(2, "big")
        for _ in range(2):
            numbers += _number(rng, (1 << 64) - 1, blocks).to_bytes(8, "big")
        segments.append(head + numbers)
    target_list, segment_list = b"".join(targets), b"".join(segments)
    head = bytes((int(rng.random() * 4), int(rng.random() * 4) << 3))
    return (
        head
        + len(target_list).to_bytes(2, "big")
        + bytes(4)
        + len(segment_list).to_bytes(4, "big")
        + bytes(4)
        + target_list
        + segment_list
    )
