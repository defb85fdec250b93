# SPDX-License-Identifier: Apache-2.0
"""Disks of objects, on a simulated kernel and its initiator."""

import pytest

from lioshell import lio, tcmu
from lioshell.kernel.sim.initiator import SimDisk

SIZE = 1 << 20


class Memory:
    """Bytes with pread and pwrite."""

    def __init__(self, size=SIZE):
        self.data = bytearray(size)
        self.calls = []

    def pread(self, n, offset):
        self.calls.append(("pread", n, offset))
        return bytes(self.data[offset : offset + n])

    def pwrite(self, data, offset):
        self.calls.append(("pwrite", len(data), offset))
        self.data[offset : offset + len(data)] = data
        return len(data)


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def sim(tmp_path):
    """The folder of a simulated kernel."""
    return str(tmp_path / "sim")


@pytest.fixture
def attach(sim):
    """Return tcmu.attach on that kernel; what a test leaves open is closed."""
    made = []

    def attach(storage, name="vol0", size=SIZE, **options):
        disk = tcmu.attach(storage, name=name, size=size, sim=sim, **options)
        made.append(disk)
        return disk

    yield attach
    for disk in made:
        disk.close(force=True)


@pytest.fixture
def initiator(sim):
    """Return what sends commands to an attached disk, as a context manager."""
    return lambda disk: SimDisk.open(sim, disk.configfs_path)


@pytest.fixture
def tree(sim):
    """Return what there is: names of user: objects, targets with their LUNs."""

    def tree():
        system = lio.open(sim=sim)
        fabric = system.fabric("loopback")
        targets = {wwn: fabric.target(wwn).tpg(1).lun_indexes() for wwn in fabric.targets()}
        return sorted(o.name for o in lio.list_storage_objects(system, "user")), targets

    return tree
