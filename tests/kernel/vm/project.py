# SPDX-License-Identifier: Apache-2.0
"""The project's files on their way into the guest, byte-compiled."""

from __future__ import annotations

import py_compile
import subprocess
import sys
import tarfile
import tempfile
from typing import TYPE_CHECKING

from tests.kernel.vm.errors import VmError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "/srv/lioshell"
PACKAGE = "lioshell"
ENVIRONMENT = {"PYTHONPATH": FOLDER, "LIOSHELL_IN_GUEST": "1"}

PYTEST_REPORT = "/run/pytest-report.xml"
# No time-out of pytest's own: it is meant for the host, and all is ten times slower here.
PYTEST_OPTIONS = (
    *("-q", "-p", "no:cacheprovider", "-o", "timeout=0", "-o", "junit_family=xunit2"),
    f"--junitxml={PYTEST_REPORT}",
)

# As pip writes one, and for the processes that it starts as well.
_WRAPPER = f"""#!/usr/bin/python3
import os
import sys

sys.path[0] = {FOLDER!r}
os.environ["PYTHONPATH"] = ":".join(filter(None, ({FOLDER!r}, os.environ.get("PYTHONPATH"))))
from {PACKAGE}.__main__ import run
sys.exit(run())
"""


def project_files(checkout: Path) -> list[str]:
    """What git knows in a checkout, and what is new there but not ignored."""
    command = ["git", "-c", "safe.directory=*", "-C", str(checkout), "ls-files", "-z"]
    options = ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        raise VmError(
            f"git cannot list the files of {checkout}: {listed.stderr.strip()}",
            "the guest gets the project from a git checkout",
        )
    names = sorted({name for name in listed.stdout.split("\0") if name})
    # A file that was deleted but not yet from the index is still listed.
    return [name for name in names if (checkout / name).exists()]


def write_archive(checkout: Path, archive: Path, python_version: str) -> bool:
    """Write the project as a tar file, and return whether the package's byte code is in it.

    Compiling takes half a minute in the guest and a second here, where the same Python runs here.
    """
    same_python = python_version.split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    with (
        tarfile.open(archive, "w") as tar,
        tempfile.NamedTemporaryFile(suffix=".pyc") as compiled,
    ):
        for name in project_files(checkout):
            tar.add(checkout / name, arcname=name, recursive=False)
            if same_python and name.startswith(f"{PACKAGE}/") and name.endswith(".py"):
                _add_compiled(tar, checkout / name, name, compiled.name)
    return same_python


def install_script(archive: str, compiled: bool) -> str:
    """The shell text that unpacks an archive in the guest and makes `lioshell` a command."""
    lines = [
        "set -e",
        f"rm -rf {FOLDER}",
        f"mkdir -p {FOLDER}",
        f"tar -xf {archive} -C {FOLDER} --no-same-owner",
        f"cat >/usr/local/bin/{PACKAGE} <<'END'\n{_WRAPPER}END",
        f"chmod 755 /usr/local/bin/{PACKAGE}",
    ]
    if not compiled:
        lines.append(f"if [ -d {FOLDER}/{PACKAGE} ]; then")
        # A file that does not compile says so to whoever imports it.
        lines.append(f"python3 -m compileall -q -j 0 {FOLDER}/{PACKAGE} || true; fi")
    return "\n".join(lines)


def _add_compiled(tar: tarfile.TarFile, source: Path, name: str, scratch: str) -> None:
    try:
        py_compile.compile(str(source), scratch, dfile=f"{FOLDER}/{name}", doraise=True)
    except py_compile.PyCompileError:
        return  # whoever imports it in the guest is told
    folder, _, file = name.rpartition("/")
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    tar.add(scratch, arcname=f"{folder}/__pycache__/{file.removesuffix('.py')}.{tag}.pyc")
