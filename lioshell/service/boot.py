# SPDX-License-Identifier: Apache-2.0
"""The start of the service: the saved configuration is restored, and what is missing waited for."""

from __future__ import annotations

import select
import time
from typing import Protocol

from lioshell.errors import LioshellError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from lioshell.kernel.ports import Kernel, StorageWatch
    from lioshell.service.host import Host
    from lioshell.service.notify import Notifier
    from lioshell.service.processes import Processes

    Report = Callable[[str], None]
    Serve = Callable[[str], str]
    Progress = Callable[[int, int, str], None]

_SETTLE_S = 0.5
"""Storage appears in swarms, and a device is there before udev has named it."""

_MORE_TIME_S = 60.0
"""How long one object of a restore may take before systemd thinks that it hangs."""

_SERVE_TIMEOUT_S = 15.0


class StoppedError(Exception):
    """The service was told to end in the middle of a restore."""


class Restorer(Protocol):
    """Restores a saved configuration: what the service needs of the layer above it.

    `serve` has a user: device (its configfs path) served and returns what keeps it from being so;
    `progress` is called with the objects done, their number and the path of the next one.
    """

    def restore(self, serve: Serve, progress: Progress) -> Sequence[str]:
        """Restore the saved configuration once after a boot; return a line a failed object.

        A service that starts again finds that done, and tries what is still missing only.
        """

    def retry(self, serve: Serve, progress: Progress) -> Sequence[str]:
        """Try what is not restored again; return a line for each object that failed."""

    def pending(self) -> Sequence[str]:
        """Return the paths of the objects that are not restored."""

    def may_succeed(self) -> bool:
        """Tell whether a file or device that an object waits for is there now."""

    def clear(self, served: Collection[str]) -> None:
        """Remove the configuration from the kernel; the saved file stays.

        `served` are the user: devices (their configfs paths) that this process answers for.
        """


class Boot:
    """Restores when the service starts, and again where storage appears.

    What fails for want of a file or a device is waited for `wait_s` seconds before the service is
    ready, and retried for as long as it runs. `remove_at_stop`: the configuration goes when the
    service ends.
    """

    def __init__(
        self, kernel: Kernel, restorer: Restorer, *, wait_s: float, remove_at_stop: bool
    ) -> None:
        self._restorer = restorer
        self._watch: StorageWatch = kernel.system.watch_storage()
        self._wait_s = wait_s
        self.remove_at_stop = remove_at_stop

    def restore(
        self, host: Host | Processes, report: Report, notifier: Notifier, stop_fd: int
    ) -> None:
        """Restore, then wait a while for what is missing; failures are reported, never raised."""
        try:
            self._run(self._restorer.restore, host, report, notifier, stop_fd)
            deadline = time.monotonic() + self._wait_s
            while self._restorer.pending():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    report(f"not waiting any longer for: {', '.join(self._restorer.pending())}")
                    return
                notifier.more_time(left_s + _MORE_TIME_S)
                notifier.status(f"waiting for storage; {self.status()}")
                if self._storage_came(left_s, stop_fd):
                    self._run(self._restorer.retry, host, report, notifier, stop_fd)
        except StoppedError:
            # The loop that follows sees the request too, and ends.
            return

    def _storage_came(self, timeout_s: float, stop_fd: int) -> bool:
        ready, _, _ = select.select([self._watch.fileno(), stop_fd], [], [], timeout_s)
        if stop_fd in ready:
            raise StoppedError
        return bool(ready) and self._settled()

    def _settled(self) -> bool:
        time.sleep(_SETTLE_S)
        return self._watch.drain() and self._restorer.may_succeed()

    def fileno(self) -> int | None:
        """Return the descriptor that tells of new storage, None where nothing waits for any."""
        return self._watch.fileno() if self._restorer.pending() else None

    def retry(
        self, host: Host | Processes, report: Report, notifier: Notifier, stop_fd: int
    ) -> None:
        """Try again what is missing, because storage appeared."""
        if not self._settled():
            return
        try:
            self._run(self._restorer.retry, host, report, notifier, stop_fd)
        except StoppedError:
            return

    def _run(
        self,
        restore: Callable[[Serve, Progress], Sequence[str]],
        host: Host | Processes,
        report: Report,
        notifier: Notifier,
        stop_fd: int,
    ) -> None:
        def progress(done: int, total: int, path: str) -> None:
            if select.select([stop_fd], [], [], 0)[0]:
                raise StoppedError
            notifier.more_time(_MORE_TIME_S)
            notifier.status(f"restoring {done} of {total}: {path}")

        try:
            failures = restore(lambda path: host.wait_served(path, _SERVE_TIMEOUT_S), progress)
        except LioshellError as error:
            # The devices that are there are served all the same.
            report(f"the saved configuration is not restored: {error}")
            if error.hint:
                report(error.hint)
            return
        for line in failures:
            report(f"not restored: {line}")

    def status(self) -> str:
        """Return what systemctl status shows of the restore."""
        pending = self._restorer.pending()
        if not pending:
            return "everything is restored"
        shown = ", ".join(pending[:3]) + (", ..." if len(pending) > 3 else "")
        return f"{len(pending)} not restored: {shown}"

    def remove(self, host: Host | Processes, report: Report) -> None:
        """Remove the configuration at the end of the service."""
        try:
            self._restorer.clear(frozenset(host.served()))
        except LioshellError as error:
            report(f"the configuration is not removed: {error}")

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()
