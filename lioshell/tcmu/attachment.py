# SPDX-License-Identifier: Apache-2.0
"""One call from an object that reads and writes to a disk of this machine."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import weakref
from collections import deque

from lioshell.errors import ConflictError, LioshellError, UsageError
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.opening import open_lio
from lioshell.model.names import check_object_name, normalise_wwn
from lioshell.model.sizes import check_block_multiple, parse_size
from lioshell.runner.scsi.unit import Geometry, Identity
from lioshell.service.modes import KeptModes
from lioshell.service.port_groups import PortGroups
from lioshell.tcmu import kernel_disk
from lioshell.tcmu.commands import CommandDisk
from lioshell.tcmu.identity import InquiryInfo, NaaWwn, generate_serial, generate_wwn
from lioshell.tcmu.kernel_disk import Wanted
from lioshell.tcmu.serving import Serving
from lioshell.tcmu.storage import CoroutineHandler, opener_of
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio
    from lioshell.runner.handlers.base import Handler
    from lioshell.tcmu.commands import CommandHandler
    from lioshell.tcmu.storage import Readable

_MESSAGES = 100


class AttachedDisk:
    """A disk of this machine that an object of this program answers for.

    Made by `attach`. Used with `with` or `async with`, or between `open` and `close`.
    """

    def __init__(
        self,
        storage: Any,
        wanted: Wanted,
        *,
        config: str,
        threads: int | None,
        inquiry: InquiryInfo,
        sim: str | None,
        report: Callable[[str], None] | None,
    ) -> None:
        self._storage = storage
        self._wanted = wanted
        self._config = config
        self._threads = threads
        self._inquiry = inquiry
        self._sim = sim
        self.messages: deque[str] = deque(maxlen=_MESSAGES)
        """What the runner told: lines of text, the newest last; `report` gets them too."""
        self._report = report
        self._asyncio_loop: asyncio.AbstractEventLoop | None = None
        self._open_storage: Callable[[], Handler] | None = None
        self._lio: Lio | None = None
        self._object: StorageObject | None = None
        self._serving: Serving | None = None
        self._disk = ""
        self._path = ""
        self._pid = 0

    # What it is -----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the volume."""
        return self._wanted.name

    @property
    def path(self) -> str:
        """The disk's node: in `directory` where one was given. Raises UsageError until opened.

        On a simulated kernel nothing is there; `configfs_path` is what SimDisk.open wants.
        """
        self._require_open()
        return self._path

    @property
    def configfs_path(self) -> str:
        """The user: object, as core/user_0/vol0. Raises UsageError until it is opened."""
        return self._require_open().path

    @property
    def size_bytes(self) -> int:
        """The size of the disk."""
        return self._wanted.size_bytes

    @property
    def block_size_bytes(self) -> int:
        """The size of a block."""
        return self._wanted.block_size_bytes

    @property
    def wwn(self) -> str:
        """The loopback target that the disk is a LUN of."""
        return self._wanted.wwn

    @property
    def serial(self) -> str:
        """The unit serial number, of which its NAA name is made."""
        return self._wanted.serial

    @property
    def dev_config(self) -> str:
        """The handler string of the user: object, python/NAME."""
        return self._wanted.dev_config

    @property
    def is_open(self) -> bool:
        """Whether the disk is there."""
        return self._object is not None

    def _require_open(self) -> StorageObject:
        if self._object is None:
            raise UsageError(
                f"The disk {self.name} is not attached now",
                hint="Use it in: with tcmu.attach(...) as disk",
            )
        return self._object

    # Its life -------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Make the disk, all of it or nothing, and return itself.

        What a process that was killed has left of the same disk is taken over: its commands are
        retried, and a file system that is mounted from it goes on. Raises LioshellError:
        ConflictError where the name, the LUN or the node is taken.
        """
        if self._object is not None:
            raise ConflictError(f"The disk {self.name} is attached already")
        wanted = self._wanted
        check_object_name(wanted.name)
        check_block_multiple(wanted.size_bytes, wanted.block_size_bytes)
        self._open_storage = opener_of(
            self._storage,
            self._config,
            wanted.size_bytes,
            wanted.block_size_bytes,
            self._threads or 1,
        )
        lio = open_lio(sim=self._sim)
        with lio.transaction() as steps:
            found = kernel_disk.find(lio, wanted)
            if found is None:
                kernel_disk.require_no_node(wanted, None)
                found = kernel_disk.make_object(lio, wanted, self._preparation())
            serving = Serving(lio.kernel, found.path, lambda: self._unit(lio, found), self._told)
            serving.start()
            steps.on_failure("stop serving", serving.stop)
            disk = kernel_disk.seen_from(self._sim, kernel_disk.connect(lio, wanted, found))
            self._path = kernel_disk.make_node(steps, wanted, disk)
        self._lio, self._object, self._serving, self._disk = lio, found, serving, disk
        self._pid = os.getpid()
        _OPEN.add(self)
        return self

    def close(self, *, force: bool = False) -> None:
        """Remove the disk and all that was made for it; nothing happens where it is not there.

        Raises ConflictError while it is mounted or used otherwise: it stays then, and is served.
        `force` removes it all the same; what is mounted from it gets errors. In a child of fork(2)
        nothing happens: it is the parent's.
        """
        if self._object is None or self._lio is None or self._pid != os.getpid():
            return
        kernel_disk.remove(
            self._lio,
            self._object,
            self._wanted.node,
            sim=self._sim,
            known=self._disk,
            wwn=self._wanted.wwn,
            force=force,
        )
        self._forget()

    def abandon(self) -> None:
        """Stop serving and leave the disk, blocked, to who attaches the same one next."""
        if self._object is not None and self._pid == os.getpid():
            self._forget()

    def _forget(self) -> None:
        serving, self._serving, self._object = self._serving, None, None
        _OPEN.discard(self)
        if serving is not None:
            serving.stop()

    def _preparation(self) -> Callable[[int], Callable[[], None]] | None:
        storage = self._storage
        if not isinstance(storage, type):
            return None
        return lambda block: storage.prepare(  # type: ignore[attr-defined]  # a Handler: opener_of
            self._config, self._wanted.size_bytes, block
        )

    def _unit(self, lio: Lio, found: StorageObject) -> CommandDisk:
        assert self._open_storage is not None
        handler = self._open_storage()
        if isinstance(handler, CoroutineHandler):
            handler.loop = self._asyncio_loop
        wanted, inquiry = self._wanted, self._inquiry
        identity = Identity(
            wanted.serial, wanted.name, inquiry.vendor, inquiry.product, inquiry.revision
        )
        sectors = int(lio.configfs.read(f"{found.path}/attrib/hw_max_sectors"))
        geometry = Geometry(wanted.size_bytes, wanted.block_size_bytes, sectors)
        answer = getattr(self._storage, "handle_command", None)
        unit = CommandDisk(identity, geometry, handler, answer, self._threads)
        unit.disk = self
        unit.port_groups = PortGroups(lio.configfs, found.path)
        KeptModes(lio.kernel.run_dir, found.path, lambda: identity).attach(unit)
        return unit

    def _told(self, text: str) -> None:
        self.messages.append(text)
        if self._report is not None:
            self._report(text)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        # Coroutines of the storage run on this loop, which therefore must not wait itself.
        self._asyncio_loop = asyncio.get_running_loop()
        opening = asyncio.ensure_future(asyncio.to_thread(self.open))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # Cancelled while it was made: it is made to its end, and removed.
            await asyncio.wait([opening])
            if opening.exception() is None:
                await asyncio.to_thread(self.close)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        closing = asyncio.ensure_future(asyncio.to_thread(self.close))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await asyncio.wait([closing])
            raise


def attach(
    storage: Readable | CommandHandler | Handler | type[Handler],
    *,
    name: str,
    size: int | str,
    block_size: int = 512,
    directory: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    wwn: str | NaaWwn | None = None,
    lun: int = 0,
    serial: str | None = None,
    inquiry: InquiryInfo | None = None,
    config: str = "",
    cmd_time_out_s: int | None = None,
    sim: str | os.PathLike[str] | None = None,
    report: Callable[[str], None] | None = None,
) -> AttachedDisk:
    """Return a disk of this machine made of `storage`, to be used with `with` or `async with`.

    `storage` has pread(n, offset) and pwrite(data, offset) as os has them, or coroutines of that
    name, and perhaps flush() and discard(n, offset); or it is a Handler, or a class of handlers,
    whose `config` says what to open. With handle_command(command) it answers commands itself.
    `size` is bytes, or text such as "5GiB"; `block_size` 512 to 4096 bytes.

    `directory` gets a link of that name to the disk; something that is there already is never
    overwritten. `threads` is by how many threads at once `storage` may be called: 1, or
    what a Handler says, unless given. `wwn` names the loopback target and `lun` its LUN, so that
    several disks can share one target; `serial` is the unit serial number. Both are made up of host
    and name where they are not given, always the same.
    `sim` is the folder of a simulated kernel. `report` gets lines on what goes wrong later.

    Raises UsageError for wrong arguments; nothing is made before the block begins.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads={threads!r} has to be a number from 1 on")
    size_bytes = parse_size(size if isinstance(size, str) else str(size))
    node_folder = None if directory is None else os.path.abspath(os.fspath(directory))
    own = wwn if wwn is not None else generate_wwn(name)
    wanted = Wanted(
        name=check_object_name(name),
        size_bytes=size_bytes,
        block_size_bytes=block_size,
        serial=generate_serial(name) if serial is None else serial,
        wwn=normalise_wwn(own.device_id() if isinstance(own, NaaWwn) else own, ("naa",)),
        lun=lun,
        directory=node_folder,
        cmd_time_out_s=cmd_time_out_s,
    )
    simulated = None if sim is None else os.path.abspath(os.fspath(sim))
    info = inquiry or InquiryInfo()
    return AttachedDisk(
        storage,
        wanted,
        config=config,
        threads=threads,
        inquiry=info,
        sim=simulated,
        report=report,
    )


def detach(
    name: str,
    *,
    directory: str | os.PathLike[str] | None = None,
    sim: str | os.PathLike[str] | None = None,
) -> None:
    """Remove what a process that was killed has left of a disk, its link in `directory` too.

    Raises NotFoundError where there is none, ConflictError where it is served or in use.
    """
    lio = open_lio(sim=sim)
    with lio.transaction():
        found = find_storage_object(lio, "user", name)
        kernel_disk.require_left(lio, found, name)
        node = None if directory is None else os.path.join(os.path.abspath(directory), name)
        simulated = None if sim is None else os.path.abspath(os.fspath(sim))
        kernel_disk.remove(lio, found, node, sim=simulated, is_left=True)


_OPEN: weakref.WeakSet[AttachedDisk] = weakref.WeakSet()


def _at_exit() -> None:
    """Remove the disks that are left when the program ends; those in use are left to the next."""
    for disk in list(_OPEN):
        try:
            disk.close()
        except (LioshellError, OSError):
            # It is mounted: who attaches the same disk next goes on with it.
            with contextlib.suppress(LioshellError, OSError):
                disk.abandon()


atexit.register(_at_exit)
