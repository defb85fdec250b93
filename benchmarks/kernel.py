# SPDX-License-Identifier: Apache-2.0
"""lioshell beside its peers on a real kernel: one boot of the virtual machine, medians of rounds.

    python3 benchmarks/kernel.py [PART...] [--rounds N] [--short] [--write]

Parts, all of them by default: data (fio on tcm_loop: tcmu-runner, the kernel's fileio, the
smallest C consumer of the ring), four-disks (the same on four at once), control (restore, save,
ls ...: targetcli and targetctl, a bare script), isolation (a busy session, an idle service, one
processor, slow storage). Samples are kept as they come, in ~/.cache/lioshell/benchmarks/PART.jsonl:
--table shows what is there without measuring, --write puts the tables into docs/performance.md.
Nothing asserts on seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import ring_consumer  # noqa: E402 - after the path
from benchmarks.measure import document, samples  # noqa: E402 - the same
from tests.kernel.vm import Guest, VmError, ensure_image  # noqa: E402 - the same
from tests.kernel.vm.machine import machines_to_try  # noqa: E402 - the same

if TYPE_CHECKING:
    from benchmarks.measure.document import About
    from tests.kernel.vm import Background

PARTS = {
    "data": ["benchmarks.measure.data"],
    "four-disks": ["benchmarks.measure.data", "four"],
    "control": ["benchmarks.measure.control"],
    "isolation": ["benchmarks.measure.isolation"],
}
"""The module of each part, with words of its own."""
MOST_S = 1500.0
"""After so long a part is ended; what it has measured is kept."""
_POLL_S = 1.0


def main() -> int:
    """Do what the words ask for, and return the code to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a run of fio")
    parser.add_argument("--short", action="store_true", help="a few figures, to see that it works")
    parser.add_argument("--table", action="store_true", help="measure nothing, show what is kept")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--results", type=Path, default=_cache(), metavar="FOLDER")
    words = parser.parse_args()
    parts = words.parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {' '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    words.results.mkdir(parents=True, exist_ok=True)
    left = [] if words.table else list(parts)
    while left:
        try:
            _boot(left, words)
        except VmError as error:
            # The guest died, or could not be had: what was measured until then is kept.
            _say(f"error: {error}")
            return 1
    text = "\n".join(_table(words.results, part) for part in parts)
    print(text)
    if words.write:
        for part in parts:
            document.replace(ROOT / "docs" / "performance.md", part, _table(words.results, part))
    return 0


def _boot(left: list[str], words: argparse.Namespace) -> None:
    """Measure part after part in one boot; one that fails is the last of it, as it left things."""
    with Guest.boot(ensure_image(say=_say), say=_say) as guest:
        guest.push_project()
        ring_consumer.build_program(str(guest.share / "ring_consumer"))
        guest.run("cp /share/ring_consumer /run/ && chmod 755 /run/ring_consumer", check=True)
        good = True
        while left and good:
            good = _measure(guest, left.pop(0), words)


def _measure(guest: Guest, part: str, words: argparse.Namespace) -> bool:
    """Run a part in the guest, copy its samples as they come, tell whether it ended well."""
    kept = words.results / f"{part}.jsonl"
    shared = guest.share / f"{part}.jsonl"
    shared.touch()
    kept.write_text(json.dumps(vars(_about(guest, words.rounds))) + "\n")
    module, *own = PARTS[part]
    command = ["python3", "-u", "-m", module, f"/share/{part}.jsonl", str(words.rounds)]
    command += [f"{words.seconds:g}", *(["short"] if words.short else []), *own]
    job = guest.start(command, cwd="/srv/lioshell", env={"PYTHONPATH": "/srv/lioshell"})
    began = time.monotonic()
    done = 0
    while time.monotonic() - began < MOST_S:
        code = job.poll()
        done += _copy(shared, kept, done)
        if code is not None:
            break
        time.sleep(_POLL_S)
    good = _end(job, part)
    _say(f"{part}: {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}")
    return good


def _copy(source: Path, target: Path, done: int) -> int:
    """Append the whole lines after the first `done` bytes, and return how many bytes they have."""
    with source.open("rb") as file:
        file.seek(done)
        new = file.read()
    new = new[: new.rfind(b"\n") + 1]
    with target.open("ab") as file:
        file.write(new)
    for sample in samples.parse(new.decode().splitlines(keepends=True)):
        shown = ", ".join(f"{name} {value:.4g}" for name, value in sample.values.items())
        _say(f"{sample.round} {sample.figure:34} {sample.contestant:14} {shown or sample.failed}")
    return len(new)


def _end(job: Background, part: str) -> bool:
    if job.poll() is None:
        _say(f"{part}: ended after {MOST_S:g} s")
    result = job.kill()
    if result is None or result.rc:
        _say(f"{part}: {result or 'hangs in the kernel'}")
        return False
    _say(result.stdout)
    return True


def _about(guest: Guest, rounds: int) -> About:
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "describe", "--always", "--dirty"], capture_output=True, text=True
    ).stdout.strip()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return document.About(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=commit,
        machine=f"{os.cpu_count()} x {models[0] if models else platform.machine()}, {_emulated()}",
        guest=f"Linux {guest.kernel_release}, Python {guest.python_version}",
        load=f"{os.getloadavg()[0]:.1f}",
        rounds=rounds,
    )


def _emulated() -> str:
    machine = machines_to_try()[0]
    return f"-cpu {machine.cpu}" if machine.accelerator == "tcg" else machine.accelerator


def _table(folder: Path, part: str) -> str:
    kept = folder / f"{part}.jsonl"
    if not kept.exists():
        return f"No samples of {part} yet.\n"
    first, *lines = kept.read_text().splitlines(keepends=True)
    about = document.About(**json.loads(first))
    return document.part_table(part, about, samples.Results(samples.parse(lines)))


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "lioshell" / "benchmarks"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
