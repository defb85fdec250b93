# SPDX-License-Identifier: Apache-2.0
"""What librbd has ended, taken by a thread of ours in batches.

A callback would enter Python from a thread of librbd once for each command, which costs more than
the command; an eventfd wakes one thread for as many as there are.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading

from lioshell.runner.handlers.ceph.library import check, load
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.handlers.ceph.image import Image
    from lioshell.runner.handlers.native_io import Transfer

_EVENT_TYPE_EVENTFD: Final = 2
_BATCH: Final = 64


class Completions:
    """The asynchronous operations of one image; made before its first one. Raises OSError."""

    def __init__(self, image: Image) -> None:
        self._rbd = load().rbd
        self._handle = image.handle
        self._transfers: dict[int, Transfer] = {}
        self._closing = False
        self._fd = os.eventfd(0, os.EFD_CLOEXEC)
        try:
            result = self._rbd.rbd_set_image_notification(
                self._handle, self._fd, _EVENT_TYPE_EVENTFD
            )
            check(result, "asking for events")
            self._thread = threading.Thread(target=self._run, name="lioshell-rbd", daemon=True)
            self._thread.start()
        except BaseException:
            os.close(self._fd)
            raise

    def begin(self, transfer: Transfer) -> ctypes.c_void_p:
        """Return the completion to submit an operation with. Raises OSError."""
        completion = ctypes.c_void_p()
        result = self._rbd.rbd_aio_create_completion(None, None, ctypes.byref(completion))
        check(result, "rbd_aio_create_completion")
        self._transfers[completion.value or 0] = transfer
        return completion

    def give_up(self, completion: ctypes.c_void_p) -> None:
        """Forget an operation that could not be submitted."""
        del self._transfers[completion.value or 0]
        self._rbd.rbd_aio_release(completion)

    def close(self) -> None:
        """End the thread; nothing is under way any more, and the image still open."""
        self._closing = True
        os.eventfd_write(self._fd, 1)
        self._thread.join()

    def close_fd(self) -> None:
        """Close what librbd wakes the thread by; the image is closed."""
        os.close(self._fd)

    def _run(self) -> None:
        batch = (ctypes.c_void_p * _BATCH)()
        poll = self._rbd.rbd_poll_io_events
        while not self._closing:
            os.eventfd_read(self._fd)
            while (count := poll(self._handle, batch, _BATCH)) > 0:
                for completion in batch[:count]:
                    self._ended(completion)

    def _ended(self, completion: int | None) -> None:
        rbd = self._rbd
        result = rbd.rbd_aio_get_return_value(completion)
        # The address may be another operation's as soon as it is released.
        transfer = self._transfers.pop(completion or 0)
        rbd.rbd_aio_release(completion)
        # Read past the end of an image that somebody has cut.
        transfer.finish(result, errno.EIO if result == -errno.EINVAL else max(0, -result))
