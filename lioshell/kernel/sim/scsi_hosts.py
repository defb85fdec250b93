# SPDX-License-Identifier: Apache-2.0
"""SCSI hosts and disks of the simulated machine that loopback brings: their files in sysfs.

DIR/sys/class/scsi_host/hostN, DIR/sys/bus/scsi/devices/H:C:T:L/block/sdX. Where a file backs the
LUN, DIR/dev/sdX is a link to it; what memory, a disk or a process backs has none (the data of user:
objects is read with lioshell.kernel.sim.initiator).
"""

from __future__ import annotations

import os
import shutil

from lioshell.kernel.sim.numbers import free_number

_FLUSHED = "write back\n"
"""cache_type of a disk with a write cache."""


class ScsiHosts:
    """The SCSI layer of a simulated machine, as far as loopback changes it."""

    def __init__(self, sim_root: str) -> None:
        self._hosts = f"{sim_root}/sys/class/scsi_host"
        self._devices = f"{sim_root}/sys/bus/scsi/devices"
        self._blocks = f"{sim_root}/sys/class/block"
        self._dev = f"{sim_root}/dev"

    def add_host(self) -> int:
        """Make a host with the lowest number that is free, and return the number."""
        os.makedirs(self._hosts, exist_ok=True)
        number = free_number(lambda n: os.path.lexists(f"{self._hosts}/host{n}"))
        os.mkdir(f"{self._hosts}/host{number}")
        return number

    def remove_host(self, number: int) -> None:
        """Remove a host; without effect where it is gone."""
        shutil.rmtree(f"{self._hosts}/host{number}", ignore_errors=True)

    def attach(self, address: str, backing: str) -> None:
        """Find a disk at an address ("1:0:1:0"), which `backing` holds ("" for no file)."""
        name = _name(free_number(lambda n: self._is_taken(_name(n))))
        os.makedirs(f"{self._devices}/{address}/block/{name}", exist_ok=True)
        os.makedirs(self._blocks, exist_ok=True)
        device = f"{self._devices}/{address}"
        os.symlink(
            os.path.relpath(f"{device}/block/{name}", self._blocks), f"{self._blocks}/{name}"
        )
        os.makedirs(os.path.dirname(self._cache_type(address)), exist_ok=True)
        self._put_cache_type(address, _FLUSHED)
        if backing:
            os.symlink(backing, f"{self._dev}/{name}")

    def flushes(self, address: str) -> bool:
        """Tell whether the disk at an address is flushed before it goes; False for no disk."""
        try:
            with open(self._cache_type(address), encoding="ascii") as file:
                return file.read() == _FLUSHED
        except FileNotFoundError:
            return False

    def skip_flush(self, address: str) -> None:
        """Write "temporary write through" to cache_type (drivers/scsi/sd.c, cache_type_store)."""
        if self.flushes(address):
            self._put_cache_type(address, "write through\n")

    def _cache_type(self, address: str) -> str:
        return f"{self._devices}/{address}/scsi_disk/{address}/cache_type"

    def _put_cache_type(self, address: str, text: str) -> None:
        with open(self._cache_type(address), "w", encoding="ascii") as file:
            file.write(text)

    def detach(self, address: str) -> None:
        """Remove the disk at an address; without effect where there is none."""
        device = f"{self._devices}/{address}"
        for name in os.listdir(f"{device}/block") if os.path.isdir(f"{device}/block") else ():
            for link in (f"{self._blocks}/{name}", f"{self._dev}/{name}"):
                if os.path.islink(link):
                    os.unlink(link)
        shutil.rmtree(device, ignore_errors=True)

    def _is_taken(self, name: str) -> bool:
        return os.path.lexists(f"{self._dev}/{name}") or os.path.lexists(f"{self._blocks}/{name}")


def _name(index: int) -> str:
    """Return sda for 0, sdz for 25, sdaa for 26 (drivers/scsi/sd.c, sd_format_disk_name)."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"sd{letters}"
