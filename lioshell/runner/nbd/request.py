# SPDX-License-Identifier: Apache-2.0
"""One request of an NBD client, from its submission to its answer."""

from __future__ import annotations

import errno
import os

from lioshell.runner.nbd import protocol
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Done = Callable[[OSError | None], None]

_WRITES = frozenset((protocol.CMD_WRITE, protocol.CMD_WRITE_ZEROES))
_LARGE_BYTES = 64 << 10


class Request:
    """What is asked of the server, and what has come back so far.

    `payload` is what a write sends, `into` the buffers that a read fills (valid until `done` is
    called, which happens once, in any thread). `deadline` is a time of time.monotonic().
    """

    __slots__ = (
        "deadline",
        "done",
        "error",
        "extents",
        "flags",
        "into",
        "kind",
        "mark",
        "missing_bytes",
        "offset_bytes",
        "payload",
        "size_bytes",
    )

    def __init__(
        self,
        kind: int,
        offset_bytes: int,
        size_bytes: int,
        done: Done,
        flags: int = 0,
        payload: bytes | bytearray = b"",
        into: list[memoryview] | None = None,
    ) -> None:
        self.kind = kind
        self.flags = flags
        self.offset_bytes = offset_bytes
        self.size_bytes = size_bytes
        self.payload = payload
        self.into = into
        self.done = done
        self.deadline = 0.0
        self.error = 0
        """The errno that the server answered with, 0 for none."""
        self.missing_bytes = size_bytes
        """What a read in pieces has not got yet."""
        self.extents: Sequence[tuple[int, int]] = ()
        """Lengths and flags that BLOCK_STATUS told."""
        self.mark = 0
        """Of a flush: the last write that it covers."""

    @property
    def is_large_read(self) -> bool:
        """Whether its data are better not copied once more."""
        return self.into is not None and self.size_bytes > _LARGE_BYTES

    @property
    def writes(self) -> bool:
        """Whether it changes what the export holds."""
        return self.kind in _WRITES

    def again(self, done: Done) -> Request:
        """Return the same write once more, with somebody else who waits for it."""
        return Request(
            self.kind, self.offset_bytes, self.size_bytes, done, self.flags, self.payload
        )

    def begin_again(self) -> None:
        """Forget what an earlier connection has answered."""
        self.error = 0
        self.missing_bytes = self.size_bytes
        self.extents = ()

    def finish(self) -> None:
        """Tell who waits what the server answered."""
        if self.error:
            self.done(OSError(self.error, f"The NBD server said: {os.strerror(self.error)}"))
        else:
            self.done(None)

    def expire(self, reason: str) -> None:
        """Tell who waits that no answer came in time."""
        self.done(TimeoutError(errno.ETIMEDOUT, reason))


def nobody_waits(_error: OSError | None) -> None:
    """Be called for a request of the client's own."""
