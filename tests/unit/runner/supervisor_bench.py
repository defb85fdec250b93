# SPDX-License-Identifier: Apache-2.0
"""A machine with simulated devices, runners on it, and disks seen by initiators."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

from lioshell.errors import KernelError
from lioshell.kernel.ports import ConfigfsPort, Kernel, SystemPort, UioDevice
from lioshell.kernel.sim import uio
from lioshell.kernel.sim.initiator import SimDisk
from lioshell.kernel.sim.uio import SimUio
from lioshell.runner.command import GOOD, Command, Deferred, LogicalUnit, Response
from lioshell.runner.loop import Loop
from lioshell.runner.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_S = 20.0
BLOCK = 512


class ActionConfigfs:
    """The action/ attributes of simulated TCMU devices, and a log of what was written."""

    def __init__(self, sim: str) -> None:
        self.sim = sim
        self.log: list[tuple[str, str]] = []
        self.refuse = ""
        self.enabled: Callable[[], str] = lambda: "1"

    def _uio_name(self, path: str) -> str:
        for device in SimUio(self.sim).devices():
            if path.startswith(f"{device.configfs_path}/"):
                return device.uio_name
        raise KernelError("write", path, errno.ENOENT)

    def exists(self, path: str) -> bool:
        return any(d.configfs_path == path for d in SimUio(self.sim).devices())

    def read(self, path: str) -> str:
        if path.endswith("/enable"):
            self._uio_name(path)
            return self.enabled()
        assert path.endswith("/action/block_dev")
        return "blocked" if uio.is_blocked(self.sim, self._uio_name(path)) else "unblocked"

    def write(self, path: str, value: str, *, secret: bool = False) -> None:
        name = self._uio_name(path)
        attribute = path.rsplit("/", 1)[1]
        self.log.append((attribute, value))
        if attribute == self.refuse:
            raise KernelError("write", path, errno.EINVAL)
        if attribute == "block_dev":
            uio.set_blocked(self.sim, name, value == "1")
        else:
            assert attribute == "reset_ring"
            uio.reset_ring(self.sim, name, int(value))


class RamUnit:
    def __init__(self, memory: bytearray | None = None) -> None:
        self.memory = memory if memory is not None else bytearray(64 * BLOCK)
        self.closed = False
        self.on_command: Callable[[Command], None] = lambda command: None

    def execute(self, command: Command) -> Response | Deferred:
        self.on_command(command)
        start = int.from_bytes(command.cdb[2:10], "big") * BLOCK
        if command.cdb[0] == 0x88:
            command.scatter(self.memory[start : start + command.size_bytes])
        elif command.cdb[0] == 0x8A:
            self.memory[start : start + command.size_bytes] = command.gather(command.size_bytes)
        return GOOD

    def close(self) -> None:
        self.closed = True


class Runner:
    """A process of ours: kernel port, loop, supervisor."""

    def __init__(self, sim: str, make_unit: Callable[[UioDevice], LogicalUnit | None]) -> None:
        self.configfs = ActionConfigfs(sim)
        self.uio = SimUio(sim)
        kernel = Kernel(
            cast("ConfigfsPort", self.configfs), self.uio, cast("SystemPort", None), True, sim
        )
        self.reports: list[str] = []
        self.loop = Loop()
        self.supervisor = Supervisor(kernel, make_unit, self.loop, self.reports.append)

    def states(self) -> dict[str, str]:
        return {path.rsplit("/", 1)[1]: state for path, state in self.supervisor.status()}

    def die(self) -> None:
        """End without any good manners, as after SIGKILL: the files are closed, no more."""
        self.loop.stop()
        self.loop.join()
        for served in self.loop.devices():
            served._ring.close()
            served._handle.close()
        self.loop._devices.clear()


class Bench:
    def __init__(self, sim: str) -> None:
        self.sim = sim
        self.runners: list[Runner] = []
        self.units: dict[str, RamUnit] = {}

    def device(self, name: str = "vol0", config: str = "ram/x") -> str:
        return uio.register(self.sim, 0, name, config, max_data_area_mb=1, cmd_ring_size_mb=1)

    def make_unit(self, device: UioDevice) -> LogicalUnit | None:
        if not device.dev_config.startswith("ram/"):
            return None
        self.units[device.name] = RamUnit()
        return self.units[device.name]

    def runner(self, make_unit: Callable[[UioDevice], LogicalUnit | None] | None = None) -> Runner:
        runner = Runner(self.sim, make_unit or self.make_unit)
        self.runners.append(runner)
        return runner

    def disk(self, name: str = "vol0", timeout_s: float = LONG_S) -> SimDisk:
        disk = SimDisk.open(self.sim, f"core/user_0/{name}", timeout_s)
        disk._block_size_bytes = BLOCK
        return disk
