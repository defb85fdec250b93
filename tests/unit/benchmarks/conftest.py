# SPDX-License-Identifier: Apache-2.0
"""The benchmarks are programs beside the package, so their folder is put on the path."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
