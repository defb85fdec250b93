# SPDX-License-Identifier: Apache-2.0
"""How long one initiator waits for 4 KiB, on the ring harness, and what a busy shell does to it.

    python3 benchmarks/ring_latency.py [ROUNDS]

An initiator in a process of its own has one READ in flight and waits for each answer; the runner
serves the ring with its loop in a thread, as a session does. Beside it the same process does
nothing, or renders `ls` of 1,000 nodes of a simulated configuration again and again. Medians of
rounds that alternate; then the processor time of a loop with 100 devices that nobody uses.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.laziness import populate, session_on
from lioshell.kernel.open import open_sim
from lioshell.kernel.sim.harness import RingHarness
from lioshell.lio.root import Lio
from lioshell.runner.device import ServedDevice
from lioshell.runner.handlers import registry
from lioshell.runner.loop import Loop
from lioshell.runner.scsi.unit import Identity
from lioshell.service.responsive import be_responsive
from lioshell.specs import Specs

if TYPE_CHECKING:
    from lioshell.shell.session import Session

_SIZE_BYTES: Final = 64 << 20
_SECONDS: Final = 1.5
_LUNS: Final = 250
"""Each is four nodes: a storage object, a LUN, two mapped LUNs."""
_IDLE_DEVICES: Final = 100
_IDLE_S: Final = 10.0


def main(rounds: int) -> None:
    """Print the table."""
    be_responsive()
    with tempfile.TemporaryDirectory(prefix="lioshell-") as folder:
        path = f"{folder}/disk.img"
        with open(path, "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(_SIZE_BYTES >> 20))
        specs = Specs()
        kernel = open_sim(f"{folder}/sim", specs)
        kernel.system.prepare()
        populate(Lio(kernel, specs), _LUNS, folder)
        session = session_on(kernel, specs)
        found: dict[tuple[int, bool], list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for spin_us in (0, 500):
                for busy in (False, True):
                    times = _latencies(path, spin_us, session if busy else None)
                    found.setdefault((spin_us, busy), []).append(times)
        print("one READ of 4 KiB at a time, microseconds: median, 99th percentile")
        for spin_us in (0, 500):
            rows = {
                busy: [
                    statistics.median(column) for column in zip(*found[spin_us, busy], strict=True)
                ]
                for busy in (False, True)
            }
            for busy, (median, p99) in rows.items():
                beside = "ls of 1,000 nodes" if busy else "nothing"
                ratio = f"   x {p99 / rows[False][1]:.1f}" if busy else ""
                print(f"  spin {spin_us:3} us, beside {beside:18}{median:8.0f}{p99:8.0f}{ratio}")
        print(f"{_IDLE_DEVICES} idle devices: {_idle(path):.2f} per cent of a core")


def _latencies(path: str, spin_us: int, session: Session | None) -> tuple[float, float]:
    """Return median and 99th percentile in microseconds."""
    harness = RingHarness(data_bytes=1 << 20)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _initiator(harness, writer)
    os.close(writer)
    unit = registry.make_unit(f"file/{path}", size_bytes=_SIZE_BYTES, identity=Identity("1"))
    loop = Loop(report=print, spin_us=spin_us)
    loop.add(ServedDevice(harness.device, harness, unit, print))
    loop.start_thread()
    os.set_blocking(reader, session is None)
    text = b""
    while session is not None:
        session.run_line("ls")
        session.env.stdout.truncate(0)
        try:
            text = os.read(reader, 64)
            break
        except BlockingIOError:
            continue
    text = text or os.read(reader, 64)
    os.close(reader)
    os.waitpid(child, 0)
    loop.close()
    harness.discard()
    median, p99 = map(float, text.split())
    return median, p99


def _initiator(harness: RingHarness, writer: int) -> None:
    """Send commands one by one and write what was measured; never returns."""
    chance = random.Random(1)
    producer = harness.producer
    times = []
    # The first listing begins by then.
    time.sleep(0.2)
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        lba = chance.randrange(_SIZE_BYTES // 4096) * 8
        cdb = b"\x28\0" + lba.to_bytes(4, "big") + b"\0\0\x08\0"
        begin = time.perf_counter()
        producer.queue(cdb, b"", 4096)
        harness.wake()
        harness.wait(30)
        times.append(time.perf_counter() - begin)
        assert len(producer.collect()) == 1
    times.sort()
    os.write(writer, f"{times[len(times) // 2] * 1e6} {times[-len(times) // 100] * 1e6}".encode())
    os._exit(0)


def _idle(path: str) -> float:
    """Return the processor time of a loop with idle devices, in per cent."""
    loop = Loop(report=print)
    harnesses = [RingHarness(data_bytes=4096) for _ in range(_IDLE_DEVICES)]
    for number, harness in enumerate(harnesses):
        file = f"{path}{number}"
        Path(file).write_bytes(bytes(4096))
        unit = registry.make_unit(f"file/{file}", size_bytes=4096, identity=Identity("1"))
        loop.add(ServedDevice(harness.device, harness, unit, print))
    loop.start_thread()
    time.sleep(1)
    before = time.process_time()
    time.sleep(_IDLE_S)
    spent = time.process_time() - before
    loop.close()
    for harness in harnesses:
        harness.discard()
    return 100 * spent / _IDLE_S


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3)
