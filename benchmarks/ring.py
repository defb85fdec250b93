# SPDX-License-Identifier: Apache-2.0
"""What one command costs in the runner, without a kernel: the ring harness, a file, one thread.

    python3 benchmarks/ring.py [COMMANDS]

The kernel's side queues batches beforehand, so that only the runner's side is timed: parse, decode,
check, transfer through the page cache, answer. The least of several rounds counts, which is what
noise can only make larger.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.device import ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.scsi.unit import Identity

_SIZE_BYTES = 16 << 20
_ROUNDS = 40


def main(commands: int) -> None:
    """Print the table: microseconds a command, by batch."""
    with tempfile.TemporaryDirectory(prefix="lioshell-", dir=_folder()) as folder:
        path = f"{folder}/disk.img"
        with open(path, "wb") as file:
            file.write(os.urandom(_SIZE_BYTES))
        print(f"{'':12}{'batch 1':>10}{'batch 8':>10}{'batch 32':>10}   us a command")
        for name, cdb, out_bytes, in_bytes in (
            ("noop", bytes(6), 0, 0),
            ("read 4k", bytes((0x28, 0, 0, 0, 0, 64, 0, 0, 8, 0)), 0, 4096),
            ("write 4k", bytes((0x2A, 0, 0, 0, 0, 64, 0, 0, 8, 0)), 4096, 0),
            ("read 64k", bytes((0x28, 0, 0, 0, 0, 64, 0, 0, 128, 0)), 0, 65536),
        ):
            row = [
                _measure(path, cdb, out_bytes, in_bytes, batch, commands) for batch in (1, 8, 32)
            ]
            print(f"{name:12}" + "".join(f"{value:10.2f}" for value in row))


def _folder() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def _measure(
    path: str, cdb: bytes, out_bytes: int, in_bytes: int, batch: int, commands: int
) -> float:
    harness = RingHarness(data_bytes=8 << 20)
    unit = registry.make_unit(f"file/{path}", size_bytes=_SIZE_BYTES, identity=Identity("1"))
    device = ServedDevice(harness.device, harness, unit, print)
    payload = b"x" * out_bytes
    best = float("inf")
    try:
        for _ in range(_ROUNDS):
            spent = 0.0
            for _ in range(max(1, commands // batch)):
                for _ in range(batch):
                    harness.producer.queue(cdb, payload, in_bytes)
                start = time.perf_counter()
                while device.service():  # which stops for others after a while
                    pass
                spent += time.perf_counter() - start
                done = harness.producer.collect()
                assert len(done) == batch and not any(c.status for c in done)
            best = min(best, spent / (max(1, commands // batch) * batch))
    finally:
        device.close()
        harness.discard()
    return best * 1e6


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 256)
