# SPDX-License-Identifier: Apache-2.0
"""A simulated kernel with the live objects on it."""

from __future__ import annotations

import pytest

from lioshell.kernel.open import open_sim
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.faults import Faults
from lioshell.lio.fabrics import Fabric
from lioshell.lio.root import Lio
from lioshell.specs import Specs

IQN = "iqn.2003-01.com.example:disk1"


@pytest.fixture(scope="session")
def specs():
    return Specs()


@pytest.fixture
def faults():
    """What the simulated kernel fails: nothing, unless a test says so."""
    return Faults()


@pytest.fixture
def lio(tmp_path, specs, faults):
    folder = str(tmp_path / "sim")
    kernel = open_sim(folder, specs)
    kernel.system.prepare()
    return Lio(kernel._replace(configfs=SimConfigfs(folder, specs, faults)), specs)


@pytest.fixture
def iscsi(lio):
    return Fabric(lio, lio.specs.fabric("iscsi"))


@pytest.fixture
def tpg(iscsi):
    """An iSCSI TPG."""
    return iscsi.create_target(IQN).create_tpg()
