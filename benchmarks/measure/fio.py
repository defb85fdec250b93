# SPDX-License-Identifier: Apache-2.0
"""One run of fio and what it says, with the processor time that it took beside it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_HZ = os.sysconf("SC_CLK_TCK")
_START_S = 30.0


@dataclass(frozen=True)
class Load:
    """What fio does: `pattern` is its rw=, `depth` what each disk has in flight."""

    pattern: str
    block_bytes: int
    depth: int

    def __str__(self) -> str:
        size = f"{self.block_bytes >> 20} MiB" if self.block_bytes >> 20 else "4 KiB"
        name = {"randread": "random read", "randwrite": "random write"}.get(self.pattern)
        return f"{size} {name or 'sequential ' + self.pattern} QD{self.depth}"


def command(load: Load, disks: Sequence[str], seconds: float) -> list[str]:
    """The words that run a load on each of the disks at once."""
    options = [
        *("fio", "--output-format=json", "--group_reporting", "--thread", "--direct=1"),
        *("--ioengine=libaio", "--norandommap", "--randrepeat=0", "--time_based"),
        *(f"--runtime={seconds:g}s", f"--rw={load.pattern}", f"--bs={load.block_bytes}"),
        f"--iodepth={load.depth}",
    ]
    jobs = [(f"--name=job{number}", f"--filename={disk}") for number, disk in enumerate(disks)]
    return [*options, *(word for job in jobs for word in job)]


def parse(text: str) -> dict[str, float]:
    """Return iops, mb_s (10^6 bytes), p99_us, lat_us (mean) and ios of fio's JSON.

    fio may write lines of its own before it. Raises ValueError where an error was met or nothing
    was moved.
    """
    report: dict[str, Any] = json.loads(text[text.index("{") :])
    total: dict[str, float] = dict.fromkeys(("iops", "mb_s", "p99_us", "lat_us", "ios"), 0.0)
    for job in report["jobs"]:
        if job["error"]:
            raise ValueError(f"fio met error {job['error']}")
        side = max((job["read"], job["write"]), key=lambda one: one["total_ios"])
        total["iops"] += side["iops"]
        total["mb_s"] += side["bw_bytes"] / 1e6
        total["ios"] += side["total_ios"]
        total["p99_us"] = max(total["p99_us"], _percentile_us(side))
        total["lat_us"] = max(total["lat_us"], side["clat_ns"]["mean"] / 1e3)
    if not total["ios"]:
        raise ValueError("fio moved nothing")
    return total


def _percentile_us(side: dict[str, Any]) -> float:
    percentiles = side["clat_ns"].get("percentile") or {}
    return float(percentiles.get("99.000000", 0)) / 1e3


def run(
    load: Load, disks: Sequence[str], seconds: float, servers: Sequence[int] = ()
) -> dict[str, float]:
    """Run a load and return `parse`'s numbers with the processor time an I/O beside them.

    cpu_us is that of the servers, user_us the part of it outside of the kernel, all_cpu_us that of
    the whole machine.

    Raises ValueError, TimeoutExpired.
    """
    before, every = [process_times_s(pid) for pid in servers], machine_cpu_s()
    done = subprocess.run(
        command(load, disks, seconds), capture_output=True, text=True, timeout=seconds + _START_S
    )
    if done.returncode or "{" not in done.stdout:
        raise ValueError(f"fio ended with {done.returncode}: {done.stderr} {done.stdout[-200:]}")
    values = parse(done.stdout)
    ios = values["ios"]
    if servers:
        after = [process_times_s(pid) for pid in servers]
        user_s, system_s = (
            sum(one[part] for one in after) - sum(one[part] for one in before) for part in (0, 1)
        )
        values["cpu_us"] = (user_s + system_s) / ios * 1e6
        values["user_us"] = user_s / ios * 1e6
    values["all_cpu_us"] = (machine_cpu_s() - every) / ios * 1e6
    return values


def process_times_s(pid: int) -> tuple[float, float]:
    """The processor time of a process and its threads in seconds: user, system."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return stat_times_s(file.read())


def stat_times_s(text: str) -> tuple[float, float]:
    """utime and stime of a line of /proc/PID/stat, in seconds; the name in it may hold anything."""
    fields = text.rpartition(")")[2].split()
    return int(fields[11]) / _HZ, int(fields[12]) / _HZ


def machine_cpu_s() -> float:
    """The time in which processors were not idle, since the boot, in seconds."""
    with open("/proc/stat", encoding="utf-8") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _HZ
