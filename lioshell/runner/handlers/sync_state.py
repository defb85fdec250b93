# SPDX-License-Identifier: Apache-2.0
"""Whether data that were acknowledged have been lost by a failed sync.

The kernel drops the pages that it could not write back and reports that once for each open file
(mm/filemap.c, file_check_and_advance_wb_err): to one of those who sync at that moment, and the
others are told that all is well. So who succeeded waits for those who were syncing beside it.
"""

from __future__ import annotations

import contextlib
import errno
import threading

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class SyncState:
    """The syncs of one open file; any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[object] = set()
        self._lost = False

    def raise_if_lost(self) -> None:
        """Raise OSError(EIO) once a sync has failed; only opening the file again ends that."""
        if self._lost:
            raise OSError(errno.EIO, "An earlier sync failed; writes before it may be lost")

    @contextlib.contextmanager
    def sync(self, *, covers_others: bool) -> Iterator[list[bool]]:
        """Run a system call that syncs; an OSError that it raises means that data are lost.

        Unless the list that is yielded is not empty then: nothing was written. Raises OSError at
        once where data are lost already, and with `covers_others` (fdatasync, not the sync of a
        write's own data) also when one that ran beside it finds so.
        """
        self.raise_if_lost()
        token = object()
        with self._changed:
            self._running.add(token)
        unwritten: list[bool] = []
        try:
            yield unwritten
        except OSError:
            self._lost = self._lost or not unwritten
            raise
        finally:
            with self._changed:
                self._running.discard(token)
                self._changed.notify_all()
                beside = set(self._running)
        if covers_others and beside:
            with self._changed:
                self._changed.wait_for(lambda: beside.isdisjoint(self._running))
        if covers_others:
            self.raise_if_lost()
