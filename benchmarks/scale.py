# SPDX-License-Identifier: Apache-2.0
"""What thousands of LUNs cost: restore, save, ls and clear on the simulated kernel.

    python3 benchmarks/scale.py [--bare] [LUNS MORE_LUNS]

5000 and 10000 LUNs in one iSCSI TPG with two ACLs, unless given. Each command is a process of its
own, with the whole saved configuration as lioshell writes it. CPU time is shown beside the elapsed
one, because it is what other work on the machine changes least; both contain what the simulated
kernel does itself, of which `--bare` is the measure: the recorded changes, replayed by
peers/bare_restore.py. The goals: at most 2.2 times the time for twice the LUNs, and 300 MB.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lioshell.config.restore import restore
from lioshell.config.save import dump  # after the path
from lioshell.kernel.open import open_sim
from lioshell.lio.root import Lio
from lioshell.specs import Specs

if TYPE_CHECKING:
    from lioshell.config.document import Document

_GOAL_GROWTH = 1.1
"""Of the time a LUN; 2.2 for twice the LUNs."""
_GOAL_MB = 300.0
_ROOT = sys.path[0]
_IQN = "iqn.2003-01.com.example:scale"
_ACLS = 2
_PEER = f"{_ROOT}/benchmarks/peers/bare_restore.py"


class Cost(NamedTuple):
    """What a process took."""

    elapsed_s: float
    cpu_s: float
    peak_mb: float


def document(luns: int, lio: Lio) -> Document:
    """Return a configuration of ramdisks, each a LUN that every ACL maps, with all its settings.

    The settings are those of one LUN, made on the empty kernel of `lio`, as they are saved.
    """
    os.makedirs(lio.kernel.run_dir, exist_ok=True)
    report = restore(lio, _bare(1))
    if report.failures:
        raise SystemExit(str(report.failures))
    result = dump(lio)
    tpg = result["targets"][0]["tpgs"][0]
    result["storage_objects"] = [
        {**copy.deepcopy(result["storage_objects"][0]), "name": name, "wwn": serial}
        for name, serial in map(_disk, range(luns))
    ]
    tpg["luns"] = [
        {**tpg["luns"][0], **lun} for lun in _bare(luns)["targets"][0]["tpgs"][0]["luns"]
    ]
    for acl in tpg["node_acls"]:
        acl["mapped_luns"] = [{**acl["mapped_luns"][0], **one} for one in _mapped(luns)]
    return result


def _disk(number: int) -> tuple[str, str]:
    return f"disk{number}", f"00000000-0000-4000-8000-{number:012x}"


def _mapped(luns: int) -> list[dict[str, Any]]:
    return [{"index": n, "tpg_lun": n, "alias": f"m{n}"} for n in range(luns)]


def _bare(luns: int) -> Document:
    disks = [
        {"plugin": "ramdisk", "name": name, "wwn": serial, "size": 1 << 20, "nullio": True}
        for name, serial in map(_disk, range(luns))
    ]
    exported = [
        {"index": n, "alias": f"l{n}", "storage_object": f"/backstores/ramdisk/{_disk(n)[0]}"}
        for n in range(luns)
    ]
    acls = [
        {"node_wwn": f"iqn.1994-05.com.example:c{n}", "mapped_luns": _mapped(luns)}
        for n in range(_ACLS)
    ]
    portal = {"ip_address": "0.0.0.0", "port": 3260}
    tpg = {"tag": 1, "enable": True, "luns": exported, "portals": [portal], "node_acls": acls}
    target = {"fabric": "iscsi", "wwn": _IQN, "tpgs": [tpg]}
    return {"storage_objects": disks, "targets": [target]}


def cost(command: list[str]) -> Cost:
    """Run a command to its end."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = _ROOT
    begin = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(running.pid, 0)
    elapsed_s = time.perf_counter() - begin
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {running.returncode}")
    return Cost(elapsed_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(luns: int, folder: str, *, bare: bool) -> dict[str, Cost]:
    """Return what each command costs with a number of LUNs."""
    specs = Specs()
    kernel = open_sim(f"{folder}/template", specs)
    kernel.system.prepare()
    saved, operations = f"{folder}/saved.json", f"{folder}/operations"
    with open(saved, "w", encoding="utf-8") as file:
        json.dump(document(luns, Lio(kernel, specs)), file)
    lioshell = [sys.executable, "-m", "lioshell", f"--sim={folder}/sim", "-y", "-q"]
    found = {"restore": cost([*lioshell, "-c", f"restoreconfig {saved}"])}
    found["save"] = cost([*lioshell, "-c", f"saveconfig {folder}/again.json"])
    found["save again"] = cost([*lioshell, "-c", f"saveconfig {folder}/again.json"])
    found["ls"] = cost([*lioshell, "-c", "ls"])
    found["clear"] = cost([*lioshell, "-c", "clearconfig confirm=true"])
    if bare:
        peer = [sys.executable, _PEER]
        cost([*peer, "record", saved, operations, f"--sim={folder}/recorded"])
        shutil.rmtree(f"{folder}/recorded")
        found["bare"] = cost([*peer, "replay", operations, f"--sim={folder}/replayed"])
    return found


def main(arguments: list[str]) -> int:
    """Print the table and return 1 where a goal is missed."""
    bare = "--bare" in arguments
    few, many = (int(a) for a in [a for a in arguments if a != "--bare"] or ("5000", "10000"))
    found = []
    for luns in (few, many):
        # On the disk: a tmpfs has fewer inodes than ten thousand simulated LUNs have files.
        with tempfile.TemporaryDirectory(prefix="lioshell-") as folder:
            found.append(measure(luns, folder, bare=bare))
    met = True
    print(f"{_ACLS} ACLs; Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    print(f"{'':20}{few:>9} LUNs  {many:>9} LUNs")
    print(f"{'':20}{'s':>7}{'CPU s':>7}  {'s':>7}{'CPU s':>7}{'ratio':>7}{'CPU':>7}{'MB':>6}")
    for name, first in found[0].items():
        second = found[1][name]
        ratios = second.elapsed_s / first.elapsed_s, second.cpu_s / first.cpu_s
        if name != "bare":
            met = met and min(ratios) <= _GOAL_GROWTH * many / few
            met = met and second.peak_mb <= _GOAL_MB
        print(
            f"{name:20}{first.elapsed_s:7.1f}{first.cpu_s:7.1f}  {second.elapsed_s:7.1f}"
            f"{second.cpu_s:7.1f}{ratios[0]:7.2f}{ratios[1]:7.2f}{second.peak_mb:6.0f}"
        )
    print("all goals met" if met else "a goal is missed")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
