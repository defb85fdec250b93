# SPDX-License-Identifier: Apache-2.0
"""The `rbd` subtype: a device whose blocks are an image of a Ceph cluster.

Reads and writes are librbd's asynchronous ones, straight between network and mapped area. Nothing
is cached here: a write that is answered is in the cluster. While no OSD answers, commands wait.
"""

from __future__ import annotations

import contextlib
import ctypes
import os

from lioshell.errors import ConflictError, NotFoundError
from lioshell.model.sizes import format_size
from lioshell.runner.handlers import backing_file, shared_library
from lioshell.runner.handlers.base import (
    Extent,
    Unavailable,
    Undo,
    nothing_made,
)
from lioshell.runner.handlers.ceph import image as images
from lioshell.runner.handlers.ceph import lock
from lioshell.runner.handlers.ceph.cluster import CLOSE_TIMEOUT_S, OPERATION_TIMEOUT_S, Cluster
from lioshell.runner.handlers.ceph.completions import Completions
from lioshell.runner.handlers.ceph.image import Image
from lioshell.runner.handlers.ceph.library import (
    INSTALL,
    RADOS,
    RBD,
    ZEROES_THICK,
    load,
)
from lioshell.runner.handlers.ceph.name import OPTIONS, parse
from lioshell.runner.handlers.completion import CompletionHandler, Done
from lioshell.runner.handlers.native_io import Transfer
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self


class RbdHandler(CompletionHandler):
    """An open image, its exclusive lock taken; a snapshot or a read-only device takes none.

    Without a cache of its own: `write_cache` is False, and FUA needs nothing.
    """

    subtype = "rbd"
    help = "An image of a Ceph cluster (RBD)"
    config_help = (
        "POOL/IMAGE, POOL/NAMESPACE/IMAGE or, read-only, POOL/IMAGE@SNAPSHOT; made when it is not "
        "there"
    )
    options = OPTIONS

    def __init__(self, cluster: Cluster, image: Image, size_bytes: int, read_only: bool) -> None:
        self._cluster = cluster
        self._image = image
        self._rbd = load().rbd
        self._completions = Completions(image)
        self._size_bytes = size_bytes
        self._read_only = read_only

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check the form of `POOL[/NAMESPACE]/IMAGE[@SNAPSHOT][;option=value]`.

        Raises UsageError.
        """
        parse(config)

    @classmethod
    def unavailable(cls) -> Unavailable | None:
        """Tell whether librbd is missing."""
        for soname in (RADOS, RBD):
            if not shared_library.is_there(soname):
                return Unavailable(f"there is no {soname}", INSTALL)
        return None

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return the size of an image, None where there is none. Raises LioshellError."""
        with Cluster(parse(config)) as cluster, cluster.failures("look at"):
            try:
                image = Image(cluster, read_only=True)
            except NotFoundError:
                return None
            try:
                return image.size_bytes()
            finally:
                image.close()

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the image unless it is there.

        One that is there must be free and of exactly `size_bytes`. Raises NotFoundError (no such
        pool), ConflictError (another size, in use) or RunnerError (the cluster).
        """
        name = parse(config)
        backing_file.check_size(size_bytes, block_size_bytes)
        with Cluster(name) as cluster, cluster.failures("make"):
            try:
                Image(cluster, read_only=True).close()
            except NotFoundError:
                images.make(cluster, size_bytes)
                made = Image(cluster, read_only=True)
                image_id = made.id()
                made.close()
            else:
                cls._opened(config, size_bytes, bool(name.snapshot), 0.0).close()
                return nothing_made

        def remove() -> None:
            with Cluster(name) as cluster, cluster.failures("remove"):
                images.remove(cluster, image_id)

        return remove

    @classmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Self:
        """Open the image, which must exist and have exactly `size_bytes`, and lock it.

        Waits for the end of an owner that may be dead (ceph/lock.py). Raises as `prepare`.
        """
        backing_file.check_size(size_bytes, block_size_bytes)
        return cls._opened(config, size_bytes, read_only, lock.WATCH_TIMEOUT_S)

    @classmethod
    def _opened(cls, config: str, size_bytes: int, read_only: bool, patience_s: float) -> Self:
        name = parse(config)
        read_only = read_only or bool(name.snapshot)
        with contextlib.ExitStack() as stack:
            cluster = stack.enter_context(Cluster(name))
            stack.enter_context(cluster.failures("open"))
            image = Image(cluster, read_only)
            stack.callback(image.close)
            found = image.size_bytes()
            if found != size_bytes:
                raise ConflictError(
                    f"rbd/{name} has {found} bytes, not {size_bytes}",
                    hint=f"Give size={found}, or type: {name.command} resize {name} "
                    f"--size {size_bytes}B",
                )
            if image.setting("rbd_cache") == "true":
                raise ConflictError(
                    f"rbd/{name} has librbd's cache switched on in its own settings, which loses "
                    "what was acknowledged when this process is killed",
                    hint=f"Type: {name.command} config image rm {name} rbd_cache; or the same of "
                    "its pool.",
                )
            if not read_only:
                lock.take(cluster, image, patience_s)
            # From here on commands wait for the cluster, as they do for a disk.
            cluster.wait_for_osds(name.osd_op_timeout_s)
            handler = cls(cluster, image, size_bytes, read_only)
            stack.pop_all()
        return handler

    @property
    def size_bytes(self) -> int:
        """The size of the device."""
        return self._size_bytes

    @property
    def write_cache(self) -> bool:
        """Never: a write is answered when it is in the cluster."""
        return False

    @property
    def read_only(self) -> bool:
        """Whether the image or a snapshot of it was opened for reading only."""
        return self._read_only

    @property
    def physical_block_size_bytes(self) -> int:
        """What BlueStore writes as a whole (bluestore_min_alloc_size)."""
        return 4096

    @property
    def can_discard(self) -> bool:
        """An image is thin: its objects are given back."""
        return not self._read_only

    def submit_read(self, buffers: list[memoryview], offset_bytes: int, done: Done) -> None:
        """Begin a read. Raises OSError."""
        self._submit(self._rbd.rbd_aio_readv, Transfer(done, buffers, is_read=True), offset_bytes)

    def submit_write(
        self, buffers: list[memoryview], offset_bytes: int, fua: bool, done: Done
    ) -> None:
        """Begin a write, which is durable when it is done. Raises OSError."""
        del fua  # so is every write
        self._submit(self._rbd.rbd_aio_writev, Transfer(done, buffers), offset_bytes)

    def _submit(self, function: Any, transfer: Transfer, offset_bytes: int) -> None:
        completion = self._completions.begin(transfer)
        vector = ctypes.addressof(transfer.vector)
        result = function(self._image.handle, vector, transfer.count, offset_bytes, completion)
        if result < 0:
            self._completions.give_up(completion)
            raise OSError(-result, os.strerror(-result))

    def submit_flush(self, done: Done) -> None:
        """Begin to wait for all that was submitted before. Raises OSError."""
        completion = self._completions.begin(Transfer(done, []))
        result = self._rbd.rbd_aio_flush(self._image.handle, completion)
        if result < 0:
            self._completions.give_up(completion)
            raise OSError(-result, os.strerror(-result))

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Give the objects of a range back; exact to the byte. Raises OSError."""
        self._image.write_zeroes(offset_bytes, size_bytes, 0)

    def write_zeroes(self, offset_bytes: int, size_bytes: int) -> None:
        """Zero a range and keep its objects. Raises OSError."""
        self._image.write_zeroes(offset_bytes, size_bytes, ZEROES_THICK)

    def allocation(self, offset_bytes: int, size_bytes: int) -> Iterator[Extent]:
        """Tell objects that are there from others. Raises OSError."""
        position, end = offset_bytes, offset_bytes + size_bytes
        for start, length, exists in self._image.differences(offset_bytes, size_bytes):
            if exists and start + length > position:
                if start > position:
                    yield Extent(start - position, False)
                    position = start
                yield Extent(min(start + length, end) - position, True)
                position = min(start + length, end)
        if position < end:
            yield Extent(end - position, False)

    def resize(self, size_bytes: int) -> None:
        """Give the image another size. Raises RunnerError."""
        with self._cluster.failures("resize"), self._bounded():
            if self._image.size_bytes() != size_bytes:  # somebody has done it with `rbd resize`
                self._image.resize(size_bytes)
        self._size_bytes = size_bytes

    def status(self) -> dict[str, str]:
        """Tell how the cluster does, who has the lock, and the size if somebody changed it."""
        told: dict[str, str] = {}
        try:
            told["cluster"] = self._cluster.health()
        except OSError as error:
            told["cluster"] = f"does not answer: {error.strerror}"
            return told
        try:
            found = self._image.size_bytes()
            if found != self._size_bytes:
                told["image"] = f"{format_size(found)} by now: type resize to follow"
            if not self._read_only:
                told["lock"] = "ours" if self._image.owns_lock() else "lost: another client took it"
        except OSError as error:
            told["image"] = f"cannot be looked at: {error.strerror}"
        return told

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[None]:
        """Let what is done now fail in bounded time; nothing else is under way."""
        self._cluster.wait_for_osds(OPERATION_TIMEOUT_S)
        try:
            yield
        finally:
            self._cluster.wait_for_osds(self._cluster.name.osd_op_timeout_s)

    def close(self) -> None:
        """Give the lock up and end the connection. Raises OSError."""
        try:
            self._cluster.wait_for_osds(CLOSE_TIMEOUT_S)
            self._completions.close()
            self._image.close()
        finally:
            self._completions.close_fd()
            self._cluster.close()
