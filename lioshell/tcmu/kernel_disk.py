# SPDX-License-Identifier: Apache-2.0
"""What an attached disk is to the kernel: a user: object, a loopback LUN, a node in a folder."""

from __future__ import annotations

import contextlib
import os
from functools import partial

from lioshell.errors import ConflictError, HostError, NotFoundError, RunnerError
from lioshell.lio.backstore_create import create_user
from lioshell.lio.backstores import ATTACHED, find_storage_object
from lioshell.lio.fabrics import Fabric
from lioshell.lio.luns import Lun
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.fabrics import Target
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg
    from lioshell.lio.transaction import Transaction

_TAG: Final = 1
_PROBE_S: Final = 30.0
_COMMAND_BYTES: Final = 4 << 20
_OPTIONS: Final = ("max_data_area_mb=128", "data_pages_per_blk=16")


_OURS: set[tuple[str, str]] = set()
"""Targets (where configfs is, WWN) that programs made for their disks: gone with the last LUN."""


class Wanted(NamedTuple):
    """What a disk is to be; sizes in bytes, `directory` None for no node of its own."""

    name: str
    size_bytes: int
    block_size_bytes: int
    serial: str
    wwn: str
    lun: int
    directory: str | None
    cmd_time_out_s: int | None

    @property
    def dev_config(self) -> str:
        """The handler string of the user: object."""
        return f"{ATTACHED}/{self.name}"

    @property
    def node(self) -> str | None:
        """The link to the disk, None without a directory."""
        return None if self.directory is None else os.path.join(self.directory, self.name)


def find(lio: Lio, wanted: Wanted) -> StorageObject | None:
    """Return what a process that ended without its teardown has left of the same disk, or None.

    Raises ConflictError where the name is taken by something else, or is served.
    """
    try:
        found = find_storage_object(lio, "user", wanted.name)
    except NotFoundError:
        return None
    require_left(lio, found, wanted.name)
    attributes = f"{found.path}/attrib"
    block = int(lio.configfs.read(f"{attributes}/hw_block_size"))
    there = (found.size_bytes, block, found.serial)
    if there != (wanted.size_bytes, wanted.block_size_bytes, wanted.serial):
        raise ConflictError(
            f"A disk {wanted.name} of another size or serial number was left by a process that"
            " has ended",
            hint=f"Remove it with: tcmu.detach({wanted.name!r})",
            path=found.path,
        )
    return found


def require_left(lio: Lio, found: StorageObject, name: str) -> None:
    """Raise ConflictError unless a user: object is a disk of a program that nobody serves."""
    if found.dev_config != f"{ATTACHED}/{name}":
        raise ConflictError(
            f"There is another user: object {name} ({found.dev_config})",
            hint="Choose another name, or delete that one first.",
            path=found.path,
        )
    for device in lio.kernel.uio.devices():
        if device.configfs_path == found.path and lio.kernel.uio.is_open(device):
            raise ConflictError(
                f"The disk {name} is attached already",
                hint="Close it first, in the process that attached it.",
                path=found.path,
            )


def make_object(
    lio: Lio, wanted: Wanted, prepare: Callable[[int], Callable[[], None]] | None
) -> StorageObject:
    """Make the user: object as a part of the running transaction."""
    sectors = _COMMAND_BYTES // wanted.block_size_bytes
    return create_user(
        lio,
        wanted.name,
        wanted.size_bytes,
        wanted.dev_config,
        prepare=prepare,
        wwn=wanted.serial,
        block_size_bytes=wanted.block_size_bytes,
        control=(f"hw_max_sectors={sectors}", *_OPTIONS),
        cmd_time_out_s=wanted.cmd_time_out_s,
    )


def connect(lio: Lio, wanted: Wanted, found: StorageObject) -> str:
    """Make the LUN of an object that is served, and return the disk that this machine sees.

    A target of that name that is there already gets one more LUN. Raises ConflictError where the
    LUN is another object's, RunnerError where no disk appears.
    """
    fabric = Fabric(lio, lio.specs.fabric("loopback"))
    key = (lio.configfs.location, wanted.wwn)
    if wanted.wwn in fabric.targets():
        target = fabric.target(wanted.wwn)
    else:
        target = fabric.create_target(wanted.wwn)
        _OURS.add(key)
    tpg = target.tpg(_TAG) if _TAG in target.tpg_tags() else target.create_tpg(_TAG)
    lun = Lun(lio, tpg.path, wanted.lun)
    if lun.path in found.users():
        # A program before this one made it, and the target.
        _OURS.add(key)
    else:
        tpg.create_lun(found, wanted.lun)
    disks = lio.kernel.system.disks_at(tpg.address or "", wanted.lun, timeout_s=_PROBE_S)
    if not disks:
        raise RunnerError(
            f"No disk appeared for {wanted.name} at {tpg.address}:{wanted.lun}",
            hint="See what the kernel says with: dmesg | tail",
        )
    return disks[0]


def require_no_node(wanted: Wanted, disk: str | None) -> None:
    """Raise ConflictError where something is in the node's place, but for a link to `disk`."""
    node = wanted.node
    if node is None or not os.path.lexists(node):
        return
    if disk is None or not os.path.islink(node) or os.readlink(node) != disk:
        raise ConflictError(
            f"{node} exists already, and is never overwritten",
            hint="Choose another name or directory, or remove it.",
            path=node,
        )


def make_node(steps: Transaction, wanted: Wanted, disk: str) -> str:
    """Link the disk in its directory, which is made where it is missing; return the path."""
    node = wanted.node
    if node is None or wanted.directory is None:
        return disk
    require_no_node(wanted, disk)
    try:
        for folder in _missing(wanted.directory):
            os.mkdir(folder, 0o755)
            steps.on_failure(f"rmdir {folder}", partial(os.rmdir, folder))
        if not os.path.islink(node):
            os.symlink(disk, node)
            steps.on_failure(f"unlink {node}", lambda: os.unlink(node))
    except OSError as error:
        raise HostError(
            f"{node} cannot be made: {error.strerror}",
            hint="Give a directory that this user can write to.",
            path=node,
        ) from error
    return node


def _missing(directory: str) -> list[str]:
    found: list[str] = []
    while directory and not os.path.lexists(directory):
        found.insert(0, directory)
        directory = os.path.dirname(directory)
    return found


def seen_from(sim: str | None, disk: str) -> str:
    """Return where a disk is: in the simulated machine's folder, never one of the real machine."""
    return disk if sim is None else os.path.join(sim, disk.lstrip("/"))


def remove(
    lio: Lio,
    found: StorageObject,
    node: str | None,
    *,
    sim: str | None,
    known: str = "",
    wwn: str = "",
    force: bool = False,
    is_left: bool = False,
) -> None:
    """Remove node, LUN, the target that was made for it, and the object, or leave all as it is.

    `known` is the disk that the node leads to, and `wwn` the target, should others have removed the
    LUN; `is_left`: what a process has left that has ended. Raises ConflictError while the disk is
    in use (unless `force`), or exported elsewhere.
    """
    users = found.users() if lio.configfs.is_dir(found.path) else []
    group = lio.specs.fabric("loopback").group
    own = [_OwnLun.of(lio, path) for path in users if path.startswith(f"{group}/")]
    others = [path for path in users if not path.startswith(f"{group}/")]
    if others:
        raise ConflictError(
            f"{found.name} is exported by {', '.join(others)}",
            hint="Delete the LUN first.",
            path=found.path,
        )
    disks = [disk for lun in own for disk in lun.disks(lio)]
    for disk in () if force or lio.kernel.simulated else disks:
        by = lio.kernel.system.holders(disk)
        if by:
            raise ConflictError(
                f"{disk} is in use: {', '.join(by)}",
                hint="Unmount it first; until then it stays, and is served.",
                path=disk,
            )
    with lio.transaction() as steps:
        leads_to = os.readlink(node) if node is not None and os.path.islink(node) else None
        if node is not None and leads_to in (known, *(seen_from(sim, disk) for disk in disks)):
            os.unlink(node)
            steps.on_failure(f"link {node}", partial(os.symlink, leads_to, node))
        for lun in own:
            lun.tpg.delete_lun(lun.number)
        fabric = Fabric(lio, lio.specs.fabric("loopback"))
        for name in dict.fromkeys((*(lun.target.wwn for lun in own), wwn)):
            key = (lio.configfs.location, name)
            if (is_left or key in _OURS) and _remove_empty(fabric, name):
                _OURS.discard(key)
        if lio.configfs.is_dir(found.path):
            found.delete()
    if node is not None:
        # It stays where it was not made for this, or others use it.
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(node))


class _OwnLun(NamedTuple):
    """A LUN of loopback, by which this machine sees a disk."""

    target: Target
    tpg: Tpg
    number: int

    @classmethod
    def of(cls, lio: Lio, path: str) -> _OwnLun:
        tpg_path, _, index = path.partition("/lun/lun_")
        wwn, _, tag = tpg_path.split("/", 1)[1].partition("/tpgt_")
        target = Fabric(lio, lio.specs.fabric("loopback")).target(wwn)
        return cls(target, target.tpg(int(tag)), int(index))

    def disks(self, lio: Lio) -> list[str]:
        return lio.kernel.system.disks_at(self.tpg.address or "", self.number)


def _remove_empty(fabric: Fabric, wwn: str) -> bool:
    """Remove a target that has no LUN any more, and tell whether there is none of that name."""
    if wwn in fabric.targets():
        target = fabric.target(wwn)
        if any(tpg.lun_indexes() for tpg in target.tpgs()):
            return False
        target.delete()
    return True
