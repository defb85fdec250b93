# SPDX-License-Identifier: Apache-2.0
"""The parameter list of MODE SELECT: header, block descriptors, pages; checked to the last bit."""

from __future__ import annotations

from lioshell.runner.scsi.sense import PARAMETER_LIST_LENGTH_ERROR, invalid_parameter
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.command import Response
    from lioshell.runner.scsi.unit import Unit

    Page = Callable[[Unit, int], tuple[bytes, bytes] | None]

_LONGLBA: Final = 0x01
_PS: Final = 0x80
_SPF: Final = 0x40
_PAGE_CODE: Final = 0x3F


class Change(NamedTuple):
    """A page that was sent: its code and its bytes behind the header."""

    code: int
    body: bytes


def parse_parameters(
    unit: Unit, parameters: bytes, header_bytes: int, page: Page
) -> list[Change] | Response:
    """Return the pages of a parameter list, or what is wrong with it (SPC-4 6.11, 7.5.4).

    `page` gives current values and mask of what can be changed. Nothing is changed where any bit
    differs that cannot be.
    """
    if len(parameters) < header_bytes:
        return PARAMETER_LIST_LENGTH_ERROR
    if header_bytes == 4:
        medium_type_byte, long_lba, descriptor_bytes = 1, False, parameters[3]
    else:
        medium_type_byte, long_lba = 2, bool(parameters[4] & _LONGLBA)
        descriptor_bytes = int.from_bytes(parameters[6:8], "big")
    if parameters[medium_type_byte]:
        return invalid_parameter(medium_type_byte)
    position = header_bytes + descriptor_bytes
    if position > len(parameters):
        return PARAMETER_LIST_LENGTH_ERROR
    if descriptor_bytes:
        bad = _bad_descriptor(unit, parameters, header_bytes, descriptor_bytes, long_lba)
        if bad is not None:
            return bad
    changes: list[Change] = []
    while position < len(parameters):
        if len(parameters) - position < 2:
            return PARAMETER_LIST_LENGTH_ERROR
        first, length = parameters[position : position + 2]
        known = page(unit, first & _PAGE_CODE)
        if known is None or first & (_PS | _SPF):
            return invalid_parameter(position)
        current, mask = known
        if length != len(current):
            return invalid_parameter(position + 1)
        body = parameters[position + 2 : position + 2 + length]
        if len(body) < length:
            return PARAMETER_LIST_LENGTH_ERROR
        for index, (new, old, changeable) in enumerate(zip(body, current, mask, strict=True)):
            differing = (new ^ old) & ~changeable
            if differing:
                return invalid_parameter(position + 2 + index, differing.bit_length() - 1)
        changes.append(Change(first & _PAGE_CODE, body))
        position += 2 + length
    return changes


def _bad_descriptor(
    unit: Unit, parameters: bytes, start: int, size: int, long_lba: bool
) -> Response | None:
    """Check the block descriptor: neither size nor block length can be changed (SBC-3 6.5.2)."""
    if size != (16 if long_lba else 8):
        return invalid_parameter(start - (1 if start == 4 else 2))
    count_bytes = 8 if long_lba else 4
    blocks = int.from_bytes(parameters[start : start + count_bytes], "big")
    largest = (1 << 8 * count_bytes) - 1
    # 0 and all ones stand for "as it is" in the short form.
    if blocks not in (0, largest, min(unit.blocks, largest)):
        return invalid_parameter(start)
    length_start = start + (12 if long_lba else 5)
    length = int.from_bytes(parameters[length_start : start + size], "big")
    if length != unit.block_size_bytes:
        return invalid_parameter(length_start)
    return None
