# SPDX-License-Identifier: Apache-2.0
"""user:nbd and user:qcow on the ring harness, beside QEMU's own tool on the same storage.

    python3 benchmarks/engines.py [--rounds=5] [--seconds=1] [--only=qcow] [--folder=/dev/shm]

Needs qemu-img and qemu-nbd. The initiator is a process of its own and only writes and reads the
ring, as the kernel does; it leaves the data where it is. `qemu-img bench` speaks to the same
qemu-nbd; of qcow2 it is measured on the image itself too, in one process without any daemon. Ours
and theirs take turns, and the best round of each counts: noise can only make a round slower.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lioshell.kernel.sim import layout
from lioshell.kernel.sim.harness import DATA_OFFSET, RingHarness
from lioshell.runner.device import ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.loop import Loop
from lioshell.runner.scsi.unit import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE_BYTES = 256 << 20
DEPTH = 16
CASES = (("read", 4096), ("write", 4096), ("read", 1 << 20), ("write", 1 << 20))
GOALS = {4096: 0.5, 1 << 20: 0.8}
_BASE = max(layout.COMMAND_SIZE, 48 + layout.IOV.size)


def entry(slot: int, lba: int, size_bytes: int, writes: bool) -> bytes:
    """Return a command of the ring whose data is the slot's own part of the data area."""
    size = _BASE + 16
    head = layout.COMMAND.pack(
        size | layout.OP_CMD, slot + 1, 0, 0, 1, 0, 0, layout.RING_OFFSET, 0, 0
    )
    iov = layout.IOV.pack(DATA_OFFSET + slot * size_bytes, size_bytes)
    cdb = struct.pack(">BBQIxx", 0x8A if writes else 0x88, 0, lba, size_bytes // 512)
    return head.ljust(48, b"\0") + iov.ljust(_BASE - 48, b"\0") + cdb


def serve(harness: RingHarness, dev_config: str, ready_fd: int) -> None:
    """Serve a device until SIGTERM; the runner's process."""
    unit = registry.make_unit(dev_config, size_bytes=SIZE_BYTES, identity=Identity("1"))
    loop = Loop(report=print)
    loop.add(ServedDevice(harness.device, harness, unit, print))
    signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    os.eventfd_write(ready_fd, 1)
    loop.run()
    loop.close()


def ours(dev_config: str, writes: bool, size_bytes: int, seconds: float) -> float:
    """Return how many commands a second a runner of its own answers."""
    harness = RingHarness(data_bytes=DEPTH * size_bytes)
    ready_fd = os.eventfd(0)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            serve(harness, dev_config, ready_fd)
            code = 0
        finally:
            os._exit(code)
    try:
        os.eventfd_read(ready_fd)
        answered, spent = _drive(harness, writes, size_bytes, seconds)
    finally:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
        os.close(ready_fd)
    if status:
        raise SystemExit(f"The runner of {dev_config} ended with {status}")
    return answered / spent


def _drive(
    harness: RingHarness, writes: bool, size_bytes: int, seconds: float
) -> tuple[int, float]:
    producer = harness.producer
    step = size_bytes // 512
    places = SIZE_BYTES // size_bytes
    free = list(range(DEPTH))
    issued = answered = 0
    begin = time.perf_counter()
    end = begin + seconds
    while True:
        running = time.perf_counter() < end
        while running and free:
            slot = free.pop()
            command = entry(slot, issued % places * step, size_bytes, writes)
            # The command's base points at its CDB, behind its iovec.
            at = layout.RING_OFFSET + producer.head
            if producer.ring_size - producer.head < len(command):
                at = layout.RING_OFFSET
            command = _with_cdb_at(command, at + _BASE)
            producer.expect(slot + 1)
            assert producer.queue_raw(command)
            issued += 1
        if len(free) == DEPTH:
            return answered, time.perf_counter() - begin
        harness.wake()
        if not harness.wait(30):
            raise SystemExit("No answer in 30 s")
        for answer in producer.collect():
            assert not answer.status, answer
            free.append(answer.cmd_id - 1)
            answered += 1


def _with_cdb_at(command: bytes, offset: int) -> bytes:
    fields = list(layout.COMMAND.unpack_from(command))
    fields[7] = offset
    return layout.COMMAND.pack(*fields) + command[layout.COMMAND.size :]


def theirs(target: list[str], writes: bool, size_bytes: int, count: int) -> float:
    """Return how many requests a second `qemu-img bench` makes."""
    words = ["qemu-img", "bench", *(["-w"] if writes else []), "-d", str(DEPTH)]
    words += ["-s", str(size_bytes), "-c", str(count), *target]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = re.search(r"completed in ([\d.]+) seconds", told)
    if found is None:
        raise SystemExit(f"qemu-img bench said: {told}")
    return count / float(found[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="", help="rows whose name begins so")
    parser.add_argument("--folder", default="/dev/shm" if os.path.isdir("/dev/shm") else None)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lioshell-", dir=chosen.folder) as folder:
        raw, image, sock = f"{folder}/a.img", f"{folder}/a.qcow2", f"{folder}/sock"
        Path(raw).write_bytes(os.urandom(SIZE_BYTES))
        convert = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image]
        subprocess.run(convert, check=True)
        print(f"{'':22}{'ours/s':>10}{'qemu-img bench/s':>18}{'ratio':>8}{'goal':>7}")
        uri = f"nbd+unix:///?socket={sock}"
        with _qemu_nbd("raw", raw, sock):
            _rows(chosen, "nbd", f"nbd/{uri}", lambda: ["-f", "raw", uri])
        _rows(chosen, "qcow", f"qcow/{image}", lambda: ["-f", "raw", uri], (image, sock))
        _rows(chosen, "qcow, no daemon", f"qcow/{image}", lambda: ["-f", "qcow2", image])


def _rows(
    chosen: argparse.Namespace,
    name: str,
    dev_config: str,
    target: Callable[[], list[str]],
    served: tuple[str, str] | None = None,
) -> None:
    for kind, size_bytes in CASES:
        label = f"{name} {kind} {'4 KiB' if size_bytes == 4096 else '1 MiB'}"
        if not label.startswith(chosen.only):
            continue
        writes = kind == "write"
        count = 60_000 if size_bytes == 4096 else 1500
        best = [0.0, 0.0]
        for _ in range(chosen.rounds):
            best[0] = max(best[0], ours(dev_config, writes, size_bytes, chosen.seconds))
            if served is None:
                best[1] = max(best[1], theirs(target(), writes, size_bytes, count))
                continue
            with _qemu_nbd("qcow2", *served):
                best[1] = max(best[1], theirs(target(), writes, size_bytes, count))
        ratio = best[0] / best[1]
        goal = GOALS[size_bytes]
        print(f"{label:22}{best[0]:10.0f}{best[1]:18.0f}{ratio:8.2f}{goal:7.1f}", flush=True)


class _qemu_nbd:  # noqa: N801 - a context manager, used as a function
    """qemu-nbd on a socket, for `qemu-img bench` and for user:nbd."""

    def __init__(self, image_format: str, image: str, sock: str) -> None:
        words = ["qemu-nbd", "-f", image_format, "--cache=writeback", "--discard=unmap"]
        self._words = [*words, "--persistent", "--shared=8", f"--socket={sock}", image]
        self._sock = sock

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._words, stderr=subprocess.DEVNULL)
        while not os.path.exists(self._sock):
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


if __name__ == "__main__":
    main()
