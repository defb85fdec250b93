# SPDX-License-Identifier: Apache-2.0
"""The data path, inside the machine: fio on each contestant's disks in turn, round after round.

python3 -m benchmarks.measure.data OUT ROUNDS SECONDS [short]
"""

from __future__ import annotations

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


def figures(short: bool, disks: int) -> list[tuple[str, Load]]:
    """What is measured on so many disks at once: a name and the load."""
    if disks == 1:
        return [(str(load), load) for load in (SHORT if short else ONE_DISK)]
    return [(f"{load}, {disks} disks", load) for load in (SHORT[1:2] if short else FOUR_DISKS)]


def start_all(recorder: Recorder, disks: int) -> list[Contestant]:
    """Start every contestant; why one did not start is a sample of its own."""
    started = [contestants.start_ours(disks)]
    limits = contestants.limits_of_ours()
    print(f"limits of every user: device: {limits}", flush=True)
    peers: dict[str, Callable[[int, str], Contestant]] = {
        contestants.TCMU_RUNNER: contestants.start_tcmu_runner,
        contestants.FILEIO: contestants.start_fileio,
        contestants.BARE_C: contestants.start_bare_c,
    }
    for name, start in peers.items():
        try:
            started.append(start(disks, limits))
        except (OSError, subprocess.SubprocessError) as error:
            traceback.print_exc()
            recorder.fail("start", name, 0, str(error))
    return started


def measure(
    recorder: Recorder,
    running: list[Contestant],
    loads: list[tuple[str, Load]],
    rounds: int,
    seconds: float,
) -> None:
    """All loads, the contestants next to one another, who is first changing with the round."""
    for number in range(rounds):
        for figure, load in loads:
            turn = number % len(running)
            for one in running[turn:] + running[:turn]:
                try:
                    values = run(load, one.disks, seconds, one.pids)
                except (OSError, ValueError, subprocess.TimeoutExpired) as error:
                    recorder.fail(figure, one.name, number, str(error))
                else:
                    recorder.add(figure, one.name, number, **values)


def main(out: str, rounds: int, seconds: float, short: bool, disks: int) -> None:
    """Measure, and take everything away."""
    subprocess.run(["modprobe", "-a", "target_core_user", "target_core_file", "tcm_loop"])
    with open(out, "a", encoding="utf-8") as file:
        recorder = Recorder(file)
        running = start_all(recorder, disks)
        for one in running:
            print(f"{one.name}: {' '.join(one.disks)}, processes {one.pids}", flush=True)
        subprocess.run(["udevadm", "settle"])
        measure(recorder, running, figures(short, disks), rounds, seconds)
        for one in running:
            contestants.stop(one)


if __name__ == "__main__":
    words = sys.argv[4:]
    disk_count = DISKS if "four" in words else 1
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), "short" in words, disk_count)
