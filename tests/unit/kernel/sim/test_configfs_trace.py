# SPDX-License-Identifier: Apache-2.0
"""The simulated configfs against what a real one did: 570 operations, and the tree they leave.

data/linux-6.1-*.jsonl were recorded from Debian's kernel 6.1.0-56 (6.1.192-2) in a virtual machine:
each operation with its result, and every folder, file (mode and content) and link of one
configuration, but for the contents of statistics/.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lioshell.errors import KernelError
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.system import SimSystem
from lioshell.kernel.sim.uio import SimUio
from lioshell.specs import Specs

DATA = Path(__file__).parent / "data"
SPECS = Specs(cache_folder="")


def recorded(what: str) -> list[Any]:
    lines = (DATA / f"linux-6.1-{what}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def machine(folder: Path) -> SimConfigfs:
    SimSystem(str(folder), SPECS).prepare()
    return SimConfigfs(str(folder), SPECS)


def here(text: str, folder: Path) -> str:
    """Put this machine's disks and files in the place of the recorded ones."""
    for there, mine in (
        ("/dev/loop0", "/dev/sdb"),
        ("/dev/sda", "/dev/sdc"),
        ("scsi_target_id=0", "scsi_target_id=1"),
        ("/tmp/", f"{folder}/"),
    ):
        text = text.replace(there, mine)
    return text


def expected(verb: str, shows: object, folder: Path) -> object:
    """Return a recorded answer in the form that the port gives."""
    if isinstance(shows, list):
        return sorted(shows)
    assert isinstance(shows, str)
    if verb == "readlink":
        return shows.rpartition("../")[2].removeprefix("target/")
    return here(shows.replace("\0", "").removesuffix("\n"), folder)


def test_every_operation_ends_as_on_the_real_kernel(tmp_path: Path) -> None:
    configfs = machine(tmp_path / "first")
    steps = recorded("trace")
    different = []
    for number, step in enumerate(steps):
        if "reset" in step:
            configfs = machine(tmp_path / str(number))
            continue
        verb, path, *value = step["do"]
        result, shown = "ok", None
        try:
            shown = getattr(configfs, verb)(path, *(here(text, tmp_path) for text in value))
        except KernelError as error:
            result = errno.errorcode[error.errno]
        if isinstance(shown, list):
            shown = sorted(shown)
        wanted = expected(verb, step["shows"], tmp_path) if "shows" in step else shown
        if (result, shown) != (step["is"], wanted):
            different.append((step, result, shown))
    assert different == []
    assert len(steps) > 550


TARGET = "iscsi/iqn.2003-01.org.linux-iscsi.test:t1"
TPG = f"{TARGET}/tpgt_1"
ACL = f"{TPG}/acls/iqn.1994-05.com.redhat:init1"
LOOP = "loopback/naa.60014055f1e7f301"
SERIAL = "aaaaaaaa-1111-4222-8333-00000000"
OBJECTS = {
    "user_0/x": ("02f5", ["dev_config=file//tmp/x.img", "dev_size=16777216"]),
    "fileio_1/f": ("039d", ["fd_dev_name=/tmp/f.img,fd_dev_size=16777216"]),
    "iblock_2/b": ("0396", ["udev_path=/dev/loop0"]),
    "rd_mcp_3/r": ("03a8", ["rd_pages=4096"]),
    "rd_mcp_4/rn": ("0417", ["rd_pages=4096,rd_nullio=1"]),
    "pscsi_5/p": (
        "",
        ["scsi_host_id=0,scsi_channel_id=0,scsi_target_id=0,scsi_lun_id=0"],
    ),
    "fileio_6/not_enabled": ("", []),
}
UDEV_PATHS = {"fileio_1/f": "/tmp/f.img", "iblock_2/b": "/dev/loop0", "pscsi_5/p": "/dev/sda"}


def build(configfs: SimConfigfs, folder: Path) -> None:
    """Make the recorded configuration."""
    for name, (serial, options) in OBJECTS.items():
        device = f"core/{name}"
        configfs.mkdir(device.rpartition("/")[0])
        configfs.mkdir(device)
        for option in options:
            text = option if name == "user_0/x" else here(option, folder)
            configfs.write(f"{device}/control", text)
        if name == "user_0/x":
            configfs.write(f"{device}/control", "nl_reply_supported=-1")
        if name in UDEV_PATHS:
            configfs.write(f"{device}/udev_path", here(UDEV_PATHS[name], folder))
        if options:
            configfs.write(f"{device}/enable", "1")
        if serial:
            configfs.write(f"{device}/wwn/vpd_unit_serial", f"{SERIAL}{serial}")
    configfs.mkdir("core/fileio_1/f/alua/ao")
    configfs.write("core/fileio_1/f/alua/ao/tg_pt_gp_id", "7")
    for path in ("iscsi", TARGET, TPG, f"{TPG}/np/0.0.0.0:3260", ACL):
        configfs.mkdir(path)
    exported = ("user_0/x", "fileio_1/f", "iblock_2/b", "rd_mcp_3/r", "pscsi_5/p")
    for number, name in enumerate(exported):
        configfs.mkdir(f"{TPG}/lun/lun_{number}")
        configfs.symlink(f"core/{name}", f"{TPG}/lun/lun_{number}/link{number}")
    for number in (0, 1):
        configfs.mkdir(f"{ACL}/lun_{number}")
        configfs.symlink(f"{TPG}/lun/lun_{number}", f"{ACL}/lun_{number}/mapped{number}")
    configfs.write(f"{ACL}/lun_1/write_protect", "1")
    configfs.write(f"{ACL}/auth/userid", "user")
    configfs.write(f"{ACL}/auth/password", "example-pass")
    configfs.write(f"{TPG}/enable", "1")
    for path in ("loopback", LOOP, f"{LOOP}/tpgt_1"):
        configfs.mkdir(path)
    configfs.write(f"{LOOP}/tpgt_1/nexus", "naa.60014055f1e7f302")
    uio = SimUio(str(folder / "machine"))
    # A disk of loopback is scanned, and somebody has to answer: here who has the device open.
    with closing(uio.open(uio.devices()[0])):
        for number, name in ((0, "user_0/x"), (1, "rd_mcp_3/r")):
            configfs.mkdir(f"{LOOP}/tpgt_1/lun/lun_{number}")
            configfs.symlink(f"core/{name}", f"{LOOP}/tpgt_1/lun/lun_{number}/l{number}")


OF_THE_MACHINE = {
    "version",
    "iscsi/cpus_allowed_list",
    "core/iblock_2/b/info",
    "core/pscsi_5/p/info",
    "core/pscsi_5/p/attrib/hw_queue_depth",
    *(
        f"core/pscsi_5/p/wwn/{name}"
        for name in (
            *("vendor_id", "product_id", "revision", "vpd_unit_serial"),
            *("vpd_protocol_identifier", "vpd_assoc_logical_unit", "vpd_assoc_target_port"),
            "vpd_assoc_scsi_target_device",
        )
    ),
}
"""Files whose content tells of the disk or the kernel, which are others here."""


def test_the_tree_is_that_of_the_real_kernel(tmp_path: Path) -> None:
    configfs = machine(tmp_path / "machine")
    build(configfs, tmp_path)
    there = {}
    for path, kind, mode, content in recorded("tree"):
        if content is not None and kind == "file" and "user_0" not in path:
            content = here(content, tmp_path)
        there[path] = (kind, mode, None if path in OF_THE_MACHINE else content)
    mine = {}
    for folder, folders, files in os.walk(configfs.location):
        for name in (*folders, *files):
            full = f"{folder}/{name}"
            path = os.path.relpath(full, configfs.location)
            # The files of statistics were not recorded here; tests/data/captures has them.
            if name != ".state" and not (name in files and "statistics/" in path):
                mine[path] = described(full, path)
    for path in sorted({*there, *mine}):
        assert mine.get(path) == there.get(path), path


def described(full: str, path: str) -> tuple[str, str, str | None]:
    mode = os.lstat(full).st_mode
    bits = f"{stat.S_IMODE(mode):04o}"
    if stat.S_ISLNK(mode):
        return ("link", bits, os.readlink(full))
    if stat.S_ISDIR(mode):
        return ("dir", bits, None)
    if not mode & stat.S_IRUSR or path in OF_THE_MACHINE:
        return ("file", bits, None)
    with open(full, newline="") as file:
        return ("file", bits, file.read())


@pytest.mark.parametrize(
    ("device", "path", "value"),
    [
        ("fileio", "attrib/emulate_tpu", "1"),
        ("iblock", "attrib/unmap_zeroes_data", "1"),
        ("user", "control", "data_pages_per_blk=0"),
    ],
)
def test_what_crashes_the_real_kernel_is_refused(
    tmp_path: Path, device: str, path: str, value: str
) -> None:
    configfs = machine(tmp_path)
    configfs.mkdir(f"core/{device}_0")
    configfs.mkdir(f"core/{device}_0/x")
    with pytest.raises(KernelError):
        configfs.write(f"core/{device}_0/x/{path}", value)
