# SPDX-License-Identifier: Apache-2.0
"""What the ring hands to a logical unit and what it gets back.

The ring has validated everything here: the CDB is a copy, the buffers lie inside the mapped
data area. A logical unit never sees the ring itself, so it cannot break it.
"""

from __future__ import annotations

import traceback
from typing import Protocol

from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.statistics import Statistics

_ZEROS = bytes(65536)


class Command:
    """One SCSI command: its CDB and the slices of the mapped data area that belong to it.

    `data` is data-out or data-in as the CDB says (writable memoryviews of bytes), `size_bytes` the
    sum of their lengths. The slices are valid until the command is answered.
    """

    __slots__ = ("cdb", "data", "size_bytes")

    def __init__(self, cdb: bytes, data: list[memoryview], size_bytes: int) -> None:
        self.cdb = cdb
        self.data = data
        self.size_bytes = size_bytes

    def gather(self, length_bytes: int) -> bytes:
        """Return a copy of the first bytes of data-out, shorter when there are not as many."""
        data = self.data
        if len(data) == 1:
            return bytes(data[0][:length_bytes])
        parts: list[memoryview] = []
        left = length_bytes
        for part in data:
            if left <= 0:
                break
            parts.append(part[:left])
            left -= len(part)
        return b"".join(parts)

    def scatter(self, payload: bytes | bytearray | memoryview) -> int:
        """Copy `payload` into data-in, truncated to what fits, and return the bytes written."""
        view = memoryview(payload)
        position = 0
        total = len(view)
        for part in self.data:
            if position >= total:
                break
            size = min(len(part), total - position)
            part[:size] = view[position : position + size]
            position += size
        return position

    def zero_fill(self, offset_bytes: int) -> None:
        """Zero the buffers from `offset_bytes` to their end.

        The kernel zeroes data pages only when it first allocates them, so what a short answer
        leaves behind is another command's data (drivers/target/target_core_user.c).
        """
        start = offset_bytes
        for part in self.data:
            size = len(part)
            while start < size:
                step = min(size - start, len(_ZEROS))
                part[start : start + step] = _ZEROS[:step]
                start += step
            start -= size


class Response(NamedTuple):
    """The answer to a command.

    `status` is the SCSI status byte (SAM-6 5.3.1), `sense` up to 96 bytes of sense data, `read_len`
    the bytes of data-in that are valid; None: all of them.
    """

    status: int
    sense: bytes = b""
    read_len: int | None = None


GOOD = Response(0)
INTERNAL_TARGET_FAILURE = Response(
    0x02, bytes((0x70, 0, 0x04, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x44, 0, 0, 0, 0, 0))
)
"""CHECK CONDITION, HARDWARE ERROR, in the fixed format (SPC-6 4.4.3)."""


class Deferred:
    """The rest of a command that may block (a sync, a discard, a comparison), for a worker.

    `run` is called once, in any thread, and returns the response; what it raises is answered as
    INTERNAL TARGET FAILURE. `drop` is called instead, once, when the command will not be run. The
    deferred commands of one unit are started in the order in which `execute` returned them (one
    queue, first in, first out); several may then run at once, and one may wait for another that
    was started before it.

    Where the storage has an engine of its own, `submit` is called instead of `run`, in the loop's
    thread: it must not block, and calls `finish(response)` once, in any thread, at once or later.
    """

    __slots__ = ("drop", "run", "submit")

    def __init__(
        self,
        run: Callable[[], Response],
        drop: Callable[[], None] | None = None,
        submit: Callable[[Callable[[Response], None]], None] | None = None,
    ) -> None:
        self.run = run
        self.drop = drop or _nothing
        self.submit = submit


def _nothing() -> None:
    pass


class LogicalUnit(Protocol):
    """What answers the commands of one device."""

    def execute(self, command: Command) -> Response | Deferred:
        """Execute one command, or as much of it as does not block.

        Called by one thread, in the order of the ring. Whatever it raises is answered as INTERNAL
        TARGET FAILURE.
        """

    def close(self) -> None:
        """Release what the unit holds (files, locks); no command comes after it."""


class FastPath(Protocol):
    """What executes the plain commands at the head of a ring (scsi/fast_path.py)."""

    large: bool
    """Whether the last command that was looked at is a large transfer (tuning.LARGE_BYTES)."""
    first: Callable[[float], float]
    """What `single` returns, for a command that may have others behind it."""

    @property
    def executed(self) -> int:
        """How many commands were answered so far, those of a `run` that raised included."""

    def run(self, budget: int, now: float, enough: float, slow_s: float) -> int:
        """Execute up to `budget` commands, and return how many."""

    def single(
        self, notify: Callable[[], None], statistics: Statistics
    ) -> Callable[[float], float]:
        """Return what answers a plain command that is the only one in the ring."""

    def current(self) -> tuple[bytes, float] | None:
        """Return the CDB that is executed now, and since when, from any thread."""

    def close(self) -> None:
        """Let go of every buffer."""


def forget(command: Command, error: BaseException) -> None:
    """Drop the slices of the map that an exception's frames hold while it travels up."""
    traceback.clear_frames(error.__traceback__)
    for part in command.data:
        part.release()
    command.data.clear()
