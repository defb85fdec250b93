# SPDX-License-Identifier: Apache-2.0
"""The `null` subtype: reads are zeros and writes are dropped, to measure what lies in front of it.

Not a disk to put anything on: nothing that is written is ever read again.
"""

from __future__ import annotations

from lioshell.errors import RunnerError
from lioshell.runner.handlers.backing_file import check_size
from lioshell.runner.handlers.base import CHUNK_BYTES, Handler, Undo
from lioshell.runner.handlers.config_string import split_options
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

_ZEROS = memoryview(bytes(CHUNK_BYTES))


class NullHandler(Handler):
    """A disk of any size without storage; waits for nothing."""

    subtype = "null"
    help = "Nothing: reads are zeros, writes are dropped; for measurements"
    config_help = "A LABEL of your choice; the object's own name where there is none"
    blocking = False
    keeps_data = lasts = False

    def __init__(self, size_bytes: int, read_only: bool) -> None:
        self._size_bytes = size_bytes
        self._read_only = read_only

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check that there are no options; a label may be any text. Raises UsageError."""
        split_options(config, cls.options)

    @classmethod
    def default_config(cls, name: str) -> str | None:
        """Return the object's name, which is a label like any other."""
        return name.replace(";", ";;")

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return a label."""
        del folder
        return "exercise"

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Check the size. Raises UsageError."""
        cls.check_config(config)
        check_size(size_bytes, block_size_bytes)

        def nothing_is_left() -> None:
            """Undo nothing."""

        return nothing_is_left

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Return a disk of that size. Raises UsageError."""
        cls.prepare(config, size_bytes, block_size_bytes)
        return cls(size_bytes, read_only)

    @property
    def size_bytes(self) -> int:
        """The size of the device."""
        return self._size_bytes

    @property
    def write_cache(self) -> bool:
        """False: no flush makes it any better."""
        return False

    @property
    def read_only(self) -> bool:
        """Whether it was opened for reading only."""
        return self._read_only

    def read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill the buffers with zeros."""
        del offset_bytes  # it is the same everywhere
        for view in buffers:
            for start in range(0, len(view), CHUNK_BYTES):
                part = view[start : start + CHUNK_BYTES]
                part[:] = _ZEROS[: len(part)]

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Drop the buffers."""

    def flush(self) -> None:
        """Do nothing."""

    def write_zeroes(self, offset_bytes: int, size_bytes: int) -> None:
        """Do nothing: zeros are what is read."""

    def resize(self, size_bytes: int) -> None:
        """Have another size. Raises RunnerError for none."""
        if size_bytes <= 0:
            raise RunnerError("A disk has a size", hint="Give at least one block.")
        self._size_bytes = size_bytes

    def close(self) -> None:
        """Release nothing."""
