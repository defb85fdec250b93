# SPDX-License-Identifier: Apache-2.0
"""What stands in an optical drive's place for a disc while there is none."""

from __future__ import annotations

import errno
import os

from lioshell.runner.handlers.base import Handler, nothing_made
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final, NoReturn, Self

    from lioshell.runner.handlers.base import Undo

BLOCK_SIZE_BYTES: Final = 2048
"""A sector of every CD, DVD and BD of data (MMC-6 4)."""


class NoMedium(Handler):
    """An empty drive: nothing can be read or written."""

    subtype = "none"
    help = "No disc"
    config_help = "nothing"
    device_type = 0x05
    blocking = False

    @classmethod
    def check_config(cls, config: str) -> None:
        """Take anything."""

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make nothing."""
        del config, size_bytes, block_size_bytes
        return nothing_made

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Return an empty drive's storage."""
        del config, size_bytes, block_size_bytes, read_only
        return cls()

    @property
    def size_bytes(self) -> int:
        """None."""
        return 0

    @property
    def write_cache(self) -> bool:
        """Nothing is cached."""
        return False

    @property
    def read_only(self) -> bool:
        """Nothing is written."""
        return True

    def read(self, buffers: list[memoryview], offset_bytes: int) -> NoReturn:
        """Raise OSError."""
        del buffers, offset_bytes
        raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM))

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> NoReturn:
        """Raise OSError."""
        del buffers, offset_bytes, fua
        raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM))

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
