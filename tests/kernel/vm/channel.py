# SPDX-License-Identifier: Apache-2.0
"""The host's end of the line to the agent: requests out, replies back to whoever waits for them."""

from __future__ import annotations

import itertools
import json
import queue
import socket
import threading
from typing import Any

Reply = dict[str, Any]


class ChannelClosedError(Exception):
    """The guest is gone: QEMU has closed its end."""


class NoReplyError(Exception):
    """The agent did not answer in time."""


class Channel:
    """Sends requests from any thread, and hands each reply to the thread that asked.

    A reader thread takes every line; the end of the stream wakes all who wait, at once.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[Reply | None]] = {}
        self._closed = False
        self._hello: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="vm-channel", daemon=True).start()

    def hello(self, timeout_s: float) -> Reply:
        """The agent's first line, which says that the guest is up."""
        return self._take(self._hello, timeout_s)

    def ask(self, request: Reply, timeout_s: float) -> Reply:
        """Send one request and wait for its reply."""
        answer: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        number = next(self._numbers)
        line = json.dumps({**request, "id": number}).encode() + b"\n"
        with self._lock:
            if self._closed:
                raise ChannelClosedError
            self._waiting[number] = answer
            try:
                self._socket.sendall(line)
            except OSError as error:
                raise ChannelClosedError from error
        try:
            return self._take(answer, timeout_s)
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def close(self) -> None:
        """Close this end; whoever waits is told."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            # QEMU was first: there is nothing left to shut down.
            self._socket.close()

    def _take(self, answers: queue.SimpleQueue[Reply | None], timeout_s: float) -> Reply:
        try:
            reply = answers.get(timeout=timeout_s)
        except queue.Empty:
            raise NoReplyError from None
        if reply is None:
            raise ChannelClosedError
        return reply

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as stream:
                for line in stream:
                    self._deliver(json.loads(line))
        except OSError:
            # A reset instead of an end of file, as when QEMU is killed: an end all the same.
            self._end()
        else:
            self._end()

    def _deliver(self, reply: Reply) -> None:
        with self._lock:
            answers = self._hello if "hello" in reply else self._waiting.get(reply["id"])
        if answers is not None:
            answers.put(reply)

    def _end(self) -> None:
        with self._lock:
            self._closed = True
            for answers in (self._hello, *self._waiting.values()):
                answers.put(None)
        self._socket.close()
