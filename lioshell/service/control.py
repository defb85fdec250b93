# SPDX-License-Identifier: Apache-2.0
"""How one process learns what another one serves: a Unix socket for each serving process.

`run_dir`/hosts/PID.sock takes one JSON object a connection and answers with one. The socket is
reachable by root (or the owner of a simulated kernel) alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading

from lioshell.errors import HostError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_MAX_MESSAGE_BYTES = 1 << 20


@contextlib.contextmanager
def _socket_address(folder: str, name: str) -> Iterator[str]:
    """Yield an address for a socket in a folder of any depth: sun_path holds 108 bytes only."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


class ControlServer:
    """Answers requests of other processes in a thread of its own, until `close()`."""

    def __init__(self, run_dir: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._answer = answer
        self._folder = os.path.join(run_dir, "hosts")
        self._name = f"{os.getpid()}.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # of an older process with this PID
                os.unlink(os.path.join(self._folder, f".{self._name}"))
            # A client that is refused takes the socket for a dead one's: it gets its name only
            # once it listens.
            with _socket_address(self._folder, f".{self._name}") as address:
                self._socket.bind(address)
            self._socket.listen(16)
            os.rename(
                os.path.join(self._folder, f".{self._name}"),
                os.path.join(self._folder, self._name),
            )
        except OSError as error:
            self._socket.close()
            raise HostError(
                f"{self._folder} cannot hold a socket: {os.strerror(error.errno or 0)}",
                hint="Run as root, or try the simulated kernel: lioshell --sim",
            ) from error
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                # close() was called.
                return
            # A thread each: a client that waits for a device must not keep the others waiting.
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(60)
            try:
                request = json.loads(_receive(connection))
                if not isinstance(request, dict):
                    return
                reply = self._answer(request)
                connection.sendall(json.dumps(reply).encode() + b"\n")
            except (OSError, ValueError, KeyError, TypeError):
                # A client that went away or sent nonsense gets no answer; nobody else suffers.
                return

    def close(self) -> None:
        """Stop answering and remove the socket."""
        with contextlib.suppress(OSError):  # not connected: shutdown only wakes accept()
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):  # removed by a client that saw it dead
            os.unlink(os.path.join(self._folder, self._name))


def ask_all(run_dir: str, request: dict[str, Any], timeout_s: float = 5.0) -> list[dict[str, Any]]:
    """Ask every serving process, and return the answers; sockets of dead ones are removed.

    Raises HostError where only root may ask.
    """
    folder = os.path.join(run_dir, "hosts")
    try:
        names = sorted(os.listdir(folder))
    except PermissionError as error:
        raise HostError(
            "Only root can see who serves the user: devices", hint="Run it as root."
        ) from error
    except OSError:
        # None has ever served here.
        return []
    answers = []
    for name in names:
        if name == f"{os.getpid()}.sock" or not name[:-5].isdigit():
            # This process itself, or a socket that does not listen yet.
            continue
        answer = _ask(folder, name, request, timeout_s)
        if answer is not None:
            answers.append(answer)
    return answers


def answers(run_dir: str, process: str) -> bool:
    """Tell whether a serving process, given by its number, answers."""
    if not process.isdigit():
        return False
    folder = os.path.join(run_dir, "hosts")
    try:
        return _ask(folder, f"{process}.sock", {"op": "status"}, 1.0) is not None
    except OSError:
        return False


def _ask(
    folder: str, name: str, request: dict[str, Any], timeout_s: float
) -> dict[str, Any] | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout_s)
        try:
            with _socket_address(folder, name) as address:
                client.connect(address)
            client.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_receive(client))
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):  # another client removed it, or may not
                os.unlink(os.path.join(folder, name))
            return None
        except (OSError, ValueError):
            # It hangs, is going away, or may not be asked: as good as no answer.
            return None
    return answer if isinstance(answer, dict) else None


def _receive(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < _MAX_MESSAGE_BYTES:
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data
