# SPDX-License-Identifier: Apache-2.0
"""NBD servers of these tests, and a connection between them and a client that can be cut."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_numbers = itertools.count()


def wait_for(path: str, timeout_s: float = 20.0) -> None:
    """Wait until somebody listens on a Unix socket."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            try:
                probe.connect(path)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.02)


class Server:
    """A server of one export on a Unix socket, that can be killed and started again.

    `command` makes its arguments out of the socket's path.
    """

    def __init__(self, folder: Path, *command: str) -> None:
        self.socket = str(folder / f"nbd{next(_numbers)}.sock")
        self._command = [word.replace("SOCKET", self.socket) for word in command]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @classmethod
    def of_qemu(cls, folder: Path, image: str, *options: str) -> Server:
        """Serve a raw image by qemu-nbd, as the export "vol"."""
        words = ("qemu-nbd", "-f", "raw", "-x", "vol", "--persistent", "--shared=8")
        return cls(folder, *words, "--discard=unmap", *options, "--socket=SOCKET", image)

    @property
    def uri(self) -> str:
        """The URI of the export "vol"."""
        return f"nbd+unix:///vol?socket={self.socket}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        wait_for(self.socket)

    def pause(self) -> None:
        """Let it do nothing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Have it dead inside of the block."""
        self.kill()
        try:
            yield
        finally:
            self.start()


class Wire:
    """Connections from a Unix socket to another one, that are cut when a test wants it."""

    def __init__(self, folder: Path, target: str) -> None:
        self.socket = str(folder / f"wire{next(_numbers)}.sock")
        self._target = target
        self._up = True
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def uri(self) -> str:
        """The URI of the export "vol" through this wire."""
        return f"nbd+unix:///vol?socket={self.socket}"

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    self._pass_on(key.fileobj)

    def _pass_on(self, source: socket.socket) -> None:
        if source is self._listener:
            client, _ = source.accept()
            if not self._up:
                client.close()
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            for one, other in ((client, server), (server, client)):
                self._pairs[one] = other
                self._selector.register(one, selectors.EVENT_READ)
            return
        target = self._pairs.get(source)
        if target is None:
            return
        try:
            data = source.recv(1 << 16)
            if data:
                target.sendall(data)
                return
        except OSError:
            # The other side was quicker.
            data = b""
        self._drop(source)

    def _drop(self, one: socket.socket) -> None:
        other = self._pairs.pop(one)
        del self._pairs[other]
        for end in (one, other):
            self._selector.unregister(end)
            end.close()

    def cut(self) -> None:
        """Break all connections, wherever in a request or reply they are."""
        with self._lock:
            while self._pairs:
                self._drop(next(iter(self._pairs)))

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Break all connections and let no new one be made inside of the block."""
        self._up = False
        self.cut()
        try:
            yield
        finally:
            self._up = True

    def close(self) -> None:
        """End it."""
        self._ended = True
        self._thread.join()
        self.cut()
        self._selector.close()
        self._listener.close()
