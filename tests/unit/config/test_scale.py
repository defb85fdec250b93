# SPDX-License-Identifier: Apache-2.0
"""Twice the LUNs cost twice as much, and no more: the short form of benchmarks/scale.py.

Counted are the operations at the port of configfs, and the calls of functions above it, which show
a search through all the others in memory too.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from lioshell.errors import PartialError, PlanChangesError
from lioshell.kernel.dry_run import dry_run
from lioshell.kernel.open import open_sim
from lioshell.lio.root import Lio

FEW = int(os.environ.get("LIOSHELL_SCALE_FEW", "60"))
GROWTH = 2.05
LINES = {
    "restore": "restoreconfig {saved}",
    "save": "saveconfig {folder}/again.json",
    "save again": "saveconfig {folder}/again.json",
    "ls": "ls",
    "clear": "clearconfig confirm=true",
    "restore of what fails": "restoreconfig {failing}",
    "ls with what failed": "ls",
    "save with what failed": "saveconfig {folder}/third.json",
    "retry": "restoreconfig --retry",
    "clear nothing": "clearconfig confirm=true",
    "dry run of a restore": "--dry-run restoreconfig {saved}",
    "plan": "plan {saved}",
    "apply": "apply {saved}",
    "plan of what is so": "plan {saved}",
}
DRY_RUN = "--dry-run "
BELOW_THE_PORT = os.path.join("lioshell", "kernel", "sim")


def load(name):
    path = Path(__file__).resolve().parents[3] / "benchmarks" / f"{name}.py"
    found = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


laziness, scale = load("laziness"), load("scale")


def costs(folder, specs, luns):
    """Return the operations and the calls of each command, by its name."""
    template = open_sim(f"{folder}/template", specs)
    template.system.prepare()
    document = scale.document(luns, Lio(template, specs))
    saved, failing = f"{folder}/saved.json", f"{folder}/failing.json"
    Path(saved).write_text(json.dumps(document))
    for disk in document["storage_objects"]:
        disk["attributes"] = {"block_size": 513}
    Path(failing).write_text(json.dumps(document))
    kernel = open_sim(f"{folder}/sim", specs)
    kernel.system.prepare()
    os.makedirs(kernel.run_dir, exist_ok=True)
    found = {}
    for name, line in LINES.items():
        text = line.format(folder=folder, saved=saved, failing=failing)
        found[name] = cost(kernel, specs, text)
    return found


def cost(kernel, specs, line):
    """Return the operations at the port of configfs, and the calls of functions above it."""
    counting = laziness.CountingConfigfs(kernel.configfs)
    seen = kernel._replace(configfs=counting)
    is_dry = line.startswith(DRY_RUN)
    session = laziness.session_on(
        dry_run(seen, specs, lambda text: None) if is_dry else seen, specs, dry_run=is_dry
    )
    calls = 0

    def count(frame, event, _argument):
        nonlocal calls
        if event == "call" and BELOW_THE_PORT not in frame.f_code.co_filename:
            calls += 1

    sys.setprofile(count)
    try:
        session.run_line(line.removeprefix(DRY_RUN))
    except (PartialError, PlanChangesError):
        # The restore of what fails; a plan that has found something.
        pass
    finally:
        sys.setprofile(None)
    return counting.counts.total(), calls


@pytest.fixture(scope="module")
def counted(tmp_path_factory, specs):
    folder = tmp_path_factory.mktemp("scale")
    return [costs(folder / str(luns), specs, luns) for luns in (FEW, 2 * FEW)]


@pytest.mark.parametrize("name", LINES)
def test_twice_the_luns_cost_at_most_twice_as_much(counted, name):
    (few, few_calls), (many, many_calls) = (found[name] for found in counted)
    assert many <= GROWTH * few
    assert many_calls <= GROWTH * few_calls
