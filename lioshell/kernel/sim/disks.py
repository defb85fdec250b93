# SPDX-License-Identifier: Apache-2.0
"""The simulated machine's disks: plain files in DIR/dev, and their SCSI addresses in DIR/sys.

A path below /dev means the file of that name in DIR/dev; a device of the machine that runs the
simulation is never touched.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

BLOCK_SIZE_BYTES = 512
_FIRST_HOST = "host0"
_FIRST_DISKS = (("sdb", "0:0:0:0"), ("sdc", "0:0:1:0"))
_FIRST_SIZE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk; `name` is its name below /dev, as the kernel calls it."""

    name: str
    file: str
    size_bytes: int
    read_only: bool


class Disks:
    """All disks of a simulated machine."""

    def __init__(self, sim_root: str) -> None:
        self._dev = f"{sim_root}/dev"
        self._claims = f"{sim_root}/claims"
        self._scsi = f"{sim_root}/sys/bus/scsi/devices"
        self._hosts = f"{sim_root}/sys/class/scsi_host"

    def populate(self) -> None:
        """Give a new machine two disks of 1 GiB; what is there already stays as it is."""
        if os.path.isdir(self._scsi):
            return
        os.makedirs(self._dev, exist_ok=True)
        for name, address in _FIRST_DISKS:
            with open(f"{self._dev}/{name}", "ab") as file:
                file.truncate(_FIRST_SIZE_BYTES)
            os.makedirs(f"{self._scsi}/{address}/block/{name}", exist_ok=True)
        os.makedirs(f"{self._hosts}/{_FIRST_HOST}", exist_ok=True)

    def names(self) -> list[str]:
        """Return the names below /dev of all disks."""
        try:
            names = sorted(os.listdir(self._dev))
        except FileNotFoundError:
            return []
        return [name for name in names if self.find(f"/dev/{name}") is not None]

    def covers(self, path: str) -> bool:
        """Tell whether a path is one of the simulated /dev, whether or not something is there."""
        return os.path.normpath(path).startswith("/dev/")

    def find(self, path: str) -> Disk | None:
        """Return the disk at a path such as /dev/sdb, or None."""
        if not self.covers(path):
            return None
        name = os.path.normpath(path).removeprefix("/dev/")
        file = os.path.realpath(f"{self._dev}/{name}")
        if os.path.basename(file).startswith("uio"):
            # The memory of a TCMU device, a character device on a real machine.
            return None
        if not file.startswith(os.path.realpath(self._dev) + "/") or not os.path.isfile(file):
            return None
        status = os.stat(file)
        read_only = not status.st_mode & 0o200
        return Disk(os.path.basename(file), file, status.st_size, read_only)

    def holder(self, disk: Disk) -> str | None:
        """Return the storage object that has claimed a disk, or None."""
        try:
            return os.readlink(self._claim(disk))
        except FileNotFoundError:
            return None

    def claim(self, disk: Disk, owner: str) -> bool:
        """Claim a disk for a storage object; False where another one has it."""
        os.makedirs(self._claims, exist_ok=True)
        try:
            os.symlink(owner, self._claim(disk))
        except FileExistsError:
            return False
        return True

    def release(self, path: str, owner: str) -> None:
        """Give up the claim of `owner` on the disk at a path, where it has one."""
        disk = self.find(path)
        if disk is not None and self.holder(disk) == owner:
            os.unlink(self._claim(disk))

    def addresses(self) -> list[str]:
        """Return the SCSI addresses (H:C:T:L) that there are."""
        try:
            return sorted(os.listdir(self._scsi))
        except FileNotFoundError:
            return []

    def names_at(self, address: str) -> list[str]:
        """Return the disks' names at a SCSI address."""
        try:
            return sorted(os.listdir(f"{self._scsi}/{address}/block"))
        except FileNotFoundError:
            return []

    def _claim(self, disk: Disk) -> str:
        relative = os.path.relpath(disk.file, os.path.realpath(self._dev))
        return f"{self._claims}/{relative.replace('/', '%')}"
