# SPDX-License-Identifier: Apache-2.0
"""The data path, inside the machine: fio on each contestant's disks in turn, round after round.

python3 -m benchmarks.measure.data OUT ROUNDS SECONDS [short]
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

from benchmarks.measure import contestants
from benchmarks.measure.fio import Load, run
from benchmarks.measure.samples import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure.contestants import Contestant

DISKS = 4
K4 = 4096
M1 = 1 << 20
ONE_DISK = (
    *(Load(pattern, K4, depth) for depth in (1, 16, 64) for pattern in ("randread", "randwrite")),
    *(Load(pattern, M1, depth) for depth in (4, 16) for pattern in ("read", "write")),
)
FOUR_DISKS = (
    *(Load(pattern, K4, depth) for depth in (1, 16) for pattern in ("randread", "randwrite")),
    *(Load(pattern, M1, 4) for pattern in ("read", "write")),
)
SHORT = (Load("randread", K4, 1), Load("randwrite", K4, 16), Load("read", M1, 4))


def figures(short: bool) -> list[tuple[str, Load, int]]:
    """What is measured: a name, the load, on how many disks at once."""
    one, four = (SHORT, SHORT[1:2]) if short else (ONE_DISK, FOUR_DISKS)
    return [
        *((str(load), load, 1) for load in one),
        *((f"{load}, {DISKS} disks", load, DISKS) for load in four),
    ]


def start_all(recorder: Recorder) -> list[Contestant]:
    """Start every contestant; why one did not start is a sample of its own."""
    started = [contestants.start_ours(DISKS)]
    limits = contestants.limits_of_ours()
    print(f"limits of every user: device: {limits}", flush=True)
    peers: dict[str, Callable[[int, str], Contestant]] = {
        contestants.TCMU_RUNNER: contestants.start_tcmu_runner,
        contestants.FILEIO: contestants.start_fileio,
        contestants.BARE_C: contestants.start_bare_c,
    }
    for name, start in peers.items():
        try:
            started.append(start(DISKS, limits))
        except (OSError, subprocess.SubprocessError) as error:
            traceback.print_exc()
            recorder.fail("start", name, 0, str(error))
    return started


def measure(
    recorder: Recorder,
    running: list[Contestant],
    rounds: int,
    seconds: float,
    short: bool,
) -> None:
    """All figures, the contestants next to one another, who is first changing with the round."""
    for number in range(rounds):
        for figure, load, disks in figures(short):
            turn = number % len(running)
            for one in running[turn:] + running[:turn]:
                try:
                    values = run(load, one.disks[:disks], seconds, one.pids)
                except (OSError, ValueError, subprocess.TimeoutExpired) as error:
                    recorder.fail(figure, one.name, number, str(error))
                else:
                    recorder.add(figure, one.name, number, **values)


def main(out: str, rounds: int, seconds: float, short: bool) -> None:
    """Measure, and take everything away."""
    subprocess.run(["modprobe", "-a", "target_core_user", "target_core_file", "tcm_loop"])
    with open(out, "a", encoding="utf-8") as file:
        recorder = Recorder(file)
        running = start_all(recorder)
        for one in running:
            print(f"{one.name}: {' '.join(one.disks)}, processes {one.pids}", flush=True)
            for disk in one.disks:
                with open(f"/sys/block/{os.path.basename(disk)}/queue/max_sectors_kb") as limit:
                    print(f"  {disk}: max_sectors_kb {limit.read().strip()}", flush=True)
        subprocess.run(["udevadm", "settle"])
        measure(recorder, running, rounds, seconds, short)
        for one in running:
            contestants.stop(one)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), "short" in sys.argv[4:])
