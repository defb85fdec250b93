# SPDX-License-Identifier: Apache-2.0
"""A device whose commands do nothing, or wait until a gate opens, for tests of spinning."""

from __future__ import annotations

import threading

from lioshell.kernel.sim.harness import RingHarness
from lioshell.runner.command import GOOD, Command, Deferred
from lioshell.runner.device import ServedDevice

NOOP = bytes(6)


class Unit:
    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def execute(self, command: Command) -> object:
        if command.cdb[0] == 0x35:
            return Deferred(self.wait)
        if command.cdb[0] == 0x1B:
            return self.wait()
        return GOOD

    def wait(self) -> object:
        assert self.gate.wait(10)
        return GOOD

    def close(self) -> None:
        pass


class Bench:
    def __init__(self, uio_name: str = "uio0") -> None:
        self.harness = RingHarness()
        self.harness.device = self.harness.device._replace(uio_name=uio_name)
        self.kernel = self.harness.producer
        self.unit = Unit()
        self.device = ServedDevice(self.harness.device, self.harness, self.unit, print)

    def close(self) -> None:
        self.device.close()
        self.harness.discard()
