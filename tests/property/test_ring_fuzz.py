# SPDX-License-Identifier: Apache-2.0
"""Arbitrary bytes in the ring: every entry is answered, or its device is stopped as broken.

The default run feeds 20,000 entries; `LIOSHELL_FUZZ_ENTRIES=5000000` makes it a long one, and
`LIOSHELL_FUZZ_SEED` repeats a run (a failure prints both).
"""

from __future__ import annotations

import os
import random
import struct
import time
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from lioshell.errors import RunnerError
from lioshell.kernel.ports import UioDevice
from lioshell.kernel.sim import layout
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.command import GOOD, Command, Response
from lioshell.runner.device import ServedDevice
from lioshell.runner.loop import Loop
from lioshell.runner.ring import Ring

if TYPE_CHECKING:
    from lioshell.kernel.sim.ring import Completion

ENTRIES = int(os.environ.get("LIOSHELL_FUZZ_ENTRIES", "20000"))
SEED = int(os.environ.get("LIOSHELL_FUZZ_SEED", "20240229"))
SECRET = b"\xa5"
DATA_BYTES = 256 * 1024


class FuzzUnit:
    """Does all that a unit may do, and all that it may not."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def execute(self, command: Command) -> Response:
        rng = self.rng
        kind = rng.randrange(12)
        size = rng.choice((0, 1, command.size_bytes // 2, command.size_bytes))
        written = command.scatter(bytes(size))
        if kind < 6:
            command.zero_fill(written)
            return GOOD
        if kind == 6:
            return Response(0, b"", written)
        if kind == 7:
            return Response(rng.choice((2, 8, 0x18, 0x28, 0x40)), rng.randbytes(rng.randrange(200)))
        if kind == 8:
            raise rng.choice((ValueError, KeyError, RunnerError, MemoryError, SystemExit))("fuzz")
        if kind == 9:
            command.zero_fill(written)
            return Response(rng.randrange(-5, 300), b"x", rng.choice((None, -1, 0, 7, 1 << 40)))
        if kind == 10:
            return rng.choice((None, 7, (), "GOOD", Response(2, 3, 4)))  # type: ignore[return-value,arg-type]
        return Response(2, b"", 0)

    def close(self) -> None:
        pass


class Bench:
    def __init__(self, rng: random.Random, loop: Loop) -> None:
        self.harness = RingHarness(
            data_offset=rng.choice((2048, 4096, 8192 + 8, 65536)), data_bytes=DATA_BYTES
        )
        self.kernel = self.harness.producer
        listed = self.harness.device
        device = UioDevice("fuzz", 0, "fuzz", "", listed.map_size_bytes)
        # What must not get out: every short answer would show it.
        start = layout.RING_OFFSET + self.kernel.ring_size
        self.harness.map[start:] = SECRET * DATA_BYTES
        self.served = ServedDevice(device, self.harness, FuzzUnit(rng), lambda line: None)
        loop.add(self.served)
        loop.call(lambda: None)  # its first look at the ring is over

    def stopped(self) -> bool:
        return self.harness.closed


def random_cdb(rng: random.Random) -> bytes:
    cdb = bytearray(rng.randbytes(32))
    if cdb[0] == 0x7F:
        cdb[7] = rng.randrange(24)
    return bytes(cdb)


def queue_valid(rng: random.Random, bench: Bench) -> int | None:
    """Queue a command as the kernel would: any CDB, any direction, any size."""
    kind = rng.randrange(4)
    size = rng.choice((0, 1, 511, 512, 4096, 4097, 20000))
    try:
        if kind == 0:
            return bench.kernel.queue(random_cdb(rng), rng.randbytes(size))
        if kind == 1:
            return bench.kernel.queue(
                random_cdb(rng), rng.randbytes(max(1, size)), data_in_bytes=max(1, size), bidi=True
            )
        return bench.kernel.queue(random_cdb(rng), data_in_bytes=size)
    except ValueError:
        return None


def entry_of(rng: random.Random, bench: Bench) -> bytes:
    """Make an entry that is right at first sight only."""
    kind = rng.randrange(5)
    if kind == 0:
        return rng.randbytes(8 * rng.randrange(1, 24))
    size = 8 * rng.randrange(1, 40)
    op = rng.randrange(8) if kind == 1 else layout.OP_CMD
    entry = bytearray(rng.randbytes(size))
    struct.pack_into("=IHBB", entry, 0, size | op, rng.randrange(65536), 0, 0)
    if kind >= 3 and size >= 120:
        # Plausible counts and offsets, on both sides of every limit.
        start = layout.RING_OFFSET + bench.kernel.head
        count = rng.choice((0, 1, 2, (size - 48) // 16, (size - 48) // 16 + 1))
        bidi = rng.choice((0, 0, 0, 1))
        cdb_off = start + rng.choice((112, size - 8, size - 1, size, 48, 0))
        struct.pack_into("=IIIxxxxQ", entry, 8, count, bidi, 0, cdb_off)
        data = layout.RING_OFFSET + bench.kernel.ring_size
        end = data + DATA_BYTES
        for offset in range(48, min(size, 48 + 16 * count) - 15, 16):
            base = rng.choice((data, data + 4096, end - 512, end, data - 1, 0))
            length = rng.choice((0, 1, 512, 4096, end - base if end > base else 0))
            layout.IOV.pack_into(entry, offset, base, max(0, length))
    return bytes(entry)


def mutate(rng: random.Random, bench: Bench, before: int) -> None:
    """Change bytes of what was queued last; its length stays right."""
    start = layout.RING_OFFSET + before
    end = layout.RING_OFFSET + bench.kernel.head
    if end <= start:
        return
    for _ in range(rng.randrange(1, 6)):
        place = start + rng.randrange(8, end - start)
        bench.harness._kernel_map[place] = rng.randrange(256)


def test_every_entry_is_answered_or_the_device_is_stopped() -> None:
    rng = random.Random(SEED)
    reports: list[str] = []
    errors: list[Exception] = []
    loop = Loop(on_detached=lambda device, error: errors.append(error), report=reports.append)
    loop.start_thread()
    while not loop.running:
        time.sleep(0.001)
    healthy = RingHarness()
    loop.add(ServedDevice(healthy.device, healthy, PlainUnit(), reports.append))
    fed = stops = answered = 0
    bench = Bench(rng, loop)
    context = f"seed {SEED}"
    while fed < ENTRIES:
        hostile = rng.random() < 0.3
        sent: dict[int, None] = {}
        pure = True
        # The loop looks only when it is woken: nothing is read while it is being changed.
        for _ in range(rng.randrange(1, 17)):
            before = bench.kernel.head
            if not hostile or rng.random() < 0.5:
                cmd_id = queue_valid(rng, bench)
                if cmd_id is None:
                    continue
                sent[cmd_id] = None
                if hostile and rng.random() < 0.5:
                    mutate(rng, bench, before)
                    pure = False
            else:
                pure = False
                if not bench.kernel.queue_raw(entry_of(rng, bench)):
                    continue
            fed += 1
        if rng.random() < 0.1:
            bench.kernel.queue_tmr(rng.randrange(256), list(sent)[:5])
        bench.harness.wake()
        # Twice: the call may overtake the wake-up in the first turn, not in the second.
        loop.call(lambda: None)
        loop.call(lambda: None)
        if bench.stopped():
            assert not pure, f"{context}: a ring without a fault was called broken: {errors[-1]}"
            assert isinstance(errors[-1], RunnerError), f"{context}: {errors[-1]!r}"
            stops += 1
            bench.harness.discard()
            bench = Bench(rng, loop)
            continue
        assert bench.kernel.idle, f"{context}: entries are left after {fed}"
        done = bench.kernel.collect()
        if pure:
            assert not bench.kernel.broken, context
            assert sorted(c.cmd_id for c in done) == sorted(sent), context
            for completion in done:
                check(completion, context)
            answered += len(done)
        else:
            # Ids that were made up are unknown to the kernel's side: a new ring for them.
            loop.remove("fuzz")
            bench.harness.discard()
            bench = Bench(rng, loop)
    healthy.producer.queue(bytes(6))
    healthy.wake()
    loop.call(lambda: None)
    loop.call(lambda: None)
    assert loop.running
    assert len(healthy.producer.collect()) == 1
    assert reports == []
    assert stops > ENTRIES // 1000
    assert answered > ENTRIES // 10
    loop.close()


def check(completion: Completion, context: str) -> None:
    assert completion.status in range(256), context
    assert SECRET not in completion.data_in, f"{context}: another command's data leaked"
    if completion.status == 2:
        assert len(completion.sense) == 96, context


class PlainUnit:
    def execute(self, command: Command) -> Response:
        return GOOD

    def close(self) -> None:
        pass


CDBS = st.binary(min_size=16, max_size=16).filter(lambda cdb: cdb[0] != 0x7F)
COMMANDS = st.tuples(CDBS, st.sampled_from(["none", "out", "in"]), st.integers(1, 9000))


@settings(deadline=None, max_examples=150)
@given(st.lists(COMMANDS, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_data_arrives_whole_in_any_order_of_completion(
    commands: list[tuple[bytes, str, int]], rng: random.Random
) -> None:
    """What goes out arrives, what comes in goes back, each under its id, for any schedule."""
    harness = RingHarness(data_offset=2048, data_bytes=64 * 1024)
    kernel, ring = harness.producer, Ring(harness.map)
    expected: dict[int, bytes] = {}
    sent: dict[int, tuple[bytes, bytes]] = {}
    held: list[tuple[int, Command]] = []
    command: Command | None = None
    waiting = list(commands)
    while waiting or held or expected:
        if waiting and rng.random() < 0.6:
            cdb, direction, size = waiting[0]
            out = rng.randbytes(size) if direction == "out" else b""
            cmd_id = kernel.queue(cdb, out, size if direction == "in" else 0)
            if cmd_id is not None:
                waiting.pop(0)
                sent[cmd_id] = (cdb[: layout.cdb_length(cdb)], out)
                expected[cmd_id] = rng.randbytes(size) if direction == "in" else b""
        if rng.random() < 0.1:
            kernel.queue_tmr(1, list(expected)[:3])
        while rng.random() < 0.7 and (popped := ring.pop()) is not None:
            cmd_id, command = popped
            cdb, out = sent.pop(cmd_id)
            assert command.cdb[: len(cdb)] == cdb
            assert out == b"" or command.gather(20000) == out
            command.scatter(expected[cmd_id])
            held.append(popped)
        while held and rng.random() < 0.6:
            cmd_id, command = held.pop(rng.randrange(len(held)))
            ring.complete(cmd_id, command, GOOD)
        for completion in kernel.collect():
            assert completion.status == 0
            assert completion.data_in == expected.pop(completion.cmd_id)
        assert not kernel.broken
    while ring.pop() is not None:
        raise AssertionError("a command came twice")
    assert kernel.idle
    assert kernel.data.free_count == kernel.data.block_count
    popped = command = None  # their slices would keep the map open
    ring.close()
    harness.close()
    harness.discard()
