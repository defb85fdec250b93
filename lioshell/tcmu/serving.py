# SPDX-License-Identifier: Apache-2.0
"""The runner of one attached disk, in threads of the program that attached it."""

from __future__ import annotations

import os
import threading
import time

from lioshell.errors import LioshellError, RunnerError
from lioshell.runner.care import Care
from lioshell.runner.loop import Loop
from lioshell.runner.states import BROKEN, FOREIGN, SERVED
from lioshell.runner.supervisor import Supervisor
from lioshell.service.control import ControlServer
from lioshell.service.io_flusher import become_io_flusher
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from lioshell.kernel.ports import Kernel
    from lioshell.runner.command import LogicalUnit

_APPEARS_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.02


class Serving:
    """Serves one device, and no other; taken over from whom it may have had before."""

    def __init__(
        self,
        kernel: Kernel,
        configfs_path: str,
        make_unit: Callable[[], LogicalUnit],
        report: Callable[[str], None],
    ) -> None:
        self.path = configfs_path
        self._loop = Loop()
        self._supervisor = Supervisor(
            kernel,
            lambda device: make_unit() if device.configfs_path == configfs_path else None,
            self._loop,
            report,
        )
        self._care = Care(self._supervisor, self._loop)
        self._run_dir = kernel.run_dir
        self._flushes_io = not kernel.simulated

    def start(self) -> None:
        """Serve from now on. Raises RunnerError when that cannot be; nothing runs then."""
        try:
            self._loop.start_thread()
            if self._flushes_io:
                # The threads that execute commands are started by the loop's, and are so too.
                self._loop.call(become_io_flusher)
            deadline = time.monotonic() + _APPEARS_S
            self._supervisor.serve_only([self.path])
            while (state := self.state) not in (SERVED, BROKEN, FOREIGN):
                if time.monotonic() > deadline:
                    break
                time.sleep(_LOOK_AGAIN_S)
                self._supervisor.scan()
            if state != SERVED:
                why = self._supervisor.message(self.path) or "the kernel shows no device"
                raise RunnerError(f"{self.path} cannot be served: {why}", path=self.path)
            self._supervisor.watch()
            _Told.of(self._run_dir).add(self)
        except BaseException:
            self.stop()
            raise

    @property
    def state(self) -> str | None:
        """What the supervisor says of the device; None where there is none."""
        return dict(self._supervisor.status()).get(self.path)

    def asked(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what another process asks for; raises LioshellError."""
        if request["op"] == "info":
            return self._care.info(self.path)
        return self._care.resize(self.path, int(request["size_bytes"]))

    def stop(self) -> None:
        """Give the device up, blocked if it is still there, and end the threads.

        Raises RunnerError while a command hangs in its storage.
        """
        _Told.of(self._run_dir).discard(self)
        try:
            self._supervisor.release_all(leave_blocked=True)
            self._supervisor.close()
        except LioshellError:
            self._loop.close()
            raise
        self._loop.close()


class _Told:
    """What other processes, as a shell, are told of the disks that this program serves.

    One for each kernel: a process has one socket there.
    """

    _all: dict[str, _Told] = {}  # noqa: RUF012  # shared on purpose
    _lock = threading.Lock()

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self._serving: list[Serving] = []
        self._server: ControlServer | None = None

    @classmethod
    def of(cls, run_dir: str) -> _Told:
        """Return the one of a kernel."""
        with cls._lock:
            return cls._all.setdefault(run_dir, cls(run_dir))

    def add(self, serving: Serving) -> None:
        """Tell of one more."""
        with self._lock:
            if self._server is None:
                self._server = ControlServer(self._run_dir, self._answer)
            self._serving.append(serving)

    def discard(self, serving: Serving) -> None:
        """Tell of it no more; the socket goes with the last one."""
        with self._lock:
            if serving not in self._serving:
                return
            self._serving.remove(serving)
            server = None
            if not self._serving:
                server, self._server = self._server, None
        if server is not None:
            server.close()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer `status`, `info` and `resize`; nobody else can take such a disk over."""
        with self._lock:
            serving = list(self._serving)
        told: dict[str, Any] = {"pid": os.getpid()}
        if request.get("op") in ("info", "resize"):
            found = next((one for one in serving if one.path == request["path"]), None)
            if found is None:
                return told
            try:
                return {**told, "result": found.asked(request)}
            except LioshellError as error:
                return {**told, "error": error.message, "hint": error.hint}
        states = {one.path: "" if one.state == SERVED else str(one.state) for one in serving}
        return {**told, "devices": states}
