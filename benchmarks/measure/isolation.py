# SPDX-License-Identifier: Apache-2.0
"""What must not disturb what, inside the machine: each thing with and without the other.

python3 -m benchmarks.measure.isolation OUT ROUNDS SECONDS [short]
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import contestants, control
from benchmarks.measure import isolation_table as names
from benchmarks.measure.fio import Load, command, parse, process_times_s, run
from benchmarks.measure.samples import Recorder
from benchmarks.measure.typist import Typist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WWN = "naa.5001405be0000005"
NODE_LUNS = 250
"""Each is four nodes: a storage object, a LUN, two mapped LUNs."""
IDLE_DEVICES = 100
IDLE_S = 20.0
_SETTLE_S = 15.0
_SLOW_MIB = 40
ONE = Load("randread", 4096, 1)
MANY = Load("randread", 4096, 16)
SECOND_CPU = "/sys/devices/system/cpu/cpu1/online"
HOG = """\
import time
end = time.monotonic() + {seconds}
turns = 0
while time.monotonic() < end:
    turns += sum(range(200)) and 1
print(turns)
"""


def busy_session(recorder: Recorder, rounds: int, seconds: float, short: bool) -> None:
    """The latency of a disk that an interactive session serves, while it shows a long listing."""
    luns = 10 if short else NODE_LUNS
    small = "/run/bench-nodes.json"
    with open(small, "w", encoding="utf-8") as file:
        json.dump(control.saved(luns), file)
    contestants.lioshell([f"restoreconfig {small}"])
    path = contestants.make_files("session", 1)[0]
    typist = Typist()
    try:
        typist.type("set global pager=false confirm_destructive=false", r"/>")
        size = contestants.FILE_BYTES >> 20
        typist.type(f"/backstores/user:file create session {size}M {path}", "served by this")
        typist.type(f"/loopback create {WWN}", r"Created target")
        typist.type(f"/loopback/{WWN}/luns create /backstores/user:file/session", "LUN 0 is")
        disk = contestants.disk_of(WWN, 0)
        # Without a pause an answer to "create" would be taken for the one to "ls".
        time.sleep(2)
        for figure, order in (
            (names.SESSION, ""),
            (names.GIVEN, "/backstores/user:file/session serve service"),
        ):
            if order:
                typist.type(order, r"is served by")
                time.sleep(2)
            measured = partial(run, ONE, [disk], seconds * 2)
            for number in range(rounds):
                _sample(recorder, figure, names.IDLE, number, measured)
                _listing(recorder, figure, number, typist, luns, measured)
        typist.type(f"/loopback delete {WWN}", "eleted")
        typist.type("/backstores/user:file delete session", "eleted")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(typist.pid, signal.SIGKILL)
        os.waitpid(typist.pid, 0)
        contestants.lioshell(["clearconfig confirm=True"])
        # The service that was started for the disk.
        subprocess.run(["pkill", "-TERM", "-f", "lioshell serve"], check=False)


def _listing(
    recorder: Recorder,
    figure: str,
    number: int,
    typist: Typist,
    luns: int,
    measured: Callable[[], dict[str, float]],
) -> None:
    """Measure while the session lists all that it has, again and again."""
    typist.repeat("ls", r"o- ", 4 * luns)
    values: dict[str, float] = {}
    with contextlib.suppress(ValueError):
        values = measured()
    listings = typist.rest()
    if values and listings:
        recorder.add(figure, names.LISTING, number, listings=listings, **values)
    else:
        recorder.fail(figure, names.LISTING, number, "no listing in that time")


def idle_service(recorder: Recorder, rounds: int, seconds: float, short: bool) -> None:
    """The processor time of a service with a hundred disks that nobody uses."""
    del seconds
    count = 5 if short else IDLE_DEVICES
    service = contestants.start_service()
    create = "/backstores/user:file create idle{0} 1M " + f"{contestants.FOLDER}/idle{{0}}.img"
    contestants.lioshell([create.format(number) for number in range(count)])
    # The threads that opened the disks end by themselves after a while.
    time.sleep(3 if short else _SETTLE_S)
    for number in range(rounds):
        before, woken = sum(process_times_s(service.pid)), wakeups(service.pid)
        began = time.monotonic()
        time.sleep(3 if short else IDLE_S)
        passed = time.monotonic() - began
        spent = (sum(process_times_s(service.pid)) - before) / passed
        recorder.add(
            names.SERVICE,
            names.IDLE,
            number,
            percent=100 * spent,
            wakeups=woken_since(woken, wakeups(service.pid)) / passed,
        )
    contestants.lioshell(["clearconfig confirm=True"])
    _end(service)


def wakeups(pid: int) -> dict[str, int]:
    """How often each thread of a process has waited and been woken up to now."""
    counts = {}
    for status in glob.glob(f"/proc/{pid}/task/*/status"):
        with contextlib.suppress(ProcessLookupError), open(status, encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("voluntary_")]
            counts[status] = int(lines[0].split()[1])
    return counts


def woken_since(before: dict[str, int], now: dict[str, int]) -> int:
    """How often the threads that still live were woken; what ended in between is not counted."""
    return sum(count - before.get(thread, 0) for thread, count in now.items())


def one_processor(recorder: Recorder, rounds: int, seconds: float, short: bool) -> None:
    """How much a computing program gets on one processor, beside an idle and a busy runner."""
    del short
    two = os.path.exists(SECOND_CPU)
    if two:
        contestants.write(SECOND_CPU, "0")
    ours = contestants.start_ours(1)
    bare = contestants.start_bare_c(1, contestants.limits_of_ours())
    try:
        for number in range(rounds):
            alone = _hog(seconds * 2)
            recorder.add(names.HOG, names.IDLE, number, turns=alone)
            for who, one in ((names.OURS_BUSY, ours), (names.BARE_BUSY, bare)):
                load = subprocess.Popen(
                    command(ONE, one.disks, seconds * 2 + 2), stdout=subprocess.PIPE, text=True
                )
                time.sleep(1.5)
                before = sum(process_times_s(one.pids[0]))
                turns = _hog(seconds * 2)
                spent = (sum(process_times_s(one.pids[0])) - before) / (seconds * 2)
                values = parse(load.communicate()[0])
                recorder.add(names.HOG, who, number, turns=turns, percent=100 * spent, **values)
            os.kill(ours.pids[0], signal.SIGSTOP)
            recorder.add(names.HOG, names.NO_RUNNER, number, turns=_hog(seconds * 2))
            os.kill(ours.pids[0], signal.SIGCONT)
    finally:
        contestants.stop(ours)
        contestants.stop(bare)
        if two:
            contestants.write(SECOND_CPU, "1")


def slow_storage(recorder: Recorder, rounds: int, seconds: float, short: bool) -> None:
    """One disk while another one, of the same process, lies on storage that is slow or hangs."""
    del short
    with _delayed_file() as path:
        ours = contestants.start_ours(1)
        wwn = f"{WWN[:-1]}6"
        contestants.lioshell(
            [
                f"/backstores/user:file create slow {_SLOW_MIB}M {path}",
                f"/loopback create {wwn}",
                f"/loopback/{wwn}/luns create /backstores/user:file/slow",
            ]
        )
        slow = contestants.disk_of(wwn, 0)
        try:
            for number in range(rounds):
                for load in (ONE, MANY):
                    figure = names.other_storage(load)
                    measured = partial(run, load, ours.disks, seconds, ours.pids)
                    _sample(recorder, figure, names.IDLE, number, measured)
                    with _loaded(slow):
                        _sample(recorder, figure, names.SLOW, number, measured)
                    with _loaded(slow, hanging=True):
                        _sample(recorder, figure, names.HANGING, number, measured)
        finally:
            contestants.lioshell([f"/loopback delete {wwn}", "/backstores/user:file delete slow"])
            contestants.stop(ours)


@contextlib.contextmanager
def _delayed_file() -> Iterator[str]:
    """A file on ext4 on a device that answers reads after a fifth of a second (dm-delay)."""
    image = contestants.make_files("delayed", 1)[0]
    subprocess.run(["modprobe", "-a", "loop", "dm-delay"], check=True)
    subprocess.run(["udevadm", "settle"])
    loop = _told(["losetup", "--show", "-f", image])
    # Made while nothing is slow yet.
    _told(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", loop])
    os.makedirs("/mnt/slow", exist_ok=True)
    _told(["mount", loop, "/mnt/slow"])
    with open("/mnt/slow/slow.img", "wb") as file:
        file.write(os.urandom(_SLOW_MIB << 20))
    _told(["umount", "/mnt/slow"])
    table = f"0 {contestants.FILE_BYTES // 512} delay {loop} 0 200 {loop} 0 0"
    _told(["dmsetup", "create", "slow", "--table", table])
    _told(["mount", "/dev/mapper/slow", "/mnt/slow"])
    try:
        yield "/mnt/slow/slow.img"
    finally:
        _told(["umount", "/mnt/slow"])
        _told(["dmsetup", "remove", "--retry", "slow"])
        _told(["losetup", "-d", loop])


def _told(command: list[str]) -> str:
    """Run a command and return what it printed; OSError has what it complained about."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout.strip()


@contextlib.contextmanager
def _loaded(disk: str, *, hanging: bool = False) -> Iterator[None]:
    """Sixteen random reads in flight on the slow disk, of what the page cache does not hold."""
    contestants.write("/proc/sys/vm/drop_caches", "1")
    if hanging:
        subprocess.run(["dmsetup", "suspend", "--noflush", "--nolockfs", "slow"], check=True)
    load = subprocess.Popen(command(MANY, [disk], 600), stdout=subprocess.DEVNULL)
    try:
        time.sleep(1.5)
        yield
    finally:
        load.send_signal(signal.SIGINT)
        if hanging:
            subprocess.run(["dmsetup", "resume", "slow"], check=True)
        load.wait(60)


def _hog(seconds: float) -> float:
    """Compute for so long, and return how far that came, turns a second."""
    words = [sys.executable, "-S", "-c", HOG.format(seconds=seconds)]
    return int(subprocess.run(words, capture_output=True, check=True).stdout) / seconds


def _sample(
    recorder: Recorder,
    figure: str,
    who: str,
    number: int,
    measured: Callable[[], dict[str, float]],
) -> None:
    try:
        values = measured()
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        recorder.fail(figure, who, number, str(error))
    else:
        recorder.add(figure, who, number, **values)


def _end(service: subprocess.Popen[bytes]) -> None:
    service.terminate()
    service.wait(30)


PIECES = (busy_session, idle_service, one_processor, slow_storage)


def main(out: str, rounds: int, seconds: float, short: bool) -> None:
    """Run the pieces one after the other; one that fails is told of, and the next one runs."""
    subprocess.run(["modprobe", "-a", "target_core_user", "target_core_file", "tcm_loop"])
    with open(out, "a", encoding="utf-8") as file:
        recorder = Recorder(file)
        for piece in PIECES:
            print(f"--- {piece.__name__}", flush=True)
            try:
                piece(recorder, rounds, seconds, short)
            except (OSError, subprocess.SubprocessError) as error:
                recorder.fail(piece.__name__, contestants.OURS, 0, str(error))
                contestants.leave_nothing()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), "short" in sys.argv[4:])
