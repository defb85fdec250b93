# SPDX-License-Identifier: Apache-2.0
"""`lioshell serve`: the service in the foreground."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

from lioshell.runner.handlers import registry
from lioshell.service.host import Host
from lioshell.service.hosting import service_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.kernel.ports import Kernel

_SETTLE_S = 0.5
"""A device's removal is told before sysfs has forgotten it (drivers/base/core.c, device_del):
after each wake-up the devices are listed once more."""

_IDLE_S = 2.0
"""How long a service that ends with its last device waits for the next one, as scripts delete one
and create another."""


def serve(
    kernel: Kernel,
    report: Callable[[str], None],
    *,
    until_idle: bool = False,
    ready_fd: int | None = None,
) -> None:
    """Serve every user: device that there is a handler for, until SIGTERM or SIGINT.

    With `until_idle`, until the last of them has been deleted. `ready_fd` gets "ready" once the
    devices that exist are served. Raises LockedError when a service runs already; one that is there
    until it is idle makes room for one that is not.
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

        watch = kernel.uio.watch()
        host = Host(kernel, tell, end=end if until_idle else None)
        try:
            host.scan()
            for path in host.served():
                tell(f"serving {path}")
            if ready_fd is not None:
                # Started by another lioshell: it must not keep that one's folder busy.
                os.chdir("/")
                with contextlib.suppress(BrokenPipeError):  # who started it is gone already
                    os.write(ready_fd, b"ready")
                os.close(ready_fd)
            _run(kernel, host, watch.fileno(), watch.drain, stop_fd, tell, until_idle=until_idle)
        finally:
            host.close()
            watch.close()


def _run(
    kernel: Kernel,
    host: Host,
    watch_fd: int,
    drain: Callable[[], object],
    stop_fd: int,
    report: Callable[[str], None],
    *,
    until_idle: bool,
) -> None:
    known = set(host.served())
    timeout_s: float | None = _IDLE_S if until_idle else None
    while True:
        ready, _, _ = select.select([watch_fd, stop_fd], [], [], timeout_s)
        if stop_fd in ready:
            report("stopping; devices answer BUSY until somebody serves them again")
            return
        idle = not ready and timeout_s == _IDLE_S
        timeout_s = None
        if watch_fd in ready:
            drain()
            timeout_s = _SETTLE_S
        host.scan()
        now = set(host.served())
        for path in sorted(now - known):
            report(f"serving {path}")
        for path in sorted(known - now):
            report(f"no longer serving {path}")
        known = now
        ours = any(registry.serves(device.dev_config) for device in kernel.uio.devices())
        if until_idle and not ours:
            if idle:
                report("no device is left")
                return
            timeout_s = timeout_s or _IDLE_S


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
