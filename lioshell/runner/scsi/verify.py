# SPDX-License-Identifier: Apache-2.0
"""VERIFY and WRITE AND VERIFY: the medium is read, and compared with what the initiator sends."""

from __future__ import annotations

from functools import partial

from lioshell.runner.command import Deferred
from lioshell.runner.handlers.base import CHUNK_BYTES, first_difference
from lioshell.runner.scsi.cdb import LAYOUT_10, LAYOUT_12, LAYOUT_16, LAYOUT_32, Layout
from lioshell.runner.scsi.checks import first_bytes, refusal
from lioshell.runner.scsi.data_in import no_data
from lioshell.runner.scsi.sense import WRITE_PROTECTED, invalid_field, miscompare
from lioshell.runner.scsi.storage_error import flush_failed, read_failed, write_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

    Execute = Callable[[Unit, Command], Response | Deferred]

# BYTCHK, SBC-3 table 104: 00b only reads the medium, 01b compares all blocks, 11b compares each
# block with one that is sent; 10b is reserved.
_BYTCHK: Final = 0x06
_MEDIUM: Final = 0x00
_ALL: Final = 0x02
_RESERVED: Final = 0x04


def _verifier(layout: Layout) -> Execute:
    def verify(unit: Unit, command: Command) -> Response | Deferred:
        fields = layout.decode(command.cdb)
        flags, lba, count, _ = fields
        check = flags & _BYTCHK
        if check == _RESERVED:
            return invalid_field(layout.flags_byte, 2)
        sent_blocks = 0 if check == _MEDIUM else count if check == _ALL else min(count, 1)
        bad = refusal(
            unit,
            layout,
            fields,
            data_bytes=command.size_bytes,
            data_blocks=sent_blocks,
            limit_blocks=unit.transfer_limit_blocks,
        )
        if bad is not None:
            return bad
        if not count:
            return no_data(command)
        if check == _MEDIUM:
            return Deferred(partial(_read_through, unit, command, lba, count))
        if check == _ALL:
            return Deferred(partial(_compare_all, unit, command, lba, count))
        return Deferred(partial(_compare_each, unit, command, lba, count))

    return verify


def _write_verifier(layout: Layout) -> Execute:
    def write_and_verify(unit: Unit, command: Command) -> Response | Deferred:
        fields = layout.decode(command.cdb)
        flags, lba, count, _ = fields
        check = flags & _BYTCHK
        if check not in (_MEDIUM, _ALL):
            return invalid_field(layout.flags_byte, 2)
        bad = refusal(
            unit,
            layout,
            fields,
            data_bytes=command.size_bytes,
            data_blocks=count,
            limit_blocks=unit.transfer_limit_blocks,
        )
        if bad is not None:
            return bad
        if unit.read_only:
            return WRITE_PROTECTED
        if not count:
            return no_data(command)
        look = _compare_all if check == _ALL else _read_through

        def write_then_look() -> Response:
            block_size = unit.block_size_bytes
            data = first_bytes(command.data, count * block_size)
            try:
                # What is verified is the medium, so it must have arrived there.
                unit.write(data, lba * block_size, unit.handler.write_cache)
            except OSError as error:
                return write_failed(error, lba, block_size)
            return look(unit, command, lba, count)

        return unit.holds.defer(write_then_look, ((lba, lba + count),), exclusive=True)

    return write_and_verify


def _read_through(unit: Unit, command: Command, lba: int, count: int) -> Response:
    """Read the blocks from the medium; what is newer in the cache goes there first."""
    block_size = unit.block_size_bytes
    left = count * block_size
    buffer = memoryview(bytearray(min(left, CHUNK_BYTES)))
    position = lba * block_size
    failed = _flushed(unit)
    if failed is not None:
        return failed
    while left:
        part = buffer[: min(left, len(buffer))]
        try:
            unit.read([part], position)
        except OSError as error:
            return read_failed(error, position // block_size, block_size)
        position += len(part)
        left -= len(part)
    return no_data(command)


def _compare_all(unit: Unit, command: Command, lba: int, count: int) -> Response:
    """Compare the blocks with as many that were sent."""
    block_size = unit.block_size_bytes
    buffer = memoryview(bytearray(min(count * block_size, CHUNK_BYTES)))
    done = 0
    for sent in first_bytes(command.data, count * block_size):
        for start in range(0, len(sent), len(buffer)):
            wanted = sent[start : start + len(buffer)]
            part = buffer[: len(wanted)]
            position = lba * block_size + done
            try:
                unit.read([part], position)
            except OSError as error:
                return read_failed(error, position // block_size, block_size)
            if bytearray(part) != wanted:  # as memory; a memoryview compares item by item
                return miscompare(done + first_difference(part, wanted))
            done += len(part)
    return no_data(command)


def _compare_each(unit: Unit, command: Command, lba: int, count: int) -> Response:
    """Compare every block with the one that was sent."""
    block_size = unit.block_size_bytes
    at_once = min(count, max(1, CHUNK_BYTES // block_size))
    wanted = command.gather(block_size) * at_once
    buffer = memoryview(bytearray(len(wanted)))
    for first in range(lba, lba + count, at_once):
        size = min(at_once, lba + count - first) * block_size
        part, expected = buffer[:size], memoryview(wanted)[:size]
        try:
            unit.read([part], first * block_size)
        except OSError as error:
            return read_failed(error, first, block_size)
        if bytearray(part) != expected:
            return miscompare(first_difference(part, expected) % block_size)
    return no_data(command)


def _flushed(unit: Unit) -> Response | None:
    """Put the cache on the medium, which is what VERIFY is about (SBC-3 5.29)."""
    if not unit.handler.write_cache or unit.read_only:
        return None
    try:
        unit.handler.flush()
    except OSError as error:
        return flush_failed(error)
    return None


verify_10 = _verifier(LAYOUT_10)
"""VERIFY (10), SBC-3 5.29."""
verify_12 = _verifier(LAYOUT_12)
"""VERIFY (12), SBC-3 5.30."""
verify_16 = _verifier(LAYOUT_16)
"""VERIFY (16), SBC-3 5.31."""
verify_32 = _verifier(LAYOUT_32)
"""VERIFY (32), SBC-3 5.32; its protection information fields are not looked at."""
write_and_verify_10 = _write_verifier(LAYOUT_10)
"""WRITE AND VERIFY (10), SBC-3 5.37."""
write_and_verify_12 = _write_verifier(LAYOUT_12)
"""WRITE AND VERIFY (12), SBC-3 5.38."""
write_and_verify_16 = _write_verifier(LAYOUT_16)
"""WRITE AND VERIFY (16), SBC-3 5.39."""
write_and_verify_32 = _write_verifier(LAYOUT_32)
"""WRITE AND VERIFY (32), SBC-3 5.40; its protection information fields are not looked at."""
