# SPDX-License-Identifier: Apache-2.0
"""A qemu-nbd of our own for one image, born with its only client connected.

We listen, connect and remove the socket's name before the program starts, and hand it the listening
socket as systemd would (LISTEN_FDS). So nobody else can ever talk to it, nothing has to be waited
for, and it ends when our side of the connection does: it flushes the image then and gives its locks
back, also when this process was killed. SIGTERM and Ctrl-C, which hit all processes of a unit or a
terminal, do not end it before that.

It inherits our lock of the image. Who serves the image next waits for that one, and so does not
begin before the last write of this one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from lioshell.runner.nbd.handshake import shake_hands
from lioshell.runner.nbd.transport import PlainTransport
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.nbd.handshake import Export
    from lioshell.runner.nbd.transport import Transport

PROGRAM: Final = "qemu-nbd"
_END_TIMEOUT_S: Final = 30.0
_LOG_LIMIT_BYTES: Final = 4096

# LISTEN_PID has to be the process' own number, which only itself knows before it is the program.
_BECOME: Final = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
listener = int(sys.argv[1])
if listener != 3:
    os.dup2(listener, 3)
    os.close(listener)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Served:
    """Which image is served, and how: `cache` is one of qemu-nbd's words."""

    path: str
    format: str
    read_only: bool = False
    cache: str = "writeback"

    def command(self) -> list[str]:
        """Return the program's arguments."""
        words = [PROGRAM, f"--format={self.format}", f"--cache={self.cache}", "--discard=unmap"]
        return [*words, *(["--read-only"] if self.read_only else []), "--", self.path]


class StartError(OSError):
    """The program ended at once; `said` is what it wrote to stderr."""

    def __init__(self, said: str) -> None:
        super().__init__(errno.EIO, f"{PROGRAM} ended: {said.strip() or 'without a word'}")
        self.said = said


class Daemon:
    """Starts a qemu-nbd for each connection, one after the other; for one thread at a time."""

    def __init__(self, served: Served, lock_fd: int) -> None:
        self._served = served
        self._lock_fd = lock_fd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of the process that serves, 0 where there is none."""
        return 0 if self._process is None else self._process.pid

    def connect(self, timeout_s: float) -> tuple[Transport, Export]:
        """Start the program and shake hands with it. Raises OSError."""
        self.end(timeout_s)
        listener, client = _connected_pair()
        transport = PlainTransport(client, PROGRAM)
        try:
            with listener, open(os.memfd_create(PROGRAM), "w+b") as log:
                words = [sys.executable, "-I", "-S", "-c", _BECOME, str(listener.fileno())]
                self._process = subprocess.Popen(
                    [*words, *self._served.command()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(listener.fileno(), self._lock_fd),
                    start_new_session=True,
                )
                # Ours has to go, so that the end of the program ends the connection.
                listener.close()
                try:
                    return shake_hands(transport, "", time.monotonic() + timeout_s)
                except ConnectionError:
                    transport.close()
                    self.end(timeout_s)
                    said = os.pread(log.fileno(), _LOG_LIMIT_BYTES, 0)
                    raise StartError(said.decode(errors="replace")) from None
        except BaseException:
            transport.close()
            raise

    def end(self, timeout_s: float = _END_TIMEOUT_S) -> None:
        """Wait for the end of a program whose connection is closed, then kill it."""
        process = self._process
        if process is None:
            return
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            # What it was told to write is not lost with it: whoever connects next has it too.
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
        if process.returncode is None:
            raise TimeoutError(errno.ETIMEDOUT, f"{PROGRAM} cannot be ended: its storage hangs")
        self._process = None


def _connected_pair() -> tuple[socket.socket, socket.socket]:
    """Return a listening socket that has no name any more, and one that is connected to it."""
    folder = tempfile.mkdtemp(prefix="lioshell-")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name = os.path.join(folder, "nbd")
        listener.bind(name)
        listener.listen(1)
        client.connect(name)
    except BaseException:
        listener.close()
        client.close()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return listener, client
