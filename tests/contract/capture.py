# SPDX-License-Identifier: Apache-2.0
"""Dumps of configfs, step by step: what the kernel shows after each operation of a script.

The same code runs on a real kernel, where tests/kernel/capture.py keeps what it saw in
tests/data/captures, and on the simulated one, whose dumps are compared with those.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lioshell.errors import HostError, KernelError
from lioshell.kernel.sim.configfs import SimConfigfs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lioshell.kernel.ports import ConfigfsPort, Kernel

CAPTURES = Path(__file__).resolve().parents[1] / "data" / "captures"
RECORDED = CAPTURES / "linux-6.1"

Entry = tuple[str, str, str]
"""Kind (dir, file, link), mode in octal, and content: a text, "!" and an errno, or a target."""

OF_THE_MACHINE = (
    (r"(^|/)version$", "release of the kernel, architecture, build"),
    (r"^dbroot$", "rtslib sets it, where it ran since the boot"),
    (r"^iscsi/cpus_allowed_list$", "number of CPUs"),
    (r"/creation_time$|/last_fail_time$", "uptime of the kernel"),
    (r"^loopback/[^/]+/[^/]+/address$", "number of the SCSI host"),
    (r"^loopback/.*/(in_cmds|num_cmds|hs_in_cmds)$", "commands of the scan of the disk"),
    (r"^core/.*/scsi_lu/(num_cmds|read_mbytes)$", "commands of the scan of the disk"),
    (r"^core/(iblock|pscsi)_[^/]+/[^/]+/info$", "name and number of the disk"),
    (r"^core/pscsi_[^/]+/[^/]+/(wwn/|attrib/hw_|statistics/scsi_lu/)", "what the disk says"),
)
"""Patterns of paths whose content tells of the machine and not of LIO, with the reason."""

_OF_THE_SESSION = (
    (re.compile(r"/info$"), re.compile(r"(?<=InitiatorAlias: ).*")),
    (re.compile(r"/info$"), re.compile(r"(?<=LIO Session ID: )\d+   ISID: .*?  TSIH: \d+")),
    (re.compile(r"/info$"), re.compile(r"(?<=0x)[0-9a-f]{8}")),
    (re.compile(r"/port_ident$"), re.compile(r"(?<=\+i\+)[0-9a-f]{12}")),
)
"""Parts of a text that the initiator chooses, or that count what was sent: shown as "*"."""

_COUNTERS = (
    ("hba", re.compile(r"/hba_info$"), re.compile(r"(?<=HBA Index: )\d+")),
    ("hba", re.compile(r"^core/.*/statistics/\w+/inst$"), re.compile(r"^\d+")),
    ("hba", re.compile(r"/lun/[^/]+/statistics/\w+/inst$"), re.compile(r"^\d+")),
    ("device", re.compile(r"^core/.*/scsi_(tgt_)?dev/indx$"), re.compile(r"^\d+")),
    ("device", re.compile(r"^core/.*/scsi_lu/dev$"), re.compile(r"^\d+")),
    ("device", re.compile(r"/lun/[^/]+/statistics/\w+/dev$"), re.compile(r"^\d+")),
    ("device", re.compile(r"/lun/.*/scsi_port/role$"), re.compile(r"(?<=Device)\d+")),
    ("device", re.compile(r"/acls/.*/scsi_(auth_intr|att_intr_port)/dev$"), re.compile(r"^\d+")),
    ("acl", re.compile(r"/acls/.*/scsi_auth_intr/indx$"), re.compile(r"^\d+")),
    ("acl", re.compile(r"/acls/.*/scsi_att_intr_port/port_auth_indx$"), re.compile(r"^\d+")),
)
"""Numbers that the kernel counts up from boot on: shown as the distance from a probe's, or from
the first one that is seen."""

_OF_THE_MACHINE = re.compile("|".join(f"({pattern})" for pattern, _ in OF_THE_MACHINE))
_PROBE = "core/rd_mcp_9999"


class Initiators(Protocol):
    """Initiators of iSCSI targets on 127.0.0.1: open-iscsi's, or simulated ones."""

    def login(self, initiator: str, target: str, user: str = "", password: str = "") -> bool:
        """Log an initiator in, without a scan for disks; False: the target refused."""

    def logout(self, initiator: str, target: str) -> None:
        """End a session, also one that the target has ended already."""


class Step(NamedTuple):
    """One line of a script: mkdir, rmdir, write, link, unlink, load, login, logout."""

    verb: str
    path: str
    value: str = ""


def scripts() -> list[str]:
    """Return the names of all scripts."""
    return sorted(path.stem for path in (CAPTURES / "scripts").glob("*.script"))


def recorded(name: str) -> list[dict[str, Any]]:
    """Return what a real kernel did with a script, as `play` yields it."""
    text = (RECORDED / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def record(name: str, records: Iterable[dict[str, Any]]) -> None:
    """Keep what a real kernel did with a script."""
    RECORDED.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{json.dumps(entry)}\n" for entry in records)
    (RECORDED / f"{name}.jsonl").write_text(text, "utf-8")


def steps(name: str) -> list[Step]:
    """Return the steps of tests/data/captures/scripts/NAME.script.

    A line is `VERB PATH [REST]`; REST may hold \\n. `$X=TEXT` lines define what stands for $X.
    After a verb with "-" in front nothing is dumped: what it changes is shown with the next step.
    """
    found = []
    words: dict[str, str] = {}
    text = (CAPTURES / "scripts" / f"{name}.script").read_text("utf-8")
    for line in text.splitlines():
        name, is_definition, rest = line.partition("=")
        if is_definition and re.fullmatch(r"\$[A-Z]+", name):
            words[name] = rest
            continue
        line = re.sub(r"\$[A-Z]+", lambda found: words.get(found[0], found[0]), line)
        if not line or line.startswith("#"):
            continue
        verb, _, rest = line.partition(" ")
        path, _, value = rest.partition(" ")
        found.append(Step(verb, path, value.replace("\\n", "\n")))
    return found


def play(
    kernel: Kernel, name: str, here: Mapping[str, str], initiators: Initiators
) -> Iterator[dict[str, Any]]:
    """Do the steps of a script, and yield for each what it answered and what it changed.

    `here` replaces words of the script by this machine's files and disks, both ways. The first
    record holds the whole tree as it was. The tree is left as the script leaves it.
    """
    configfs = kernel.configfs
    base = _probe(configfs)
    before = snapshot(configfs, base, here)
    yield {"tree": before}
    for step in steps(name):
        answer = _do(kernel, step._replace(verb=step.verb.lstrip("-")), here, initiators)
        if step.verb.startswith("-"):
            yield {"do": list(step), "is": answer}
            continue
        after = snapshot(configfs, base, here)
        changed = {path: list(entry) for path, entry in after.items() if before.get(path) != entry}
        gone = sorted(path for path in before if path not in after)
        before = after
        yield {"do": list(step), "is": answer, "changed": changed, "gone": gone}


def snapshot(
    configfs: ConfigfsPort, base: dict[str, int], here: Mapping[str, str]
) -> dict[str, Entry]:
    """Return every folder, file and link below `target`, but for what tells of the machine."""
    found = {}
    for folder, folders, files in os.walk(configfs.location):
        folders.sort()
        for name in sorted((*folders, *files)):
            if name == ".state":
                continue
            full = f"{folder}/{name}"
            path = os.path.relpath(full, configfs.location)
            kind, mode, content = _entry(configfs, full, path)
            for word, mine in here.items():
                content = content.replace(mine, word)
            found[path] = (kind, mode, _counted(path, _masked(path, content), base))
    return found


def _entry(configfs: ConfigfsPort, full: str, path: str) -> Entry:
    mode = os.lstat(full).st_mode
    bits = f"{stat.S_IMODE(mode):04o}"
    if stat.S_ISLNK(mode):
        return ("link", bits, os.readlink(full))
    if stat.S_ISDIR(mode):
        return ("dir", bits, "")
    if not mode & stat.S_IRUSR:
        return ("file", bits, "")
    try:
        if isinstance(configfs, SimConfigfs):
            # What the simulated kernel refuses to show is an empty file.
            configfs.read(path)
        with open(full, "rb", buffering=0) as file:
            content = file.read()
    except (KernelError, OSError) as error:
        return ("file", bits, f"!{errno.errorcode[error.errno or 0]}")
    return ("file", bits, "*" if _OF_THE_MACHINE.search(path) else content.decode())


def _masked(path: str, content: str) -> str:
    for where, what in _OF_THE_SESSION:
        if where.search(path):
            content = what.sub("*", content)
    return content


def _counted(path: str, content: str, base: dict[str, int]) -> str:
    """Show a number that counts from boot on as its distance from the first, 0 as it is."""
    for counter, where, number in _COUNTERS:
        found = number.search(content) if where.search(path) else None
        if found:
            first = base.setdefault(counter, int(found[0]))
            shown = max(int(found[0]) - first, 0)
            content = f"{content[: found.start()]}{shown}{content[found.end() :]}"
    return content


def _probe(configfs: ConfigfsPort) -> dict[str, int]:
    """Make an object and remove it, and return the numbers that the kernel gave it."""
    device = f"{_PROBE}/probe"
    configfs.mkdir(_PROBE)
    configfs.mkdir(device)
    configfs.write(f"{device}/control", "rd_pages=1")
    configfs.write(f"{device}/enable", "1")
    statistics = f"{device}/statistics/scsi_dev"
    numbers = {
        "hba": int(configfs.read(f"{statistics}/inst")),
        "device": int(configfs.read(f"{statistics}/indx")),
    }
    configfs.rmdir(device)
    configfs.rmdir(_PROBE)
    return numbers


def _do(kernel: Kernel, step: Step, here: Mapping[str, str], initiators: Initiators) -> str:
    value = step.value
    for word, mine in here.items():
        value = value.replace(word, mine)
    configfs = kernel.configfs
    try:
        if step.verb == "load":
            kernel.system.load_module(step.path)
        elif step.verb == "write":
            configfs.write(step.path, value)
        elif step.verb == "link":
            configfs.symlink(step.path, value)
        elif step.verb == "login":
            target, *credentials = value.split()
            return "ok" if initiators.login(step.path, target, *credentials) else "refused"
        elif step.verb == "logout":
            initiators.logout(step.path, value)
        elif step.verb in ("mkdir", "rmdir", "unlink"):
            getattr(configfs, step.verb)(step.path)
        else:
            raise AssertionError(f"unknown step: {step}")
    except KernelError as error:
        return errno.errorcode[error.errno]
    except HostError:
        return "no module"
    return "ok"
