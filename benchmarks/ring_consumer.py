# SPDX-License-Identifier: Apache-2.0
"""Builds the smallest C consumer of a TCMU ring (peers/ring_consumer.c), and lets it answer one.

    python3 benchmarks/ring_consumer.py FILE

builds the program for devices of a kernel, which may be another machine's: it needs no library.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.harness import RingHarness

_SOURCE = Path(__file__).resolve().parent / "peers" / "ring_consumer.c"


def build_program(target: str) -> None:
    """Build the program, statically linked. Raises OSError or CalledProcessError without gcc."""
    _compile(target, "-static")


def build_library(target: str) -> None:
    """Build what `Consumer` loads. Raises as `build_program` does."""
    _compile(target, "-shared", "-fPIC")


def _compile(target: str, *options: str) -> None:
    subprocess.run(["gcc", "-O2", "-Wall", *options, "-o", target, str(_SOURCE)], check=True)


class Consumer:
    """Answers the ring of a harness from an open file; `close` before the harness is closed."""

    def __init__(self, library: str, harness: RingHarness, file_fd: int) -> None:
        turn = ctypes.CDLL(library).ring_consumer_turn
        turn.restype = ctypes.c_double
        turn.argtypes = [ctypes.c_void_p, *[ctypes.c_int] * 4]
        self._turn = turn
        self._region = ctypes.c_char.from_buffer(harness.map)
        address = ctypes.addressof(self._region)
        self._arguments = (address, file_fd, harness.fileno(), harness.done_fileno())

    def turn(self, wakeups: int = 1) -> float:
        """Take a wake-up, answer all that is queued, notify; return the seconds that it took."""
        spent = float(self._turn(*self._arguments, wakeups))
        if spent < 0:
            raise OSError("The ring's descriptors could not be used")
        return spent

    def close(self) -> None:
        """Let go of the region."""
        del self._region, self._arguments


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: ring_consumer.py FILE")
    build_program(sys.argv[1])
