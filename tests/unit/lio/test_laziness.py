# SPDX-License-Identifier: Apache-2.0
"""What a command asks of configfs does not depend on how many other objects there are.

benchmarks/laziness.py counts the system calls of whole processes; here its commands are run in this
process, and the operations at the port are counted.
"""

import importlib.util
import os
from pathlib import Path

import pytest

from lioshell.kernel.open import open_sim
from lioshell.lio.root import Lio

FEW = 3
MANY = int(os.environ.get("LIOSHELL_LAZY_MANY", "60"))

path = Path(__file__).resolve().parents[3] / "benchmarks" / "laziness.py"
module = importlib.util.spec_from_file_location("laziness", path)
laziness = importlib.util.module_from_spec(module)
module.loader.exec_module(laziness)


@pytest.fixture(scope="module")
def counted(tmp_path_factory, specs):
    """Return what each command asks beside few and beside many other LUNs."""
    folder = tmp_path_factory.mktemp("lazy")
    found = []
    for count in (FEW, MANY):
        kernel = open_sim(str(folder / str(count)), specs)
        kernel.system.prepare()
        laziness.populate(Lio(kernel, specs), count, folder)
        found.append(
            {
                name: laziness.operations(kernel, specs, line.format(folder=folder))
                for name, line in laziness.COMMANDS.items()
            }
        )
    return found


@pytest.mark.parametrize("name", laziness.COMMANDS)
def test_a_command_asks_the_same_beside_few_and_many(counted, name):
    few, many = counted
    assert few[name] == many[name]
    assert few[name].total() > 0
