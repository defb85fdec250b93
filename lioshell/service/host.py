# SPDX-License-Identifier: Apache-2.0
"""A host: the runner in this process, and what it tells other processes of its devices."""

from __future__ import annotations

import os
import threading
import time

from lioshell.errors import LioshellError
from lioshell.runner.care import Care
from lioshell.runner.loop import Loop
from lioshell.runner.states import OPENING, SERVED
from lioshell.runner.statistics import SLOW_S
from lioshell.runner.supervisor import Supervisor
from lioshell.service.control import ControlServer
from lioshell.service.io_flusher import become_io_flusher
from lioshell.service.responsive import be_responsive
from lioshell.service.units import unit_maker
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from lioshell.kernel.ports import Kernel

_RECHECK_S = 0.2


class Host:
    """The embedded runner with its loop in a thread.

    `report` gets a line of text for each thing that the user should know; `end` is called when
    another process asks this one to make room for it. `spin_us` is the loop's.
    """

    def __init__(
        self,
        kernel: Kernel,
        report: Callable[[str], None],
        *,
        end: Callable[[], None] | None = None,
        slow_s: float = SLOW_S,
        spin_us: int | None = None,
    ) -> None:
        if not kernel.simulated and not become_io_flusher():
            report(
                "this kernel or user has no PR_SET_IO_FLUSHER: memory may get tight for disks here"
            )
        self._kernel = kernel
        self._end = end
        be_responsive()
        self._loop = Loop(spin_us=spin_us)
        self._messages: dict[str, str] = {}
        self._report = report
        self._changed = threading.Condition()
        self.supervisor = Supervisor(kernel, unit_maker(kernel), self._loop, self._told, slow_s)
        self.care = Care(self.supervisor, self._loop)
        self._control = ControlServer(kernel.run_dir, self.answer)
        self._loop.start_thread()

    def _told(self, text: str) -> None:
        path = text.partition(" ")[0].rstrip(":")
        with self._changed:
            self._messages[path] = text.partition(": ")[2]
            self._changed.notify_all()
        self._report(text)

    def serve_only(self, configfs_paths: Collection[str]) -> None:
        """Serve these devices and no others."""
        self.supervisor.serve_only(configfs_paths)
        self._announce()

    def scan(self) -> None:
        """Serve every device that there is a handler for."""
        self.supervisor.scan()
        self._announce()

    def _announce(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def problem(self, path: str) -> str:
        """Return what keeps a device from being served here, "" where it is served."""
        state = dict(self.supervisor.status()).get(path)
        if state == SERVED:
            return ""
        return self._messages.get(path) or state or "no runner"

    def served(self) -> list[str]:
        """Return the configfs paths of the devices that are served here."""
        return [path for path, state in self.supervisor.status() if state == SERVED]

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer another process.

        `status` tells of the devices, `wait` does when one is served or cannot be, `end` asks a
        temporary service to end. `info`, `resize`, `medium`, `repair` and `give` (the device to who
        asks) are for the one that serves `path`; the others answer without a `result`.
        """
        if request.get("op") in ("info", "resize", "medium", "repair", "give"):
            return self._care_for(request)
        if request.get("op") == "end" and self._end is not None:
            self._end()
        if request.get("op") == "wait":
            self.wait_served(str(request["path"]), float(request.get("timeout_s", 10)))
        states = {
            path: "" if state == SERVED else self.problem(path)
            for path, state in self.supervisor.status()
        }
        return {"pid": os.getpid(), "devices": states}

    def _care_for(self, request: dict[str, Any]) -> dict[str, Any]:
        path = str(request["path"])
        known = dict(self.supervisor.status()).get(path)
        if known is None or (known != SERVED and request["op"] != "repair"):
            return {"pid": os.getpid()}
        try:
            if request["op"] == "info":
                result: object = self.care.info(path)
            elif request["op"] == "resize":
                result = self.care.resize(path, int(request["size_bytes"]))
            elif request["op"] == "medium":
                config, force = str(request["config"]), request["force"] is True
                result = self.care.change_medium(path, config, force=force)
            elif request["op"] == "give":
                result = self.care.give_away(path)
            elif self.supervisor.owns(path):
                result = self.care.repair(path)
            else:
                return {"pid": os.getpid()}
        except LioshellError as error:
            return {"pid": os.getpid(), "error": error.message, "hint": error.hint}
        self._announce()
        return {"pid": os.getpid(), "result": result}

    def wait_served(self, path: str, timeout_s: float) -> str:
        """Wait until a device is served or cannot be; return what keeps it from being so."""
        if not self.supervisor.cares_for(path):
            return self.problem(path)
        deadline = time.monotonic() + timeout_s
        if self.problem(path):
            # No event tells that another process has let go of a device: look again.
            self.scan()
        with self._changed:
            while self._waiting(path) and time.monotonic() < deadline:
                self._changed.wait(_RECHECK_S)
        return self.problem(path)

    def check_loop(self, timeout_s: float) -> None:
        """Raise RunnerError unless the loop that answers the initiators takes a call in time."""
        self._loop.call(lambda: None, timeout_s)

    def _waiting(self, path: str) -> bool:
        return dict(self.supervisor.status()).get(path) in (None, OPENING)

    def close(self) -> None:
        """Give up every device, blocked, so that initiators retry until somebody takes over."""
        self._control.close()
        self.supervisor.release_all(leave_blocked=True)
        self.supervisor.close()
        self._loop.stop()
        self._loop.join()
        self._loop.close()
