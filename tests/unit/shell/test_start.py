# SPDX-License-Identifier: Apache-2.0
"""What a one-liner imports: nothing for colours, prompts or YAML where it needs none."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from lioshell.cli import main
code = main(sys.argv[1:])
print(code, *sorted({"rich", "prompt_toolkit", "yaml", "textwrap", "difflib"} & set(sys.modules)),
      file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "imported"),
    [
        (["ls"], "0"),
        (["/iscsi", "get", "discovery_auth"], "0"),
        (["/backstores/ramdisk", "create", "r", "1M"], "0"),
        (["lz"], "2 difflib"),
        (["--color=always", "ls"], "0 rich"),
    ],
)
def test_imports(tmp_path, words, imported):
    command = [sys.executable, "-c", SCRIPT, f"--sim={tmp_path}/sim"]
    environment = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    # The first run parses the specs and keeps what it found.
    subprocess.run([*command, "ls", "/"], check=True, capture_output=True, env=environment)
    result = subprocess.run([*command, *words], capture_output=True, text=True, env=environment)
    assert result.stderr.splitlines()[-1] == imported
