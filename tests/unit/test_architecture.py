# SPDX-License-Identifier: Apache-2.0
"""The arrows of ARCHITECTURE.md, the size of files, and what may be imported at start."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "lioshell"

ALLOWED = {
    "errors": set(),
    "model": {"errors"},
    "specs": {"errors", "spec_index"},
    "spec_index": {"errors", "spec_loader", "spec_legacy", "spec_cache"},
    "spec_legacy": {"errors", "spec_rules", "spec_meaning"},
    "spec_loader": {"errors", "spec_rules", "spec_meaning"},
    "spec_rules": set(),
    "spec_schema": {"spec_rules"},
    "spec_meaning": {"errors"},
    "spec_cache": set(),
    "environment": {"errors", "kernel"},
    "kernel": {"errors", "model", "specs"},
    "lio": {"errors", "model", "specs", "kernel"},
    "runner": {"errors", "model", "specs", "kernel"},
    "config": {"errors", "model", "specs", "lio"},
    "fabricgen": {"errors"},
    "render": {"errors", "model", "environment"},
    "testing": {"errors", "model", "kernel", "runner"},
    "exercise": {"errors", "model", "render", "runner", "testing"},
    "service": {"errors", "model", "kernel", "runner"},
    "tcmu": {"errors", "model", "kernel", "lio", "runner", "service"},
    "shell": {
        "errors",
        "model",
        "specs",
        "environment",
        "lio",
        "config",
        "render",
        "runner",
        "service",
        "fabricgen",
    },
}
TOP = {
    "cli",
    "serve_options",
    "options",
    "option_parser",
    "completion_script",
    "__main__",
    "__init__",
}
EVERYWHERE = {"typed"}
"""Used by all, using nothing."""

NAMES_OF_NOTHING = {"utils", "helpers", "common", "misc"}


def modules():
    return sorted(p for p in PACKAGE.rglob("*.py"))


def unit_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_units(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "lioshell":
                names = [f"lioshell.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "lioshell" and len(parts) > 1 and not parts[1].startswith("__"):
                yield parts[1]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows_point_one_way(path):
    unit = unit_of(path)
    if unit in TOP:
        return
    allowed = set() if unit in EVERYWHERE else ALLOWED.get(unit)
    assert allowed is not None, f"{unit} has no place in the architecture"
    assert set(imported_units(path)) - {unit} - EVERYWHERE <= allowed


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short_and_named_for_a_thing(path):
    assert path.stem not in NAMES_OF_NOTHING
    assert len(path.read_text().splitlines()) <= 400


def test_only_the_kernel_package_touches_the_system():
    for path in modules():
        if unit_of(path) in ("kernel", "environment", "options"):
            continue
        text = path.read_text()
        assert '"/sys/' not in text, path
        assert '"/dev/' not in text, path


def test_a_listing_imports_no_heavy_library(tmp_path):
    script = (
        "import sys, io\n"
        "from lioshell.cli import main\n"
        f"code = main(['--sim={tmp_path}/sim', 'ls'])\n"
        "heavy = {'rich', 'prompt_toolkit', 'pyparsing', 'subprocess', 'asyncio'}\n"
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    result = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert result.stderr.splitlines()[-1] == "0 []"
