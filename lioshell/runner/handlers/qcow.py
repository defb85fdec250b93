# SPDX-License-Identifier: Apache-2.0
"""Images of QEMU's formats: qcow2, vmdk, vdi, vhdx and more, read and written by QEMU itself.

A qemu-nbd of its own serves each open image (runner/qemu/daemon.py); when it dies it is started
again, and what it had not put on stable storage is written again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time

from lioshell.errors import ConflictError, RunnerError, UsageError
from lioshell.runner.handlers import backing_file, config_string
from lioshell.runner.handlers.base import Option, Unavailable, nothing_made
from lioshell.runner.handlers.nbd import DEFAULT_TIMEOUT_S, TIMEOUT_OPTION
from lioshell.runner.nbd.disk import NbdDisk, require_size
from lioshell.runner.qemu import image as images
from lioshell.runner.qemu.daemon import PROGRAM, Daemon, Served, StartError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import ClassVar, Self

    from lioshell.runner.handlers.base import Undo
    from lioshell.runner.nbd.handshake import Export
    from lioshell.runner.nbd.transport import Transport

_LEFT_BEHIND_S = 20.0
"""How long a qemu-nbd whose runner was killed may take to flush its image and end."""
_LOWEST_FD = 10


class _Config(NamedTuple):
    path: str
    format: str
    cache: str
    backing: str
    backing_format: str
    timeout_s: int


class QcowHandler(NbdDisk):
    """An image of QEMU's formats, served by qemu-nbd."""

    subtype = "qcow"
    help = "An image of QEMU's formats (qcow2, vmdk, vdi, vhdx, ...), with backing files"
    config_help = "PATH of the image, absolute; made when it is not there"
    options: ClassVar[tuple[Option, ...]] = (
        Option("format", "enum", "Format of the image", "qcow2", values=images.FORMATS),
        Option("backing", "path", "Image that a new one begins with, read and never written"),
        Option("backing_format", "enum", "Format of that image", "qcow2", values=images.FORMATS),
        Option(
            "cache",
            "enum",
            "writethrough: each write is on the disk when it is answered; none: O_DIRECT",
            "writeback",
            values=("writeback", "writethrough", "none", "directsync"),
        ),
        TIMEOUT_OPTION,
    )

    def __init__(
        self,
        config: _Config,
        daemon: Daemon,
        lock_fd: int,
        first: tuple[Transport, Export],
        read_only: bool,
    ) -> None:
        durable = config.cache in ("writethrough", "directsync")
        super().__init__(daemon.connect, first, read_only, config.timeout_s, durable)
        self._config = config
        self._daemon = daemon
        self._lock_fd = lock_fd

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check the path and the options. Raises UsageError."""
        _parse(config)

    @classmethod
    def unavailable(cls) -> Unavailable | None:
        """Look for QEMU's programs."""
        for program in (PROGRAM, "qemu-img"):
            if shutil.which(program) is None:
                return Unavailable(
                    f"there is no {program}", "Install qemu-utils (Debian) or qemu-img (Fedora)."
                )
        return None

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return the path of an image in a folder."""
        return f"{folder}/exercise.qcow2"

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return what the image's head says. Raises LioshellError."""
        wanted = _parse(config)
        if not os.path.exists(wanted.path):
            return None
        return images.describe(wanted.path, wanted.format).size_bytes

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the image, of mode 0600 and on stable storage, unless it is there.

        An image that is there must be free, of exactly `size_bytes`, and begin with the backing
        file that is asked for. Raises LioshellError.
        """
        wanted = _parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        if not backing_file.is_missing(wanted.path):
            cls.open(config, size_bytes, block_size_bytes).close()
            return nothing_made
        if wanted.backing:
            images.check_chain(images.describe(wanted.backing, wanted.backing_format))
        undo = backing_file.create(wanted.path, 0)
        try:
            images.create(
                wanted.path, wanted.format, size_bytes, wanted.backing, wanted.backing_format
            )
            found = images.describe(wanted.path, wanted.format)
            if found.size_bytes != size_bytes:
                raise RunnerError(
                    f"An image in the format {wanted.format} cannot have {size_bytes} bytes, "
                    f"only {found.size_bytes}",
                    hint=f"Give {found.size_bytes} as the size, or choose another format.",
                )
            cls.open(config, size_bytes, block_size_bytes).close()
        except BaseException:
            undo()
            raise
        return undo

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Lock the image, which must exist and have exactly `size_bytes`, and serve it.

        Waits for the qemu-nbd of a runner that was killed. Raises LioshellError.
        """
        wanted = _parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        lock_fd = _locked(wanted.path, block_size_bytes, read_only)
        try:
            found = images.describe(wanted.path, wanted.format)
            _require_fit(found, wanted, size_bytes)
            images.check_chain(found)
            served = Served(wanted.path, wanted.format, read_only, wanted.cache)
            daemon = Daemon(served, lock_fd)
            first = _started(daemon, wanted)
            try:
                name = f"The image {wanted.path}"
                require_size(first[1], name, size_bytes, block_size_bytes, "Look what changed it.")
                return cls(wanted, daemon, lock_fd, first, read_only)
            except BaseException:
                first[0].close()
                daemon.end()
                raise
        except BaseException:
            os.close(lock_fd)
            raise

    def resize(self, size_bytes: int) -> None:
        """Give the image another size; qemu-nbd is stopped for it. Raises LioshellError."""
        before = self.size_bytes
        try:
            self._client.close(DEFAULT_TIMEOUT_S)
            self._daemon.end()
        except OSError as error:
            self._serve_again()
            raise RunnerError(
                f"{self._config.path} cannot be resized: {error.strerror}",
                hint="Look at its status, and at the file system below it.",
            ) from error
        try:
            images.resize(
                self._config.path, self._config.format, size_bytes, shrink=size_bytes < before
            )
        finally:
            self._serve_again()

    def _serve_again(self) -> None:
        self._begin_with(_started(self._daemon, self._config))

    def status(self) -> dict[str, str]:
        """Tell how qemu-nbd does."""
        told = super().status()
        return {PROGRAM: f"{told.pop('connection')}, process {self._daemon.pid}", **told}

    def close(self) -> None:
        """Flush, have qemu-nbd end, and give the lock back. Raises OSError."""
        try:
            super().close()
        finally:
            try:
                self._daemon.end()
            finally:
                fd, self._lock_fd = self._lock_fd, -1
                if fd >= 0:
                    os.close(fd)


def _parse(config: str) -> _Config:
    config_string.check_text(config, "qcow/")
    path, values = config_string.split_options(config, QcowHandler.options)
    backing_file.check_path(path, "qcow/")
    backing = values.get("backing", "")
    if backing:
        backing_file.check_path(backing, "")
        if os.path.realpath(backing) == os.path.realpath(path):
            raise UsageError(
                f"{path} cannot be its own backing file", hint="Name another image as backing."
            )
    timeout_s = int(values["timeout"])
    if not 1 <= timeout_s <= 3600:
        raise UsageError(
            f"timeout={timeout_s} is no sensible number of seconds", hint="Give 1 to 3600."
        )
    return _Config(
        path, values["format"], values["cache"], backing, values["backing_format"], timeout_s
    )


def _locked(path: str, block_size_bytes: int, read_only: bool) -> int:
    """Open and lock an image; the descriptor is above those that a program is started with."""
    fd = _free(path, block_size_bytes, read_only)
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LOWEST_FD)
    finally:
        os.close(fd)


def _free(path: str, block_size_bytes: int, read_only: bool) -> int:
    deadline = time.monotonic() + _LEFT_BEHIND_S
    while True:
        try:
            return backing_file.open_locked(path, None, block_size_bytes, read_only)
        except ConflictError:
            # A runner that was killed leaves a qemu-nbd behind, which ends when it has flushed.
            if time.monotonic() > deadline or not backing_file.outlived_by_its_lock(path):
                raise
            time.sleep(0.02)


def _require_fit(found: images.Image, wanted: _Config, size_bytes: int) -> None:
    if found.size_bytes != size_bytes:
        raise ConflictError(
            f"The image {wanted.path} has {found.size_bytes} bytes, not {size_bytes}",
            hint=f"Give {found.size_bytes} as the size to use it as it is, or name another one.",
            path=wanted.path,
        )
    if wanted.backing and os.path.realpath(found.backing_path) != os.path.realpath(wanted.backing):
        begins = f"begins with {found.backing_path}" if found.backing_path else "has none"
        raise ConflictError(
            f"The image {wanted.path} is there and {begins}, not with {wanted.backing}",
            hint="Leave backing out to use the image as it is, or name a new one.",
            path=wanted.path,
        )


def _started(daemon: Daemon, config: _Config) -> tuple[Transport, Export]:
    """Start qemu-nbd for the first time. Raises LioshellError."""
    try:
        return daemon.connect(max(config.timeout_s, 10))
    except StartError as error:
        raise images.refusal(f"QEMU cannot open {config.path}", error.said, config.path) from None
    except OSError as error:
        raise RunnerError(
            f"QEMU cannot open {config.path}: {error.strerror or error}",
            hint="Install qemu-utils (Debian) or qemu-img (Fedora), and look at the file system.",
            path=config.path,
        ) from None
