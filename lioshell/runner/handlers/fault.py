# SPDX-License-Identifier: Apache-2.0
"""The `fault` subtype: another subtype's storage with errors, delays and hangs, to try initiators.

    fault/file//srv/a.img;read_error=0-4k;every=3      each third READ there fails
    fault/ram/x;delay_ms=200;delay_at=1M-2M            whatever touches that MiB is slow
    fault/ram/x;hang_at=all;hang_s=45                  nothing is answered for 45 s

The main part is the other's SUBTYPE/CONFIG, in which ";" is written ";;". A range is START-END, END
not included, both with a unit if need be; `all`; or several with "+" between.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time

from lioshell.errors import UsageError
from lioshell.model.sizes import parse_size
from lioshell.runner.handlers.base import Extent, Handler, Option, Undo
from lioshell.runner.handlers.config_string import split_options
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_ALL = "all"
_ERRORS = ("EIO", "ENOSPC", "EROFS", "ETIMEDOUT", "EBUSY", "ENOMEM", "EREMOTEIO", "ENODATA")
_END = 1 << 63

Ranges = tuple[tuple[int, int], ...]


class Faults(NamedTuple):
    """What is to happen where: ranges of bytes, times in seconds; `every` counts commands there."""

    errors: dict[str, Ranges]
    errno: int
    delay_s: float
    delay_at: Ranges
    hang_s: float
    hang_at: Ranges
    every: int


def _ranges(name: str, text: str) -> Ranges:
    """Return the ranges of a text such as 0-4k+1M-2M. Raises UsageError."""
    if text == _ALL:
        return ((0, _END),)
    found = []
    for part in text.split("+"):
        begin, separator, end = part.partition("-")
        try:
            first = 0 if begin.strip("0") == "" and begin else parse_size(begin)
            last = parse_size(end)
        except UsageError:
            first, last = 1, 0
        if not separator or first >= last:
            raise UsageError(
                f"{name}={text!r} is no range",
                hint="Give START-END as in 0-4k, several as in 0-4k+1M-2M, or all.",
            )
        found.append((first, last))
    return tuple(found)


class FaultHandler(Handler):
    """The open storage of another handler, and what is to go wrong with it.

    Errors hit before the storage is touched. A command that hangs ends with ETIMEDOUT.
    """

    subtype = "fault"
    help = "Another subtype's storage with errors, delays and hangs, for testing initiators"
    config_help = 'SUBTYPE/CONFIG of the storage, as in file//srv/a.img; ";" in it is written ";;"'
    options = (
        Option("read_error", "string", "Range where reads fail: 0-4k, 0-4k+1M-2M, all"),
        Option("write_error", "string", "Range where writes fail"),
        Option("discard_error", "string", "Range where discards fail"),
        Option("flush_error", "bool", "Flushes fail", "false"),
        Option("errno", "enum", "What they fail with", "EIO", values=_ERRORS),
        Option("delay_ms", "int", "Milliseconds that a command waits", "0"),
        Option("delay_at", "string", "Range where it waits", _ALL),
        Option("hang_at", "string", "Range where commands hang"),
        Option("hang_s", "int", "Seconds for which they hang", "60"),
        Option("every", "int", "Only each Nth of the commands that would be hit is", "1"),
    )

    def __init__(self, inner: Handler, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self._hits = itertools.count(1)
        self._closed = threading.Event()

    @classmethod
    def _parse(cls, config: str) -> tuple[type[Handler], str, Faults]:
        """Return the other handler, its configuration and the faults. Raises LioshellError."""
        from lioshell.runner.handlers import registry

        main, values = split_options(config, cls.options)
        subtype, inner_config = registry.split(main)
        inner = registry.require(subtype)
        if inner.device_type != 0 or inner is cls:
            raise UsageError(
                f"user:{subtype} cannot have faults", hint="Name the subtype of a disk."
            )
        errors = {
            operation: _ranges(f"{operation}_error", values[f"{operation}_error"])
            for operation in ("read", "write", "discard")
            if f"{operation}_error" in values
        }
        if values["flush_error"] == "true":
            errors["flush"] = _ranges("flush_error", _ALL)
        if int(values["every"]) < 1:
            raise UsageError("every=0 is no number of commands", hint="Give 1 or more.")
        hang_at = values.get("hang_at")
        return (
            inner,
            inner_config,
            Faults(
                errors,
                int(getattr(errno, values["errno"])),
                int(values["delay_ms"]) / 1000,
                _ranges("delay_at", values["delay_at"]) if int(values["delay_ms"]) else (),
                float(values["hang_s"]),
                () if hang_at is None else _ranges("hang_at", hang_at),
                int(values["every"]),
            ),
        )

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check the faults, and the other subtype's configuration. Raises LioshellError."""
        inner, inner_config, _ = cls._parse(config)
        inner.check_config(inner_config)

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return a file, and a delay that spoils nothing."""
        return f"file/{folder}/exercise.img;delay_ms=1;every=100"

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return what the other handler says."""
        inner, inner_config, _ = cls._parse(config)
        return inner.size_of(inner_config)

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Have the other handler make its storage."""
        inner, inner_config, _ = cls._parse(config)
        return inner.prepare(inner_config, size_bytes, block_size_bytes)

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Open the other handler's storage."""
        inner, inner_config, faults = cls._parse(config)
        return cls(inner.open(inner_config, size_bytes, block_size_bytes, read_only), faults)

    def _wanted(self, operation: str, offset_bytes: int, size_bytes: int) -> list[str]:
        """Return the faults that lie on a range: delay, hang, error."""
        faults, end = self._faults, offset_bytes + size_bytes
        at = {
            "delay": faults.delay_at,
            "hang": faults.hang_at,
            "error": faults.errors.get(operation, ()),
        }
        return [
            name
            for name, ranges in at.items()
            if any(first < end and offset_bytes < last for first, last in ranges)
        ]

    def _meet(self, operation: str, offset_bytes: int, size_bytes: int) -> None:
        """Do what is to go wrong with an operation. Raises OSError."""
        wanted = self._wanted(operation, offset_bytes, size_bytes)
        if not wanted or next(self._hits) % self._faults.every:
            return
        if "delay" in wanted:
            time.sleep(self._faults.delay_s)
        if "hang" in wanted:
            self._closed.wait(self._faults.hang_s)
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if "error" in wanted:
            raise OSError(self._faults.errno, os.strerror(self._faults.errno))

    @property
    def size_bytes(self) -> int:
        """The size of the other storage."""
        return self._inner.size_bytes

    @property
    def write_cache(self) -> bool:
        """As the other storage has it."""
        return self._inner.write_cache

    @property
    def read_only(self) -> bool:
        """As the other storage is."""
        return self._inner.read_only

    @property
    def physical_block_size_bytes(self) -> int:
        """As the other storage has it."""
        return self._inner.physical_block_size_bytes

    @property
    def can_discard(self) -> bool:
        """As the other storage can."""
        return self._inner.can_discard

    def read(self, buffers: list[memoryview], offset_bytes: int) -> int | None:
        """Read, unless that is to fail. Raises OSError."""
        self._meet("read", offset_bytes, sum(map(len, buffers)))
        return self._inner.read(buffers, offset_bytes)

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> int | None:
        """Write, unless that is to fail. Raises OSError."""
        self._meet("write", offset_bytes, sum(map(len, buffers)))
        return self._inner.write(buffers, offset_bytes, fua)

    def try_read(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Do at once what no fault lies on."""
        if self._wanted("read", offset_bytes, sum(map(len, buffers))):
            return False
        return self._inner.try_read(buffers, offset_bytes)

    def try_write(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Do at once what no fault lies on."""
        if self._wanted("write", offset_bytes, sum(map(len, buffers))):
            return False
        return self._inner.try_write(buffers, offset_bytes)

    def waited(self, seconds: float) -> None:
        """Tell the other handler."""
        self._inner.waited(seconds)

    def flush(self) -> None:
        """Flush, unless that is to fail. Raises OSError."""
        self._meet("flush", 0, _END)
        self._inner.flush()

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Discard, unless that is to fail. Raises OSError."""
        self._meet("discard", offset_bytes, size_bytes)
        self._inner.discard(offset_bytes, size_bytes)

    def write_zeroes(self, offset_bytes: int, size_bytes: int) -> None:
        """Write zeros, unless writes are to fail. Raises OSError."""
        self._meet("write", offset_bytes, size_bytes)
        self._inner.write_zeroes(offset_bytes, size_bytes)

    def allocation(self, offset_bytes: int, size_bytes: int) -> Iterator[Extent]:
        """Tell what the other storage tells."""
        return self._inner.allocation(offset_bytes, size_bytes)

    def prefetch(self, offset_bytes: int, size_bytes: int) -> None:
        """Pass the hint on."""
        self._inner.prefetch(offset_bytes, size_bytes)

    def resize(self, size_bytes: int) -> None:
        """Resize the other storage. Raises LioshellError."""
        self._inner.resize(size_bytes)

    def status(self) -> dict[str, str]:
        """Tell what the other handler tells, and how many commands were in faulty places."""
        return {**self._inner.status(), "faulty": f"every {self._faults.every}. of those hit"}

    def close(self) -> None:
        """End what hangs, and close the other storage."""
        self._closed.set()
        self._inner.close()
