# SPDX-License-Identifier: Apache-2.0
"""The `overlay` subtype: a file that is only read, and another one for all that is written.

    overlay//srv/vm1.cow;base=/srv/golden.img

Many overlays may stand on one base. A write of a part of a cluster copies the rest of it from the
base first; behind the base's end are zeros. overlay_file.py has the layout of the file and why no
crash can lose or mix up what it holds.
"""

from __future__ import annotations

import contextlib
import os
import threading

from lioshell.errors import ConflictError, NotFoundError, RunnerError, UsageError
from lioshell.runner.handlers import backing_file, overlay_file
from lioshell.runner.handlers.base import Handler, Option, TransferError, Undo, nothing_made
from lioshell.runner.handlers.config_string import split_options
from lioshell.runner.handlers.overlay_file import DATA_BYTES, Header, Maps, boot_id
from lioshell.runner.handlers.sync_state import SyncState
from lioshell.runner.handlers.vectored import read_rest, write_rest
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_MIN_CLUSTER_BYTES, _MAX_CLUSTER_BYTES = 4096, 16 << 20


class OverlayHandler(Handler):
    """An open overlay: its file locked against everybody else, the base against who writes."""

    subtype = "overlay"
    help = "A base file that is never written, and a copy-on-write file for what is"
    config_help = "PATH of the copy-on-write file, absolute; made when it is not there"
    options = (
        Option("base", "path", "The file below it, which is only read; it has to be given"),
        Option("cluster", "size", "Bytes that are copied at once, in a new file", "64k"),
        Option("changed_base", "bool", "Serve it though the base was changed since", "false"),
    )

    def __init__(self, fd: int, base_fd: int, path: str, header: Header, *, read_only: bool):
        self._fd = fd
        self._base_fd = base_fd
        self._path = path
        self._header = header
        self._read_only = read_only
        self._maps = Maps.load(fd, header, write=not read_only)
        self._syncs = SyncState()
        # Held while clusters are brought into the file: copied, written, remembered.
        self._copying = threading.Lock()
        self._flushing = threading.Lock()

    @classmethod
    def _parse(cls, config: str) -> tuple[str, dict[str, str]]:
        path, values = split_options(config, cls.options)
        backing_file.check_path(path, f"{cls.subtype}/")
        if "base" not in values:
            raise UsageError(
                "An overlay needs a file to stand on", hint="Give it behind the path: ;base=PATH"
            )
        backing_file.check_path(values["base"], "")
        if os.path.realpath(path) == os.path.realpath(values["base"]):
            raise UsageError(
                f"{path} cannot be its own base", hint="Name another file for what is written."
            )
        cluster = int(values["cluster"])
        fits = _MIN_CLUSTER_BYTES <= cluster <= _MAX_CLUSTER_BYTES
        if not fits or cluster & (cluster - 1):
            raise UsageError(
                f"Clusters of {cluster} bytes are not possible",
                hint="Give a power of two from 4k to 16M, as in cluster=64k.",
            )
        return path, values

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check both paths and the size of a cluster. Raises UsageError."""
        cls._parse(config)

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return an overlay on a base of a few bytes that is made here."""
        with open(f"{folder}/base.img", "wb") as file:
            file.write(b"base" * 1024)
        return f"{folder}/overlay.cow;base={folder}/base.img"

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return the overlay's size, or for a new one that of the base."""
        path, values = cls._parse(config)
        if backing_file.size_of(path) is None:
            return backing_file.size_of(values["base"])
        try:
            with open(path, "rb") as file:
                return overlay_file.read_header(file.fileno(), path).size_bytes
        except OSError as error:
            raise _refused("read", path, error) from error

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the copy-on-write file, unless it is there; the base has to be.

        Raises UsageError, NotFoundError, ConflictError or RunnerError.
        """
        path, values = cls._parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        base_fd = _open_base(values["base"])
        try:
            if not backing_file.is_missing(path):
                cls.open(config, size_bytes, block_size_bytes).close()
                return nothing_made
            found = os.fstat(base_fd)
        finally:
            os.close(base_fd)
        visible = min(found.st_size, size_bytes)
        cluster = int(values["cluster"])
        header = Header(size_bytes, cluster, visible, found.st_size, found.st_mtime_ns, bytes(36))
        if header.clusters > overlay_file.MAX_CLUSTERS:
            raise UsageError(
                f"{size_bytes} bytes are too many clusters of {cluster} bytes",
                hint="Give larger ones, as in cluster=1M.",
            )
        remove = backing_file.create(path, DATA_BYTES + size_bytes)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                _write_header(fd, header)
            finally:
                os.close(fd)
        except OSError as error:
            remove()
            raise _refused("write", path, error) from error
        return remove

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Open and lock both files. Raises as `prepare` does, and NotFoundError."""
        path, values = cls._parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        with contextlib.ExitStack() as opened:
            base_fd = _open_base(values["base"])
            opened.callback(os.close, base_fd)
            file_bytes = backing_file.size_of(path) or 0
            fd = backing_file.open_locked(path, file_bytes, 1, read_only)
            opened.callback(os.close, fd)
            header = overlay_file.read_header(fd, path)
            if header.size_bytes != size_bytes:
                raise ConflictError(
                    f"{path} has {header.size_bytes} bytes, not {size_bytes}",
                    hint=f"Give {header.size_bytes} as the size, or name another file.",
                    path=path,
                )
            if values["changed_base"] == "false":
                _require_same_base(base_fd, values["base"], header)
            try:
                if not read_only:
                    # What a resize that was killed left behind the end.
                    os.ftruncate(fd, DATA_BYTES + size_bytes)
                handler = cls(fd, base_fd, path, header, read_only=read_only)
                if not read_only:
                    handler._set_header(header._replace(boot_id=boot_id()))
            except OSError as error:
                raise _refused("open", path, error) from error
            opened.pop_all()
            return handler

    def _set_header(self, header: Header) -> None:
        _write_header(self._fd, header)
        self._header = header

    @property
    def size_bytes(self) -> int:
        """The size of the disk."""
        return self._header.size_bytes

    @property
    def write_cache(self) -> bool:
        """True: writes are acknowledged from the page cache."""
        return True

    @property
    def read_only(self) -> bool:
        """Whether it was opened for reading only."""
        return self._read_only

    @property
    def can_discard(self) -> bool:
        """True: what is discarded reads as zeros, and holes take no room."""
        return not self._read_only

    def read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill the buffers from the file and the base. Raises OSError."""
        done = 0
        for start, end, held in self._runs(offset_bytes, sum(map(len, buffers))):
            part = _part(buffers, start - offset_bytes, end - offset_bytes)
            try:
                if held:
                    read_rest(self._fd, part, DATA_BYTES + start, 0)
                else:
                    self._read_base(part, start)
            except TransferError as error:
                raise TransferError(error, done + error.done_bytes) from error
            done += end - start

    def _runs(self, offset_bytes: int, size_bytes: int) -> Iterator[tuple[int, int, bool]]:
        """Yield the parts of a range that lie in the file, or do not: begin, end, whether."""
        cluster_bytes = self._header.cluster_bytes
        end = offset_bytes + size_bytes
        last = -(-end // cluster_bytes)
        while offset_bytes < end:
            cluster = offset_bytes // cluster_bytes
            # Asked before the read: a cluster that comes meanwhile holds what the base holds.
            held = self._maps.holds(cluster)
            stop = min(end, self._maps.first_change(cluster, last) * cluster_bytes)
            yield offset_bytes, stop, held
            offset_bytes = stop

    def _read_base(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill buffers from the base, with zeros behind what is visible of it."""
        size = sum(map(len, buffers))
        there = max(0, min(size, self._header.visible_bytes - offset_bytes))
        if there:
            read_rest(self._base_fd, _part(buffers, 0, there), offset_bytes, 0)
        for view in _part(buffers, there, size):
            view[:] = bytes(len(view))

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Write the buffers into the file, with `fua` to stable storage. Raises OSError."""
        size = sum(map(len, buffers))
        runs = list(self._runs(offset_bytes, size))
        if all(held for _, _, held in runs):
            write_rest(self._fd, buffers, DATA_BYTES + offset_bytes, 0)
        else:
            with self._copying:
                self._complete(offset_bytes, offset_bytes + size)
                write_rest(self._fd, buffers, DATA_BYTES + offset_bytes, 0)
                self._remember(offset_bytes, offset_bytes + size)
        if fua:
            self.flush()

    def _complete(self, begin: int, end: int) -> None:
        """Copy what a write to a range leaves of its first and last cluster; held: `_copying`."""
        cluster_bytes = self._header.cluster_bytes
        first, last = begin // cluster_bytes, (end - 1) // cluster_bytes
        if not self._maps.holds(first):
            self._copy_up(first * cluster_bytes, begin)
        if not self._maps.holds(last):
            self._copy_up(end, min((last + 1) * cluster_bytes, self._header.size_bytes))

    def _copy_up(self, begin: int, end: int) -> None:
        if begin >= end:
            return
        buffer = memoryview(bytearray(end - begin))
        self._read_base([buffer], begin)
        write_rest(self._fd, [buffer], DATA_BYTES + begin, 0)

    def _remember(self, begin: int, end: int) -> None:
        cluster_bytes = self._header.cluster_bytes
        self._maps.add(begin // cluster_bytes, -(-end // cluster_bytes))

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Make a range read as zeros; whole clusters become holes. Raises OSError."""
        cluster_bytes, end = self._header.cluster_bytes, offset_bytes + size_bytes
        first = -(-offset_bytes // cluster_bytes) * cluster_bytes
        last = end if end == self.size_bytes else end // cluster_bytes * cluster_bytes
        if first >= last:
            self.write_zeroes(offset_bytes, size_bytes)
            return
        self.write_zeroes(offset_bytes, first - offset_bytes)
        self.write_zeroes(last, end - last)
        from lioshell.runner.handlers.fallocate import KEEP_SIZE, PUNCH_HOLE, fallocate

        with self._copying:
            fallocate(self._fd, PUNCH_HOLE | KEEP_SIZE, DATA_BYTES + first, last - first)
            self._remember(first, last)

    def flush(self) -> None:
        """Put data on stable storage, then the map that says it is there. Raises OSError."""
        if self._read_only:
            return
        # One after the other: an older map must not come behind a newer one.
        with self._syncs.sync(covers_others=True), self._flushing:
            pages = self._maps.begin_sync()
            os.fdatasync(self._fd)
            if pages:
                self._maps.end_sync(pages)
                os.fdatasync(self._fd)

    def resize(self, size_bytes: int) -> None:
        """Have another size; what is added reads as zeros, also where the base goes on.

        Raises UsageError, RunnerError.
        """
        before = self._header
        header = before._replace(
            size_bytes=size_bytes, visible_bytes=min(before.visible_bytes, size_bytes)
        )
        if header.clusters > overlay_file.MAX_CLUSTERS:
            raise UsageError(
                f"{size_bytes} bytes are too many clusters of {header.cluster_bytes} bytes",
                hint="Make an overlay with larger ones, as in cluster=1M, and copy the data.",
            )
        try:
            if size_bytes > before.size_bytes:
                os.ftruncate(self._fd, DATA_BYTES + size_bytes)
                self.flush()
            self._set_header(header)
            os.fdatasync(self._fd)
            self._maps.resize(header.clusters)
            if size_bytes < before.size_bytes:
                os.ftruncate(self._fd, DATA_BYTES + size_bytes)
            os.fdatasync(self._fd)
        except OSError as error:
            raise _refused("resize", self._path, error) from error

    def status(self) -> dict[str, str]:
        """Tell how much of the disk lies in the copy-on-write file."""
        held = self._maps.count() * self._header.cluster_bytes
        return {"written": f"{min(held, self.size_bytes)} of {self.size_bytes} bytes"}

    def close(self) -> None:
        """Flush, and close both files. Raises OSError when the last write-back failed."""
        fd = self._fd
        if fd < 0:
            return
        try:
            self.flush()
        finally:
            self._fd = -1
            os.close(fd)
            os.close(self._base_fd)


def _part(buffers: list[memoryview], begin: int, end: int) -> list[memoryview]:
    """Return the views of a part of what buffers hold together."""
    parts, at = [], 0
    for view in buffers:
        first, last = max(0, begin - at), min(len(view), end - at)
        if first < last:
            parts.append(view[first:last])
        at += len(view)
    return parts


def _refused(verb: str, path: str, error: OSError) -> RunnerError:
    return RunnerError(
        f"Cannot {verb} {path}: {error.strerror or error}",
        hint="Check its permissions, the room on its file system, and dmesg.",
        path=path,
    )


def _write_header(fd: int, header: Header) -> None:
    write_rest(fd, [memoryview(header.pack())], 0, 0)


def _open_base(path: str) -> int:
    """Open a base for reading, locked against who would write. Raises LioshellError."""
    size_bytes = backing_file.size_of(path)
    if size_bytes is None:
        raise NotFoundError(
            f"The base {path} is not there, or empty",
            hint="Mount its file system, or restore the file.",
            path=path,
        )
    return backing_file.open_locked(path, size_bytes, 1, read_only=True)


def _require_same_base(base_fd: int, path: str, header: Header) -> None:
    found = os.fstat(base_fd)
    if (found.st_size, found.st_mtime_ns) != (header.base_size_bytes, header.base_mtime_ns):
        raise ConflictError(
            f"{path} was changed since the overlay on it was made",
            hint="Restore the base as it was; or changed_base=true, if what lies above it fits.",
            path=path,
        )
