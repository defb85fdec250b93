# SPDX-License-Identifier: Apache-2.0
"""The `fbo` subtype: an optical drive with a file in it, an ISO image or one that can be written.

The file is found, checked and locked as that of a disk is (backing_file.py); what is a drive's is
the unit's (scsi/optical.py). Named as tcmu-runner's, whose `ro/PATH` is understood.
"""

from __future__ import annotations

import os
import stat

from lioshell.errors import UsageError
from lioshell.runner.handlers import backing_file, config_string
from lioshell.runner.handlers.base import Handler, Option, Undo, nothing_made
from lioshell.runner.handlers.file import FileHandler
from lioshell.runner.handlers.optical import BLOCK_SIZE_BYTES, NoMedium
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final, Never

EMPTY: Final = "none"
"""The configuration of a drive without a disc."""

_READ_ONLY: Final = "ro/"
_OPTIONS: Final = (
    Option("read_only", "bool", "Let nobody write; so it is of a name that ends in .iso"),
)


class _Disc(NamedTuple):
    """The file in the drive, "" for none."""

    path: str
    read_only: bool


def _parse(config: str) -> _Disc:
    """Return what a configuration string says. Raises UsageError."""
    main, values = config_string.split_options(config, _OPTIONS)
    if main == EMPTY:
        return _Disc("", True)
    path = main.removeprefix(_READ_ONLY)
    backing_file.check_path(path, f"fbo/{config[: len(config) - len(path)]}")
    said = values.get("read_only")
    by_name = path.lower().endswith(".iso")
    if main.startswith(_READ_ONLY):
        if said == "false":
            raise UsageError(f"{config}: read-only or not?", hint="Leave one of both out.")
        by_name = True
    return _Disc(path, by_name if said is None else said == "true")


class FboHandler(FileHandler):
    """A disc: an open file of 2048-byte sectors, locked against every other user of it."""

    subtype = "fbo"
    help = "An optical drive; its disc is an ISO image or a file that can be written"
    config_help = (
        "PATH of the image, absolute; a missing one that can be written is made. none: no disc"
    )
    options = _OPTIONS
    device_type = 0x05

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check path and options. Raises UsageError."""
        _parse(config)

    @classmethod
    def default_config(cls, name: str) -> str | None:
        """Return the configuration of an empty drive."""
        del name
        return EMPTY

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return the path of a file in a folder."""
        return f"{folder}/exercise.disc"

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return the size of the image; that of one sector for an empty drive.

        The kernel cannot have a device without any. Raises LioshellError.
        """
        disc = _parse(config)
        if not disc.path:
            return BLOCK_SIZE_BYTES
        if backing_file.is_missing(disc.path):
            return None
        found = os.stat(disc.path)
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    @classmethod
    def block_size_of(cls, config: str, block_size_bytes: int) -> int:
        """Return the size of a sector, whatever was asked for."""
        del config, block_size_bytes
        return BLOCK_SIZE_BYTES

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the file, sparse, if it is missing and can be written. Raises LioshellError."""
        disc = _parse(config)
        if not disc.path:
            return nothing_made
        backing_file.check_size(size_bytes, block_size_bytes)
        if disc.read_only or not backing_file.is_missing(disc.path):
            cls.open(config, size_bytes, block_size_bytes).close()
            return nothing_made
        return backing_file.create(disc.path, size_bytes)

    @classmethod
    def open(  # type: ignore[override]  # an empty drive's storage is no file
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Handler:
        """Open and lock the image, which must exist and have exactly `size_bytes`.

        Raises LioshellError.
        """
        disc = _parse(config)
        if not disc.path:
            return NoMedium()
        backing_file.check_size(size_bytes, block_size_bytes)
        read_only = read_only or disc.read_only
        descriptor = backing_file.open_locked(disc.path, size_bytes, block_size_bytes, read_only)
        return cls(descriptor, disc.path, size_bytes, read_only)

    @property
    def can_discard(self) -> bool:
        """A disc is not thin."""
        return False

    def status(self) -> dict[str, str]:
        """Tell which disc is in the drive."""
        return {"disc": self._path, "writable": "no" if self._read_only else "yes"}

    def resize(self, size_bytes: int) -> Never:
        """Refuse: a disc has the size that it has. Raises RunnerError."""
        Handler.resize(self, size_bytes)
        raise AssertionError
