# SPDX-License-Identifier: Apache-2.0
"""The checks for handlers find what is wrong with a handler."""

from __future__ import annotations

import asyncio
import errno

import pytest

from lioshell.runner.handlers.base import nothing_made
from lioshell.runner.handlers.completion import AsyncHandler, in_asyncio
from lioshell.runner.scsi.disk import Disk
from lioshell.runner.scsi.unit import Geometry, Identity
from lioshell.testing import CommandFailedError, Initiator
from lioshell.testing.benchmark import benchmark
from lioshell.testing.conformance import CHECKS
from lioshell.testing.verify import verify

SIZE = 4 << 20


class Memory(AsyncHandler):
    """Blocks in memory behind coroutines that let others go first."""

    subtype = "testmemory"
    help = "memory"
    config_help = "nothing"

    def __init__(self, memory: bytearray) -> None:
        self.memory = memory

    @classmethod
    def check_config(cls, config):
        pass

    @classmethod
    def prepare(cls, config, size_bytes, block_size_bytes):
        return nothing_made

    @classmethod
    def open(cls, config, size_bytes, block_size_bytes, read_only=False):
        return cls(bytearray(size_bytes))

    size_bytes = property(lambda self: len(self.memory))
    write_cache = property(lambda self: True)
    read_only = property(lambda self: False)

    async def async_read(self, buffers, offset_bytes):
        await asyncio.sleep(0)
        for view in buffers:
            view[:] = self.memory[offset_bytes : offset_bytes + len(view)]
            offset_bytes += len(view)

    async def async_write(self, buffers, offset_bytes, fua):
        await asyncio.sleep(0)
        for view in buffers:
            self.memory[offset_bytes : offset_bytes + len(view)] = view
            offset_bytes += len(view)

    async def async_flush(self):
        await asyncio.sleep(0)

    def close(self):
        pass


def disk(handler):
    return Initiator(Disk(Identity("1", "vol0"), Geometry(len(handler.memory)), handler))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_asynchronous_handler_conforms(check):
    with disk(Memory(bytearray(SIZE))) as opened:
        check(opened)
        assert opened.reports == []


def test_an_asynchronous_handler_is_verified_and_measured():
    memory = bytearray(SIZE)
    commands, compared = verify(lambda: disk(Memory(memory)), 0.3, 1)
    assert commands > 10
    assert compared == 2 * SIZE
    with disk(Memory(memory)) as opened:
        assert all(figure.commands_per_s > 0 for figure in benchmark(opened, 0.05))


def test_a_handler_that_loses_a_write_is_found():
    class Loses(Memory):
        async def async_write(self, buffers, offset_bytes, fua):
            if offset_bytes >= SIZE // 4:
                return
            await super().async_write(buffers, offset_bytes, fua)

    with pytest.raises(CommandFailedError, match="not what was written"):
        verify(lambda: disk(Loses(bytearray(SIZE))), 0.3, 1)


def test_a_handler_that_forgets_at_the_end_is_found():
    with pytest.raises(CommandFailedError, match="not what was written"):
        verify(lambda: disk(Memory(bytearray(SIZE))), 0.1, 1)


@pytest.mark.parametrize(
    ("error", "sense"),
    [
        (OSError(errno.EIO, "bad"), (3, 0x11, 0)),
        (ValueError("a bug"), (3, 0x11, 0)),
        (TimeoutError(), (4, 0x44, 0)),
    ],
)
def test_what_a_coroutine_raises_is_answered(error, sense):
    class Fails(Memory):
        async def async_read(self, buffers, offset_bytes):
            raise error

    with disk(Fails(bytearray(SIZE))) as opened:
        opened.refused(bytes((0x28,)) + bytes(7) + b"\x01\x00", sense, b"", 512)
        opened.write(0, b"x" * 512)


def test_in_asyncio_returns_raises_and_has_a_limit():
    async def answer():
        return 42

    async def late():
        await asyncio.sleep(60)

    assert in_asyncio(answer()) == 42
    with pytest.raises(TimeoutError):
        in_asyncio(late(), 0.05)


def test_commands_of_many_steps_work_on_an_engine():
    with disk(Memory(bytearray(SIZE))) as opened:
        opened.write(7, b"a" * 512)
        cdb = bytes((0x89, 0)) + (7).to_bytes(8, "big") + bytes((0, 0, 0, 1, 0, 0))
        opened.good(cdb, b"a" * 512 + b"b" * 512)
        assert opened.read(7, 1) == b"b" * 512
        opened.write(9, b"c" * 512, fua=True)
        opened.flush()
