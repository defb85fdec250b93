# SPDX-License-Identifier: Apache-2.0
"""EXTENDED COPY (LID1) within the unit, and RECEIVE COPY RESULTS, which tells about it.

Only this unit can be named as source and target: a runner has no way to another logical unit, and
must not have one (an initiator could reach what it has no access to).
"""

from __future__ import annotations

import time
from struct import Struct

from lioshell.runner.scsi import vpd
from lioshell.runner.scsi.data_in import no_data, parameter_data
from lioshell.runner.scsi.sense import (
    COPY_ABORTED,
    ILLEGAL_REQUEST,
    PARAMETER_LIST_LENGTH_ERROR,
    WRITE_PROTECTED,
    check_condition,
    invalid_field,
    invalid_parameter,
)
from lioshell.runner.scsi.storage_error import flush_failed, write_failed
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.scsi.unit import Unit

# What RECEIVE COPY RESULTS (OPERATING PARAMETERS) promises.
TARGET_LIMIT: Final = 2
SEGMENT_LIMIT: Final = 16
LIST_LIMIT_BYTES: Final = 512
KEPT_S: Final = 5.0
"""How long the status of a copy that has ended can be asked for."""
_SEGMENT_LIMIT_BLOCKS: Final = 0xFFFF
_CONCURRENT_LIMIT: Final = 255  # as many as there are list ids

_HEADER = Struct(">BBH4xI3xB")
_HEADER_BYTES: Final = 16
_LIST_ID_USAGE_DISCARD: Final = 3

_IDENTIFICATION: Final = 0xE4
_TARGET_BYTES: Final = 32
_NAA_DESIGNATOR: Final = bytes((0x01, 0x03, 0x00, 0x10))

_BLOCK_TO_BLOCK: Final = 0x02
_SEGMENT = Struct(">BBHHH2xHQQ")
_SEGMENT_BODY_BYTES: Final = 0x18

_TOO_MANY_TARGETS: Final = check_condition(ILLEGAL_REQUEST, 0x26, 0x06)
_UNSUPPORTED_TARGET: Final = check_condition(ILLEGAL_REQUEST, 0x26, 0x07)
_TOO_MANY_SEGMENTS: Final = check_condition(ILLEGAL_REQUEST, 0x26, 0x08)
_UNSUPPORTED_SEGMENT: Final = check_condition(ILLEGAL_REQUEST, 0x26, 0x09)
_INLINE_DATA: Final = check_condition(ILLEGAL_REQUEST, 0x26, 0x0B)
_NOT_REACHABLE: Final = check_condition(COPY_ABORTED, 0x0D, 0x02)
_INCORRECT_DEVICE: Final = check_condition(COPY_ABORTED, 0x0D, 0x03)

# COPY MANAGER STATUS, SPC-4 table 255.
_IN_PROGRESS: Final = 0x00
_COMPLETED: Final = 0x01
_FAILED: Final = 0x02
_STATUS = Struct(">IBHBI")


class CopyState(NamedTuple):
    """What RECEIVE COPY RESULTS tells of a list id; `ended` is a time.monotonic()."""

    status: int
    segments: int = 0
    blocks: int = 0
    ended: float = 0.0


class _Segment(NamedTuple):
    source: int
    target: int
    blocks: int


def extended_copy(unit: Unit, command: Command) -> Response | Deferred:
    """EXTENDED COPY (LID1), SPC-4 6.4: block to block segments of this unit, in their order."""
    length = int.from_bytes(command.cdb[10:14], "big")
    if length > command.size_bytes:
        return invalid_field(10)
    if not length:
        return no_data(command)
    if length < _HEADER_BYTES:
        return PARAMETER_LIST_LENGTH_ERROR
    parameters = command.gather(min(length, _HEADER_BYTES + LIST_LIMIT_BYTES))
    list_id, usage, targets_bytes, segments_bytes, inline_bytes = _HEADER.unpack_from(parameters)
    if inline_bytes:
        return _INLINE_DATA
    if targets_bytes % _TARGET_BYTES:
        return invalid_parameter(2)
    described = targets_bytes + segments_bytes
    if described > LIST_LIMIT_BYTES or _HEADER_BYTES + described > length:
        return PARAMETER_LIST_LENGTH_ERROR
    segments_start = _HEADER_BYTES + targets_bytes
    refused = _bad_targets(unit, parameters, targets_bytes // _TARGET_BYTES)
    if refused is not None:
        return refused
    segments = _segments(
        unit, parameters, segments_start, segments_bytes, targets_bytes // _TARGET_BYTES
    )
    if not isinstance(segments, list):
        return segments
    if unit.read_only:
        return WRITE_PROTECTED
    kept = usage >> 3 & 3 != _LIST_ID_USAGE_DISCARD
    if kept:
        known = unit.copies.get(list_id)
        if known is not None and known.status == _IN_PROGRESS:
            return invalid_parameter(0)
        unit.copies[list_id] = CopyState(_IN_PROGRESS)

    def copy() -> Response:
        state = CopyState(_FAILED)
        try:
            state, response = _copy(unit, segments)
        finally:
            if kept:
                unit.copies[list_id] = state._replace(ended=time.monotonic())
        return response or no_data(command)

    # The sources are held too: what is copied is what they were when the command began.
    extents = [(s.source, s.source + s.blocks) for s in segments]
    extents += [(s.target, s.target + s.blocks) for s in segments]
    deferred = unit.holds.defer(copy, extents, exclusive=True)
    if kept:
        release = deferred.drop

        def drop() -> None:
            unit.copies.pop(list_id, None)
            release()

        deferred.drop = drop
    return deferred


def _bad_targets(unit: Unit, parameters: bytes, count: int) -> Response | None:
    """Check that every target descriptor names this unit (SPC-4 6.4.5.1)."""
    if count > TARGET_LIMIT:
        return _TOO_MANY_TARGETS
    naa = unit.identity().naa()
    for index in range(count):
        start = _HEADER_BYTES + index * _TARGET_BYTES
        target = parameters[start : start + _TARGET_BYTES]
        if target[0] != _IDENTIFICATION:
            return _UNSUPPORTED_TARGET
        if target[1] & 0x1F != vpd.DISK:
            return _INCORRECT_DEVICE
        code_set, kind, _, size = target[4:8]
        designator = bytes((code_set & 0x0F, kind & 0x3F, 0, size))
        if naa is None or designator != _NAA_DESIGNATOR or target[8:24] != naa:
            return _NOT_REACHABLE
        if int.from_bytes(target[29:32], "big") not in (0, unit.block_size_bytes):
            return _INCORRECT_DEVICE
    return None


def _segments(
    unit: Unit, parameters: bytes, start: int, size: int, targets: int
) -> list[_Segment] | Response:
    """Return what is to be copied, or what is wrong with it (SPC-4 6.4.6.3)."""
    found: list[_Segment] = []
    position, end = start, start + size
    while position < end:
        if len(found) == SEGMENT_LIMIT:
            return _TOO_MANY_SEGMENTS
        if parameters[position] != _BLOCK_TO_BLOCK:
            return _UNSUPPORTED_SEGMENT
        if end - position < _SEGMENT.size:
            return PARAMETER_LIST_LENGTH_ERROR
        _, _, body, source_index, target_index, count, source, target = _SEGMENT.unpack_from(
            parameters, position
        )
        if body != _SEGMENT_BODY_BYTES:
            return invalid_parameter(position + 2)
        if source_index >= targets or target_index >= targets:
            return _NOT_REACHABLE
        if source + count > unit.blocks or target + count > unit.blocks:
            return _NOT_REACHABLE
        found.append(_Segment(source, target, count))
        position += _SEGMENT.size
    return found


def _copy(unit: Unit, segments: list[_Segment]) -> tuple[CopyState, Response | None]:
    block_size = unit.block_size_bytes
    done = blocks = 0
    for segment in segments:
        size = segment.blocks * block_size
        try:
            if size:
                unit.handler.copy(segment.source * block_size, segment.target * block_size, size)
        except OSError as error:
            failed = write_failed(error, segment.target, block_size)
            return CopyState(_FAILED, done, blocks), failed
        done += 1
        blocks += segment.blocks
    if not unit.write_cache and unit.handler.write_cache:
        try:
            unit.handler.flush()
        except OSError as error:
            return CopyState(_FAILED, done, blocks), flush_failed(error)
    return CopyState(_COMPLETED, done, blocks), None


def copy_status(unit: Unit, command: Command) -> Response:
    """RECEIVE COPY RESULTS with COPY STATUS, SPC-4 6.24: how the command of a list id fared."""
    list_id = command.cdb[2]
    state = unit.copies.get(list_id)
    if state is None:
        return invalid_field(2)
    if state.status != _IN_PROGRESS:
        # It is told once (SPC-3 6.17.2), and not for long: the ids are those of a nexus, which the
        # ring does not tell; what another initiator did under the same id is not for this one.
        unit.copies.pop(list_id, None)
        if time.monotonic() - state.ended > KEPT_S:
            return invalid_field(2)
    # TRANSFER COUNT UNITS 01h: KiB.
    kibibytes = min(state.blocks * unit.block_size_bytes >> 10, 0xFFFFFFFF)
    payload = _STATUS.pack(8, state.status, state.segments, 1, kibibytes)
    return parameter_data(command, payload, int.from_bytes(command.cdb[10:14], "big"))


def operating_parameters(unit: Unit, command: Command) -> Response:
    """RECEIVE COPY RESULTS with OPERATING PARAMETERS, SPC-4 6.24: what EXTENDED COPY can do."""
    implemented = bytes((_BLOCK_TO_BLOCK, _IDENTIFICATION))
    body = (
        bytes((0x01, 0, 0, 0))  # SNLID: a list id of 0 is one like any other
        + TARGET_LIMIT.to_bytes(2, "big")
        + SEGMENT_LIMIT.to_bytes(2, "big")
        + LIST_LIMIT_BYTES.to_bytes(4, "big")
        + (_SEGMENT_LIMIT_BLOCKS * unit.block_size_bytes).to_bytes(4, "big")
        + bytes(4)  # no inline data
        + bytes(4)  # no held data
        + bytes(4)  # no stream device
        + bytes(2)
        + _CONCURRENT_LIMIT.to_bytes(2, "big")
        + bytes((_CONCURRENT_LIMIT, unit.block_size_bytes.bit_length() - 1, 0, 0))
        + bytes(3)
        + bytes((len(implemented),))
        + implemented
    )
    payload = len(body).to_bytes(4, "big") + body
    return parameter_data(command, payload, int.from_bytes(command.cdb[10:14], "big"))
