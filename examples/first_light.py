# SPDX-License-Identifier: Apache-2.0
"""The main job on the simulated kernel: from one command to a disk, its data, and a saved config.

Runs on any Linux machine, as any user, without kernel modules: the simulated kernel has a real
TCMU ring in shared memory, and the same runner serves it. Every command is shown; all of it
happens in a temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from lioshell.kernel.sim.initiator import SimDisk

_BLOCK_SIZE_BYTES = 512
_CHUNK_BLOCKS = 2048


def lioshell(sim: Path, *words: str) -> str:
    """Run one lioshell command on the simulated kernel, and show both."""
    print(f"\n$ lioshell --sim {' '.join(shlex.quote(w) for w in words)}", flush=True)
    command = [sys.executable, "-m", "lioshell", f"--sim={sim}", *words]
    result = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE)
    print(result.stdout, end="", flush=True)
    if result.returncode:
        raise SystemExit(f"lioshell failed with exit code {result.returncode}")
    return result.stdout


def main() -> None:
    """Create a disk, write and read it through the ring, save, delete."""
    with tempfile.TemporaryDirectory(prefix="lioshell-") as folder:
        sim, image = Path(folder) / "sim", Path(folder) / "vol0.img"
        lioshell(sim, "/backstores/user:file", "create", "vol0", "256M", str(image))
        lioshell(sim, "/loopback", "create", "naa.5001405a1b2c3d4e")
        luns = "/loopback/naa.5001405a1b2c3d4e/luns"
        lioshell(sim, luns, "create", "/backstores/user:file/vol0")
        lioshell(sim, "ls")
        copy_through_the_ring(sim, image)
        lioshell(sim, "saveconfig")
        lioshell(sim, "/loopback", "delete", "naa.5001405a1b2c3d4e")
        lioshell(sim, "/backstores/user:file", "delete", "vol0")
        lioshell(sim, "ls")


def copy_through_the_ring(sim: Path, image: Path) -> None:
    """Write 64 MiB by SCSI WRITE commands, read them back, and compare with the backing file."""
    data = os.urandom(1 << 20) * 64
    print("\n# write 64 MiB by SCSI commands through the ring, read them back", flush=True)
    with SimDisk.open(str(sim), "core/user_0/vol0") as disk:
        step = _CHUNK_BLOCKS * _BLOCK_SIZE_BYTES
        for offset in range(0, len(data), step):
            disk.write(offset // _BLOCK_SIZE_BYTES, data[offset : offset + step])
        disk.flush()
        read = b"".join(
            disk.read(offset // _BLOCK_SIZE_BYTES, _CHUNK_BLOCKS)
            for offset in range(0, len(data), step)
        )
    with image.open("rb") as file:
        stored = file.read(len(data))
    sums = [hashlib.sha256(part).hexdigest()[:16] for part in (data, read, stored)]
    print(f"written {sums[0]}, read {sums[1]}, in the backing file {sums[2]}")
    if len(set(sums)) != 1:
        raise SystemExit("the data differ")


if __name__ == "__main__":
    main()
