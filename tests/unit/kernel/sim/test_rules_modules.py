# SPDX-License-Identifier: Apache-2.0
"""Fabric modules: those that no virtual machine loads, and that each spec has its rules.

What vhost, tcm_fc, sbp, loopback and iSCSI do is recorded from a real kernel (tests/contract).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import KernelError, UsageError
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.machine_ports import add_port
from lioshell.kernel.sim.rules_modules import RULES
from lioshell.kernel.sim.system import SimSystem
from lioshell.lio.fabrics import Fabric
from lioshell.lio.root import Lio
from lioshell.lio.wwns import configfs_wwn, found_wwns
from lioshell.specs import Specs, default_folders

if TYPE_CHECKING:
    from pathlib import Path

SPECS = Specs(default_folders()[:1], cache_folder="")
WWPN = "21000024ff000001"
GID = "fe800000000000000000000000000001"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    SimSystem(str(tmp_path), SPECS).prepare()
    return str(tmp_path)


@pytest.fixture
def configfs(folder: str) -> SimConfigfs:
    return SimConfigfs(folder, SPECS)


def load(folder: str, configfs: SimConfigfs, name: str) -> str:
    spec = SPECS.fabric(name)
    SimSystem(folder, SPECS).load_module(spec.module)
    configfs.mkdir(spec.group)
    return spec.group


def answer(configfs: SimConfigfs, path: str) -> str:
    """Return what mkdir answers: ok, or the name of an errno."""
    try:
        configfs.mkdir(path)
    except KernelError as error:
        return errno.errorcode[error.errno]
    return "ok"


def test_every_fabric_has_rules_of_its_own() -> None:
    groups = {SPECS.fabric(name).group for name in SPECS.fabric_names()}
    assert groups - set(RULES) == {"iscsi", "loopback"}


@pytest.mark.parametrize(
    ("fabric", "wwn", "other"),
    [
        ("qla2xxx", WWPN, "21:00:00:24:ff:00:00:02"),
        ("efct", WWPN, "naa.21000024ff000001"),
        ("srpt", GID, "0xfe800000000000000000000000000002"),
        ("ibmvscsis", "30000002", "30000003"),
    ],
)
def test_a_target_is_a_port_of_the_machine(
    folder: str, configfs: SimConfigfs, fabric: str, wwn: str, other: str
) -> None:
    group = load(folder, configfs, fabric)
    assert answer(configfs, f"{group}/{wwn}") == "EINVAL"
    name = add_port(folder, group, wwn)
    assert answer(configfs, f"{group}/{other}") == "EINVAL"
    assert answer(configfs, f"{group}/{name}") == "ok"


@pytest.mark.parametrize(
    ("fabric", "wwn"),
    [
        ("qla2xxx", WWPN),
        ("efct", WWPN),
        ("tcm_fc", WWPN),
        ("srpt", GID),
        ("sbp", "0011223344556677"),
        ("ibmvscsis", "30000002"),
    ],
)
def test_the_spec_finds_the_port_that_was_plugged_in(folder: str, fabric: str, wwn: str) -> None:
    spec, system = SPECS.fabric(fabric), SimSystem(folder, SPECS)
    assert found_wwns(spec, system) == []
    name = add_port(folder, spec.group, wwn)
    (found,) = found_wwns(spec, system)
    assert configfs_wwn(spec, found) == name


def test_adapters_are_told_apart(folder: str) -> None:
    add_port(folder, "efct", WWPN)
    system = SimSystem(folder, SPECS)
    assert found_wwns(SPECS.fabric("qla2xxx"), system) == []
    assert found_wwns(SPECS.fabric("efct"), system) == [f"naa.{WWPN}"]


def test_no_port_of_a_fabric_without_ports(folder: str) -> None:
    with pytest.raises(UsageError, match="vhost"):
        add_port(folder, "vhost", WWPN)


@pytest.mark.parametrize("fabric", ["qla2xxx", "efct"])
def test_fibre_channel(folder: str, configfs: SimConfigfs, fabric: str) -> None:
    group = load(folder, configfs, fabric)
    target = f"{group}/{add_port(folder, group, WWPN)}"
    configfs.mkdir(target)
    for name in ("tpgt_2", "tpgt_x", "tpgt_", "foo", "tpgt_99999999999999999999"):
        assert answer(configfs, f"{target}/{name}") == "EINVAL"
    tpg = f"{target}/tpgt_1"
    configfs.mkdir(tpg)
    assert answer(configfs, f"{tpg}/acls/21000024ff000009") == "EINVAL"
    assert answer(configfs, f"{tpg}/acls/21:00:00:24:ff:00:00:09") == "ok"
    assert answer(configfs, f"{tpg}/np/0.0.0.0:3260") == "ENOSYS"
    assert configfs.read(f"{tpg}/attrib/generate_node_acls") == "1"
    configfs.write(f"{tpg}/enable", "1")
    assert configfs.read(f"{tpg}/enable") == "1"


def test_srpt(folder: str, configfs: SimConfigfs) -> None:
    group = load(folder, configfs, "srpt")
    target = f"{group}/{add_port(folder, group, GID)}"
    configfs.mkdir(target)
    # Seen on the real kernel with a soft RoCE device: names and number of the TPGs are free.
    assert answer(configfs, f"{target}/{GID}") == "ok"
    assert answer(configfs, f"{target}/tpgt_1") == "ok"
    acls = f"{target}/{GID}/acls"
    for name, expected in (
        ("0x" + "0" * 31 + "1", "ok"),
        ("abc", "EINVAL"),
        ("xy", "EINVAL"),
        ("1:2:3:4", "ok"),
    ):
        assert answer(configfs, f"{acls}/{name}") == expected
    with pytest.raises(KernelError):
        configfs.write(f"{target}/{GID}/attrib/srp_max_rdma_size", "1")


def test_ibmvscsis(folder: str, configfs: SimConfigfs) -> None:
    group = load(folder, configfs, "ibmvscsis")
    target = f"{group}/{add_port(folder, group, '30000002')}"
    configfs.mkdir(target)
    assert answer(configfs, f"{target}/tpgt_65536") == "EINVAL"
    assert answer(configfs, f"{target}/tpgt_7") == "ok"


def test_usb_gadget_has_one_tpg(folder: str, configfs: SimConfigfs) -> None:
    group = load(folder, configfs, "usb_gadget")
    assert answer(configfs, f"{group}/iqn.2003-01.org.x:y") == "EINVAL"
    for name in ("naa.5001405a1b2c3d4e", "naa.5001405a1b2c3d4f"):
        configfs.mkdir(f"{group}/{name}")
    assert answer(configfs, f"{group}/naa.5001405a1b2c3d4e/tpgt_1") == "ok"
    assert answer(configfs, f"{group}/naa.5001405a1b2c3d4e/tpgt_2") == "EINVAL"
    assert answer(configfs, f"{group}/naa.5001405a1b2c3d4f/tpgt_1") == "EINVAL"
    configfs.rmdir(f"{group}/naa.5001405a1b2c3d4e/tpgt_1")
    assert answer(configfs, f"{group}/naa.5001405a1b2c3d4f/tpgt_1") == "ok"


def test_xen(folder: str, configfs: SimConfigfs) -> None:
    group = load(folder, configfs, "xen-pvscsi")
    assert answer(configfs, f"{group}/naa.{'5' * 28}") == "EINVAL"
    assert answer(configfs, f"{group}/foo") == "EINVAL"
    tpg = f"{group}/naa.5001405a1b2c3d4e/tpgt_0"
    configfs.mkdir(tpg.rpartition("/")[0])
    configfs.mkdir(tpg)
    configfs.write(f"{tpg}/param/alias", "guest1")
    assert configfs.read(f"{tpg}/param/alias") == "guest1"
    with pytest.raises(KernelError):
        configfs.write(f"{tpg}/param/alias", "x" * 32)
    configfs.write(f"{tpg}/nexus", "naa.5001405a1b2c3d4f")
    lun = f"{tpg}/lun/lun_0"
    for path in ("core/rd_mcp_0", "core/rd_mcp_0/r", lun):
        configfs.mkdir(path)
    configfs.write("core/rd_mcp_0/r/control", "rd_pages=1")
    configfs.write("core/rd_mcp_0/r/enable", "1")
    configfs.symlink("core/rd_mcp_0/r", f"{lun}/l")
    with pytest.raises(KernelError) as caught:
        configfs.write(f"{tpg}/nexus", "NULL")
    assert os.strerror(caught.value.errno) == os.strerror(errno.EBUSY)


@pytest.mark.parametrize("name", SPECS.fabric_names())
def test_lioshell_makes_a_target_of_every_fabric(folder: str, name: str) -> None:
    from lioshell.kernel.open import open_sim

    lio = Lio(open_sim(folder, SPECS), SPECS)
    spec = SPECS.fabric(name)
    if spec.wwn_fixed:
        digits = {"srpt": GID, "ibmvscsis": "30000002"}.get(spec.group, WWPN)
        add_port(folder, spec.group, digits)
        wwn = found_wwns(spec, lio.kernel.system)[0]
    else:
        wwn = {"iqn": "iqn.2003-01.com.example:disk1", "eui": "eui.0011223344556677"}.get(
            spec.wwn_types[0], "naa.5001405a1b2c3d4e"
        )
    target = Fabric(lio, spec).create_target(wwn)
    if spec.has("tpgts"):
        target.create_tpg(1)
    assert target.tpg_tags() == [1]
    assert spec.module in os.listdir(f"{folder}/sys/module")
