# SPDX-License-Identifier: Apache-2.0
"""The machine beside configfs: mounting it, modules, block and SCSI devices."""

from __future__ import annotations

import contextlib
import os
import stat
import time

from lioshell.errors import HostError
from lioshell.kernel.ports import BlockDevice
from lioshell.kernel.tcmu_runner import TcmuRunner
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lioshell.kernel import ports
    from lioshell.kernel.machine_files import MachineFiles

_BLKROGET = 0x125E
_BLKSSZGET = 0x1268
_BLKGETSIZE64 = 0x80081272
"""include/uapi/linux/fs.h; the last one for a 64-bit kernel."""

_PROBE_RETRY_S = 0.02

_SIMULATE = "try the simulated kernel with: lioshell --sim"


class RealSystem:
    """The running machine; the roots are for tests."""

    def __init__(
        self,
        configfs_root: str = "/sys/kernel/config",
        *,
        sysfs_root: str = "/sys",
        modules_root: str = "/lib/modules",
        run_dir: str = "/run/lioshell",
    ) -> None:
        self._run_dir = run_dir
        self._configfs = configfs_root
        self._sysfs = sysfs_root
        self._modules = modules_root
        self._tcmu_runner = TcmuRunner()

    def prepare(self) -> None:
        """Mount configfs and load target_core_mod where that is still to be done.

        Raises HostError: not root, no configfs, no LIO in this kernel.
        """
        target = f"{self._configfs}/target"
        if os.path.isdir(target):
            return
        if os.geteuid() != 0:
            raise HostError(
                f"LIO is not loaded ({target} is not there), and only root can load it",
                hint=f"Run it as root, or {_SIMULATE}",
                path=target,
            )
        try:
            if not self._knows_configfs():
                self.load_module("configfs")
            if not os.path.ismount(self._configfs):
                self._mount()
            if not os.path.isdir(target):
                self.load_module("target_core_mod")
        except HostError as error:
            raise HostError(
                f"There is no LIO in this kernel: {error.message}",
                hint=f"Boot a kernel with LIO, or {_SIMULATE}",
                path=target,
            ) from error
        if not os.path.isdir(target):
            raise HostError(
                f"There is no LIO in this kernel: {target} is not there",
                hint=f"Boot a kernel with LIO, or {_SIMULATE}",
                path=target,
            )

    def expedited(self) -> AbstractContextManager[None]:
        """Return a context in which many changes need not wait for one another."""
        from lioshell.kernel.expedite import expedited

        return expedited(f"{self._sysfs}/kernel/rcu_expedited", self._run_dir)

    def preparations(self) -> list[str]:
        """Return what `prepare` would do, as command lines; raises HostError as it would."""
        steps = []
        if not self._knows_configfs():
            steps.append("modprobe configfs")
        if not os.path.ismount(self._configfs):
            steps.append(f"mount -t configfs configfs {self._configfs}")
        return [*steps, "modprobe target_core_mod"]

    def require_root(self) -> None:
        """Raise HostError unless this process may change the target."""
        if os.geteuid() != 0:
            raise HostError(
                "Only root can change the target", hint=f"Run it as root, or {_SIMULATE}"
            )

    def foreign_subtypes(self) -> frozenset[str]:
        """Return the subtypes that a running tcmu-runner has registered: they are its own."""
        return self._tcmu_runner.subtypes()

    def foreign_problem(self, subtype: str, config: str) -> str:
        """Return what tcmu-runner says against a configuration of such a subtype, or ""."""
        return self._tcmu_runner.problem(subtype, config)

    def load_module(self, module: str) -> None:
        """Load a kernel module; raises HostError when that is not possible."""
        from lioshell.kernel.modules import load_module

        load_module(module, sysfs_root=self._sysfs, modules_root=self._modules)

    def block_device(self, path: str) -> BlockDevice | None:
        """Look a block device up; None when `path` is none.

        Raises HostError when it cannot be opened: no right to, no medium.
        """
        number = _device_number(path, stat.S_ISBLK)
        if number is None:
            return None
        import errno
        import fcntl

        word, double = bytearray(4), bytearray(8)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.ioctl(descriptor, _BLKGETSIZE64, double)
                fcntl.ioctl(descriptor, _BLKSSZGET, word)
                block_size_bytes = int.from_bytes(word, "little")
                fcntl.ioctl(descriptor, _BLKROGET, word)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENODEV, errno.ENOENT):
                return None  # a node whose device has gone
            raise HostError(
                f"{path} cannot be opened: {error.strerror}",
                hint="See the block devices with: lsblk",
                path=path,
            ) from error
        return BlockDevice(
            path=path,
            size_bytes=int.from_bytes(double, "little"),
            block_size_bytes=block_size_bytes,
            read_only=int.from_bytes(word, "little") != 0,
            scsi_type=self._scsi_type(number),
            in_use=_is_in_use(path),
        )

    def block_devices(self) -> list[BlockDevice]:
        """List the block devices that have a size and can be opened."""
        from lioshell.kernel.machine_lists import block_device_names

        found = []
        for name in block_device_names(self._sysfs):
            with contextlib.suppress(HostError):
                device = self.block_device(f"/dev/{name}")
                if device is not None:
                    found.append(device)
        return found

    def addresses(self) -> list[tuple[str, str]]:
        """List the IP addresses with the interface of each."""
        from lioshell.kernel.machine_lists import ip_addresses

        return ip_addresses()

    def scsi_address(self, path: str) -> tuple[int, int, int, int] | None:
        """Return host, channel, target, lun of a SCSI device node or of "H:C:T:L" text.

        None for anything that is no SCSI device of this machine.
        """
        if "/" not in path:
            name = path
        else:
            for kind, check in (("block", stat.S_ISBLK), ("char", stat.S_ISCHR)):
                number = _device_number(path, check)
                if number is not None:
                    device = os.path.realpath(f"{self._sysfs}/dev/{kind}/{number}/device")
                    name = os.path.basename(device)
                    break
            else:
                return None
        parts = name.split(":")
        if len(parts) != 4 or not all(part.isdecimal() for part in parts):
            return None
        if not os.path.exists(f"{self._sysfs}/bus/scsi/devices/{name}"):
            return None
        host, channel, target, lun = (int(part) for part in parts)
        return host, channel, target, lun

    def holders(self, path: str) -> list[str]:
        """Return in words what uses a block device or an image file; empty: nothing was found."""
        from lioshell.kernel.holders import holders

        return holders(path)

    def watch_storage(self) -> ports.StorageWatch:
        """Start watching for block devices and file systems that appear."""
        from lioshell.kernel.storage_watch import StorageWatch

        return StorageWatch()

    def disks_at(self, address: str, lun: int, timeout_s: float = 0.0) -> list[str]:
        """Return the device nodes of host:channel:target `address` and `lun`.

        Empty where the SCSI layer has no disk there. The probe of a new disk goes on in the
        background (drivers/scsi/sd.c, PROBE_PREFER_ASYNCHRONOUS): it is waited for.
        """
        device = f"{self._sysfs}/bus/scsi/devices/{address}:{lun}"
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return [f"/dev/{name}" for name in sorted(os.listdir(f"{device}/block"))]
            except (FileNotFoundError, NotADirectoryError):
                if time.monotonic() >= deadline or not os.path.isdir(device):
                    return []
            time.sleep(_PROBE_RETRY_S)

    def skip_flush(self, address: str, lun: int) -> None:
        """Tell the driver, and not the disk, that there is no write cache (sd.c, cache_type_store).

        A disk that has none, or is not there, is left alone. Raises HostError.
        """
        device = f"{address}:{lun}"
        path = f"{self._sysfs}/bus/scsi/devices/{device}/scsi_disk/{device}/cache_type"
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write("temporary write through")
        except FileNotFoundError:
            return
        except OSError as error:
            raise HostError(
                f"The disk {device} cannot be removed without its runner: {error.strerror}",
                hint="Have it served: lioshell serve",
                path=path,
            ) from error

    def find_files(self, pattern: str) -> list[str]:
        """Return the files below /sys or /proc that a pattern finds."""
        return self._files().find(pattern)

    def file_text(self, path: str) -> str:
        """Return the stripped text of a file below /sys or /proc, "" where there is none."""
        return self._files().text(path)

    def linked_name(self, path: str, link: str) -> str:
        """Return the last name of what `link`, relative to the folder of `path`, points to."""
        return self._files().linked_name(path, link)

    def _files(self) -> MachineFiles:
        from lioshell.kernel.machine_files import MachineFiles

        return MachineFiles(self._sysfs)

    def _knows_configfs(self) -> bool:
        with open("/proc/filesystems", encoding="ascii") as file:
            return any(line.split()[-1:] == ["configfs"] for line in file)

    def _mount(self) -> None:
        """Mount configfs (mount(2)); Python has no function for it."""
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"configfs", os.fsencode(self._configfs), b"configfs", 0, None) != 0:
            reason = os.strerror(ctypes.get_errno())
            if os.path.ismount(self._configfs):
                # Another process mounted it since it was looked at (EBUSY).
                return
            raise HostError(
                f"configfs cannot be mounted at {self._configfs}: {reason}", path=self._configfs
            )

    def _scsi_type(self, number: str) -> int | None:
        """Return the peripheral device type of a SCSI disk; None for others, and for partitions."""
        try:
            with open(f"{self._sysfs}/dev/block/{number}/device/type", encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            # Only SCSI devices have this attribute.
            return None


def _device_number(path: str, check: object) -> str | None:
    """Return "major:minor" of a device node of a kind, or None."""
    assert callable(check)
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not check(status.st_mode):
        return None
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def _is_in_use(path: str) -> bool:
    """Tell whether the kernel would refuse to claim a device: open(2), O_EXCL of a block device."""
    import errno

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno == errno.EBUSY
    os.close(descriptor)
    return False
