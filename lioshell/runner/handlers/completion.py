# SPDX-License-Identifier: Apache-2.0
"""Handlers whose storage answers later: by a callback of its library, or on an asyncio loop.

Reads, writes and flushes are submitted by the loop's thread and occupy no thread until they end.
What is made of several of them (COMPARE AND WRITE, VERIFY) runs on a worker, through the `read`,
`write` and `flush` that this module makes out of the submissions.
"""

from __future__ import annotations

import errno
import threading
from abc import abstractmethod
from collections.abc import Callable, Coroutine

from lioshell.runner.handlers.base import Handler
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from typing import Any

Done = Callable[[OSError | None], None]
"""Called once for each submission, in any thread, with what it failed with or None."""


class CompletionHandler(Handler):
    """A handler on a library with an asynchronous interface (librbd, libgfapi, io_uring).

    A `submit_` method does not block. It either raises OSError, and `done` is never called, or
    returns, and `done` is called once. Buffers are used until then. `kick` follows each `submit_`,
    or several of them.
    """

    @abstractmethod
    def submit_read(self, buffers: list[memoryview], offset_bytes: int, done: Done) -> None:
        """Begin what `Handler.read` does."""

    @abstractmethod
    def submit_write(
        self, buffers: list[memoryview], offset_bytes: int, fua: bool, done: Done
    ) -> None:
        """Begin what `Handler.write` does."""

    @abstractmethod
    def submit_flush(self, done: Done) -> None:
        """Begin what `Handler.flush` does; later submissions need not be covered."""

    def kick(self) -> None:
        """Begin what was submitted and merely noted; does not block and does not raise."""

    def read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Submit a read and wait for its end. Raises OSError."""
        _wait(lambda done: self.submit_read(buffers, offset_bytes, done), self.kick)

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Submit a write and wait for its end. Raises OSError."""
        _wait(lambda done: self.submit_write(buffers, offset_bytes, fua, done), self.kick)

    def flush(self) -> None:
        """Submit a flush and wait for its end. Raises OSError."""
        _wait(self.submit_flush, self.kick)


def _wait(submit: Callable[[Done], None], kick: Callable[[], None]) -> None:
    ended = threading.Event()
    errors: list[OSError] = []

    def done(error: OSError | None) -> None:
        if error is not None:
            errors.append(error)
        ended.set()

    submit(done)
    kick()
    ended.wait()
    if errors:
        raise errors[0]


class AsyncHandler(CompletionHandler):
    """A handler written as coroutines; they all run on one asyncio loop, in a thread of its own.

    A coroutine that raises something else than OSError is answered as EIO. Objects that belong to
    an asyncio loop are made in a coroutine that `open` gives to `in_asyncio`.
    """

    @abstractmethod
    async def async_read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Do what `Handler.read` does."""

    @abstractmethod
    async def async_write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Do what `Handler.write` does."""

    @abstractmethod
    async def async_flush(self) -> None:
        """Do what `Handler.flush` does."""

    def submit_read(self, buffers: list[memoryview], offset_bytes: int, done: Done) -> None:
        """Begin `async_read`."""
        _start(self.async_read(buffers, offset_bytes), done)

    def submit_write(
        self, buffers: list[memoryview], offset_bytes: int, fua: bool, done: Done
    ) -> None:
        """Begin `async_write`."""
        _start(self.async_write(buffers, offset_bytes, fua), done)

    def submit_flush(self, done: Done) -> None:
        """Begin `async_flush`."""
        _start(self.async_flush(), done)


def in_asyncio(coroutine: Coroutine[Any, Any, Any], timeout_s: float | None = None) -> Any:
    """Run a coroutine on the handlers' asyncio loop and return its result; not from that loop.

    Raises what it raises, and TimeoutError (an OSError) after `timeout_s`, when it is cancelled.
    """
    import asyncio
    from concurrent.futures import TimeoutError as FutureTimeoutError

    future = asyncio.run_coroutine_threadsafe(coroutine, _asyncio_loop())
    try:
        return future.result(timeout_s)
    except FutureTimeoutError:
        future.cancel()
        raise


def _start(coroutine: Coroutine[Any, Any, None], done: Done) -> None:
    async def run() -> None:
        try:
            await coroutine
        except OSError as error:
            done(error)
        except Exception as error:  # noqa: BLE001 - third-party code: every command is answered
            failure = OSError(errno.EIO, f"{type(error).__name__}: {error}")
            done(failure)
        else:
            done(None)

    loop = _asyncio_loop()
    loop.call_soon_threadsafe(_spawn, loop, run())


_TASKS: set[asyncio.Task[None]] = set()
"""An asyncio loop keeps weak references only."""


def _spawn(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> None:
    task = loop.create_task(coroutine)
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)


_LOOP: list[asyncio.AbstractEventLoop] = []
_LOOP_LOCK = threading.Lock()


def _asyncio_loop() -> asyncio.AbstractEventLoop:
    """Return the asyncio loop of all handlers of this process, running in a daemon thread."""
    if _LOOP:
        return _LOOP[0]
    import asyncio

    with _LOOP_LOCK:
        if not _LOOP:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="lioshell-asyncio", daemon=True).start()
            _LOOP.append(loop)
    return _LOOP[0]
