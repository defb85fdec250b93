# SPDX-License-Identifier: Apache-2.0
"""`lioshell serve`: the service in the foreground.

It restores the saved configuration if it is asked to, then serves every user: device until it is
told to stop. What could not be restored is tried again when storage appears.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

from lioshell.errors import LioshellError
from lioshell.runner.priority import session_first
from lioshell.runner.statistics import SLOW_S
from lioshell.service.host import Host
from lioshell.service.hosting import service_lock
from lioshell.service.notify import Notifier
from lioshell.service.units import is_ours
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lioshell.kernel.ports import Kernel
    from lioshell.service.boot import Boot
    from lioshell.service.processes import Processes

_SETTLE_S = 0.5
"""A device's removal is told before sysfs has forgotten it (drivers/base/core.c, device_del):
after each wake-up the devices are listed once more. Storage that appears comes in swarms."""

_IDLE_S = 2.0
"""How long a service that ends with its last device waits for the next one, as scripts delete one
and create another."""

_LOOP_TIMEOUT_S = 5.0
"""A loop that has not taken a call for so long answers no initiator either."""


def serve(
    kernel: Kernel,
    report: Callable[[str], None],
    *,
    until_idle: bool = False,
    ready_fd: int | None = None,
    boot: Boot | None = None,
    notifier: Notifier | None = None,
    slow_s: float = SLOW_S,
    spin_us: int | None = None,
    per_device: Sequence[str] | None = None,
) -> None:
    """Serve every user: device that there is a handler for, until SIGTERM or SIGINT.

    With `until_idle`, until the last of them has been deleted. `ready_fd` gets "ready" once the
    devices that exist are served. `boot` restores the saved configuration. Commands that took
    longer than `slow_s` are remembered. `spin_us` is the loop's. With `per_device`, the options
    that choose the kernel, each device gets a process of its own. Raises LockedError when a service
    runs already; one that is there until it is idle makes room for one that is not.
    """

    def tell(text: str) -> None:
        # A reader of the log that went away, or a full disk below it, must not stop the disks.
        with contextlib.suppress(OSError):
            report(text)

    with (
        service_lock(kernel.run_dir, until_idle=until_idle),
        _signals() as (stop_fd, wake_fd),
    ):

        def end() -> None:
            os.write(wake_fd, b"e")

        session_first()
        watch = kernel.uio.watch()
        host: Host | Processes
        if per_device is None:
            host = Host(
                kernel, tell, end=end if until_idle else None, slow_s=slow_s, spin_us=spin_us
            )
        else:
            from lioshell.service.processes import Processes

            host = Processes(kernel, tell, per_device, slow_s, spin_us)
        service = _Service(
            kernel, host, tell, stop_fd, boot, notifier or Notifier({}), until_idle=until_idle
        )
        try:
            service.start()
            if ready_fd is not None:
                # Started by another lioshell: it must not keep that one's folder busy.
                os.chdir("/")
                with contextlib.suppress(BrokenPipeError):  # who started it is gone already
                    os.write(ready_fd, b"ready")
                os.close(ready_fd)
            service.run(watch.fileno(), watch.drain)
            service.stop()
        finally:
            host.close()
            watch.close()
            if boot is not None:
                boot.close()


class _Service:
    """What happens between the start and the end of a service, in its main thread."""

    def __init__(
        self,
        kernel: Kernel,
        host: Host | Processes,
        report: Callable[[str], None],
        stop_fd: int,
        boot: Boot | None,
        notifier: Notifier,
        *,
        until_idle: bool,
    ) -> None:
        self._kernel = kernel
        self._host = host
        self._report = report
        self._stop_fd = stop_fd
        self._boot = boot
        self._notifier = notifier
        self._until_idle = until_idle
        self._known: set[str] = set()

    def start(self) -> None:
        """Serve what there is, restore what is not, and say that the service is ready."""
        self._scan()
        if self._boot is not None:
            self._boot.restore(self._host, self._report, self._notifier, self._stop_fd)
        self._scan()
        self._notifier.ready(self._status())

    def _status(self) -> str:
        served = len(self._known)
        text = f"{served} user: device{'' if served == 1 else 's'} served"
        return f"{text}; {self._boot.status()}" if self._boot is not None else text

    def _scan(self) -> None:
        self._host.scan()
        now = set(self._host.served())
        for path in sorted(now - self._known):
            self._report(f"serving {path}")
        for path in sorted(self._known - now):
            self._report(f"no longer serving {path}")
        self._known = now

    def run(self, watch_fd: int, drain: Callable[[], object]) -> None:
        """Follow the devices that come and go, until somebody or idleness ends it."""
        watchdog_s = self._notifier.watchdog_s
        timeout_s: float | None = _IDLE_S if self._until_idle else None
        next_alive = time.monotonic()
        while True:
            if watchdog_s and time.monotonic() >= next_alive:
                self._prove_life()
                next_alive = time.monotonic() + watchdog_s
            storage = self._boot.fileno() if self._boot is not None else None
            wait_for = [watch_fd, self._stop_fd, *([storage] if storage is not None else [])]
            until_alive = next_alive - time.monotonic() if watchdog_s else None
            waits = [t for t in (timeout_s, until_alive) if t is not None]
            ready, _, _ = select.select(wait_for, [], [], max(0.0, min(waits)) if waits else None)
            if self._stop_fd in ready:
                return
            if not ready and timeout_s is None:
                continue
            idle = not ready and timeout_s == _IDLE_S
            timeout_s = None
            if watch_fd in ready:
                drain()
                timeout_s = _SETTLE_S
            if self._boot is not None and storage in ready:
                self._boot.retry(self._host, self._report, self._notifier, self._stop_fd)
            self._scan()
            self._notifier.status(self._status())
            ours = any(is_ours(self._kernel, d.dev_config) for d in self._kernel.uio.devices())
            if self._until_idle and not ours:
                if idle:
                    self._report("no device is left")
                    return
                timeout_s = timeout_s or _IDLE_S

    def _prove_life(self) -> None:
        """Tell the watchdog, if the loop that answers the initiators still turns."""
        try:
            self._host.check_loop(_LOOP_TIMEOUT_S)
        except LioshellError as error:
            self._report(f"the runner's loop does not turn: {error}")
        else:
            self._notifier.alive()

    def stop(self) -> None:
        """Say what becomes of the devices, and remove the configuration where that is asked for."""
        self._notifier.stopping("stopping")
        if self._boot is not None and self._boot.remove_at_stop:
            self._boot.remove(self._host, self._report)
        else:
            self._report("stopping; devices answer BUSY until somebody serves them again")


def until_stopped(
    watch_fd: int,
    drain: Callable[[], object],
    changed: Callable[[], None],
    is_over: Callable[[], bool],
) -> None:
    """Call `changed` when devices come or go, until SIGTERM, SIGINT or `is_over()`."""
    with _signals() as (stop_fd, _):
        while not is_over():
            ready, _, _ = select.select([watch_fd, stop_fd], [], [], _IDLE_S)
            if stop_fd in ready:
                return
            if watch_fd in ready:
                drain()
                changed()


@contextlib.contextmanager
def _signals() -> Iterator[tuple[int, int]]:
    """Yield a descriptor that becomes readable at SIGTERM or SIGINT, and the other end of it."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before_fd = signal.set_wakeup_fd(writer)
    before = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield reader, writer
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        os.close(reader)
        os.close(writer)
