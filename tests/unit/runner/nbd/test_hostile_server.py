# SPDX-License-Identifier: Apache-2.0
"""Servers that send what they like: every request is answered, and nothing believed too much."""

from __future__ import annotations

import socket
import struct
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lioshell.runner.nbd import protocol
from lioshell.runner.nbd.client import Client
from lioshell.runner.nbd.handshake import Export, shake_hands
from lioshell.runner.nbd.link import Link
from lioshell.runner.nbd.request import Request
from lioshell.runner.nbd.transport import PlainTransport
from lioshell.runner.nbd.unflushed import Unflushed

STRUCTURED = Export(1 << 20, protocol.EXPORT_SEND_FLUSH, structured=True, allocation=7)
SIMPLE = Export(1 << 20, protocol.EXPORT_SEND_FLUSH)


def chunk(kind, cookie, payload, flags=protocol.REPLY_FLAG_DONE):
    head = protocol.STRUCTURED_REPLY.pack(
        protocol.STRUCTURED_REPLY_MAGIC, flags, kind, cookie, len(payload)
    )
    return head + payload


def simple(cookie, error=0, payload=b""):
    return protocol.SIMPLE_REPLY.pack(protocol.SIMPLE_REPLY_MAGIC, error, cookie) + payload


def data(offset, payload, cookie=1, flags=protocol.REPLY_FLAG_DONE):
    return chunk(protocol.REPLY_OFFSET_DATA, cookie, struct.pack(">Q", offset) + payload, flags)


def answer(export, *texts, size=512, offset=4096):
    """Ask for a read, have a server send `texts` and end; return what became of the read."""
    ours, theirs = socket.socketpair()
    link = Link(PlainTransport(ours, "the server"), export)
    found = bytearray(b"?" * size)
    ended = []
    link.put(Request(0, offset, size, ended.append, into=[memoryview(found)]))
    assert link.send_rest()

    def send():
        for text in texts:
            theirs.sendall(text)
        theirs.close()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        while not link.finished:
            try:
                link.receive()
            except BlockingIOError:
                time.sleep(0.001)
    finally:
        link.close()
        thread.join()
    link.finished[0].finish()
    return bytes(found), ended[0]


def test_a_read_in_one_piece():
    assert answer(SIMPLE, simple(1, 0, b"x" * 512)) == (b"x" * 512, None)
    assert answer(STRUCTURED, data(4096, b"x" * 512)) == (b"x" * 512, None)


def test_a_read_in_pieces_and_holes_in_any_order():
    hole = chunk(protocol.REPLY_OFFSET_HOLE, 1, struct.pack(">QI", 4096 + 100, 300), 0)
    tail = data(4096 + 400, b"z" * 112, flags=0)
    head = data(4096, b"a" * 100, flags=0)
    end = chunk(protocol.REPLY_NONE, 1, b"")
    stream = tail + hole + head + end
    expected = b"a" * 100 + bytes(300) + b"z" * 112
    assert answer(STRUCTURED, stream) == (expected, None)
    # However the network cuts it.
    assert answer(STRUCTURED, *(stream[i : i + 1] for i in range(len(stream)))) == (expected, None)


def test_a_read_that_is_larger_than_the_buffer():
    payload = bytes(range(256)) * 4096
    assert answer(SIMPLE, simple(1, 0, payload), size=1 << 20, offset=0) == (payload, None)


@pytest.mark.parametrize(
    ("export", "text", "number"),
    [
        (SIMPLE, simple(1, 5), 5),
        (STRUCTURED, chunk(0x8001, 1, struct.pack(">IH", 28, 0)), 28),
        (STRUCTURED, chunk(0x8001, 1, struct.pack(">IH", 777, 0)), 22),
    ],
)
def test_an_error_is_handed_on(export, text, number):
    assert answer(export, text)[1].errno == number


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0" * 64,
        simple(2, 0, b"x" * 512),
        simple(1, 0, b"x" * 100),
        data(4096, b"x" * 100),
        data(4096, b"x" * 512, cookie=9),
        data(4000, b"x" * 512),
        data(4096 + 100, b"x" * 500),
        data(4096, b"x" * 1024),
        data(4096, b"x" * 300, flags=0) + data(4096, b"x" * 300, flags=0),
        data(1 << 60, b"x"),
        data(4096, b""),
        chunk(protocol.REPLY_NONE, 1, b""),
        chunk(protocol.REPLY_OFFSET_HOLE, 1, b"x"),
        chunk(protocol.REPLY_OFFSET_HOLE, 1, struct.pack(">QI", 4096, 1 << 31)),
        chunk(protocol.REPLY_BLOCK_STATUS, 1, struct.pack(">III", 7, 512, 0)),
        chunk(99, 1, b""),
        chunk(0x8001, 1, b"x"),
        chunk(0x8001, 1, struct.pack(">IH", 108, 0)),
        protocol.STRUCTURED_REPLY.pack(protocol.STRUCTURED_REPLY_MAGIC, 1, 0, 1, 1 << 31),
    ],
)
def test_what_breaks_the_protocol_breaks_the_connection(text):
    with pytest.raises(ConnectionError):
        answer(STRUCTURED, text)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=400))
def test_any_bytes(text):
    with pytest.raises(ConnectionError):
        answer(STRUCTURED, struct.pack(">I", protocol.STRUCTURED_REPLY_MAGIC) + text)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), st.booleans())
def test_any_handshake(text, greets):
    ours, theirs = socket.socketpair()
    greeting = b"NBDMAGICIHAVEOPT\0\3" if greets else b""
    theirs.sendall(greeting + text)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(OSError):
        shake_hands(PlainTransport(ours, "the server"), "vol", time.monotonic() + 5)
    ours.close()
    theirs.close()


class Memory:
    """A server in a thread that forgets what was not flushed when it is killed."""

    def __init__(self):
        self.stable = bytearray(1 << 20)
        self.log = []
        self.flushes = 0
        self.fail_flush = False
        self.flush_s = 0.0
        self._sockets = []

    def connect(self, _timeout_s):
        ours, theirs = socket.socketpair()
        self._sockets.append(theirs)
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return PlainTransport(ours, "memory"), SIMPLE

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            cache = bytearray(self.stable)
            while head := stream.read(protocol.REQUEST.size):
                _, _, kind, cookie, offset, size = protocol.REQUEST.unpack(head)
                reply, error = b"", 0
                if kind == protocol.CMD_READ:
                    reply = bytes(cache[offset : offset + size])
                elif kind == protocol.CMD_WRITE:
                    cache[offset : offset + size] = stream.read(size)
                    self.log.append((offset, size))
                elif kind == protocol.CMD_FLUSH and self.fail_flush:
                    error = 5
                elif kind == protocol.CMD_FLUSH:
                    time.sleep(self.flush_s)
                    self.stable[:] = cache
                    self.flushes += 1
                elif kind == protocol.CMD_DISC:
                    return
                try:
                    connection.sendall(simple(cookie, error, reply))
                except OSError:
                    return

    def crash(self):
        self._sockets[-1].shutdown(socket.SHUT_RDWR)


def ask(client, kind, offset=0, payload=b"", size=0):
    """Make a request and wait for it; return what a read found."""
    found = bytearray(size)
    ended = threading.Event()
    errors = []

    def done(error):
        errors.append(error)
        ended.set()

    into = [memoryview(found)] if size else None
    client.submit(Request(kind, offset, size or len(payload), done, 0, payload, into))
    client.kick()
    assert ended.wait(20)
    if errors[0]:
        raise errors[0]
    return bytes(found)


def test_what_a_crashed_server_forgot_is_written_again_in_order():
    server = Memory()
    client = Client(server.connect, server.connect(1), timeout_s=20)
    ask(client, protocol.CMD_WRITE, 0, b"a" * 4096)
    ask(client, protocol.CMD_FLUSH)
    ask(client, protocol.CMD_WRITE, 8192, b"b" * 4096)
    ask(client, protocol.CMD_WRITE, 8192 + 512, b"c" * 512)
    ask(client, protocol.CMD_WRITE, 0, b"d" * 512)
    server.crash()
    expected = b"d" * 512 + b"a" * 3584 + bytes(4096) + b"b" * 512 + b"c" * 512 + b"b" * 3072
    assert ask(client, protocol.CMD_READ, size=12288) == expected
    assert client.status()["reconnects"] == "1"
    ask(client, protocol.CMD_FLUSH)
    assert server.stable[:12288] == expected
    # What was flushed is not written again.
    written = len(server.log)
    server.crash()
    assert ask(client, protocol.CMD_READ, size=12288) == expected
    assert len(server.log) == written
    client.close(5)


def test_closing_flushes():
    server = Memory()
    client = Client(server.connect, server.connect(1), timeout_s=20)
    ask(client, protocol.CMD_WRITE, 0, b"a" * 4096)
    client.close(5)
    assert server.stable[:4096] == b"a" * 4096


def test_it_flushes_by_itself_before_it_keeps_too_much():
    server = Memory()
    client = Client(server.connect, server.connect(1), timeout_s=20)
    for index in range(400):
        ask(client, protocol.CMD_WRITE, (index % 2) << 18, bytes(1 << 18))
    assert server.flushes
    assert client.status().get("unflushed", "0 KiB").split()[0].isdigit()
    kept = int(client.status().get("unflushed", "0 KiB").split()[0])
    assert kept <= 64 << 10
    client.close(5)


def test_a_slow_flush_is_waited_for():
    server = Memory()
    server.flush_s = 1.5
    client = Client(server.connect, server.connect(1), timeout_s=1)
    ask(client, protocol.CMD_WRITE, 0, b"a" * 4096)
    ask(client, protocol.CMD_FLUSH)
    assert "reconnects" not in client.status()
    ask(client, protocol.CMD_WRITE, 0, b"b" * 4096)
    client.close(0.1)
    assert server.stable[:4096] == b"b" * 4096


def test_once_a_flush_has_failed_none_succeeds():
    server = Memory()
    client = Client(server.connect, server.connect(1), timeout_s=20)
    ask(client, protocol.CMD_WRITE, 0, b"a" * 4096)
    server.fail_flush = True
    with pytest.raises(OSError, match="said"):
        ask(client, protocol.CMD_FLUSH)
    server.fail_flush = False
    with pytest.raises(OSError, match="may be lost"):
        ask(client, protocol.CMD_FLUSH)
    assert "lost" in client.status()
    client.close(5)


def test_memory_that_is_used_again_holds_no_earlier_write():
    unflushed = Unflushed()
    for round_ in range(3):
        first, second = (
            unflushed.copy_of(memoryview(bytes([round_ + at]) * 4096)) for at in (1, 101)
        )
        assert first == bytes([round_ + 1]) * 4096
        for payload in (first, second):
            unflushed.add(Request(protocol.CMD_WRITE, 0, 4096, print, 0, payload))
        # What is kept is nobody else's.
        third = unflushed.copy_of(memoryview(b"z" * 4096))
        assert (first, second) == (bytes([round_ + 1]) * 4096, bytes([round_ + 101]) * 4096)
        assert third not in (first, second)
        unflushed.forget(unflushed.last)
    assert unflushed.size_bytes == 0
