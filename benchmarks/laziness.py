# SPDX-License-Identifier: Apache-2.0
"""How many system calls a command makes beside few and beside many other LUNs.

    python3 benchmarks/laziness.py [--kernel] [FEW MANY]

On the simulated kernel, or as root with --kernel on the running one, on which all that it makes
has the name `lazy...` and is removed again. FEW and MANY are 10 and 1000 unless given. `strace -f
-c` counts the calls of whole processes, the interpreter's start included; the operations on
configfs are counted at the port, so that the simulated kernel's own work is told apart. The goals:
the calls differ by at most 2 per cent, the operations not at all, and `ls` of everything makes at
most 40 calls a node.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lioshell.environment import Environment
from lioshell.errors import LioshellError
from lioshell.kernel.open import open_real, open_sim
from lioshell.lio.backstore_create import create_fileio, create_ramdisk
from lioshell.lio.fabrics import Fabric
from lioshell.lio.lock import ChangeLock  # after the path
from lioshell.lio.root import Lio
from lioshell.render.output import Output
from lioshell.service.hosting import Hosting
from lioshell.shell.session import Session
from lioshell.specs import Specs

if TYPE_CHECKING:
    from lioshell.kernel.ports import Kernel

IQN = "iqn.2003-01.com.example:lazy"
TPG = f"/iscsi/{IQN}/tpg1"
PROBE = "lazy-probe"
COMMANDS = {
    "create one ramdisk": f"/backstores/ramdisk create {PROBE} 1M nullio=true",
    "info on it": f"/backstores/ramdisk/{PROBE} info",
    "set two attributes": f"/backstores/ramdisk/{PROBE} set attribute emulate_tas=0 is_nonrot=1",
    "create one LUN": f"{TPG}/luns create /backstores/ramdisk/{PROBE} lun=5000",
    "info on one LUN": f"{TPG}/luns/lun5000 info",
    "info on one target": f"{TPG} info",
    "a conflict": f"{TPG}/luns create /backstores/ramdisk/{PROBE}",
    "delete one LUN": f"{TPG}/luns delete lun5000",
    "create it again": f"{TPG}/luns create /backstores/ramdisk/{PROBE} lun=5000",
    "create one fileio": f"/backstores/fileio create {PROBE} {{folder}}/probe.img 1M",
    "delete one fileio": f"/backstores/fileio delete {PROBE}",
    "delete an exported one": f"/backstores/ramdisk delete {PROBE}",
}
LS = "ls"
_GOAL_DIFFERENCE = 0.02
_GOAL_CALLS_A_NODE = 40.0


class CountingConfigfs:
    """A configfs port whose operations are counted by name."""

    def __init__(self, configfs: Any) -> None:
        self._configfs = configfs
        self.counts: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._configfs, name)
        if not callable(found):
            return found

        def counted(*arguments: Any, **named: Any) -> Any:
            self.counts[name] += 1
            return found(*arguments, **named)

        return counted


def populate(lio: Lio, count: int, folder: object) -> None:
    """Make `count` ramdisks, each a LUN of one iSCSI target with two ACLs, and a fileio object."""
    os.makedirs(lio.kernel.run_dir, exist_ok=True)
    tpg = Fabric(lio, lio.specs.fabric("iscsi")).create_target(IQN).create_tpg(1)
    for number in range(count):
        made = create_ramdisk(lio, f"lazy{number}", 1 << 20, nullio=True)
        tpg.create_lun(made, number)
    for initiator in ("one", "two"):
        tpg.create_acl(f"iqn.1994-05.com.example:{initiator}")
    create_fileio(lio, "lazy-file", f"{folder}/other.img", 1 << 20)


def clear(lio: Lio, count: int) -> None:
    """Remove what `populate` made."""
    from lioshell.lio.backstores import find_storage_object

    Fabric(lio, lio.specs.fabric("iscsi")).target(IQN).delete()
    for number in range(count):
        find_storage_object(lio, "ramdisk", f"lazy{number}").delete()
    find_storage_object(lio, "fileio", "lazy-file").delete()


def operations(kernel: Kernel, specs: Specs, line: str) -> Counter[str]:
    """Run a line in this process and return the operations on configfs, by name."""
    counting = CountingConfigfs(kernel.configfs)
    session = session_on(kernel._replace(configfs=counting), specs)
    # One of the commands is refused: that shall cost no more either.
    with contextlib.suppress(LioshellError):
        session.run_line(line)
    return counting.counts


def session_on(kernel: Kernel, specs: Specs, *, dry_run: bool = False) -> Session:
    """Return a session whose answers nobody reads."""
    env = Environment(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO())
    return Session(
        env,
        Lio(kernel, specs, dry_run=dry_run),
        Output(env),
        Hosting(kernel, lambda: None),
        saveconfig_path=os.devnull,
        lock=ChangeLock(kernel.run_dir),
    )


def calls(options: list[str], line: str) -> tuple[int, int]:
    """Run a line as a process of its own; return its system calls and the lines it printed."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        command = ["strace", "-f", "-c", "-o", file.name, sys.executable, "-m", "lioshell"]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path[:1])
        done = subprocess.run(
            [*command, *options, "-c", line], capture_output=True, env=environment, check=False
        )
        if done.returncode not in (0, 3):
            raise SystemExit(f"{line}: {done.stderr.decode()}")
        total = next(row.split() for row in file if row.rstrip().endswith("total"))
    # The columns: % time, seconds, usecs/call, calls, errors, syscall; some are empty.
    return int(total[3] if len(total) > 4 else total[-2]), len(done.stdout.splitlines())


class Figures(NamedTuple):
    """What was counted beside one number of other LUNs."""

    calls: dict[str, int]
    operations: dict[str, Counter[str]]
    ls_calls: int
    ls_nodes: int


def measure(kernel: Kernel, specs: Specs, options: list[str], count: int, folder: str) -> Figures:
    """Count everything beside `count` LUNs."""
    lio = Lio(kernel, specs)
    lines = {name: line.format(folder=folder) for name, line in COMMANDS.items()}
    populate(lio, count, folder)
    try:
        for line in lines.values():
            # Bytecode, parsed specs, the first look at what others made: once for all.
            calls(options, line)
        counted = {name: calls(options, line)[0] for name, line in lines.items()}
        found = {name: operations(kernel, specs, line) for name, line in lines.items()}
        ls_calls, ls_nodes = calls(options, LS)
    finally:
        clear(lio, count)
    return Figures(counted, found, ls_calls, ls_nodes)


def main(arguments: list[str]) -> int:
    """Print the table and return 1 where a goal is missed."""
    if shutil.which("strace") is None:
        print("strace is missing: apt-get install strace", file=sys.stderr)
        return 6
    real = "--kernel" in arguments
    few, many = (int(a) for a in [a for a in arguments if a != "--kernel"] or ("10", "1000"))
    specs = Specs()
    found = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lioshell-"))
        for count in (few, many):
            sim = f"{folder}/{count}"
            kernel = open_real() if real else open_sim(sim, specs)
            kernel.system.prepare()
            options = [] if real else [f"--sim={sim}"]
            found.append(measure(kernel, specs, options, count, folder))
    return report(found[0], found[1], few, many)


def report(first: Figures, second: Figures, few: int, many: int) -> int:
    """Print what was counted beside few and beside many, and tell of missed goals."""
    met = True
    print(f"{'':23} {'system calls':^24}  {'operations on configfs':^22}")
    print(f"{'beside other LUNs':23} {few:>8} {many:>8} {'':>6}  {few:>8} {many:>8}")
    for name in COMMANDS:
        one, two = first.calls[name], second.calls[name]
        before, after = first.operations[name], second.operations[name]
        met = met and abs(two / one - 1) <= _GOAL_DIFFERENCE and before == after
        print(
            f"{name:23} {one:8} {two:8} {100 * (two / one - 1):+5.1f}%  "
            f"{before.total():8} {after.total():8}"
        )
        for operation in sorted((after - before) + (before - after)):
            print(f"{'':12} {operation}: {before[operation]} and {after[operation]}")
    a_node = second.ls_calls / second.ls_nodes
    met = met and a_node <= _GOAL_CALLS_A_NODE
    print(f"ls: {second.ls_calls} calls, {second.ls_nodes} nodes: {a_node:.1f} a node")
    print("all goals met" if met else "a goal is missed")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
