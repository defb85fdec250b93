# SPDX-License-Identifier: Apache-2.0
"""WWNs as a fabric's configfs writes them, and as this machine's ports have them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lioshell.errors import KernelError, NotFoundError, UsageError
from lioshell.kernel.machine_files import MachineFiles
from lioshell.lio.fabrics import Fabric
from lioshell.lio.wwns import configfs_wwn, found_wwns, is_listed, tree_wwn

PORT = "naa.21000024ff314c48"
OTHER = "naa.21000024ff314c49"
PCI = "devices/pci0000:00/0000:00:05.0"


def add_fc_port(sim: Path, host: str, wwn: str, driver: str) -> None:
    """Make a Fibre Channel host in the simulated machine's sysfs, with the links of a real one."""
    sysfs = sim / "sys"
    device = sysfs / f"{PCI}-{host}"
    port = device / host / "fc_host" / host
    port.mkdir(parents=True)
    (port / "port_name").write_text(f"0x{wwn.removeprefix('naa.')}\n")
    (sysfs / "bus" / driver).mkdir(parents=True, exist_ok=True)
    (device / "driver").symlink_to(os.path.relpath(sysfs / "bus" / driver, device))
    (device / "subsystem").symlink_to(os.path.relpath(sysfs / "bus" / driver, device))
    by_class = sysfs / "class" / "fc_host"
    by_class.mkdir(parents=True, exist_ok=True)
    (by_class / host).symlink_to(os.path.relpath(port, by_class))


@pytest.fixture
def sim(lio) -> Path:
    return Path(lio.configfs.location).parents[1]


@pytest.mark.parametrize(
    ("fabric", "wwn", "name"),
    [
        ("qla2xxx", PORT, "21:00:00:24:ff:31:4c:48"),
        (
            "tcm_fc",
            "naa.6001405a1b2c3d4e6001405a1b2c3d4e",
            ":".join(["60", "01", "40", "5a", "1b", "2c", "3d", "4e"] * 2),
        ),
        ("srpt", "ib.fe800000000000000002c903000a1b2c", "0xfe800000000000000002c903000a1b2c"),
        ("sbp", "eui.0010180a1b2c3d4e", "0010180a1b2c3d4e"),
        ("loopback", "naa.5001405a1b2c3d4e", "naa.5001405a1b2c3d4e"),
        ("ibmvscsis", "30000003", "30000003"),
    ],
)
def test_forms(lio, fabric, wwn, name):
    spec = lio.specs.fabric(fabric)
    assert configfs_wwn(spec, wwn) == name
    assert tree_wwn(spec, name) == wwn


@pytest.mark.parametrize(
    "name", ["fe80:0000:0000:0000", "192.168.1.1", "something", "0xabc", "0X12"]
)
def test_a_name_of_another_form_is_the_same_in_both(lio, name):
    spec = lio.specs.fabric("srpt")
    assert tree_wwn(spec, name) == name
    assert configfs_wwn(spec, name) == name


def test_ports_are_found_by_their_driver(lio, sim):
    add_fc_port(sim, "host7", PORT, "qla2xxx")
    add_fc_port(sim, "host8", OTHER, "efct")
    add_fc_port(sim, "host9", "naa.2000000000000001", "fcoe")
    for fabric, wwn in (("qla2xxx", PORT), ("efct", OTHER), ("tcm_fc", "naa.2000000000000001")):
        spec = lio.specs.fabric(fabric)
        assert found_wwns(spec, lio.kernel.system) == [wwn]
        assert is_listed(spec, lio.kernel.system)


def test_ports_of_other_kinds(lio, sim):
    gid = sim / "sys/class/infiniband/mlx5_0/ports/1/gids/0"
    gid.parent.mkdir(parents=True)
    gid.write_text("fe80:0000:0000:0000:0002:c903:000a:1b2c\n")
    for number, local in ((0, "1"), (1, "0")):
        device = sim / f"sys/bus/firewire/devices/fw{number}"
        device.mkdir(parents=True)
        (device / "guid").write_text(f"0x001018000000000{number}\n")
        (device / "is_local").write_text(f"{local}\n")
    adapter = sim / "sys/module/ibmvscsis/drivers/vio:ibmvscsis/30000003"
    adapter.mkdir(parents=True)
    (adapter / "devspec").write_text("/vdevice/v-scsi-host@30000003\n")
    found = {
        name: found_wwns(lio.specs.fabric(name), lio.kernel.system)
        for name in ("srpt", "sbp", "ibmvscsis")
    }
    assert found == {
        "srpt": ["ib.fe800000000000000002c903000a1b2c"],
        "sbp": ["eui.0010180000000000"],
        "ibmvscsis": ["30000003"],
    }


def test_a_port_that_shows_nothing(lio, sim):
    add_fc_port(sim, "host7", PORT, "qla2xxx")
    (sim / "sys/class/fc_host/host7/port_name").write_text("(none)\n")
    assert found_wwns(lio.specs.fabric("qla2xxx"), lio.kernel.system) == []


def test_hardware_decides_what_is_listed(lio, sim):
    spec = lio.specs.fabric("usb_gadget")
    assert not is_listed(spec, lio.kernel.system)
    (sim / "sys/class/udc/dummy_udc.0").mkdir(parents=True)
    assert is_listed(spec, lio.kernel.system)
    assert is_listed(lio.specs.fabric("vhost"), lio.kernel.system)


def test_a_target_is_the_only_free_port(lio, sim):
    fabric = Fabric(lio, lio.specs.fabric("tcm_fc"))
    with pytest.raises(NotFoundError) as none:
        fabric.create_target()
    assert "adapter" in none.value.hint
    add_fc_port(sim, "host7", PORT, "fcoe")
    add_fc_port(sim, "host8", OTHER, "fcoe")
    with pytest.raises(UsageError) as several:
        fabric.create_target()
    assert f"{PORT}, {OTHER}" in several.value.hint
    fabric.create_target("21:00:00:24:FF:31:4C:48")
    assert lio.configfs.is_dir("fc/21:00:00:24:ff:31:4c:48/tpgt_1")
    assert fabric.create_target().wwn == OTHER
    assert sorted(fabric.targets()) == [PORT, OTHER]


def test_a_refused_port_is_answered_with_those_that_there_are(lio, sim, faults, monkeypatch):
    add_fc_port(sim, "host7", PORT, "qla2xxx")
    fabric = Fabric(lio, lio.specs.fabric("qla2xxx"))
    mkdir = lio.configfs.mkdir

    def refuse(path):
        if path.count("/") == 1:
            raise KernelError("mkdir", path, 22)
        mkdir(path)

    monkeypatch.setattr(lio.configfs, "mkdir", refuse)
    with pytest.raises(KernelError) as caught:
        fabric.create_target(OTHER)
    assert PORT in caught.value.hint


def test_acls_have_the_same_form(lio):
    fabric = Fabric(lio, lio.specs.fabric("tcm_fc"))
    tpg = fabric.create_target(PORT).tpg(1)
    acl, _ = tpg.create_acl("0x2000000000000001")
    assert acl.path.endswith("/acls/20:00:00:00:00:00:00:01")
    assert tpg.acl_wwns() == ["naa.2000000000000001"]
    tpg.acl("naa.2000000000000001").delete()
    fabric.target(PORT).delete()
    assert not lio.configfs.is_dir("fc")


def test_what_only_a_folder_of_the_fabric_keeps_is_not_thrown_away(lio):
    fabric = Fabric(lio, lio.specs.fabric("srpt"))
    fabric.discovery_auth().set_all({"rdma_cm_port": "5000"})
    fabric.release()
    assert lio.configfs.is_dir("srpt")
    fabric.discovery_auth().set_all({"rdma_cm_port": "0"})
    fabric.release()
    assert not lio.configfs.is_dir("srpt")


def test_a_nexus_is_of_the_targets_type(lio):
    lio.require_fabric(lio.specs.fabric("vhost"))
    lio.configfs.mkdir("vhost/iqn.2003-01.com.example:disk1")
    target = Fabric(lio, lio.specs.fabric("vhost")).target("iqn.2003-01.com.example:disk1")
    assert target.create_tpg().nexus.startswith("iqn.")


@pytest.mark.parametrize("pattern", ["/sys/../etc/*", "/nosuch/*", "/sys/nosuch/*", "/sys/*/x"])
def test_patterns_that_find_nothing(tmp_path, pattern):
    (tmp_path / "sys" / "a").mkdir(parents=True)
    (tmp_path / "etc" / "shadow").mkdir(parents=True)
    assert MachineFiles(str(tmp_path / "sys"), "/nosuch").find(pattern) == []


def test_files_that_cannot_be_read(tmp_path):
    files = MachineFiles(str(tmp_path))
    (tmp_path / "bytes").write_bytes(b"\xff\x00 x\n")
    assert files.text("/sys/bytes") == "\ufffd\0 x"
    assert files.text("/sys/nosuch") == ""
    assert files.text("/sys") == ""
