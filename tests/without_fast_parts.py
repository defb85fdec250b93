# SPDX-License-Identifier: Apache-2.0
"""The runner's tests once with everything, and once without each of its fast parts.

    python3 tests/without_fast_parts.py [PYTEST ARGUMENTS]

The parts are those of lioshell/runner/tuning.py. Exit code 1 where a run has failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tests/unit/runner", "tests/unit/testing")


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(ROOT))
    from lioshell.runner import tuning

    failed = []
    for parts in ("", *tuning.PARTS, ",".join(tuning.PARTS)):
        print(f"== without {parts or 'nothing'}", flush=True)
        environ = {**os.environ, tuning.VARIABLE: parts}
        command = [sys.executable, "-m", "pytest", "-q", *(arguments or FOLDERS)]
        if subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode:
            failed.append(parts or "nothing")
    print("all pass" if not failed else f"failed without: {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
