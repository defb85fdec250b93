# SPDX-License-Identifier: Apache-2.0
"""Who serves the same kind of disk: lioshell, tcmu-runner, the kernel's fileio, a bare C loop.

Each has several disks on files of its own on tmpfs, each seen through tcm_loop. Peers are made by
plain writes to configfs, so that no tool of theirs has a part in what is measured, and all with the
same limits (hw_max_sectors) that lioshell gives its own disks.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import subprocess
import time
from dataclasses import dataclass, field

FOLDER = "/srv/bench"
TARGET = "/sys/kernel/config/target"
FILE_BYTES = 64 << 20
_WAIT_S = 30.0

OURS = "lioshell"
TCMU_RUNNER = "tcmu-runner"
FILEIO = "fileio"
BARE_C = "C loop"


@dataclass
class Contestant:
    """One that serves: the disks that are its, the processes, and how it is taken away."""

    name: str
    wwn: str
    disks: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    """Folders of storage objects made by hand, in configfs."""


def make_files(name: str, count: int) -> list[str]:
    """Make the files of a contestant, filled, and return their paths."""
    if not os.path.ismount(FOLDER):
        os.makedirs(FOLDER, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90%", "bench", FOLDER], check=True)
    piece = os.urandom(1 << 20)
    paths = [f"{FOLDER}/{name.replace(' ', '')}{number}.img" for number in range(count)]
    for path in paths:
        with open(path, "wb") as file:
            file.writelines(piece for _ in range(FILE_BYTES // len(piece)))
    return paths


def start_service() -> subprocess.Popen[bytes]:
    """Start `lioshell serve` and return once it is ready."""
    reader, writer = os.pipe()
    service = subprocess.Popen(
        ["python3", "-m", "lioshell", "serve", f"--ready-fd={writer}"], pass_fds=(writer,)
    )
    _STARTED.append(service)
    os.close(writer)
    with os.fdopen(reader, "rb") as ready:
        if not ready.read():
            raise OSError(f"lioshell serve ended with {service.wait()}")
    return service


def lioshell(lines: list[str], timeout_s: float = 300) -> str:
    """Run lines in one process of lioshell and return what it printed; raises OSError."""
    done = subprocess.run(
        ["lioshell", "-q", "-y", *(word for line in lines for word in ("-c", line))],
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        raise OSError(f"lioshell ended with {done.returncode}: {done.stderr[-400:]}")
    return done.stdout


def start_ours(count: int) -> Contestant:
    """Disks of user:file, served by `lioshell serve`, as a user makes them."""
    one = Contestant(OURS, "naa.5001405be0000001")
    service = start_service()
    one.pids.append(service.pid)
    lines = [f"/loopback create {one.wwn}"]
    for number, path in enumerate(make_files(one.name, count)):
        size = FILE_BYTES >> 20
        lines.append(f"/backstores/user:file create bench{number} {size}M {path}")
        lines.append(f"/loopback/{one.wwn}/luns create /backstores/user:file/bench{number}")
    lioshell(lines)
    one.disks = [disk_of(one.wwn, lun) for lun in range(count)]
    return one


def start_fileio(count: int, limits: str) -> Contestant:
    """The kernel's own fileio, through the page cache."""
    del limits  # fileio has a limit of its own, 8 MiB a command
    one = Contestant(FILEIO, "naa.5001405be0000002")
    for number, path in enumerate(make_files(one.name, count)):
        control = f"fd_dev_name={path},fd_dev_size={FILE_BYTES},fd_buffered_io=1"
        _make_object(one, f"fileio_900/bench{number}", control)
    _export(one)
    return one


def start_tcmu_runner(count: int, limits: str) -> Contestant:
    """Debian's tcmu-runner, its qcow handler on raw images: what it has for a plain file."""
    one = Contestant(TCMU_RUNNER, "naa.5001405be0000003")
    start_dbus()
    with open("/run/tcmu-runner.out", "wb") as out:
        runner = subprocess.Popen(["tcmu-runner"], stdout=out, stderr=out)
    _STARTED.append(runner)
    one.pids.append(runner.pid)
    _wait_for_dbus_name("org.kernel.TCMUService1", runner)
    for number, path in enumerate(make_files(one.name, count)):
        control = f"dev_config=qcow/{path},dev_size={FILE_BYTES},{limits}"
        _make_object(one, f"user_901/bench{number}", control)
    _export(one)
    return one


def start_bare_c(count: int, limits: str, program: str = "/run/ring_consumer") -> Contestant:
    """The smallest C consumer of the ring, one process a disk; see peers/ring_consumer.c."""
    one = Contestant(BARE_C, "naa.5001405be0000004")
    for number, path in enumerate(make_files(one.name, count)):
        control = f"dev_config=bench/{number},dev_size={FILE_BYTES},{limits},nl_reply_supported=-1"
        _make_object(one, f"user_902/bench{number}", control)
        node = _uio_of(f"tcm-user/902/bench{number}/")
        server = subprocess.Popen([program, node, path], stdout=subprocess.PIPE)
        _STARTED.append(server)
        one.pids.append(server.pid)
        if server.stdout is None or b"serving" not in server.stdout.readline():
            raise OSError(f"{program} ended with {server.wait()}")
    _export(one)
    return one


def start_dbus() -> None:
    """Start the system's message bus, as every machine with tcmu-runner or targetcli has it."""
    os.makedirs("/run/dbus", exist_ok=True)
    if not os.path.exists("/run/dbus/pid"):
        subprocess.run(["dbus-daemon", "--system", "--fork"], check=True)


def stop(one: Contestant) -> None:
    """Take a contestant away: LUNs, target, objects, processes, files."""
    if one.name == OURS:
        lioshell(
            [
                f"/loopback delete {one.wwn}",
                *(f"/backstores/user:file delete bench{n}" for n in range(len(one.disks))),
            ]
        )
    else:
        tpg = f"{TARGET}/loopback/{one.wwn}/tpgt_1"
        for lun in glob.glob(f"{tpg}/lun/lun_*"):
            os.unlink(f"{lun}/disk")
            os.rmdir(lun)
        write(f"{tpg}/nexus", "NULL")
        os.rmdir(tpg)
        os.rmdir(os.path.dirname(tpg))
        for path in one.objects:
            os.rmdir(path)
        for hba in {os.path.dirname(path) for path in one.objects}:
            os.rmdir(hba)
    for pid in one.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 15)
    for path in glob.glob(f"{FOLDER}/{one.name.replace(' ', '')}*.img"):
        os.unlink(path)


def leave_nothing() -> None:
    """After a failure: take away what is there, and end the processes that were started."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        lioshell(["clearconfig confirm=True"])
    for process in _STARTED:
        process.terminate()
    _STARTED.clear()


_STARTED: list[subprocess.Popen[bytes]] = []


def limits_of_ours() -> str:
    """The control keys that give a peer's device the limits of lioshell's first one."""
    pattern = re.compile(r"user_\d+/bench0$")
    for path in glob.glob(f"{TARGET}/core/user_*/bench0"):
        if pattern.search(path) and not re.search(r"user_90\d", path):
            keys = ("hw_max_sectors", "max_data_area_mb", "data_pages_per_blk")
            return ",".join(f"{key}={_read(f'{path}/attrib/{key}')}" for key in keys)
    raise OSError("lioshell's device is not there")


def _make_object(one: Contestant, name: str, control: str) -> None:
    path = f"{TARGET}/core/{name}"
    os.makedirs(path)
    one.objects.append(path)
    write(f"{path}/control", control)
    write(f"{path}/enable", "1")


def _export(one: Contestant) -> None:
    tpg = f"{TARGET}/loopback/{one.wwn}/tpgt_1"
    os.makedirs(f"{TARGET}/loopback/{one.wwn}")
    os.mkdir(tpg)
    # Another name than the target's own: an initiator of this machine.
    write(f"{tpg}/nexus", f"{one.wwn[:-1]}f")
    for lun, path in enumerate(one.objects):
        os.mkdir(f"{tpg}/lun/lun_{lun}")
        os.symlink(path, f"{tpg}/lun/lun_{lun}/disk")
    one.disks = [disk_of(one.wwn, lun) for lun in range(len(one.objects))]


def disk_of(wwn: str, lun: int) -> str:
    address = _read(f"{TARGET}/loopback/{wwn}/tpgt_1/address")
    for _ in range(int(_WAIT_S * 10)):
        found = glob.glob(f"/sys/bus/scsi/devices/{address}:{lun}/block/*")
        if found and os.path.exists(f"/dev/{os.path.basename(found[0])}"):
            return f"/dev/{os.path.basename(found[0])}"
        time.sleep(0.1)
    raise OSError(f"{wwn} has no disk for LUN {lun}")


def _uio_of(prefix: str) -> str:
    for _ in range(int(_WAIT_S * 10)):
        for name in glob.glob("/sys/class/uio/uio*/name"):
            node = f"/dev/{name.split('/')[-2]}"
            if _read(name).startswith(prefix) and os.path.exists(node):
                return node
        time.sleep(0.1)
    raise OSError(f"no uio device {prefix}")


def _wait_for_dbus_name(name: str, owner: subprocess.Popen[bytes]) -> None:
    question = ["dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus"]
    question += ["/", "org.freedesktop.DBus.NameHasOwner", f"string:{name}"]
    for _ in range(int(_WAIT_S * 2)):
        if owner.poll() is not None:
            raise OSError(f"tcmu-runner ended with {owner.returncode}")
        asked = subprocess.run(question, capture_output=True, text=True)
        if "boolean true" in asked.stdout:
            return
        time.sleep(0.5)
    raise OSError(f"tcmu-runner did not take the name {name}")


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
