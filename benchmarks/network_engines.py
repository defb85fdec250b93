# SPDX-License-Identifier: Apache-2.0
"""user:rbd and user:glfs on the ring harness, beside the engines' own tools on the same storage.

    python3 benchmarks/network_engines.py [--rounds=5] [--seconds=2] [--only=glfs]

Needs root, and the packages of tests/engines. Ours is measured as benchmarks/engines.py does it;
beside it `rbd bench` on a Ceph cluster of one OSD (memstore), and fio's gfapi_async on a Gluster
volume of one brick, all on this machine. Ours and theirs take turns, and the best round of each
counts. Both are as durable: librbd's cache is off, and so is the write-behind of Gluster's client.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.engines import CASES, DEPTH, GOALS, SIZE_BYTES, ours
from tests.engines.ceph_cluster import CephCluster
from tests.engines.daemons import run
from tests.engines.gluster_volume import GlusterVolume

if TYPE_CHECKING:
    from collections.abc import Callable

    Tool = Callable[[str, int, int], float]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", choices=("rbd", "glfs"))
    chosen = parser.parse_args()
    if os.geteuid():
        raise SystemExit("The engines are started as root.")
    # Told to end it ends the engines too; Gluster's brick is a daemon that would stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"{'':18}{'ours/s':>10}{'tool/s':>10}{'ratio':>8}{'goal':>7}")
    with tempfile.TemporaryDirectory(prefix="lioshell-") as folder:
        if chosen.only != "glfs":
            with CephCluster(Path(folder) / "ceph", "memstore") as ceph:
                ceph.rbd("create", "rbd/bench", "--size", f"{SIZE_BYTES}B")
                _rows(chosen, "rbd", f"rbd/rbd/bench;conf={ceph.conf}", _rbd_bench(ceph))
        if chosen.only != "rbd":
            with GlusterVolume(Path(folder) / "gluster") as gluster:
                gluster.gluster("volume", "set", "v0", "performance.write-behind", "off")
                with (gluster.brick / "bench").open("wb") as file:
                    file.truncate(SIZE_BYTES)
                _rows(chosen, "glfs", f"glfs/v0@{gluster.host}/bench", _fio_gfapi(gluster.host))


def _rows(chosen: argparse.Namespace, name: str, dev_config: str, tool: Tool) -> None:
    ours(dev_config, True, 1 << 20, 2.0)  # no holes are read
    for kind, size_bytes in CASES:
        count = (16_000 if kind == "read" else 8000) if size_bytes == 4096 else 1000
        best = [0.0, 0.0]
        for _ in range(chosen.rounds):
            best[0] = max(best[0], ours(dev_config, kind == "write", size_bytes, chosen.seconds))
            best[1] = max(best[1], tool(kind, size_bytes, count))
        label = f"{name} {kind} {'4 KiB' if size_bytes == 4096 else '1 MiB'}"
        ratio = best[0] / best[1]
        goal = GOALS[size_bytes]
        print(f"{label:18}{best[0]:10.0f}{best[1]:10.0f}{ratio:8.2f}{goal:7.1f}", flush=True)


def _rbd_bench(ceph: CephCluster) -> Tool:
    def measure(kind: str, size_bytes: int, count: int) -> float:
        told = ceph.rbd(
            *("bench", "--rbd-cache=false", f"--io-type={kind}", "--io-pattern=seq"),
            *(f"--io-size={size_bytes}B", f"--io-threads={DEPTH}"),
            *(f"--io-total={size_bytes * count}B", "rbd/bench"),
        )
        found = re.search(r"ops/sec: ([0-9.]+)", told)
        if found is None:
            raise SystemExit(f"rbd bench said: {told}")
        return float(found[1])

    return measure


def _fio_gfapi(host: str) -> Tool:
    def measure(kind: str, size_bytes: int, count: int) -> float:
        told = run(
            *("fio", "--name=bench", "--ioengine=gfapi_async", "--volume=v0", f"--brick={host}"),
            *("--filename=bench", f"--size={SIZE_BYTES}", f"--bs={size_bytes}", "--thread"),
            *(f"--iodepth={DEPTH}", f"--rw={kind}", f"--io_size={size_bytes * count}"),
            "--output-format=json",
        )
        report = json.loads(told[told.index("{") :])
        return float(report["jobs"][0][kind]["iops"])

    return measure


if __name__ == "__main__":
    main()
