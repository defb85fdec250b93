# SPDX-License-Identifier: Apache-2.0
"""What each kind of backstore does with control, enable, removal, and shows in info.

drivers/target/target_core_iblock.c, _file.c, _rd.c: *_set_configfs_dev_params,
*_configure_device, *_show_configfs_dev_params. Pass-through and user have files of their own.
"""

from __future__ import annotations

import errno
import os

from lioshell.kernel.sim.disks import BLOCK_SIZE_BYTES
from lioshell.kernel.sim.values import Refused, option_int, option_u64, options
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

    from lioshell.kernel.sim.disks import Disk
    from lioshell.kernel.sim.schema import Attribute
    from lioshell.kernel.sim.simulation import Simulation

_PAGE_SIZE_BYTES = 4096
_QUEUE_DEPTH = 128
_UINT_MAX = 2**32 - 1
_FILEIO_MAX_BYTES = 8388608
_DISK_UNMAP = {
    "max_unmap_lba_count": 8388607,
    "max_unmap_block_desc_count": 1,
    "unmap_granularity": 8,
    "unmap_granularity_alignment": 0,
}
_DISK_MAX_SECTORS = 2560
"""The simulated disks have the limits of a loop device over a file on a solid state disk."""

_SG_TABLE_ENTRIES = 2048
"""target_core_rd.h, RD_MAX_ALLOCATION_SIZE / sizeof(struct scatterlist)."""


class Backstore:
    """One kind of backstore; `device` is always a storage object's path."""

    product = ""
    revision = "4.0"
    passthrough = False
    can_protect = False
    unmap: ClassVar[Mapping[str, int]] = {}
    actions: ClassVar[Mapping[str, Attribute]] = {}

    def control(self, sim: Simulation, device: str, text: str) -> None:
        """Take options; raises Refused, and what stands before the bad one is taken."""

    def configure(self, sim: Simulation, device: str) -> dict[str, int]:
        """Open what backs the object, and return the attributes that follow from it.

        Raises Refused; then nothing is open.
        """
        del sim, device
        raise Refused(errno.EINVAL)

    def destroy(self, sim: Simulation, device: str) -> None:
        """Close what `configure` opened."""

    def info(self, sim: Simulation, device: str) -> str:
        """Return the backstore's part of `info`."""
        del sim, device
        return "\n"


def backstore_for(prefix: str) -> Backstore:
    """Return the kind whose HBAs are called `prefix`_N; a spec of another kind gets a bare one."""
    if prefix == "user":
        from lioshell.kernel.sim.rules_user import User

        return User()
    if prefix == "pscsi":
        from lioshell.kernel.sim.rules_pscsi import Pscsi

        return Pscsi()
    return _KINDS.get(prefix, Backstore)()


def backstore_of(device: str) -> Backstore:
    """Return the kind of a storage object."""
    return backstore_for(device.split("/")[1].rpartition("_")[0])


def _state(sim: Simulation, device: str) -> dict[str, Any]:
    return sim.tree.state(device)


class Block(Backstore):
    """iblock: a block device."""

    product = "IBLOCK"
    unmap: ClassVar[Mapping[str, int]] = _DISK_UNMAP

    def control(self, sim: Simulation, device: str, text: str) -> None:
        for key, value in options(text, ("udev_path", "readonly", "force")):
            if key == "udev_path":
                if sim.tree.value(f"{device}/enable") == "1":
                    raise Refused(errno.EEXIST)
                sim.tree.change_state(device, dev=value)
            elif key == "readonly":
                sim.tree.change_state(device, readonly=option_u64(value) != 0)

    def configure(self, sim: Simulation, device: str) -> dict[str, int]:
        state = _state(sim, device)
        if "dev" not in state:
            raise Refused(errno.EINVAL)
        disk = find_disk(sim, state["dev"])
        if disk.read_only and not state.get("readonly"):
            raise Refused(errno.EACCES)
        if not sim.disks.claim(disk, device):
            raise Refused(errno.EBUSY)
        return {
            "hw_block_size": BLOCK_SIZE_BYTES,
            "hw_max_sectors": _DISK_MAX_SECTORS,
            "hw_queue_depth": _QUEUE_DEPTH,
            "max_write_same_len": 8388607,
            "is_nonrot": 1,
            **self.unmap,
        }

    def destroy(self, sim: Simulation, device: str) -> None:
        sim.disks.release(_state(sim, device)["dev"], device)

    def info(self, sim: Simulation, device: str) -> str:
        state = _state(sim, device)
        enabled = sim.tree.value(f"{device}/enable") == "1"
        disk = sim.disks.find(state["dev"]) if enabled else None
        text = f"iBlock device: {disk.name}" if disk else ""
        text += f"  UDEV PATH: {state['dev']}" if "dev" in state else ""
        text += f"  readonly: {int(state.get('readonly', False))}\n        "
        if disk is None:
            return f"{text}Major: 0 Minor: 0\n"
        minor = 16 * (ord(disk.name[-1]) - ord("a")) if disk.name.startswith("sd") else 0
        return f"{text}Major: 8 Minor: {minor}  CLAIMED: IBLOCK\n"


class Fileio(Backstore):
    """A file, or a block device through the page cache."""

    product = "FILEIO"
    can_protect = True
    unmap: ClassVar[Mapping[str, int]] = {
        "max_unmap_lba_count": 8192,
        "max_unmap_block_desc_count": 1,
        "unmap_granularity": 1,
        "unmap_granularity_alignment": 0,
    }
    _name_max_bytes = 255

    def control(self, sim: Simulation, device: str, text: str) -> None:
        known = ("fd_dev_name", "fd_dev_size", "fd_buffered_io", "fd_async_io")
        for key, value in options(text, known):
            if key == "fd_dev_name":
                name = os.fsdecode(os.fsencode(value)[: self._name_max_bytes])
                sim.tree.change_state(device, dev=name)
            elif key == "fd_dev_size":
                sim.tree.change_state(device, size=option_u64(value))
            else:
                number = option_int(value)
                if number not in (None, 1):
                    raise Refused(errno.EINVAL)
                if number:
                    sim.tree.change_state(device, **{key: True})

    def configure(self, sim: Simulation, device: str) -> dict[str, int]:
        state = _state(sim, device)
        if "dev" not in state:
            raise Refused(errno.EINVAL)
        is_disk = sim.disks.covers(state["dev"])
        if is_disk:
            find_disk(sim, state["dev"])
        else:
            _open_file(state["dev"])
            if "size" not in state:
                raise Refused(errno.EINVAL)
        if state.get("fd_buffered_io"):
            sim.tree.put(f"{device}/attrib/emulate_write_cache", "1\n")
        return {
            "hw_block_size": BLOCK_SIZE_BYTES,
            "hw_max_sectors": _FILEIO_MAX_BYTES // BLOCK_SIZE_BYTES,
            "hw_queue_depth": _QUEUE_DEPTH,
            "max_write_same_len": 0xFFFF if is_disk else 0x1000,
            "is_nonrot": int(is_disk),
            **(_DISK_UNMAP if is_disk else self.unmap),
        }

    def info(self, sim: Simulation, device: str) -> str:
        state = _state(sim, device)
        mode = "Buffered-WCE" if state.get("fd_buffered_io") else "O_DSYNC"
        return (
            f"TCM FILEIO ID: {state.get('number', 0)}        File: {state.get('dev', '')}"
            f"  Size: {state.get('size', 0)}  Mode: {mode}"
            f" Async: {int(state.get('fd_async_io', False))}\n"
        )


class Ramdisk(Backstore):
    """rd_mcp: memory; the simulation keeps the size and no data."""

    product = "RAMDISK-MCP"
    can_protect = True

    def control(self, sim: Simulation, device: str, text: str) -> None:
        for key, value in options(text, ("rd_pages", "rd_nullio", "rd_dummy")):
            number = option_int(value)
            if number is not None and key == "rd_pages":
                sim.tree.change_state(device, pages=number & _UINT_MAX)
            elif number == 1:
                sim.tree.change_state(device, **{key: True})

    def configure(self, sim: Simulation, device: str) -> dict[str, int]:
        state = _state(sim, device)
        pages = state.get("pages", 0)
        if not pages:
            raise Refused(errno.EINVAL)
        if not state.get("rd_nullio") and pages > os.sysconf("SC_PHYS_PAGES"):
            raise Refused(errno.ENOMEM)
        return {
            "hw_block_size": BLOCK_SIZE_BYTES,
            "hw_max_sectors": _UINT_MAX,
            "hw_queue_depth": _QUEUE_DEPTH,
            "is_nonrot": 1,
        }

    def info(self, sim: Simulation, device: str) -> str:
        state = _state(sim, device)
        pages, nullio = state.get("pages", 0), state.get("rd_nullio", False)
        enabled = sim.tree.value(f"{device}/enable") == "1"
        tables = pages // _SG_TABLE_ENTRIES + 1 if enabled and not nullio else 0
        return (
            f"TCM RamDisk ID: {state.get('number', 0)}  RamDisk Makeup: rd_mcp\n"
            f"        PAGES/PAGE_SIZE: {pages}*{_PAGE_SIZE_BYTES}  SG_table_count: {tables}"
            f"  nullio: {int(nullio)} dummy: {int(state.get('rd_dummy', False))}\n"
        )


def find_disk(sim: Simulation, path: str) -> Disk:
    """Return the block device at a path; raises Refused as blkdev_get_by_path does."""
    disk = sim.disks.find(path)
    if disk is None:
        there = not sim.disks.covers(path) and os.path.exists(path)
        raise Refused(errno.ENOTBLK if there else errno.ENOENT)
    return disk


def _open_file(path: str) -> None:
    """Open a backing file as fd_configure_device does, which makes a missing one."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Refused(error.errno or errno.EIO) from error


_KINDS: dict[str, type[Backstore]] = {
    "iblock": Block,
    "fileio": Fileio,
    "rd_mcp": Ramdisk,
}
