# SPDX-License-Identifier: Apache-2.0
"""Running one program of the host as a step of the build, and saying well why it failed."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.kernel.vm.errors import BuildError
from tests.kernel.vm.requirements import program

if TYPE_CHECKING:
    from collections.abc import Sequence

QUOTED_LINES = 15
STEP_TIMEOUT_S = 900


def run_step(argv: Sequence[str], what: str, timeout_s: float = STEP_TIMEOUT_S) -> str:
    """Run a program to its end and return its stdout; BuildError quotes the end of its stderr."""
    executable = program(argv[0])
    if executable is None:
        raise BuildError(f"{what}: no program {argv[0]}")
    try:
        done = subprocess.run(
            [executable, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            # The build must not depend on the language of the developer's terminal.
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as expired:
        raise BuildError(f"{what}: {argv[0]} took over {timeout_s:g} s") from expired
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-QUOTED_LINES:])
        raise BuildError(f"{what}: {argv[0]} ended with {done.returncode}:\n{tail}")
    return done.stdout
