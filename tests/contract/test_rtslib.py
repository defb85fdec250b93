# SPDX-License-Identifier: Apache-2.0
"""rtslib-fb and lioshell read the same objects and values, and each what the other has written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import REAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.kernel.ports import Kernel

    from .conftest import Objects

DUMP = Path(__file__).with_name("rtslib_dump.py")
CHECKOUT = Path(__file__).resolve().parents[2]
DEBIANS_PYTHON = "/usr/bin/python3"
"""In the virtual machine rtslib is Debian's, of targetcli-fb."""

IQN = "iqn.2003-01.org.lioshell:both"
TPG = f"/iscsi/{IQN}/tpg1"
CLIENT = "iqn.1994-05.com.redhat:both"
NAA = "naa.5001405a1b2c3d4e"
OURS = ("lioshell", "exclusive")
"""Keys that one of the two alone writes: what lioshell keeps beside, what newer rtslib adds."""

LINES = (
    "/backstores/fileio create both-f FILE 16M write_back=false",
    "/backstores/ramdisk create both-r 1M",
    "/backstores/ramdisk create both-n 1M nullio=true",
    "/backstores/block create both-b DISK",
    "/backstores/ramdisk/both-r set attribute emulate_tas=0",
    "/backstores/ramdisk/both-r/alua create ao tag=7",
    f"/iscsi create {IQN}",
    f"{TPG}/portals delete ::0",
    f"{TPG}/portals create 127.0.0.1 23260",
    f"{TPG}/luns create /backstores/fileio/both-f",
    f"{TPG}/luns create /backstores/ramdisk/both-r 7",
    f"{TPG}/acls create {CLIENT}",
    f"{TPG}/acls/{CLIENT} set auth userid=me password=sesame123456",
    f"{TPG} set attribute login_timeout=20",
    f"{TPG} set parameter MaxConnections=2",
    f"/loopback create {NAA}",
    f"/loopback/{NAA}/luns create /backstores/ramdisk/both-n",
)


class Both:
    """lioshell and rtslib on one kernel, each in processes of its own."""

    def __init__(self, kernel: Kernel, folder: Path) -> None:
        self._sim = [] if REAL else ["--sim", str(folder / "kernel")]
        self._target = [] if REAL else [kernel.configfs.location]
        self._folder = folder
        self._environment = {**os.environ, "HOME": str(folder), "PYTHONPATH": str(CHECKOUT)}

    def lioshell(self, *lines: str) -> str:
        words = [word for line in lines for word in ("-c", line)]
        command = [sys.executable, "-m", "lioshell", "--yes", *self._sim, *words]
        return self._run(command, self._environment)

    def saved(self) -> dict[str, Any]:
        """Return what lioshell saves."""
        file = self._folder / "saved.json"
        self.lioshell(f"saveconfig {file}")
        return comparable(json.loads(file.read_text("utf-8")))

    def read_by_rtslib(self) -> dict[str, Any]:
        """Return what rtslib would save."""
        python = DEBIANS_PYTHON if REAL else sys.executable
        # rtslib has warnings of its own: files that are not closed.
        command = [python, "-W", "ignore", str(DUMP), *self._target]
        return comparable(json.loads(self._run(command, {**os.environ, "PYTHONPATH": ""})))

    def _run(self, command: list[str], environment: dict[str, str]) -> str:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=110, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Return a saved configuration without an order, and without the keys of one of the two."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if key not in OURS}
        if isinstance(value, list):
            return sorted(
                (plain(inner) for inner in value), key=lambda x: json.dumps(x, sort_keys=1)
            )
        return value

    found = plain(document)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def both(
    kernel: Kernel, objects: Objects, tmp_path: Path, block_device: str
) -> Iterator[tuple[Both, tuple[str, ...]]]:
    del objects  # it checks that nothing is left
    lines = [line.replace("FILE", str(tmp_path / "both.img")) for line in LINES]
    made = Both(kernel, tmp_path)
    yield made, tuple(line.replace("DISK", block_device) for line in lines)
    made.lioshell("clearconfig confirm=True")


def test_rtslib_reads_what_lioshell_wrote(both: tuple[Both, tuple[str, ...]]) -> None:
    tools, lines = both
    tools.lioshell(*lines)
    document = tools.saved()
    assert len(document["storage_objects"]) == 4
    assert len(document["targets"]) == 2
    assert tools.read_by_rtslib() == document


if REAL:
    # rtslib writes past the rules of a simulated kernel.

    def test_lioshell_reads_what_rtslib_wrote(
        both: tuple[Both, tuple[str, ...]], tmp_path: Path
    ) -> None:
        tools, lines = both
        tools.lioshell(*lines)
        document = tools.saved()
        tools.lioshell("clearconfig confirm=True")
        subprocess.run(["targetctl", "restore", str(tmp_path / "saved.json")], check=True)
        assert tools.read_by_rtslib() == document
        assert tools.saved() == document
