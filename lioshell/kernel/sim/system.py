# SPDX-License-Identifier: Apache-2.0
"""The simulated machine beside configfs: disks, modules, and a folder that is made when needed."""

from __future__ import annotations

import contextlib
import os
import shlex

from lioshell.errors import HostError, SpecError
from lioshell.kernel.ports import BlockDevice
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lioshell.kernel import ports
    from lioshell.kernel.machine_files import MachineFiles
    from lioshell.kernel.sim.disks import Disks
    from lioshell.specs import Specs

_ADDRESSES = (("127.0.0.1", "lo"), ("192.168.1.139", "eth0"), ("::1", "lo"))
_CORE_MODULES = ("configfs", "target_core_mod", "uio")


class SimSystem:
    """The machine kept in the folder `sim_root`; everybody may change it."""

    def __init__(self, sim_root: str, specs: Specs) -> None:
        self._root = sim_root
        self._specs = specs

    def prepare(self) -> None:
        """Make the folder, with two disks to try things on.

        Raises HostError when the folder cannot be made.
        """
        if os.path.isdir(f"{self._root}/config/target"):
            return
        from lioshell.kernel.sim.configfs import locked
        from lioshell.kernel.sim.simulation import Simulation

        try:
            os.makedirs(self._root, mode=0o700, exist_ok=True)
            with locked(self._root):
                simulation = Simulation(self._root, self._specs)
                simulation.disks.populate()
                simulation.populate()
        except OSError as error:
            raise HostError(
                f"The simulated kernel's folder {self._root} cannot be made: {error.strerror}",
                hint="Choose another one, as in: lioshell --sim /tmp/lio",
                path=self._root,
            ) from error

    def expedited(self) -> AbstractContextManager[None]:
        """Return a context in which nothing is different: nothing here waits."""
        return contextlib.nullcontext()

    def preparations(self) -> list[str]:
        """Return what `prepare` would do, as command lines."""
        return [f"mkdir -p {shlex.quote(self._root)}"]

    def foreign_subtypes(self) -> frozenset[str]:
        """Return the words of the file tcmu-runner: what a simulated one has registered."""
        try:
            with open(f"{self._root}/tcmu-runner", encoding="ascii", errors="replace") as file:
                return frozenset(file.read().split())
        except OSError:
            # Nobody simulates one.
            return frozenset()

    def foreign_problem(self, subtype: str, config: str) -> str:
        """Return nothing: a simulated tcmu-runner takes every configuration."""
        del subtype, config
        return ""

    def require_root(self) -> None:
        """Do nothing: a simulated kernel belongs to who made its folder."""

    def load_module(self, module: str) -> None:
        """Load a module of a spec; raises HostError for another one."""
        folder = f"{self._root}/sys/module/{module}"
        if os.path.isdir(folder):
            return
        if module not in self._known_modules():
            raise HostError(
                f"The simulated kernel has no module {module}",
                hint="It has those that the specs name.",
            )
        os.makedirs(folder, exist_ok=True)

    def _known_modules(self) -> set[str]:
        known = set(_CORE_MODULES)
        for names, get in (
            (self._specs.fabric_names(), self._specs.fabric),
            (self._specs.backstore_names(), self._specs.backstore),
        ):
            for name in names:
                try:
                    known.add(get(name).module)
                except SpecError:
                    # Whoever asks for this spec is told; here it only brings no module.
                    continue
        return known

    def block_device(self, path: str) -> BlockDevice | None:
        """Look a simulated disk up (/dev/sdb is DIR/dev/sdb); None when there is none."""
        from lioshell.kernel.sim.disks import BLOCK_SIZE_BYTES

        disks = self._disks()
        disk = disks.find(path)
        if disk is None:
            return None
        is_scsi = any(disk.name in disks.names_at(address) for address in disks.addresses())
        return BlockDevice(
            path=path,
            size_bytes=disk.size_bytes,
            block_size_bytes=BLOCK_SIZE_BYTES,
            read_only=disk.read_only,
            scsi_type=0 if is_scsi else None,
            in_use=disks.holder(disk) is not None,
        )

    def block_devices(self) -> list[BlockDevice]:
        """List the simulated disks."""
        found = (self.block_device(f"/dev/{name}") for name in self._disks().names())
        return [device for device in found if device is not None]

    def addresses(self) -> list[tuple[str, str]]:
        """List the addresses of the simulated machine."""
        return list(_ADDRESSES)

    def scsi_address(self, path: str) -> tuple[int, int, int, int] | None:
        """Return host, channel, target, lun of a simulated disk or of "H:C:T:L" text."""
        disks = self._disks()
        disk = disks.find(path)
        for address in disks.addresses():
            if path == address or (disk is not None and disk.name in disks.names_at(address)):
                host, channel, target, lun = (int(part) for part in address.split(":"))
                return host, channel, target, lun
        return None

    def holders(self, path: str) -> list[str]:
        """Return what uses a simulated disk, or a file of this machine."""
        disks = self._disks()
        disk = disks.find(path)
        if disk is None:
            from lioshell.kernel.holders import holders

            return holders(path)
        holder = disks.holder(disk)
        return [] if holder is None else [f"held by {holder}"]

    def watch_storage(self) -> ports.StorageWatch:
        """Start watching for block devices and file systems that appear."""
        from lioshell.kernel.storage_watch import StorageWatch

        return StorageWatch()

    def disks_at(self, address: str, lun: int, timeout_s: float = 0.0) -> list[str]:  # noqa: ARG002  # known at once
        """Return the simulated disks at host:channel:target and lun; a loopback LUN has none."""
        return [f"/dev/{name}" for name in self._disks().names_at(f"{address}:{lun}")]

    def skip_flush(self, address: str, lun: int) -> None:
        """Have a simulated disk removed without a flush."""
        from lioshell.kernel.sim.scsi_hosts import ScsiHosts

        ScsiHosts(self._root).skip_flush(f"{address}:{lun}")

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

        return MachineFiles(f"{self._root}/sys", f"{self._root}/proc")

    def _disks(self) -> Disks:
        from lioshell.kernel.sim.disks import Disks

        return Disks(self._root)
