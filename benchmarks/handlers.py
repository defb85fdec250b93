# SPDX-License-Identifier: Apache-2.0
"""`lioshell exercise` of every subtype, as the table of docs/handlers.md.

    python3 benchmarks/handlers.py                     all that this machine can
    python3 benchmarks/handlers.py ram rbd seconds=2   some, longer
    python3 benchmarks/handlers.py --write             into docs/handlers.md

Ceph, Gluster and an NBD server are started on loopback where their packages are (tests/engines).
The initiator is Python in the same process: compare rows of one run, and not with other tables.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lioshell.runner.handlers import registry  # noqa: E402 - after the path

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = ROOT / "docs" / "handlers.md"
BEGIN, END = "<!-- exercise -->\n", "<!-- end of exercise -->"
SIZE = "64M"
HEAD = (
    "| subtype | checks | verify | 4 KiB read, write: 1 at once | 16 at once | 1 MiB, 4 at once |"
)

Engines = contextlib.ExitStack


def rbd(folder: Path, engines: Engines) -> str:
    """Return an image of a cluster that is started; its OSD keeps its data in memory."""
    module: Any = importlib.import_module("tests.engines.ceph_cluster")
    cluster = engines.enter_context(module.CephCluster(folder, "memstore"))
    return f"rbd/exercise;conf={cluster.conf}"


def glfs(folder: Path, engines: Engines) -> str:
    """Return a file of a volume of one brick that is started."""
    module: Any = importlib.import_module("tests.engines.gluster_volume")
    volume = engines.enter_context(module.GlusterVolume(folder))
    return f"v0@{volume.host}/exercise.img"


def nbd(folder: Path, engines: Engines) -> str:
    """Return an export of a qemu-nbd on a file."""
    module: Any = importlib.import_module("tests.engines.nbd_servers")
    image = folder / "exercise.img"
    image.touch()
    os.truncate(image, 64 << 20)
    server = module.Server.of_qemu(folder, str(image))
    engines.callback(server.kill)
    return str(server.uri)


ENGINES: dict[str, Callable[[Path, Engines], str]] = {"rbd": rbd, "glfs": glfs, "nbd": nbd}


def row(subtype: str, seconds: float) -> str:
    """Exercise a subtype and return its line of the table."""
    missing = registry.unavailable(subtype)
    if missing is not None:
        return f"| `{subtype}` | not on this machine: {missing.why} | | | | |"
    with tempfile.TemporaryDirectory(prefix="handlers-") as name, Engines() as engines:
        words = [f"user:{subtype}"]
        if subtype in ENGINES:
            words.append(ENGINES[subtype](Path(name), engines))
        command = [sys.executable, "-m", "lioshell", "-y", "-o", "json", "exercise", *words]
        done = subprocess.run(
            [*command, f"size={SIZE}", f"seconds={seconds:g}"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        rows = json.loads(done.stdout)["result"]
    except (ValueError, KeyError):
        return f"| `{subtype}` | failed: {done.stderr.strip() or done.stdout.strip()} | | | | |"
    return f"| `{subtype}` | {' | '.join(cells(rows))} |"


def cells(rows: list[dict[str, str]]) -> list[str]:
    """Return checks, verify and the three pairs of figures out of the answer of `exercise`."""
    figures = [row for row in rows if " in flight" in row["part"]]
    verify = next((row["result"] for row in rows if row["part"] == "verify"), "-")
    checks = [row["result"] for row in rows if row not in figures and row["part"] != "verify"]
    counted = {word: checks.count(word) for word in ("ok", "does not apply", "FAILED")}
    told = ", ".join(f"{count} {word}" for word, count in counted.items() if count)
    small = [row["result"].removesuffix("/s") for row in figures if "4.0KiB" in row["part"]]
    large = [row["of"] for row in figures if "1.0MiB" in row["part"]]
    pairs = [", ".join(pair) for pair in (small[:2], small[2:], large)]
    return [told, verify, *pairs]


def main(arguments: list[str]) -> int:
    """Print the table, and with --write put it into the page."""
    seconds = 1.0
    wanted = []
    for word in arguments:
        if word.startswith("seconds="):
            seconds = float(word.removeprefix("seconds="))
        elif word != "--write":
            wanted.append(word)
    lines = [HEAD, "|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for subtype in wanted or registry.names():
        lines.append(row(subtype, seconds))
        print(lines[-1], flush=True)
    if "--write" in arguments:
        text = PAGE.read_text(encoding="utf-8")
        table = f"{BEGIN}\n" + "\n".join(lines) + f"\n\n{END}"
        pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
        PAGE.write_text(re.sub(pattern, lambda _: table, text, flags=re.DOTALL), encoding="utf-8")
    return 1 if any("FAILED" in line or "| failed" in line for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
