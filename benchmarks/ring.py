# SPDX-License-Identifier: Apache-2.0
"""What one command costs in the runner, without a kernel: the ring harness, a file, one thread.

    python3 benchmarks/ring.py [ROUNDS]

The kernel's side queues batches beforehand, so that only the runner's side is timed: the wake-up,
parse, decode, check, transfer through the page cache, answer, the notification. Beside it, in the
same process and in rounds that alternate: os.preadv(2) of the same blocks into the same buffers and
nothing else; the same with the wake-up and the notification, as the least that Python can do; and
the smallest C consumer of the ring (peers/ring_consumer.c). Of each the least and the median of the
rounds; the ratios are those of the least, which is what noise can only make larger.

LIOSHELL_RUNNER_WITHOUT leaves parts of the runner out (docs/runner.md).
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.ring_consumer import Consumer, build_library
from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.device import ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.scsi.unit import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.kernel.sim.ring import RingProducer

_SIZE_BYTES: Final = 256 << 20
_BLOCK: Final = 512
_BATCHES: Final = (1, 8, 32)
_COMMANDS: Final = 512
"""A round: so many commands of each kind, in each way."""
_READ, _WRITE = 0x28, 0x2A


class Case:
    """One kind of command in batches of one size: what is sent, and the times of each way."""

    def __init__(self, name: str, code: int, size_bytes: int, batch: int, lbas: list[int]) -> None:
        self.name = name
        self.batch = batch
        self.size_bytes = size_bytes
        self.payload = b"x" * size_bytes if code == _WRITE else b""
        self.in_bytes = 0 if code == _WRITE else size_bytes
        self.writing = code == _WRITE
        self.lbas = lbas
        blocks = size_bytes // _BLOCK
        self.cdbs = [
            bytes((code, 0)) + lba.to_bytes(4, "big") + b"\0" + blocks.to_bytes(2, "big") + b"\0"
            if blocks
            else bytes(6)
            for lba in lbas
        ]
        self.times: dict[str, list[float]] = {}

    def note(self, way: str, seconds: float) -> None:
        """Keep what a round took, per command."""
        self.times.setdefault(way, []).append(seconds / len(self.lbas))


def main(rounds: int) -> None:
    """Print the table: microseconds a command, and ratios."""
    with _files() as (path, fd, library):
        chance = random.Random(1)
        scattered = [chance.randrange(_SIZE_BYTES // 4096) * 8 for _ in range(_COMMANDS)]
        cases = [
            Case(name, code, size, batch, lbas)
            for name, code, size, lbas in (
                ("no data", 0, 0, [0] * _COMMANDS),
                ("read 4k", _READ, 4096, scattered),
                ("read 4k, one place", _READ, 4096, [64] * _COMMANDS),
                ("write 4k", _WRITE, 4096, scattered),
                ("read 64k", _READ, 65536, [lba // 128 * 128 for lba in scattered]),
            )
            for batch in _BATCHES
        ]
        ways: list[tuple[str, Callable[[Case, RingHarness], float]]] = []
        harness = RingHarness(data_bytes=8 << 20)
        unit = registry.make_unit(f"file/{path}", size_bytes=_SIZE_BYTES, identity=Identity("1"))
        device = ServedDevice(harness.device, harness, unit, print)
        ways.append(("runner", lambda case, harness: _runner(case, harness, device)))
        ways.append(("preadv", lambda case, harness: _bare(case, harness, fd, notify=False)))
        ways.append(("least", lambda case, harness: _bare(case, harness, fd, notify=True)))
        consumer = Consumer(library, harness, fd) if library else None
        if consumer is not None:
            ways.append(("C", lambda case, harness: _c(case, harness, consumer)))
        for _ in range(rounds):
            for case in cases:
                for way, run in ways:
                    if case.size_bytes or way in ("runner", "C"):
                        case.note(way, run(case, harness))
        if consumer is not None:
            consumer.close()
        device.close()
        harness.discard()
    _print(cases)


def _print(cases: list[Case]) -> None:
    print("us a command: least (median)   x: the runner's least as a multiple of the other's")
    print(
        f"{'':20}{'batch':>6}{'runner':>15}{'os.preadv':>15}{'x':>6}"
        f"{'+ wake, notify':>16}{'x':>6}{'C':>15}{'x':>6}"
    )
    for case in cases:
        line = f"{case.name:20}{case.batch:6}"
        runner = min(case.times["runner"])
        for way in ("runner", "preadv", "least", "C"):
            times = case.times.get(way)
            width = 16 if way == "least" else 15
            if times is None:
                line += " " * (width + 6)
                continue
            line += f"{min(times) * 1e6:.2f} ({statistics.median(times) * 1e6:.2f})".rjust(width)
            if way != "runner":
                line += f"{runner / min(times):6.1f}"
        print(line)


def _batches(case: Case, producer: RingProducer, harness: RingHarness) -> Iterator[None]:
    """Queue a round's commands batch by batch, each with its wake-up; check the answers."""
    for start in range(0, len(case.lbas), case.batch):
        batch = case.cdbs[start : start + case.batch]
        for cdb in batch:
            producer.queue(cdb, case.payload, case.in_bytes)
        harness.wake()
        yield
        done = producer.collect()
        assert len(done) == len(batch) and not any(c.status for c in done)


def _runner(case: Case, harness: RingHarness, device: ServedDevice) -> float:
    spent = 0.0
    clock = time.perf_counter
    for _ in _batches(case, harness.producer, harness):
        start = clock()
        while device.service():  # which stops for others after a while
            pass
        spent += clock() - start
    return spent


def _c(case: Case, harness: RingHarness, consumer: Consumer) -> float:
    return sum(consumer.turn() for _ in _batches(case, harness.producer, harness))


def _bare(case: Case, harness: RingHarness, fd: int, *, notify: bool) -> float:
    """Move the same blocks to and from buffers as the ring would give them."""
    spent = 0.0
    clock = time.perf_counter
    event, done = harness.fileno(), harness.done_fileno()
    move: Callable[..., int] = os.pwritev if case.writing else os.preadv
    size = case.size_bytes
    with memoryview(harness.map) as region:
        first = len(region) - (8 << 20)
        buffers = [[region[first + size * i : first + size * (i + 1)]] for i in range(case.batch)]
        for start in range(0, len(case.lbas), case.batch):
            offsets = [lba * _BLOCK for lba in case.lbas[start : start + case.batch]]
            # What the kernel's side does to the memory in the other ways.
            for buffer in buffers:
                if case.writing:
                    buffer[0][:] = case.payload
                else:
                    bytes(buffer[0])
            if notify:
                harness.wake()
            begin = clock()
            if notify:
                os.eventfd_read(event)
            for buffer, offset in zip(buffers, offsets, strict=False):
                move(fd, buffer, offset)
            if notify:
                os.eventfd_write(done, 1)
            spent += clock() - begin
        for buffer in buffers:
            buffer[0].release()
    return spent


@contextlib.contextmanager
def _files() -> Iterator[tuple[str, int, str]]:
    """Yield a file full of data, opened, and the C consumer, "" where it cannot be built."""
    with tempfile.TemporaryDirectory(prefix="lioshell-") as folder:
        path = f"{folder}/disk.img"
        with open(path, "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(_SIZE_BYTES >> 20))
        library = f"{folder}/ring_consumer.so"
        try:
            build_library(library)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"without the C consumer: {error}", file=sys.stderr)
            library = ""
        fd = os.open(path, os.O_RDWR)
        try:
            yield path, fd, library
        finally:
            os.close(fd)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 30)
