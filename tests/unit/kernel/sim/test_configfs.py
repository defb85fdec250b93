# SPDX-License-Identifier: Apache-2.0
"""The simulated configfs: locking, crashes, faults, specs of one's own, and what cat shows."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lioshell.errors import KernelError
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.faults import Faults
from lioshell.kernel.sim.system import SimSystem
from lioshell.specs import Specs, default_folders

ROOT = Path(__file__).parents[4]
SPECS = Specs(cache_folder="")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    sim = str(tmp_path / "sim")
    SimSystem(sim, SPECS).prepare()
    return sim


def make(configfs: SimConfigfs) -> None:
    """Make a small configuration: an exported ramdisk."""
    for path in ("core/rd_mcp_0", "core/rd_mcp_0/r"):
        configfs.mkdir(path)
    configfs.write("core/rd_mcp_0/r/control", "rd_pages=16")
    configfs.write("core/rd_mcp_0/r/enable", "1")
    for path in ("iscsi", "iscsi/iqn.x", "iscsi/iqn.x/tpgt_1", "iscsi/iqn.x/tpgt_1/lun/lun_0"):
        configfs.mkdir(path)
    configfs.symlink("core/rd_mcp_0/r", "iscsi/iqn.x/tpgt_1/lun/lun_0/l")


def unmake(configfs: SimConfigfs) -> None:
    configfs.unlink("iscsi/iqn.x/tpgt_1/lun/lun_0/l")
    for path in (
        *("iscsi/iqn.x/tpgt_1/lun/lun_0", "iscsi/iqn.x/tpgt_1", "iscsi/iqn.x", "iscsi"),
        *("core/rd_mcp_0/r", "core/rd_mcp_0"),
    ):
        configfs.rmdir(path)


def tree(configfs: SimConfigfs) -> set[str]:
    return {
        os.path.relpath(f"{folder}/{name}", configfs.location)
        for folder, folders, files in os.walk(configfs.location)
        for name in (*folders, *files)
        if name != ".state"
    }


def test_plain_tools_see_the_same(folder: str) -> None:
    configfs = SimConfigfs(folder, SPECS)
    make(configfs)
    device = f"{folder}/config/target/core/rd_mcp_0/r"
    assert sorted(configfs.listdir("core/rd_mcp_0/r")) == sorted(
        name for name in os.listdir(device) if name != ".state"
    )
    assert Path(f"{device}/enable").read_text() == "1\n"
    link = f"{folder}/config/target/iscsi/iqn.x/tpgt_1/lun/lun_0/l"
    assert os.path.samefile(link, device)


def test_removal_leaves_nothing(folder: str) -> None:
    configfs = SimConfigfs(folder, SPECS)
    before = tree(configfs)
    make(configfs)
    assert before < tree(configfs)
    unmake(configfs)
    assert tree(configfs) == before


def test_faults_count_the_changes(folder: str) -> None:
    faults = Faults()
    make(SimConfigfs(folder, SPECS, faults))
    assert [operation for operation, _ in faults.operations] == [
        *("mkdir", "mkdir", "write", "write", "mkdir", "mkdir", "mkdir", "mkdir", "symlink"),
    ]


@pytest.mark.parametrize("nth", range(1, 10))
def test_a_failed_change_changes_nothing(folder: str, nth: int) -> None:
    faults = Faults(nth, errno.ENOSPC)
    configfs = SimConfigfs(folder, SPECS, faults)
    with pytest.raises(KernelError) as caught:
        make(configfs)
    assert caught.value.errno == errno.ENOSPC
    assert len(faults.operations) == nth
    operation, path = faults.operations[-1]
    if operation in ("mkdir", "symlink"):
        assert not configfs.exists(path)
    # The same goes through at the second try, from where it failed.
    other = SimConfigfs(folder, SPECS)
    if operation == "mkdir":
        other.mkdir(path)


def test_a_crash_in_the_middle_of_mkdir(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configfs = SimConfigfs(folder, SPECS)
    configfs.mkdir("core/rd_mcp_0")
    before = tree(configfs)
    written = []

    def write(descriptor: int, data: bytes, /) -> int:
        written.append(data)
        if len(written) > 40:
            raise KeyboardInterrupt
        return len(data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(KeyboardInterrupt):
            configfs.mkdir("core/rd_mcp_0/r")
    assert tree(configfs) == before
    SimConfigfs(folder, SPECS).mkdir("core/rd_mcp_0/r")
    assert configfs.read("core/rd_mcp_0/r/enable") == "0"


def test_a_crash_in_the_middle_of_write(folder: str) -> None:
    """A text that became shorter has NULs at its end until the file is cut."""
    configfs = SimConfigfs(folder, SPECS)
    make(configfs)
    device = Path(f"{configfs.location}/core/rd_mcp_0/r")
    for name in ("enable", "attrib/queue_depth", ".state"):
        with (device / name).open("ab") as file:
            file.write(b"\0\0\0")
    assert configfs.read("core/rd_mcp_0/r/enable") == "1"
    with pytest.raises(KernelError) as caught:
        configfs.write("core/rd_mcp_0/r/enable", "1")
    assert caught.value.errno == errno.EEXIST
    configfs.unlink("iscsi/iqn.x/tpgt_1/lun/lun_0/l")
    configfs.write("core/rd_mcp_0/r/attrib/queue_depth", "8")
    assert (device / "attrib" / "queue_depth").read_bytes() == b"8\n"


def test_a_reader_sees_whole_texts(folder: str) -> None:
    configfs = SimConfigfs(folder, SPECS)
    make(configfs)
    path = "iscsi/iqn.x/tpgt_1/param/MaxConnections"
    stop = threading.Event()
    seen: set[str] = set()

    def watch() -> None:
        while not stop.is_set():
            seen.add(configfs.read(path))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(200):
            configfs.write(path, "65535")
            configfs.write(path, "1")
    finally:
        stop.set()
        watcher.join()
    assert seen
    assert seen <= {"1", "65535"}


def test_who_may_only_look(folder: str) -> None:
    configfs = SimConfigfs(folder, SPECS)
    os.unlink(f"{folder}/lock")
    assert configfs.read("core/alua/lu_gps/default_lu_gp/lu_gp_id") == "0"
    assert not os.path.exists(f"{folder}/lock")


def test_a_link_that_vanished_does_not_hold_its_target(folder: str) -> None:
    configfs = SimConfigfs(folder, SPECS)
    make(configfs)
    os.unlink(f"{configfs.location}/iscsi/iqn.x/tpgt_1/lun/lun_0/l")
    configfs.rmdir("core/rd_mcp_0/r")


def test_a_full_disk_is_a_refusal(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configfs = SimConfigfs(folder, SPECS)

    def mkdir(path: str, mode: int = 0o777, **_: object) -> None:
        raise OSError(errno.ENOSPC, "no space", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", mkdir)
        with pytest.raises(KernelError) as caught:
            configfs.mkdir("core/rd_mcp_0")
    assert caught.value.errno == errno.ENOSPC
    assert not configfs.exists("core/rd_mcp_0")


def test_a_folder_that_is_not_prepared(tmp_path: Path) -> None:
    configfs = SimConfigfs(str(tmp_path / "nothing"), SPECS)
    for call in (lambda: configfs.mkdir("iscsi"), lambda: configfs.listdir("")):
        with pytest.raises(KernelError) as caught:
            call()
        assert caught.value.errno == errno.ENOENT
    assert not (tmp_path / "nothing").exists()


def test_modes_do_not_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        SimSystem(str(tmp_path), SPECS).prepare()
    finally:
        os.umask(before)
    path = f"{tmp_path}/config/target/version"
    assert os.stat(path).st_mode & 0o777 == 0o444


WORKER = """
import sys
from lioshell.errors import KernelError
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.specs import Specs

configfs = SimConfigfs(sys.argv[1], Specs(cache_folder=""))
mine, lost = [], 0
for index in range(30):
    try:
        configfs.mkdir(f"core/rd_mcp_{index}")
    except KernelError:
        lost += 1
        continue
    mine.append(index)
    configfs.mkdir(f"core/rd_mcp_{index}/{sys.argv[2]}")
    configfs.write(f"core/rd_mcp_{index}/{sys.argv[2]}/control", "rd_pages=16")
    configfs.write(f"core/rd_mcp_{index}/{sys.argv[2]}/enable", "1")
print(len(mine), lost)
"""


def test_two_processes_at_once(folder: str) -> None:
    """Each index goes to one process alone, no change is lost, every counter is right."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, folder, name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    results = [process.communicate(timeout=60)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sum(int(made) for made, _ in results) == 30
    assert sum(int(lost) for _, lost in results) == 30
    configfs = SimConfigfs(folder, SPECS)
    numbers = set()
    for index in range(30):
        hba = f"core/rd_mcp_{index}"
        (name,) = configfs.folders(hba)
        assert configfs.read(f"{hba}/{name}/enable") == "1"
        numbers.add(configfs.read(f"{hba}/hba_info").split()[2])
    assert len(numbers) == 30
    members = configfs.read("core/alua/lu_gps/default_lu_gp/members").splitlines()
    assert len(members) == len(set(members)) == 30


VHOST = """\
kind: fabric
name: vhost
group: vhost
module: vhost_scsi
help: "Disks of virtual machines"
wwn_types: [naa]
features: [tpgts, luns, acls, nexus]
attributes:
  tpg_attribute:
    fabric_prot_type: {type: enum, default: 0, values: [0, 1, 3], help: "Protection"}
"""


def test_a_fabric_from_its_file_alone(tmp_path: Path) -> None:
    drop_in = tmp_path / "specs.d"
    drop_in.mkdir()
    (drop_in / "vhost.yaml").write_text(VHOST)
    (drop_in / "broken.yaml").write_text("kind: fabric\nname: broken\nhelp: [\n")
    specs = Specs((default_folders()[0], str(drop_in)), cache_folder="")
    folder = str(tmp_path / "sim")
    system = SimSystem(folder, specs)
    system.prepare()
    configfs = SimConfigfs(folder, specs)
    # As on a real kernel, a fabric is there after its module was loaded, and not before.
    with pytest.raises(KernelError) as caught:
        configfs.mkdir("vhost")
    assert caught.value.errno == errno.EINVAL
    system.load_module("vhost_scsi")
    for path in ("vhost", "vhost/naa.5001405000000001", "vhost/naa.5001405000000001/tpgt_2"):
        configfs.mkdir(path)
    tpg = "vhost/naa.5001405000000001/tpgt_2"
    configfs.write(f"{tpg}/nexus", "naa.5001405000000002")
    assert configfs.read(f"{tpg}/attrib/fabric_prot_type") == "0"
    assert not configfs.exists(f"{tpg}/enable")
    with pytest.raises(KernelError):
        configfs.write(f"{tpg}/attrib/fabric_prot_type", "2")
