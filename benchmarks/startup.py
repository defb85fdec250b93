# SPDX-License-Identifier: Apache-2.0
"""How long a one-liner takes, as a ratio to `python3 -c pass` of the same run.

    python3 benchmarks/startup.py [ROUNDS]

Whole processes, interleaved, so that a noisy moment falls on all of them. The goal for
`lioshell ls` and for `info` on one object, on the simulated kernel, is at most 8.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

_GOAL = 8.0


def main(rounds: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="lioshell-") as folder:
        sim = f"--sim={folder}/sim"
        lioshell = [sys.executable, "-m", "lioshell", sim]
        for line in (
            "/backstores/ramdisk create disk1 64M",
            "/iscsi create iqn.2003-01.com.example:one",
            "/iscsi/iqn.2003-01.com.example:one/tpg1/luns create /backstores/ramdisk/disk1",
            "ls",
        ):
            run([*lioshell, "-q", "-c", line])
        commands = {
            "python3 -c pass": [sys.executable, "-c", "pass"],
            "lioshell --version": [*lioshell, "--version"],
            "lioshell ls": [*lioshell, "ls"],
            "lioshell /backstores/ramdisk/disk1 info": [
                *lioshell,
                "/backstores/ramdisk/disk1",
                "info",
            ],
        }
        for command in commands.values():
            run(command)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                begin = time.perf_counter()
                run(command)
                times[name].append(time.perf_counter() - begin)
    base = statistics.median(times["python3 -c pass"])
    print(f"{rounds} interleaved rounds, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    print(f"{'':42} {'median ms':>9} {'min':>6} {'max':>6} {'ratio':>6}")
    for name, values in times.items():
        median = statistics.median(values)
        print(
            f"{name:42} {median * 1e3:9.1f} {min(values) * 1e3:6.1f} "
            f"{max(values) * 1e3:6.1f} {median / base:6.2f}"
        )
    for name in list(commands)[2:]:
        ratio = statistics.median(times[name]) / base
        print(f"{name}: {ratio:.2f} times, goal {_GOAL:g}: {'met' if ratio <= _GOAL else 'missed'}")


def run(command: list[str]) -> None:
    """Run a command to its end, with bytecode kept as an installed program has it."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
