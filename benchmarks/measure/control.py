# SPDX-License-Identifier: Apache-2.0
"""The control path, inside the machine: each tool restores, lists, saves, creates and clears.

    python3 -m benchmarks.measure.control OUT ROUNDS SECONDS [short]

Whole processes, as they are typed. All tools restore the same file, and what they have made is
counted before the time counts.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.measure import contestants
from benchmarks.measure.control_table import BARE, OURS, PEER
from benchmarks.measure.samples import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

IQN = "iqn.2003-01.com.example:bench"
INITIATORS = ("iqn.2003-01.com.example:one", "iqn.2003-01.com.example:two")
LUNS = 100
MORE_LUNS = 400
BARE_SCRIPT = "benchmarks/peers/bare_restore.py"
_MOST_S = 300.0

Commands = dict[str, list[str]]


def saved(luns: int) -> dict[str, Any]:
    """A saved configuration: so many ramdisks in one iSCSI TPG, each mapped to two initiators."""
    numbers = range(luns)
    return {
        "storage_objects": [
            {"name": f"rd{n}", "plugin": "ramdisk", "size": 1 << 20, "wwn": _serial(n)}
            for n in numbers
        ],
        "targets": [
            {
                "fabric": "iscsi",
                "wwn": IQN,
                "tpgs": [
                    {
                        "tag": 1,
                        "enable": True,
                        "luns": [
                            {"index": n, "storage_object": f"/backstores/ramdisk/rd{n}"}
                            for n in numbers
                        ],
                        "node_acls": [
                            {
                                "node_wwn": initiator,
                                "mapped_luns": [{"index": n, "tpg_lun": n} for n in numbers],
                            }
                            for initiator in INITIATORS
                        ],
                        "portals": [{"ip_address": "0.0.0.0", "port": 3260}],
                    }
                ],
            }
        ],
    }


def _serial(number: int) -> str:
    return f"5be00000-0000-4000-8000-{number:012x}"


def commands(file: str, operations: str) -> dict[str, Commands]:
    """What each tool is told, in the order in which it is told."""
    ramdisk = "/backstores/ramdisk"
    extra = ["create", "extra", "1M"]
    return {
        OURS: {
            "restore": ["lioshell", "restoreconfig", file],
            "ls": ["lioshell", "ls"],
            "save": ["lioshell", "saveconfig", "/run/bench-ours.json"],
            "create": ["lioshell", ramdisk, *extra],
            "clear": ["lioshell", "-y", "clearconfig", "confirm=True"],
        },
        PEER: {
            "restore": ["targetctl", "restore", file],
            "ls": ["targetcli", "ls"],
            "save": ["targetctl", "save", "/run/bench-peer.json"],
            "create": ["targetcli", ramdisk, *extra],
            "clear": ["targetctl", "clear"],
        },
        BARE: {
            "restore": ["python3", BARE_SCRIPT, "replay", operations],
            "clear": ["python3", BARE_SCRIPT, "clear", operations],
        },
    }


def run(command: Sequence[str], most_s: float = _MOST_S) -> float:
    """Run a command and return the seconds it took. Raises OSError, TimeoutExpired."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=most_s)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise OSError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-300:]}")
    return seconds


def check(operation: str, luns: int) -> None:
    """Look that a command did what it was asked for; raises OSError."""
    tpg = f"{contestants.TARGET}/iscsi/{IQN}/tpgt_1"
    # The LUN's link leads to its storage object, that of a mapped LUN to the LUN.
    linked = len(glob.glob(f"{tpg}/lun/lun_*/*/udev_path"))
    mapped = len(glob.glob(f"{tpg}/acls/*/lun_*/*/alua_tg_pt_gp"))
    wanted = {"clear": (0, 0), "restore": (luns, 2 * luns)}.get(operation)
    if wanted and (linked, mapped) != wanted:
        raise OSError(f"after {operation} there are {linked} LUNs and {mapped} mapped ones")
    if operation == "create" and not glob.glob(f"{contestants.TARGET}/core/rd_mcp_*/extra"):
        raise OSError("what was created is not there")


def prepare(luns: int, by_peer: bool) -> str:
    """Write the file that is restored, every attribute in it, as a tool saves it; its path."""
    small, full = f"/run/bench-small{luns}.json", f"/run/bench-{luns}.json"
    with open(small, "w", encoding="utf-8") as file:
        json.dump(saved(luns), file)
    tools = commands(small, "")
    run(tools[OURS]["restore"])
    run(["targetctl" if by_peer else "lioshell", "save" if by_peer else "saveconfig", full])
    run(tools[OURS]["clear"])
    return full


def measure(recorder: Recorder, luns: int, tools: dict[str, Commands], rounds: int) -> None:
    """Each tool's commands in a row, the tools in turn."""
    gone: set[str] = set()
    for number in range(rounds):
        for tool, told in tools.items():
            if tool in gone:
                continue
            # Another tool leaves the fabric's folder, which the script then cannot make.
            run(commands("", "")[OURS]["clear"])
            for operation, command in told.items():
                figure = f"{operation}, {luns} LUNs"
                try:
                    seconds = run(command)
                    check(operation, luns)
                except (OSError, subprocess.TimeoutExpired) as error:
                    recorder.fail(figure, tool, number, str(error))
                    gone.add(tool)
                    run(commands("", "")[OURS]["clear"])
                    break
                recorder.add(figure, tool, number, seconds=seconds)


def main(out: str, rounds: int, short: bool) -> None:
    """Measure with 100 LUNs, then with 400."""
    subprocess.run(["modprobe", "-a", "target_core_mod", "iscsi_target_mod"])
    contestants.start_dbus()
    os.makedirs("/etc/target", exist_ok=True)
    with open(out, "a", encoding="utf-8") as file:
        recorder = Recorder(file)
        for first in (["lioshell", "ls"], ["targetcli", "ls"]):
            run(first)  # which reads the programs from the disk
        luns = 10 if short else LUNS
        saved_file, operations = prepare(luns, by_peer=True), "/run/bench-operations"
        run(["python3", BARE_SCRIPT, "record", saved_file, operations])
        tools = commands(saved_file, operations)
        run(tools[OURS]["clear"])
        measure(recorder, luns, tools, rounds)
        if short:
            return
        saved_file = prepare(MORE_LUNS, by_peer=False)
        recorder.fail(
            f"restore, {MORE_LUNS} LUNs", PEER, 0, "this rtslib refuses LUN numbers over 255"
        )
        measure(recorder, MORE_LUNS, {OURS: commands(saved_file, "")[OURS]}, rounds)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), "short" in sys.argv[4:])
