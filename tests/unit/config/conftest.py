# SPDX-License-Identifier: Apache-2.0
"""A simulated kernel with the live objects on it."""

from __future__ import annotations

import pytest

from lioshell.kernel.open import open_sim
from lioshell.lio.root import Lio
from lioshell.specs import Specs


@pytest.fixture(scope="session")
def specs():
    return Specs()


@pytest.fixture
def new_lio(tmp_path, specs):
    """Make simulated kernels, each in a folder of its own."""
    made = []

    def make():
        kernel = open_sim(str(tmp_path / f"sim{len(made)}"), specs)
        kernel.system.prepare()
        made.append(Lio(kernel, specs))
        return made[-1]

    return make


@pytest.fixture
def lio(new_lio):
    return new_lio()


def put(lio, path, text):
    """Write an attribute's file, past the simulated kernel's rules."""
    with open(f"{lio.configfs.location}/{path}", "w") as file:
        file.write(text)
