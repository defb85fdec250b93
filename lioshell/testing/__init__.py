# SPDX-License-Identifier: Apache-2.0
"""For who writes a handler: a TCMU device in memory, with the whole runner and no kernel.

    from lioshell.testing import Initiator
    with Initiator.of("myhandler/CONFIG", size_bytes=64 << 20) as disk:
        disk.write(0, b"x" * 512)

`lioshell exercise` runs the checks of `conformance`, `verify` and `benchmark` on any handler.
`RingHarness` and its `producer` are the kernel's side of the ring, for tests of the ring itself:
PAD, wrap, TMR, KEEP_BUF, out-of-order completion and expiry. The order of loads and stores that
the ring needs is x86-64's own; on aarch64 the runner orders memory itself (runner/ring.py), which
a test on x86-64 cannot show.
"""

from __future__ import annotations

from lioshell.kernel.sim.harness import RingHarness
from lioshell.kernel.sim.ring import Completion, RingProducer
from lioshell.testing.initiator import CommandFailedError, Initiator

__all__ = ["CommandFailedError", "Completion", "Initiator", "RingHarness", "RingProducer"]
