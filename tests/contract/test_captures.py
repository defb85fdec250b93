# SPDX-License-Identifier: Apache-2.0
"""What the kernel shows after each step of a script, against what a real one showed.

tests/data/captures/linux-6.1 was recorded in the virtual machine (python3 -m tests.kernel.capture).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from .capture import RECORDED, play, recorded, scripts

if TYPE_CHECKING:
    from pathlib import Path

    from lioshell.kernel.ports import Kernel

    from .capture import Initiators

LEFT_OUT_OF_REPORT = 12


@pytest.mark.parametrize("name", scripts())
def test_every_step_shows_what_the_real_kernel_showed(
    kernel: Kernel, initiators: Initiators, tmp_path: Path, name: str
) -> None:
    there = recorded(name)
    assert there, f"{RECORDED / name} is empty"
    # All steps before the first comparison: the last ones take everything down again.
    done = list(play(kernel, name, {"$DIR": str(tmp_path)}, initiators))
    for number, (mine, theirs) in enumerate(zip(done, there, strict=True)):
        # JSON has lists where Python has tuples.
        mine = json.loads(json.dumps(mine))
        if mine != theirs:
            pytest.fail(f"step {number} of {name}:\n{_difference(mine, theirs)}", pytrace=False)


def _difference(mine: dict[str, object], theirs: dict[str, object]) -> str:
    lines = [f"{theirs.get('do', 'the tree before')}"]
    for key in sorted({*mine, *theirs}):
        here, there = mine.get(key), theirs.get(key)
        if here == there:
            continue
        if isinstance(here, dict) and isinstance(there, dict):
            paths = [p for p in sorted({*here, *there}) if here.get(p) != there.get(p)]
            lines += [f"{p}: {here.get(p)}, not {there.get(p)}" for p in paths[:LEFT_OUT_OF_REPORT]]
            if len(paths) > LEFT_OUT_OF_REPORT:
                lines.append(f"and {len(paths) - LEFT_OUT_OF_REPORT} more")
        else:
            lines.append(f"{key}: {here}, not {there}")
    return "\n".join(lines)
