# SPDX-License-Identifier: Apache-2.0
"""What is done to a device while it is served: ask how it does, give it another size, repair it."""

from __future__ import annotations

import os
import threading
import time

from lioshell.errors import NotFoundError, RunnerError
from lioshell.runner.handlers import registry
from lioshell.runner.scsi.disk import Disk
from lioshell.runner.scsi.optical import OpticalDrive
from lioshell.runner.scsi.unit import Unit
from lioshell.runner.supervisor import SETTLE_TIMEOUT_S
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from lioshell.kernel.ports import UioDevice
    from lioshell.runner.command import LogicalUnit
    from lioshell.runner.device import ServedDevice
    from lioshell.runner.handlers.base import Handler
    from lioshell.runner.loop import Loop
    from lioshell.runner.supervisor import Supervisor

_REPAIR_TIMEOUT_S = 3.0

_STATUS_TIMEOUT_S = 2.0
_LET_GO_TIMEOUT_S = 8.0
"""Linux asks for events every two seconds."""


def _storage_status(unit: LogicalUnit) -> dict[str, str]:
    """Return what a handler tells of its storage; one that does not answer is not waited for."""
    if not isinstance(unit, Unit):
        return {}
    handler = unit.handler
    told: dict[str, str] = {}

    def ask() -> None:
        try:
            told.update({str(name): str(text) for name, text in handler.status().items()})
        except Exception as error:  # noqa: BLE001 - a handler's: `info` shows the rest
            told["problem"] = f"{type(error).__name__}: {error}"

    # A daemon: a status that hangs must not keep the process from its end.
    asking = threading.Thread(target=ask, name="lioshell-status", daemon=True)
    asking.start()
    asking.join(_STATUS_TIMEOUT_S)
    return {"problem": "it does not answer"} if asking.is_alive() else dict(told)


class Care:
    """Works on the devices of one supervisor; each method names a device by its configfs path."""

    def __init__(self, supervisor: Supervisor, loop: Loop) -> None:
        self._supervisor = supervisor
        self._loop = loop

    def info(self, path: str) -> dict[str, Any]:
        """Return counters, what is in flight and what was slow; times in seconds."""
        served = self._served(path)
        now = time.monotonic()
        statistics = served.statistics
        return {
            "pid": os.getpid(),
            "commands": statistics.commands,
            "failures": statistics.failures,
            "hangs": statistics.hangs,
            "in_flight": [
                {"cdb": cdb.hex(" "), "age_s": None if at is None else round(now - at, 3)}
                for cdb, at in served.in_flight()
            ],
            "storage": _storage_status(served.unit),
            "slow_s": statistics.log_slow_s,
            "slow": [
                {"at": round(slow.at, 3), "cdb": slow.cdb.hex(" "), "took_s": round(slow.took_s, 3)}
                for slow in list(statistics.slow)
            ],
        }

    def resize(self, path: str, size_bytes: int) -> dict[str, Any]:
        """Give a device another size: its storage, the unit, the kernel's figure, in this order.

        Initiators are told at their next command. Returns the size. Raises LioshellError; the old
        size is in force then.
        """
        served = self._served(path)
        unit = served.unit
        if not isinstance(unit, Disk):
            raise RunnerError(f"{path} is no disk, so it has no size", path=path)
        before = unit.geometry.size_bytes
        supervisor = self._supervisor
        # BUSY meanwhile: no command is under way on blocks that are just being cut off.
        self._quiet(served, SETTLE_TIMEOUT_S)
        try:
            unit.handler.resize(size_bytes)
            try:
                self._loop.call(lambda: unit.set_size(size_bytes))
                supervisor.gate.set_size(served.device, size_bytes)
            except BaseException:
                if size_bytes > before:
                    unit.handler.resize(before)
                    self._loop.call(lambda: unit.set_size(before))
                raise
        finally:
            supervisor.gate.try_open(served.device)
        return {"size_bytes": size_bytes}

    def change_medium(self, path: str, config: str, *, force: bool) -> dict[str, Any]:
        """Put what `config` names into a drive, or take out what is in it; return the size.

        The former one is closed, its last writes on stable storage, and initiators are told. While
        one has locked the tray it is asked to let go, unless `force`. Raises LioshellError; the
        drive is as it was then.
        """
        served = self._served(path)
        unit = served.unit
        if not isinstance(unit, OpticalDrive):
            raise RunnerError(f"{path} is no drive whose medium can be changed", path=path)
        if unit.locked and not force and not unit.request_eject(_LET_GO_TIMEOUT_S):
            raise RunnerError(
                "An initiator uses the disc and has locked the drive; asked to let go, it has not",
                hint="Unmount the disc there, or take it away with force=true.",
                path=path,
            )
        self._quiet(served, SETTLE_TIMEOUT_S)
        try:
            return self._exchange(served.device, unit, config)
        finally:
            self._supervisor.gate.try_open(served.device)

    def _exchange(self, device: UioDevice, unit: OpticalDrive, config: str) -> dict[str, Any]:
        """Exchange the medium of a drive that is quiet, all or nothing."""
        gate, old = self._supervisor.gate, unit.handler
        subtype, _ = registry.split(device.dev_config)
        try:
            old.flush()
        except OSError as error:
            raise RunnerError(
                f"The last writes to the disc cannot be put on storage: {error.strerror}",
                hint="See what is wrong with its file system: dmesg.",
                path=device.configfs_path,
            ) from error
        new, size_bytes = _open_medium(subtype, config)
        try:
            self._loop.call(lambda: unit.set_disc(new))
            gate.set_medium(device, f"{subtype}/{config}", size_bytes)
        except BaseException:
            self._loop.call(lambda: unit.set_disc(old))
            new.close()
            raise
        try:
            old.close()
        except OSError as error:
            raise RunnerError(
                f"The disc is changed, but the former one could not be closed: {error.strerror}",
                hint="See what is wrong with its file system: dmesg.",
                path=device.configfs_path,
            ) from error
        return {"size_bytes": size_bytes}

    def give_away(self, path: str) -> list[str]:
        """Give a device up for the process that asks. Raises NotFoundError."""
        self._supervisor.give_away(self._served(path))
        return []

    def repair(self, path: str) -> list[str]:
        """Take a device over again, its commands in flight retried; return what was done.

        Raises RunnerError while commands are in its handler: after a reset of the ring they would
        read and write in the memory of other commands.
        """
        supervisor = self._supervisor
        served = supervisor.served(path)
        done = []
        if served is not None:
            self._quiet(served, _REPAIR_TIMEOUT_S)
            supervisor.release(served)
            done.append("answered what was queued and closed it")
        supervisor.readmit(path)
        message = supervisor.message(path)
        if supervisor.served(path) is None:
            raise RunnerError(
                f"{path} is still not served: {message or 'nobody found it'}",
                hint="Mend that and type the command again.",
                path=path,
            )
        done.append("reset the ring: commands in flight are sent again by their initiators")
        done.append(f"served by process {os.getpid()}")
        return done

    def _quiet(self, served: ServedDevice, timeout_s: float) -> None:
        """Block a device and wait until it has answered everything; `gate.open` ends that.

        Raises RunnerError when a command in its handler does not end; it is open again then.
        """
        gate = self._supervisor.gate
        gate.close(served.device)
        try:
            if self._loop.settle(served, timeout_s):
                return
        except BaseException:
            gate.try_open(served.device)
            raise
        gate.try_open(served.device)
        raise RunnerError(
            f"{len(served.in_flight())} commands are still in the handler of"
            f" {served.device.configfs_path}, which hangs",
            hint=f"Mend its storage, or end process {os.getpid()}: another one takes it over.",
            path=served.device.configfs_path,
        )

    def _served(self, path: str) -> ServedDevice:
        served = self._supervisor.served(path)
        if served is None:
            raise NotFoundError(
                f"{path} is not served by this process",
                hint="Serve it with: lioshell serve",
                path=path,
            )
        return served


def _open_medium(subtype: str, config: str) -> tuple[Handler, int]:
    """Open the storage of a medium that exists, and return it with its size."""
    handler = registry.for_new(subtype, config)
    size_bytes = handler.size_of(config)
    if size_bytes is None:
        raise NotFoundError(
            f"{registry.shown(f'{subtype}/{config}')} is not there",
            hint="Make it first; an empty one that can be written with: truncate -s 4G PATH",
        )
    block_size_bytes = handler.block_size_of(config, 0)
    return handler.open(config, size_bytes, block_size_bytes), size_bytes
