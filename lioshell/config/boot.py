# SPDX-License-Identifier: Apache-2.0
"""What the service restores when it starts, and tries again while it runs."""

from __future__ import annotations

import os

from lioshell.config import applied, saved_file
from lioshell.config.restore import Options, Serving, restore, retry
from lioshell.config.unrestored import forget, unrestored
from lioshell.errors import DocumentError, HostError, NotFoundError
from lioshell.lio.clearing import clear
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from lioshell.config.attempts import Progress, Report
    from lioshell.config.unrestored import Unrestored
    from lioshell.lio.lock import ChangeLock
    from lioshell.lio.root import Lio


class BootRestore:
    """Restores one saved configuration, once after each boot (lioshell.service.boot.Restorer)."""

    def __init__(
        self,
        lio: Lio,
        path: str,
        lock: ChangeLock,
        *,
        is_ours: Callable[[str], bool],
        may_link: Callable[[str, str], str],
        warn: Callable[[str], None],
    ) -> None:
        self._lio = lio
        self._path = path
        self._lock = lock
        self._is_ours = is_ours
        self._may_link = may_link
        self._warn = warn

    def restore(self, serve: Callable[[str], str], progress: Progress) -> list[str]:
        """Restore, or where that was done since the boot, try what is missing; return failures.

        What exists already is brought in line with the saved configuration. Raises LioshellError
        where nothing can be restored at all.
        """
        with self._lock("serve"):
            run_dir = self._lio.kernel.run_dir
            if applied.read(run_dir) is not None:
                return _lines(retry(self._lio, serving=self._serving(serve), progress=progress))
            try:
                document = saved_file.read(self._path, warn=self._warn)
            except NotFoundError:
                self._warn(f"there is no saved configuration {self._path} yet")
                return []
            options = Options(progress=progress, existing=True)
            report = restore(
                self._lio, document, self._path, serving=self._serving(serve), options=options
            )
            applied.remember(run_dir, document)
            return _lines(report)

    def retry(self, serve: Callable[[str], str], progress: Progress) -> list[str]:
        """Try what is not restored; return failures."""
        with self._lock("serve"):
            return _lines(retry(self._lio, serving=self._serving(serve), progress=progress))

    def _serving(self, serve: Callable[[str], str]) -> Serving:
        return Serving(serve, self._is_ours, self._may_link)

    def _left(self) -> list[Unrestored]:
        try:
            return unrestored(self._lio.kernel.run_dir)
        except (DocumentError, HostError):
            # `status` and `unrestored` tell of it; the devices are served all the same.
            return []

    def pending(self) -> Sequence[str]:
        """Return the paths of the objects that are not restored."""
        return [one.path for one in self._left()]

    def may_succeed(self) -> bool:
        """Tell whether a file or device that an object waits for is there now."""
        return any(one.missing and os.path.exists(one.missing) for one in self._left())

    def clear(self, served: Collection[str]) -> None:
        """Remove the configuration from the kernel; the saved file stays.

        `served` are the user: devices (their configfs paths) that this process answers for.
        """
        look = self._lio.have_served
        self._lio.have_served = lambda path: "" if path in served else look(path)
        with self._lock("serve"):
            clear(self._lio)
            forget(self._lio, [])
            applied.forget(self._lio.kernel.run_dir)


def _lines(report: Report) -> list[str]:
    return [
        f"{one.path}: {one.reason}{f' ({one.hint})' if one.hint else ''}" for one in report.failures
    ]
