# SPDX-License-Identifier: Apache-2.0
"""What a one-liner imports: nothing for colours, prompts or YAML where it needs none."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from lioshell.cli import main
code = main(sys.argv[1:])
heavy = {"rich", "prompt_toolkit", "yaml", "textwrap", "difflib", "typing"}
print(code, *sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "imported"),
    [
        (["ls"], "0"),
        (["/iscsi", "get", "discovery_auth"], "0"),
        (["/backstores/ramdisk", "create", "r", "1M"], "0"),
        (["lz"], "2 difflib"),
        (["--color=always", "ls"], "0 rich typing"),
    ],
)
def test_imports(tmp_path, words, imported):
    command = [sys.executable, "-c", SCRIPT, f"--sim={tmp_path}/sim"]
    environment = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    # The first run parses the specs and keeps what it found.
    subprocess.run([*command, "ls", "/"], check=True, capture_output=True, env=environment)
    result = subprocess.run([*command, *words], capture_output=True, text=True, env=environment)
    assert result.stderr.splitlines()[-1] == imported


MODULES = """
import sys
before = set(sys.modules)
from lioshell.cli import main
code = main(sys.argv[1:])
found = {name.partition(".")[0] for name in set(sys.modules) - before}
print(code, *sorted(name for name in found if not name.startswith("_")), file=sys.stderr)
"""

MAY_BE_IMPORTED = {
    *("collections", "contextlib", "copyreg", "enum", "errno", "fcntl", "functools", "importlib"),
    *("itertools", "keyword", "math", "operator", "re", "reprlib", "shlex", "types", "warnings"),
    *("configshell", "lioshell"),
}
"""What a look costs, of the standard library: each more is a part of a millisecond, or many."""


@pytest.mark.parametrize(
    "words", [["/backstores/ramdisk/r", "info"], ["ls"], ["/backstores/ramdisk", "ls"]]
)
def test_what_a_look_may_import(tmp_path, words):
    environment = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", MODULES, f"--sim={tmp_path}/sim"]
    # The first run that asks for a spec parses it and keeps what it found.
    for line in (["/backstores/ramdisk", "create", "r", "1M"], ["ls"]):
        subprocess.run([*command, *line], check=True, capture_output=True, env=environment)
    result = subprocess.run([*command, *words], capture_output=True, text=True, env=environment)
    code, *imported = result.stderr.splitlines()[-1].split()
    assert code == "0"
    assert set(imported) <= MAY_BE_IMPORTED


def test_a_line_that_only_passes_through_the_root_loads_none_of_its_commands(tmp_path):
    environment = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    script = """
import sys
from lioshell.cli import main
code = main(sys.argv[1:])
found = {"lioshell.shell.nodes.root_commands", "lioshell.lio.fabrics", "lioshell.lio.export",
         "lioshell.config.unrestored", "lioshell.shell.suggestions",
         "lioshell.render.tree", "lioshell.render.layout"} & set(sys.modules)
print(code, *sorted(found), file=sys.stderr)
"""
    command = [sys.executable, "-c", script, f"--sim={tmp_path}/sim"]
    lines = (
        (["/backstores/ramdisk", "create", "r", "1M"], ["0"]),
        (["/", "version"], ["0", "lioshell.shell.nodes.root_commands"]),
    )
    for line, expected in lines:
        result = subprocess.run([*command, *line], capture_output=True, text=True, env=environment)
        assert result.stderr.split() == expected
