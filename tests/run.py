# SPDX-License-Identifier: Apache-2.0
"""Set everything up and pass the tests: `python3 tests/run.py`.

    python3 tests/run.py                all tiers, cheap ones first, those on a real kernel last
    python3 tests/run.py first-light    the main job on the simulated kernel

Needs Python 3.11 and nothing else; a virtual environment is made in .venv. The engines tier starts
Ceph, Gluster and NBD servers on loopback, the kernel tier runs on a real kernel in a virtual
machine; each where its packages are or can be had (apt and root). Where not, one line says why, and
in CI (CI=true) that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MACHINE_TIERS = {
    "engines tier": "tests/engines",
    "kernel tier": "tests/kernel",
    "boot tier": "tests/boot",
}
"""They need more than Python. The last two have a virtual machine each; one runs at a time."""
NOT_RUN = 5
"""pytest's code for a run without tests, and these tiers' where the machine lacks something."""
CHEAP = ("unit", "contract", "property", "shell", "cli", "seeds")


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for and return the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036  # said in a sentence to who has an older one
        print("lioshell needs Python 3.11 or newer", file=sys.stderr)
        return 6
    if arguments not in ([], ["first-light"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        prepare()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 6
    if arguments:
        return run("first light", [str(PYTHON), str(ROOT / "examples" / "first_light.py")])
    steps = [
        ("ruff", [str(PYTHON), "-m", "ruff", "check", "."]),
        ("ruff format", [str(PYTHON), "-m", "ruff", "format", "--check", "."]),
        ("mypy", [str(PYTHON), "-m", "mypy"]),
        ("cheap tiers", pytest(*(f"tests/{name}" for name in CHEAP))),
        *((name, pytest(folder)) for name, folder in MACHINE_TIERS.items()),
    ]
    for name, command in steps:
        code = run(name, command)
        if name in MACHINE_TIERS and code == NOT_RUN and os.environ.get("CI") != "true":
            # Its last line says why.
            continue
        if code:
            print(f"\nfailed: {name}", file=sys.stderr)
            return code
    return 0


class SetupError(Exception):
    """The tools cannot be had on this machine."""


def prepare() -> None:
    """Make the virtual environment, or bring it up to what pyproject.toml asks for."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"]]
    wanted += [
        item
        for group in ("tests", "peers", "lint")
        for item in project["dependency-groups"][group]
        if isinstance(item, str)
    ]
    stamp = VENV / "requirements.txt"
    text = "\n".join([sys.version, str(ROOT), *wanted])
    if PYTHON.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == text:
        return
    make_venv()
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for what in (wanted, ["--no-deps", "--editable", str(ROOT)]):
        if subprocess.run([*pip, *what], check=False).returncode:
            raise SetupError("pip cannot install what lioshell needs; see the lines above")
    stamp.write_text(text, encoding="utf-8")


def make_venv() -> None:
    """Make the virtual environment; Debian keeps what that needs in a package of its own."""
    builder = venv.EnvBuilder(clear=True, with_pip=True, symlinks=True)
    try:
        builder.create(VENV)
        return
    except (subprocess.CalledProcessError, OSError) as error:
        reason = str(error)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=False, env=environment)
        command = ["apt-get", "install", "-y", "-qq", "python3-venv"]
        if subprocess.run(command, check=False, env=environment).returncode == 0:
            builder.create(VENV)
            return
    raise SetupError(f"no virtual environment can be made ({reason}); install python3-venv")


def pytest(*arguments: str) -> list[str]:
    """Return a pytest command for folders that exist."""
    present = [a for a in arguments if a.startswith("-") or (ROOT / a).exists()]
    return [str(PYTHON), "-m", "pytest", "-q", *present]


def run(name: str, command: list[str]) -> int:
    """Run one step, and say how long it took."""
    print(f"\n== {name}", flush=True)
    begin = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    outcome = {0: "ok", NOT_RUN: "not run"}.get(code, "failed")
    print(f"== {name}: {outcome}, {time.monotonic() - begin:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
