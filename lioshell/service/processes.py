# SPDX-License-Identifier: Apache-2.0
"""One process for each device: what a handler or its library does harms no other disk.

The parent is the service to everybody else: it holds the lock, starts a child for each device that
appears, starts it again when it dies, and ends them all. A child serves one device and answers for
it on a socket of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

from lioshell.service.control import ControlServer, ask_all
from lioshell.service.detached import environment
from lioshell.service.units import is_ours
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from lioshell.kernel.ports import Kernel

_RESTART_S: Final = 1.0
_MAX_RESTART_S: Final = 60.0
_STABLE_S: Final = 60.0
"""A child that has lived for so long may be started again at once."""
_END_TIMEOUT_S: Final = 30.0


class _Child:
    """One child: its process, when it began, how long to wait before it begins again."""

    def __init__(self, pid: int, wait_s: float) -> None:
        self.pid = pid
        self.wait_s = wait_s
        self.begun = time.monotonic()


class Processes:
    """The children of a service; it takes the place of a Host in the service's main thread."""

    def __init__(
        self,
        kernel: Kernel,
        report: Callable[[str], None],
        kernel_options: Sequence[str],
        slow_s: float,
        spin_us: int | None = None,
    ) -> None:
        self._kernel = kernel
        self._report = report
        self._words = [*kernel_options, "serve", f"--slow={slow_s:g}"]
        if spin_us is not None:
            self._words.append(f"--spin-us={spin_us}")
        self._children: dict[str, _Child] = {}
        self._lock = threading.Lock()
        self._ending = False
        self._control = ControlServer(kernel.run_dir, self._answer)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("op") == "wait":
            self.scan()
        return {"pid": os.getpid(), "devices": {}}

    def scan(self) -> None:
        """Start a child for each device that has none."""
        with self._lock:
            for device in self._kernel.uio.devices():
                path = device.configfs_path
                if path not in self._children and is_ours(self._kernel, device.dev_config):
                    self._start(path, _RESTART_S)

    def _start(self, path: str, wait_s: float) -> None:
        if self._ending:
            return
        # -P: what lies in the caller's folder is not imported by a process of root.
        words = [sys.executable, "-P", "-m", "lioshell", *self._words, f"--only={path}"]
        pid = os.posix_spawn(sys.executable, words, environment(), setsid=False)
        self._children[path] = _Child(pid, wait_s)
        threading.Thread(target=self._watch, args=(path, pid), daemon=True).start()

    def _watch(self, path: str, pid: int) -> None:
        """Wait for a child's end, and start it again while its device is there."""
        _, status = os.waitpid(pid, 0)
        with self._lock:
            child = self._children[path]
        if status and not self._ending:
            self._report(f"{path}: its process {pid} ended with {describe_end(status)}")
        lived_s = time.monotonic() - child.begun
        wait_s = _RESTART_S if lived_s > _STABLE_S else child.wait_s
        while not self._ending and self._is_there(path):
            time.sleep(wait_s)
            with self._lock:
                if self._is_there(path):
                    self._start(path, min(_MAX_RESTART_S, wait_s * 2))
                    return
        with self._lock:
            del self._children[path]

    def _is_there(self, path: str) -> bool:
        return any(device.configfs_path == path for device in self._kernel.uio.devices())

    def served(self) -> list[str]:
        """Return the configfs paths of the devices that the children say they serve."""
        answers = ask_all(self._kernel.run_dir, {"op": "status"})
        with self._lock:
            pids = {child.pid for child in self._children.values()}
        return [
            path
            for answer in answers
            if answer.get("pid") in pids
            for path, problem in answer.get("devices", {}).items()
            if problem == ""
        ]

    def wait_served(self, path: str, timeout_s: float) -> str:
        """Wait until a device is served; return what keeps it from being so."""
        deadline = time.monotonic() + timeout_s
        self.scan()
        while path not in self.served():
            if time.monotonic() > deadline:
                return "no runner"
            time.sleep(0.05)
        return ""

    def check_loop(self, timeout_s: float) -> None:
        """Do nothing: each child has a loop of its own."""

    def close(self) -> None:
        """End the children, which leave their devices blocked, and wait for them."""
        with self._lock:
            self._ending = True
            pids = [child.pid for child in self._children.values()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _END_TIMEOUT_S
        while self._children and time.monotonic() < deadline:
            time.sleep(0.02)
        for path in self._children:
            self._report(f"{path}: its process has not ended")
        self._control.close()


def describe_end(status: int) -> str:
    """Say how a process ended (os.waitpid)."""
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def serve_one(
    kernel: Kernel,
    path: str,
    report: Callable[[str], None],
    slow_s: float,
    spin_us: int | None = None,
) -> None:
    """Serve one device, as the child of a service, until SIGTERM or the end of the device."""
    from lioshell.service.host import Host
    from lioshell.service.serve import until_stopped

    watch = kernel.uio.watch()
    host = Host(kernel, report, slow_s=slow_s, spin_us=spin_us)
    parent = os.getppid()

    def is_over() -> bool:
        there = any(device.configfs_path == path for device in kernel.uio.devices())
        return not there or os.getppid() != parent

    try:
        host.serve_only([path])
        until_stopped(watch.fileno(), watch.drain, host.scan, is_over)
    finally:
        host.close()
        watch.close()
