# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the contract tests: one kernel, simulated here, real with LIOSHELL_CONTRACT=real.

The same test files run in a virtual machine on a real kernel, as root. Every test leaves configfs
as it found it; `objects` takes care of that and checks it.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import HostError, KernelError
from lioshell.kernel.open import open_real, open_sim
from lioshell.kernel.sim.sessions import SimInitiators
from lioshell.specs import Specs

from .open_iscsi import OpenIscsi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lioshell.kernel.ports import ConfigfsPort, Kernel

    from .capture import Initiators

REAL = os.environ.get("LIOSHELL_CONTRACT") == "real"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    kernel = open_real() if REAL else open_sim(str(tmp_path / "kernel"))
    kernel.system.prepare()
    return kernel


@pytest.fixture
def configfs(kernel: Kernel) -> ConfigfsPort:
    return kernel.configfs


@pytest.fixture
def initiators(tmp_path: Path) -> Initiators:
    """Initiators for iSCSI targets on this machine."""
    return OpenIscsi() if REAL else SimInitiators(str(tmp_path / "kernel"))


@pytest.fixture(scope="session")
def specs() -> Specs:
    return Specs(cache_folder="")


@contextmanager
def refused(code: int) -> Iterator[None]:
    """Expect the kernel to refuse with an errno."""
    with pytest.raises(KernelError) as caught:
        yield
    assert os.strerror(caught.value.errno) == os.strerror(code)


class Objects:
    """Makes configfs objects, and removes them in reverse."""

    def __init__(self, kernel: Kernel) -> None:
        self.configfs = kernel.configfs
        self.kernel = kernel
        self._made: list[tuple[str, str]] = []

    def mkdir(self, path: str) -> str:
        self.configfs.mkdir(path)
        self._made.append(("rmdir", path))
        return path

    def symlink(self, target: str, path: str) -> str:
        self.configfs.symlink(target, path)
        self._made.append(("unlink", path))
        return path

    def nexus(self, tpg: str, name: str) -> None:
        self.configfs.write(f"{tpg}/nexus", name)
        self._made.append(("nexus", tpg))

    def fabric(self, group: str) -> str:
        """Make a fabric's folder where it is not there."""
        return group if self.configfs.is_dir(group) else self.mkdir(group)

    def device(self, prefix: str, name: str = "contract") -> str:
        """Make a storage object, not enabled, in an HBA of its own."""
        index = 0
        while self.configfs.exists(f"core/{prefix}_{index}"):
            index += 1
        return self.mkdir(f"{self.mkdir(f'core/{prefix}_{index}')}/{name}")

    def enabled(self, prefix: str, *options: str, name: str = "contract") -> str:
        """Make a storage object and enable it."""
        device = self.device(prefix, name)
        for option in options:
            self.configfs.write(f"{device}/control", option)
        self.configfs.write(f"{device}/enable", "1")
        return device

    def ramdisk(self, name: str = "contract") -> str:
        return self.enabled("rd_mcp", "rd_pages=256", name=name)

    def lun(self, tpg: str, number: int, device: str) -> str:
        lun = self.mkdir(f"{tpg}/lun/lun_{number}")
        self.symlink(device, f"{lun}/link")
        return lun

    def remove(self) -> None:
        """Remove all that is still there."""
        for how, path in reversed(self._made):
            if how == "nexus":
                if self.configfs.is_dir(path):
                    try:
                        self.configfs.write(f"{path}/nexus", "NULL")
                    except KernelError:
                        # Taken away by the test already, or kept by a LUN: rmdir drops it.
                        continue
            elif how == "unlink" and self.configfs.is_link(path):
                self.configfs.unlink(path)
            elif how == "rmdir" and self.configfs.is_dir(path):
                self.configfs.rmdir(path)
        self._made.clear()

    def forget(self) -> None:
        """Leave what was made to the test."""
        self._made.clear()


@pytest.fixture
def objects(kernel: Kernel) -> Iterator[Objects]:
    before = (sorted(kernel.configfs.listdir("")), sorted(kernel.configfs.listdir("core")))
    objects = Objects(kernel)
    yield objects
    objects.remove()
    after = (sorted(kernel.configfs.listdir("")), sorted(kernel.configfs.listdir("core")))
    assert after == before


@pytest.fixture
def backing_file(tmp_path: Path) -> str:
    path = tmp_path / "backing.img"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    return str(path)


@pytest.fixture
def block_device(kernel: Kernel, tmp_path: Path) -> Iterator[str]:
    """A block device that nothing else uses: a simulated disk, or a loop device."""
    if not REAL:
        yield "/dev/sdb"
        return
    path = tmp_path / "loop.img"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    try:
        kernel.system.load_module("loop")
    except HostError as error:
        pytest.skip(f"no loop device: {error}")
    made = subprocess.run(
        ["losetup", "-f", "--show", str(path)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


@pytest.fixture
def scsi_disk(kernel: Kernel) -> str:
    """A SCSI disk that nothing else uses: a simulated one, or one of scsi_debug."""
    if not REAL:
        return "/dev/sdc"
    try:
        kernel.system.load_module("scsi_debug")
    except HostError as error:
        pytest.skip(f"no scsi_debug: {error}")
    subprocess.run(["udevadm", "settle"], check=False)
    folder = "/sys/bus/scsi/devices"
    for name in sorted(os.listdir(folder)):
        try:
            with open(f"{folder}/{name}/model") as file:
                model = file.read().strip()
        except OSError:
            continue
        if model == "scsi_debug":
            address, _, lun = name.rpartition(":")
            return kernel.system.disks_at(address, int(lun))[0]
    pytest.skip("scsi_debug brought no disk")


@pytest.fixture
def iscsi_tpg(objects: Objects) -> str:
    """The path of a fresh iSCSI TPG."""
    objects.fabric("iscsi")
    target = objects.mkdir("iscsi/iqn.2003-01.org.lioshell:contract")
    return objects.mkdir(f"{target}/tpgt_1")


@pytest.fixture
def loopback_tpg(objects: Objects) -> str:
    """The path of a fresh loopback TPG, without a nexus."""
    objects.fabric("loopback")
    target = objects.mkdir("loopback/naa.6001405c0de0c0de")
    return objects.mkdir(f"{target}/tpgt_1")
