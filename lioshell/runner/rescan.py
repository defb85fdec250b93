# SPDX-License-Identifier: Apache-2.0
"""Scans for devices outside the loop's thread.

Opening a storage may take long (a network file system), and the loop must go on answering the
other devices meanwhile. Requests that come during a scan are answered by one more scan.
"""

from __future__ import annotations

import threading

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Rescan:
    """Runs `scan` in a daemon thread, once or more, after each `request`.

    `failed` gets the exception that a scan ended with; later requests are still answered.
    """

    def __init__(self, scan: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        self._scan = scan
        self._failed = failed
        self._lock = threading.Lock()
        self._wanted = False
        self._thread: threading.Thread | None = None

    def request(self) -> None:
        """Have a scan begin after this call; returns at once."""
        with self._lock:
            self._wanted = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lioshell-scan", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                self._wanted = False
            try:
                self._scan()
            except Exception as error:  # noqa: BLE001 - reported; the next request is answered
                self._failed(error)
