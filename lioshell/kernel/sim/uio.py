# SPDX-License-Identifier: Apache-2.0
"""Simulated TCMU devices: what enabling and removing a user backstore does to sysfs and /dev.

The configfs side calls `register`, `unregister`, `set_blocked`, `is_blocked` and `reset_ring`, as
drivers/target/target_core_user.c does from tcmu_configure_device and the action/ attributes; a
runner in any process uses `SimUio`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os

from lioshell.errors import NotFoundError
from lioshell.kernel.sim import layout
from lioshell.kernel.sim.uio_state import (
    INITIATOR_LOCK,
    STATE_SIZE,
    TO_KERNEL,
    TO_USER,
    DeviceState,
    Fifo,
    is_region_of,
    region_path,
    run_folder,
    take_ownership,
)
from lioshell.kernel.uio import NodeCloseWatch, list_devices, read_device
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from lioshell.kernel.ports import UioDevice
    from lioshell.kernel.sim.uevent import SimUioWatch

_MIB: Final = 1024 * 1024


def register(
    sim_root: str,
    hba_index: int,
    name: str,
    dev_config: str,
    *,
    max_data_area_mb: int = 64,
    cmd_ring_size_mb: int = 8,
) -> str:
    """Make the device of a storage object that is being enabled and return its uio name.

    It gets the lowest free number. Sizes in MiB, `cmd_ring_size_mb` with the mailbox.
    """
    ring_size = cmd_ring_size_mb * _MIB
    region_size = ring_size + max_data_area_mb * _MIB
    text = f"tcm-user/{hba_index}/{name}"
    if dev_config:
        text = f"{text}/{dev_config}"
    with _registry(sim_root):
        class_folder = f"{sim_root}/sys/class/uio"
        os.makedirs(class_folder, exist_ok=True)
        taken = set(os.listdir(class_folder))
        number = next(n for n in range(len(taken) + 1) if f"uio{n}" not in taken)
        uio_name = f"uio{number}"
        _remove_files(sim_root, uio_name)
        os.makedirs(f"{sim_root}/dev", exist_ok=True)
        _make_region(region_path(sim_root, uio_name), region_size, ring_size)
        folder = run_folder(sim_root, uio_name)
        os.makedirs(folder)
        os.mkfifo(f"{folder}/{TO_USER}", 0o600)
        os.mkfifo(f"{folder}/{TO_KERNEL}", 0o600)
        _write(f"{folder}/{INITIATOR_LOCK}", "")
        _write(f"{folder}/state", "\0" * STATE_SIZE)
        # sysfs comes last and at once: a device that is listed is complete.
        new = f"{class_folder}/.new-{uio_name}"
        os.makedirs(f"{new}/maps/map0", exist_ok=True)
        _write(f"{new}/name", f"{text}\n")
        _write(f"{new}/version", f"{layout.VERSION}\n")
        _write(f"{new}/dev", f"0:{number}\n")
        _write(f"{new}/maps/map0/name", "tcm-user command & data buffer\n")
        _write(f"{new}/maps/map0/offset", "0x0\n")
        _write(f"{new}/maps/map0/size", f"{region_size:#018x}\n")
        os.rename(new, f"{class_folder}/{uio_name}")
    _send_uevent(sim_root, "add", uio_name)
    return uio_name


def unregister(sim_root: str, uio_name: str) -> None:
    """Remove a device; a runner that holds it open is woken and gets EIO from `read_event`.

    Raises NotFoundError when there is none.
    """
    with _registry(sim_root):
        with _state(sim_root, uio_name) as state:
            state.mark_removed()
            _signal(sim_root, uio_name, TO_USER)
            _signal(sim_root, uio_name, TO_KERNEL)
        _remove_files(sim_root, uio_name)
    _send_uevent(sim_root, "remove", uio_name)


def set_blocked(sim_root: str, uio_name: str, blocked: bool) -> None:
    """Do what a write to action/block_dev does; raises NotFoundError when there is no device."""
    with _state(sim_root, uio_name) as state:
        with state.locked():
            state.blocked = blocked
        _signal(sim_root, uio_name, TO_KERNEL)


def is_blocked(sim_root: str, uio_name: str) -> bool:
    """Tell what action/block_dev shows; raises NotFoundError when there is no device."""
    with _state(sim_root, uio_name) as state:
        return state.blocked


def reset_ring(sim_root: str, uio_name: str, how: int) -> None:
    """Do what a write to action/reset_ring does: empty the ring.

    `how` 1: commands in flight are answered BUSY and retried; 2: they fail with CHECK CONDITION.
    What the runner had answered already counts as completed, as after action/block_dev. Raises
    NotFoundError when there is no device, OSError(EINVAL) for another `how`.
    """
    if how not in (1, 2):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), "reset_ring")
    with _state(sim_root, uio_name) as state:
        with (
            state.locked(),
            open(region_path(sim_root, uio_name), "r+b") as file,
            mmap.mmap(file.fileno(), mmap.PAGESIZE) as region,
        ):
            state.note_reset(how, layout.read_tail(region))
            layout.zero_ring(region)
        _signal(sim_root, uio_name, TO_KERNEL)


@contextlib.contextmanager
def _registry(sim_root: str) -> Iterator[None]:
    """Hold the lock under which devices come and go."""
    os.makedirs(f"{sim_root}/run/uio", exist_ok=True)
    fd = os.open(f"{sim_root}/run/uio/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _state(sim_root: str, uio_name: str) -> Iterator[DeviceState]:
    try:
        state = DeviceState(sim_root, uio_name)
    except FileNotFoundError:
        raise NotFoundError(f"There is no simulated device {uio_name}", path=sim_root) from None
    try:
        yield state
    finally:
        state.close()


def _make_region(path: str, size: int, data_offset: int) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, size)
        with mmap.mmap(fd, size) as region:
            layout.initialise(region, data_offset)
    finally:
        os.close(fd)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _signal(sim_root: str, uio_name: str, direction: str) -> None:
    fifo = Fifo(sim_root, uio_name, direction)
    try:
        fifo.signal()
    finally:
        fifo.close()


def _remove_files(sim_root: str, uio_name: str) -> None:
    """Remove what there is of a device, sysfs first; leftovers of a process that died as well."""
    import shutil

    class_folder = f"{sim_root}/sys/class/uio"
    old = f"{class_folder}/.old-{uio_name}"
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(f"{class_folder}/.new-{uio_name}", ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.rename(f"{class_folder}/{uio_name}", old)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(run_folder(sim_root, uio_name), ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(region_path(sim_root, uio_name))


def _send_uevent(sim_root: str, action: str, uio_name: str) -> None:
    from lioshell.kernel.sim import uevent

    uevent.send(sim_root, action, uio_name)


class SimUioHandle:
    """An open simulated device; the lock on the region's file is the exclusive ownership.

    As with the real one, the lock is held until both the descriptor and the map are closed.
    """

    __slots__ = ("_fd", "_from_kernel", "_map", "_state", "_to_kernel")

    def __init__(self, sim_root: str, uio_name: str, fd: int, size_bytes: int) -> None:
        with contextlib.ExitStack() as undo:
            self._state = DeviceState(sim_root, uio_name)
            undo.callback(self._state.close)
            self._from_kernel = Fifo(sim_root, uio_name, TO_USER)
            undo.callback(self._from_kernel.close)
            self._to_kernel = Fifo(sim_root, uio_name, TO_KERNEL)
            undo.callback(self._to_kernel.close)
            # All was opened by name: another device may have got the number in between.
            if not is_region_of(fd, sim_root, uio_name):
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), uio_name)
            self._map = mmap.mmap(fd, size_bytes)
            self._fd = fd
            undo.pop_all()
        # A uio file counts events from its open on (uio_open): earlier ones wake nobody. A removal
        # is no event, it stays readable.
        self._from_kernel.drain()
        if self._state.removed:
            self._from_kernel.signal()

    @property
    def map(self) -> mmap.mmap:
        """The mailbox, command ring and data area."""
        return self._map

    def fileno(self) -> int:
        """Return the descriptor that is readable when commands came or the device went."""
        return self._from_kernel.fileno()

    def read_event(self) -> bool:
        """Consume pending wake-ups and tell whether there was one; OSError(EIO): removed."""
        woken = self._from_kernel.drain()
        if self._state.removed:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return woken

    def notify(self) -> None:
        """Tell the kernel's side that cmd_tail has moved."""
        self._to_kernel.signal()

    def close(self) -> None:
        """Unmap and close; BufferError when views of the map are left (it may be called again)."""
        self._map.close()
        if self._fd >= 0:
            self._state.close()
            self._from_kernel.close()
            self._to_kernel.close()
            os.close(self._fd)
            self._fd = -1


class SimUio:
    """The simulated TCMU devices below a folder."""

    def __init__(self, sim_root: str) -> None:
        self._sim_root = sim_root

    def devices(self) -> list[UioDevice]:
        """List the TCMU devices that are configured now, ordered by uio number."""
        return list_devices(f"{self._sim_root}/sys")

    def open(self, device: UioDevice) -> SimUioHandle:
        """Open and map a device.

        Raises OSError: EBUSY when another process (or handle) serves it, ENOENT when it has gone.
        """
        path = region_path(self._sim_root, device.uio_name)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if not take_ownership(fd):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
            if read_device(f"{self._sim_root}/sys", device.uio_name) != device:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            return SimUioHandle(self._sim_root, device.uio_name, fd, device.map_size_bytes)
        except BaseException:
            os.close(fd)
            raise

    def is_open(self, device: UioDevice) -> bool:
        """Tell whether some process serves a device."""
        try:
            self.open(device).close()
        except OSError as error:
            return error.errno == errno.EBUSY
        return False

    def watch(self) -> SimUioWatch:
        """Start watching for devices that appear or vanish."""
        from lioshell.kernel.sim.uevent import SimUioWatch

        return SimUioWatch(self._sim_root)

    def watch_close(self) -> NodeCloseWatch:
        """Start watching for devices that another process gives up. Raises OSError."""
        return NodeCloseWatch(lambda device: region_path(self._sim_root, device.uio_name))

    def reset_netlink(self) -> None:
        """Do nothing: nobody waits for netlink in a simulated kernel."""
