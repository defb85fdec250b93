# SPDX-License-Identifier: Apache-2.0
"""Who serves the user: devices that a session creates (design.md, section 6).

Where the service runs, it serves them. Where it does not, an interactive session serves its own,
and a one-liner starts a service that lasts as long as there are devices.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from lioshell.errors import HostError, LockedError, RunnerError, UsageError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from lioshell.kernel.ports import Kernel
    from lioshell.service.host import Host

_ATTACH_TIMEOUT_S = 15.0
_CARE_TIMEOUT_S = 60.0
_RETRY_S = 0.05
_TEMPORARY, _LASTING = "temporary", "service"
"""What the lock's file says of the service that holds it, before its process."""

NO_RUNNER = "no runner"
HIDDEN_RUNNER = "runner visible to root only"


def service_lock_path(run_dir: str) -> str:
    """Return the file that a running service holds a flock on."""
    return os.path.join(run_dir, "serve.lock")


def service_runs(run_dir: str) -> bool:
    """Tell whether a service runs for this kernel."""
    try:
        descriptor = os.open(service_lock_path(run_dir), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def service_lock(run_dir: str, *, until_idle: bool = False) -> Iterator[None]:
    """Be the one service of this kernel; raises LockedError when there is one.

    A service that was only started for some devices (`until_idle`) makes room for one that is to
    stay: it is asked to end, which leaves its devices blocked until this one takes them over.
    Whoever holds the lock and does not answer is waited for: a service that was killed holds it
    until its last thread is gone, and `service_runs` holds it while it looks.
    """
    os.makedirs(run_dir, mode=0o755, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(service_lock_path(run_dir), flags, 0o600)
    deadline = time.monotonic() + _ATTACH_TIMEOUT_S
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                text = os.pread(descriptor, 64, 0).decode("ascii", "replace")
            kind, _, process = text.strip().partition(" ")
            _make_room(run_dir, kind, process, until_idle=until_idle, deadline=deadline)
            time.sleep(_RETRY_S)
        os.ftruncate(descriptor, 0)
        kind = _TEMPORARY if until_idle else _LASTING
        os.pwrite(descriptor, f"{kind} {os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def _make_room(run_dir: str, kind: str, process: str, *, until_idle: bool, deadline: float) -> None:
    """Ask a temporary service to end; raise LockedError where the lock's holder is to stay."""
    from lioshell.service.control import answers, ask_all

    if kind == _TEMPORARY and not until_idle:
        ask_all(run_dir, {"op": "end"})
    elif answers(run_dir, process):
        raise LockedError(
            f"A lioshell service runs already (process {process})",
            hint="See what it serves with: lioshell ls",
        )
    if time.monotonic() > deadline:
        raise LockedError(
            f"{service_lock_path(run_dir)} is locked by a process that does not answer",
            hint=f"See which with: fuser -v {service_lock_path(run_dir)}",
        )


class Hosting:
    """Devices of one-liners and scripts: served by the service, which is started if need be."""

    def __init__(self, kernel: Kernel, start_service: Callable[[], None]) -> None:
        self._kernel = kernel
        self._start_service = start_service
        self._status: list[dict[str, Any]] | None = None

    def refresh(self) -> None:
        """Forget what was asked of other processes; each command asks once."""
        self._status = None

    def devices_changed(self, created: Sequence[str]) -> list[str]:
        """Have new devices served by the service; return lines for the user.

        Raises RunnerError for one that cannot be served.
        """
        self._require_handlers(created)
        started = not service_runs(self._kernel.run_dir)
        lines = []
        for path in created:
            server = self._have_served(path)
            name = path.rpartition("/")[2]
            how = "a service started for it" if started else "the service"
            lines.append(f"{name} is served by {how} (process {server}).")
        self.refresh()
        return lines

    def _require_handlers(self, created: Sequence[str]) -> None:
        """Raise RunnerError for a device of a subtype that is not ours: no service is for it.

        And HostError for one of a subtype that lacks something on this machine.
        """
        from lioshell.runner.handlers import registry
        from lioshell.service.units import is_ours

        for device in self._kernel.uio.devices():
            if device.configfs_path not in created:
                continue
            subtype = device.dev_config.partition("/")[0]
            if is_ours(self._kernel, device.dev_config):
                registry.require(subtype)
            else:
                raise RunnerError(
                    f"{device.name} is not served: there is no handler for {subtype!r}",
                    hint=f"There is one for: {', '.join(registry.names())}.",
                    path=device.configfs_path,
                )

    def _have_served(self, path: str) -> int:
        """Return the process that serves a device, which is a service that is started if need be.

        A service that ends with its last device may do so at this very moment: while nobody
        answers for the device, it is tried again.
        """
        request = {"op": "wait", "path": path, "timeout_s": _ATTACH_TIMEOUT_S}
        deadline = time.monotonic() + _ATTACH_TIMEOUT_S
        while True:
            if not service_runs(self._kernel.run_dir):
                try:
                    self._start_service()
                except RunnerError:
                    if not service_runs(self._kernel.run_dir):
                        raise
                    # Another process started one meanwhile.
            answers = self._ask(request, _ATTACH_TIMEOUT_S + 5)
            states = _states(answers, path)
            if "" in states:
                return _server(answers, path)
            if states or time.monotonic() > deadline:
                raise RunnerError(
                    f"{path.rpartition('/')[2]} is not served: {next(iter(states), NO_RUNNER)}",
                    hint="Mend that, then start the service again: lioshell serve",
                    path=path,
                )
            time.sleep(_RETRY_S)

    def _ask(self, request: dict[str, Any], timeout_s: float = 5.0) -> list[dict[str, Any]]:
        from lioshell.service.control import ask_all

        return ask_all(self._kernel.run_dir, request, timeout_s)

    def problem(self, path: str) -> str:
        """Return what keeps a device from being served, "" where it is served."""
        if self._status is None:
            try:
                self._status = self._ask({"op": "status"})
            except HostError:
                return HIDDEN_RUNNER
        states = _states(self._status, path)
        return "" if "" in states else next(iter(states), NO_RUNNER)

    def care(self, path: str, request: dict[str, Any]) -> Any:
        """Have whoever serves a device do what `request` says (Host.answer); return the result.

        None where nobody serves it. Raises RunnerError with what the server says of a failure.
        """
        answers = self._ask({**request, "path": path}, _CARE_TIMEOUT_S)
        self.refresh()
        return _result(answers, path)

    def serve_here(self, path: str) -> list[str]:
        """Serve a device in this process, which only a session can."""
        raise UsageError(
            f"{path.rpartition('/')[2]} cannot be served by a process that ends with its command",
            hint="Type it in an interactive session, or start the service: lioshell serve",
        )

    def to_service(self, path: str) -> list[str]:
        """Have a device served by the service, which is started if need be."""
        return self.devices_changed([path])

    def repair(self, path: str) -> list[str]:
        """Have a device taken over again; return what was done. Raises RunnerError."""
        done = self.care(path, {"op": "repair"})
        return self.devices_changed([path]) if done is None else [str(line) for line in done]

    def served_here(self) -> list[str]:
        """Return the devices that end with this process: none."""
        return []

    def hand_over(self) -> None:
        """Give the devices to a service that outlives this process: they have one already."""

    def close(self) -> None:
        """Give up what this process serves: nothing."""


class SessionHosting(Hosting):
    """Devices of an interactive session: served in its own process where no service runs."""

    def __init__(
        self,
        kernel: Kernel,
        start_service: Callable[[], None],
        report: Callable[[str], None],
        spin_us: Callable[[], int | None] = lambda: None,
    ) -> None:
        super().__init__(kernel, start_service)
        self._report = report
        self._spin_us = spin_us
        self._host: Host | None = None
        self._own: set[str] = set()

    def devices_changed(self, created: Sequence[str]) -> list[str]:
        """Serve new devices here, unless a service does."""
        if service_runs(self._kernel.run_dir):
            return super().devices_changed(created)
        return self._serve(created)

    def serve_here(self, path: str) -> list[str]:
        """Serve a device in this session, whoever serves it now; return lines for the user.

        Whoever gave it up takes it again when the session ends. Raises RunnerError.
        """
        self.care(path, {"op": "give"})
        return self._serve([path])

    def to_service(self, path: str) -> list[str]:
        """Give a device of this session to the service, which is started if need be."""
        if self._host is not None and path in self._host.served():
            self._own.discard(path)
            self._host.serve_only(self._own)
        return super().devices_changed([path])

    def _serve(self, created: Sequence[str]) -> list[str]:
        self._require_handlers(created)
        if self._host is None:
            from lioshell.runner.spinning import usual_spin_us
            from lioshell.service.host import Host

            limit_us = self._spin_us()
            spin_us = None if limit_us is None else usual_spin_us(limit_us)
            self._host = Host(self._kernel, self._report, spin_us=spin_us)
        self._own.update(created)
        self._host.serve_only(self._own)
        self.refresh()
        for path in created:
            problem = self._host.wait_served(path, _ATTACH_TIMEOUT_S)
            if problem:
                raise RunnerError(
                    f"{path.rpartition('/')[2]} is not served: {problem}",
                    hint="Mend that, then serve it with: lioshell serve",
                    path=path,
                )
        return [f"{p.rpartition('/')[2]} is served by this session." for p in created]

    def problem(self, path: str) -> str:
        """Return what keeps a device from being served, "" where it is served."""
        if self._host is not None and path in self._host.served():
            return ""
        return super().problem(path)

    def care(self, path: str, request: dict[str, Any]) -> Any:
        """Do what `request` says, here or where the device is served."""
        if self._host is not None:
            answer = self._host.answer({**request, "path": path})
            if "error" in answer or "result" in answer:
                self.refresh()
                return _result([answer], path)
        return super().care(path, request)

    def served_here(self) -> list[str]:
        """Return the devices that end with this process."""
        return [] if self._host is None else self._host.served()

    def hand_over(self) -> None:
        """Give the devices to a service that outlives this session: the one that runs, or a new."""
        paths = self.served_here()
        self.close()
        super().devices_changed(paths)

    def close(self) -> None:
        """Give up the devices, blocked: initiators retry until somebody takes over."""
        host, self._host = self._host, None
        if host is not None:
            host.close()


def _states(answers: list[dict[str, Any]], path: str) -> list[str]:
    """Return what the serving processes say of a device: "" where it is served."""
    return [a["devices"][path] for a in answers if path in a.get("devices", {})]


def _server(answers: list[dict[str, Any]], path: str) -> int:
    return next(int(a["pid"]) for a in answers if a.get("devices", {}).get(path) == "")


def _result(answers: list[dict[str, Any]], path: str) -> Any:
    for answer in answers:
        if "error" in answer:
            raise RunnerError(answer["error"], hint=answer.get("hint", ""), path=path)
        if "result" in answer:
            return answer["result"]
    return None
