# SPDX-License-Identifier: Apache-2.0
"""What every unit must do, whatever its handler: short checks through ring and SCSI emulation.

Each check gets an `Initiator` on a disk whose contents it may overwrite and raises
CommandFailedError, or returns why it does not apply.
"""

from __future__ import annotations

import functools
import os
import struct

from lioshell.testing.initiator import OPTICAL, ZONED, CommandFailedError, Initiator, sense_of
from lioshell.testing.zoned import (
    empties_what_is_reset,
    refuses_what_is_out_of_order,
    reports_its_zones,
    sequential_zones,
    writes_in_order,
)
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    Check = Callable[[Initiator], str | None]

_DISK: Final = 0x00
_OUT_OF_RANGE: Final = (0x5, 0x21, 0x00)
_INVALID_OPCODE: Final = (0x5, 0x20, 0x00)
_MISCOMPARE: Final = (0xE, 0x1D, 0x00)


def _expect(condition: object, text: str) -> None:
    if not condition:
        raise CommandFailedError(text)


def _inquiry(disk: Initiator, page: int | None, size: int = 255) -> bytes:
    flags = (0, 0) if page is None else (1, page)
    return disk.good(bytes((0x12, *flags, size >> 8, size & 255, 0)), b"", size)


def identifies_itself(disk: Initiator) -> None:
    """INQUIRY and its vital product data pages are there and of the length that they say."""
    standard = _inquiry(disk, None)
    known = standard[0] in (_DISK, OPTICAL, ZONED)
    _expect(known and standard[3] & 0xF == 2, "standard INQUIRY data are those of no disk")
    pages = _inquiry(disk, 0)
    listed = pages[4 : 4 + int.from_bytes(pages[2:4], "big")]
    wanted = {0x00, 0x80, 0x83} if standard[0] == OPTICAL else {0x00, 0x80, 0x83, 0xB0}
    _expect(wanted <= set(listed), f"VPD pages are {listed.hex(' ')}")
    for page in listed:
        data = _inquiry(disk, page)
        _expect(data[1] == page, f"VPD page {page:02x}h calls itself {data[1]:02x}h")


def has_its_size(disk: Initiator) -> None:
    """READ CAPACITY (10) and (16) agree, and the last block can be read."""
    blocks, block = disk.capacity()
    _expect(block == disk.block_size_bytes, f"a block has {block} bytes")
    last, size = struct.unpack(">II", disk.good(bytes((0x25,)) + bytes(9), b"", 8))
    _expect(last == min(blocks - 1, 0xFFFFFFFF) and size == block, "READ CAPACITY (10) differs")
    disk.good(bytes(6))
    disk.read(blocks - 1, 1)


def keeps_what_is_written(disk: Initiator) -> None:
    """The first and last blocks, one block, many, with FUA and without."""
    blocks, size = disk.capacity()
    for lba, count in ((0, 1), (1, 7), (blocks - 1, 1), (blocks - 9, 9), (3, 2048), (0, 8)):
        data = os.urandom(min(count, blocks - lba) * size)
        disk.write(lba, data, fua=count % 2 == 0)
        _expect(disk.read(lba, len(data) // size) == data, f"block {lba} is not what was written")
    disk.flush()


def leaves_neighbours_alone(disk: Initiator) -> None:
    """A write of one block changes no other."""
    _, size = disk.capacity()
    before = os.urandom(5 * size)
    disk.write(100, before)
    disk.write(102, b"\xee" * size)
    wanted = before[: 2 * size] + b"\xee" * size + before[3 * size :]
    _expect(disk.read(100, 5) == wanted, "a neighbour of a written block changed")


def refuses_what_is_outside(disk: Initiator) -> None:
    """LBA OUT OF RANGE behind the end, for any number of blocks, and nothing is written."""
    blocks, size = disk.capacity()
    kept = b"\x11" * size
    disk.write(blocks - 1, kept)
    highest = 2**32 - 1 if disk.kind == OPTICAL else 2**64 - 1
    for lba, count in ((blocks, 1), (blocks - 1, 2), (highest, 1), (highest // 2 + 1, 8)):
        disk.refused(disk.transfer(lba, count), _OUT_OF_RANGE, b"", count * size)
        write = disk.transfer(lba, count, writes=True)
        disk.refused(write, _OUT_OF_RANGE, b"\x22" * (count * size))
    _expect(disk.read(blocks - 1, 1) == kept, "a refused write was written")


def moves_nothing_for_zero_blocks(disk: Initiator) -> None:
    """A transfer length of 0 is no error and no transfer."""
    disk.good(disk.transfer(0, 0))
    disk.good(disk.transfer(0, 0, writes=True))


def answers_every_code(disk: Initiator) -> None:
    """All 256 operation codes are answered, and those that are unknown say so."""
    unknown = 0
    skip = {0x04, 0x41, 0x42, 0x93, 0x0A, 0x2A, 0x8A, 0xAA}  # these would change the contents
    for code in set(range(256)) - skip:
        answer = disk.execute(bytes((code,)) + bytes(15))
        unknown += answer.status == 2 and sense_of(answer) == _INVALID_OPCODE
    _expect(unknown > 150, f"only {unknown} operation codes are unknown to it")


def compares_and_writes(disk: Initiator) -> str | None:
    """COMPARE AND WRITE writes when it matches and says where it does not."""
    _, size = disk.capacity()
    old, new = b"\x33" * size, b"\x44" * size
    disk.write(50, old)
    cdb = bytes((0x89, 0)) + struct.pack(">Q", 50) + bytes((0, 0, 0, 1, 0, 0))
    answer = disk.execute(cdb, old + new)
    if answer.status == 2 and sense_of(answer) == _INVALID_OPCODE:
        return "COMPARE AND WRITE is not supported"
    _expect(answer.status == 0, "COMPARE AND WRITE of what is there failed")
    _expect(disk.read(50, 1) == new, "COMPARE AND WRITE did not write")
    disk.refused(cdb, _MISCOMPARE, old + old)
    _expect(disk.read(50, 1) == new, "a miscompare wrote")
    return None


def discards(disk: Initiator) -> str | None:
    """UNMAP, where READ CAPACITY says that there is thin provisioning."""
    if disk.kind == OPTICAL:
        return "an optical drive has no UNMAP"
    data = disk.good(bytes((0x9E, 0x10)) + bytes(8) + struct.pack(">IH", 32, 0), b"", 32)
    if not data[14] & 0x80:
        return "it is not thin (LBPME = 0)"
    _, size = disk.capacity()
    disk.write(0, b"\x55" * (64 * size))
    parameters = struct.pack(">HHxxxxQIxxxx", 22, 16, 0, 64)
    disk.good(bytes((0x42,)) + bytes(6) + struct.pack(">HB", len(parameters), 0), parameters)
    if data[14] & 0x40:
        _expect(disk.read(0, 64) == bytes(64 * size), "LBPRZ = 1, and UNMAP left data")
    return None


def leaks_nothing(disk: Initiator) -> None:
    """What a short answer leaves of the buffer is not what another command had there."""
    _, size = disk.capacity()
    disk.write(0, b"\xa5" * (256 * size))
    disk.read(0, 256)
    for cdb, expected in (
        (bytes((0x12, 0, 0, 0x10, 0, 0)), 4096),
        (bytes((0x1A, 0, 0x3F, 0, 255, 0)), 4096),
        (bytes((0x9E, 0x10)) + bytes(8) + struct.pack(">IH", 4096, 0), 4096),
    ):
        answer = disk.execute(cdb, b"", expected)
        _expect(b"\xa5" * 16 not in answer.data_in, f"{cdb.hex(' ')} leaks another command's data")


def takes_many_at_once(disk: Initiator) -> None:
    """Sixty-four commands in flight are all answered, each with its own data."""
    _, size = disk.capacity()
    for lba in range(64):
        disk.write(lba, bytes((lba,)) * size)
    lbas = iter(range(64))
    answers = disk.keep_busy(
        lambda: None if (lba := next(lbas, None)) is None else (disk.transfer(lba, 1), b"", size),
        64,
    )
    found = sorted(answer.data_in[0] for answer in answers if not answer.status)
    _expect(found == list(range(64)), "reads that were in flight together were mixed up")


CHECKS: Final[tuple[Check, ...]] = (
    identifies_itself,
    has_its_size,
    keeps_what_is_written,
    leaves_neighbours_alone,
    refuses_what_is_outside,
    moves_nothing_for_zero_blocks,
    answers_every_code,
    compares_and_writes,
    discards,
    leaks_nothing,
    takes_many_at_once,
)
"""In the order in which they are run."""

ZONED_CHECKS: Final[tuple[Check, ...]] = (
    identifies_itself,
    has_its_size,
    reports_its_zones,
    writes_in_order,
    refuses_what_is_out_of_order,
    empties_what_is_reset,
    moves_nothing_for_zero_blocks,
    answers_every_code,
    leaks_nothing,
    takes_many_at_once,
)
"""Those of a zoned disk, whose blocks are not written in any order; its zones are reset before."""

DATA_CHECKS: Final = frozenset(
    (
        keeps_what_is_written,
        leaves_neighbours_alone,
        refuses_what_is_outside,
        compares_and_writes,
        discards,
        leaks_nothing,
        takes_many_at_once,
    )
)
"""Those that read again what they wrote, which `null` does not keep."""


def checks_of(disk: Initiator) -> tuple[Check, ...]:
    """Return the checks that are for a unit of this kind, ready to be run."""
    if not disk.is_zoned:
        return CHECKS
    return tuple(map(_on_empty_zones, ZONED_CHECKS))


def _on_empty_zones(check: Check) -> Check:
    @functools.wraps(check)
    def run(disk: Initiator) -> str | None:
        sequential_zones(disk)
        return check(disk)

    return run
