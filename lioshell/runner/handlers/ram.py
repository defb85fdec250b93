# SPDX-License-Identifier: Apache-2.0
"""The `ram` subtype: a disk in the memory of the process that serves it.

The memory is a file without a name (memfd_create(2)): pages exist where something was written, a
discard frees them, and all that the file handler does works on it. It ends with the process; a
process that takes the disk over begins with zeros, as a kernel's ramdisk does after a reboot.
"""

from __future__ import annotations

import os

from lioshell.errors import RunnerError, UsageError
from lioshell.model.sizes import format_size
from lioshell.runner.handlers import backing_file
from lioshell.runner.handlers.base import Option, Undo
from lioshell.runner.handlers.config_string import split_options
from lioshell.runner.handlers.file import FileHandler
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class RamHandler(FileHandler):
    """An open disk in memory; nothing excludes a second one, which is another memory."""

    subtype = "ram"
    help = "Memory of the process that serves it, taken where it is written; ends with the process"
    config_help = "A LABEL of your choice; the object's own name where there is none"
    lasts = False
    options = (
        Option("overcommit", "bool", "It may be larger than the memory of this machine", "false"),
    )

    def __init__(self, fd: int, size_bytes: int, read_only: bool) -> None:
        super().__init__(fd, "the memory", size_bytes, read_only)
        # tmpfs has no RWF_NOWAIT, and its pages are read without a wait.
        self._read_flags = 0

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check the options; a label may be any text. Raises UsageError."""
        split_options(config, cls.options)

    @classmethod
    def default_config(cls, name: str) -> str | None:
        """Return the object's name, which is a label like any other."""
        return name.replace(";", ";;")

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return None: there is nothing before it is served."""
        del config
        return None

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return a label."""
        del folder
        return "exercise"

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Check that the memory can be had; `open` takes it. Raises UsageError."""
        cls._check(config, size_bytes, block_size_bytes)

        def nothing_is_left() -> None:
            """Undo nothing: what was written went with the process' descriptor."""

        return nothing_is_left

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Take new memory, all zeros. Raises UsageError, RunnerError."""
        cls._check(config, size_bytes, block_size_bytes)
        try:
            fd = os.memfd_create("lioshell-ram", os.MFD_CLOEXEC)
        except OSError as error:
            raise RunnerError(
                f"No memory for a disk: {error.strerror}", hint="Raise ulimit -n, or free memory."
            ) from error
        try:
            os.ftruncate(fd, size_bytes)
            return cls(fd, size_bytes, read_only)
        except OSError as error:
            os.close(fd)
            raise RunnerError(
                f"No memory for a disk of {size_bytes} bytes: {error.strerror}",
                hint="Give a smaller size.",
            ) from error

    @classmethod
    def _check(cls, config: str, size_bytes: int, block_size_bytes: int) -> None:
        _, values = split_options(config, cls.options)
        backing_file.check_size(size_bytes, block_size_bytes)
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if size_bytes > memory_bytes and values["overcommit"] == "false":
            raise UsageError(
                f"A disk of {format_size(size_bytes)} is larger than this machine's memory, "
                f"{format_size(memory_bytes)}",
                hint="Give a smaller size; or overcommit=true, if it will never be filled.",
            )
