# SPDX-License-Identifier: Apache-2.0
"""Arbitrary commands to a real disk on a real file: each answered, nothing stale, nothing raised.

The default run sends 20,000 commands; `LIOSHELL_FUZZ_ENTRIES=10000000` makes it a long one, and
`LIOSHELL_FUZZ_SEED` repeats a run (a failure prints both). The map lies between two pages that
nobody may touch: a system call on a byte outside of it fails, a store there kills the process.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import random
import time
from typing import TYPE_CHECKING

from lioshell.kernel.sim import layout
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.device import ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.loop import Loop
from lioshell.runner.scsi.unit import Identity
from tests.patience import Patience
from tests.property.scsi_commands import NAA, arbitrary

if TYPE_CHECKING:
    import mmap
    from pathlib import Path

    from lioshell.kernel.sim.ring import Completion
    from lioshell.runner.scsi.disk import Disk
    from tests.property.scsi_commands import Sent

ENTRIES = int(os.environ.get("LIOSHELL_FUZZ_ENTRIES", "20000"))
SEED = int(os.environ.get("LIOSHELL_FUZZ_SEED", "20240229"))
# Two of them: one alone may well be a length or an address.
SECRET = b"\xa5\xa5"
BLOCKS, BLOCK_SIZE = 1024, 512
DATA_BYTES = 1 << 20
PAGE = 4096
# READ and WRITE go straight between map and storage, so a WRITE that names the wrong direction
# gets back the very bytes that it wrote, and only those.
WRITES = {0x0A, 0x2A, 0x8A, 0xAA}
ROUNDS_OF_ONE_RING = 2000
WAIT_S = 60


def guard(region: mmap.mmap) -> bool:
    """Put a page without any rights in front of a map and one behind it, where there is room."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    probe = ctypes.c_char.from_buffer(region)
    start = ctypes.addressof(probe)
    del probe
    anonymous, private, no_replace = 0x20, 0x02, 0x100000
    length = -(-len(region) // PAGE) * PAGE
    places = (start - PAGE, start + length)
    got = [libc.mmap(at, PAGE, 0, anonymous | private | no_replace, -1, 0) for at in places]
    return got == list(places)


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


class Bench:
    def __init__(self, path: Path, rng: random.Random) -> None:
        ring_bytes = rng.choice((4096, 8192 + 8, 65536))
        self.harness = RingHarness(data_offset=ring_bytes, data_bytes=DATA_BYTES)
        guard(self.harness.map)
        self.kernel = self.harness.producer
        # Where a WRITE may name the wrong direction, stale bytes are what it stores.
        self.honest = rng.random() < 0.7
        if self.honest:
            start = layout.RING_OFFSET + self.kernel.ring_size
            self.harness.map[start:] = SECRET[:1] * (len(self.harness.map) - start)
        unit = registry.make_unit(
            f"file/{path}",
            size_bytes=BLOCKS * BLOCK_SIZE,
            identity=Identity("0"),
            hw_max_sectors=rng.choice((0, 128, 512)),
        )
        self.unit: Disk = unit
        unit.keep_modes = lambda swp, write_cache: None
        assert unit.identity().naa() == NAA
        self.reports: list[str] = []
        self.served = ServedDevice(self.harness.device, self.harness, unit, self.reports.append)

    def close(self) -> None:
        self.served.close()
        self.harness.discard()


def test_every_command_is_answered_and_nothing_stale_leaves(tmp_path: Path) -> None:
    folder = "/dev/shm" if os.path.isdir("/dev/shm") else str(tmp_path)
    path = f"{folder}/lioshell-fuzz-{os.getpid()}.img"
    with open(path, "wb") as file:
        file.truncate(BLOCKS * BLOCK_SIZE)
    rng = random.Random(SEED)
    context = f"seed {SEED}"
    statuses = dict.fromkeys((0, 2), 0)
    resident: list[int] = []
    fed = 0
    try:
        while fed < ENTRIES:
            bench = Bench(path, rng)
            for _ in range(ROUNDS_OF_ONE_RING):
                fed += one_round(rng, bench, statuses, context)
                if fed >= ENTRIES:
                    break
            assert bench.reports == [], f"{context}: {bench.reports}"
            assert bench.served.statistics.failures == 0, context
            bench.close()
            resident.append(resident_bytes())
    finally:
        os.unlink(path)
    assert statuses[0] > ENTRIES // 10
    assert statuses[2] > ENTRIES // 10
    if len(resident) > 20:
        # What the first rounds grew to, all the others keep.
        assert max(resident[10:]) - max(resident[:10]) < 16 << 20, resident


def one_round(rng: random.Random, bench: Bench, statuses: dict[int, int], context: str) -> int:
    if rng.random() < 0.02:
        bench.unit.set_modes(False, True)
    sent: dict[int, Sent] = {}
    for _ in range(rng.randrange(1, 17)):
        command = arbitrary(rng, BLOCKS, BLOCK_SIZE)
        out, size = command.data_out, command.data_in_bytes
        if not bench.honest and rng.random() < 0.1:
            out, size = b"", len(out) or size
        if bench.honest and size and command.cdb[0] in WRITES:
            out, size = bytes(size), 0
        if command.cdb[0] == 0x7F and size and not 9 <= command.cdb[9] <= 10:
            out, size = bytes(size), 0
        try:
            cmd_id = bench.kernel.queue(command.cdb, out, size)
        except ValueError:  # more than the data area holds, as the kernel says itself
            continue
        if cmd_id is None:  # the ring is full
            break
        sent[cmd_id] = command
    while bench.served.service():
        pass
    done = bench.kernel.collect()
    assert sorted(c.cmd_id for c in done) == sorted(sent), context
    assert bench.kernel.idle, context
    for completion in done:
        statuses[completion.status] += 1
        check(completion, sent[completion.cmd_id], bench.honest, context)
    return len(done)


def check(completion: Completion, sent: Sent, honest: bool, context: str) -> None:
    context = f"{context}: {sent.cdb.hex(' ')} ({len(sent.data_out)}, {sent.data_in_bytes})"
    if completion.status == 2:
        sense = completion.sense
        assert sense[0] in (0x70, 0xF0), context
        assert sense[2] in (3, 5, 7, 0xA, 0xE), context
        assert sense[12], context
        if sense[2] == 5 and sense[12] == 0x24 and sense[15] & 0x80:
            assert int.from_bytes(sense[16:18], "big") < len(sent.cdb), context
    if honest:
        assert SECRET not in completion.data_in, f"{context}: another command's data leaked"


def test_on_workers_too_every_command_is_answered_once(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(BLOCKS * BLOCK_SIZE)
    rng = random.Random(SEED)
    bench = Bench(path, rng)
    loop = Loop(report=bench.reports.append)
    loop.start_thread()
    loop.add(bench.served)
    left = max(1500, ENTRIES // 50)
    while left > 0:
        sent: dict[int, Sent] = {}
        for _ in range(rng.randrange(1, 33)):
            command = arbitrary(rng, BLOCKS, BLOCK_SIZE)
            try:
                cmd_id = bench.kernel.queue(command.cdb, command.data_out, command.data_in_bytes)
            except ValueError:
                continue
            if cmd_id is None:
                break
            sent[cmd_id] = command
        left -= len(sent)
        bench.harness.wake()
        done: list[Completion] = []
        patience = Patience(WAIT_S)
        while len(done) < len(sent):
            done += bench.kernel.collect()
            assert patience.lasts(), f"seed {SEED}: {len(sent) - len(done)} are missing"
            time.sleep(0)
        assert sorted(c.cmd_id for c in done) == sorted(sent), f"seed {SEED}"
        for completion in done:
            check(completion, sent[completion.cmd_id], False, f"seed {SEED}")
    assert bench.reports == []
    assert bench.unit.holds.active == []
    loop.close()
    bench.harness.discard()


def test_the_same_seed_makes_the_same_commands_and_all_of_them_come() -> None:
    first, again = (random.Random(SEED) for _ in range(2))
    commands = [arbitrary(first, BLOCKS) for _ in range(3000)]
    assert commands == [arbitrary(again, BLOCKS) for _ in range(3000)]
    assert len({command.cdb[0] for command in commands}) > 200
    assert all(a != b for a, b in itertools.pairwise(commands[:50]))
