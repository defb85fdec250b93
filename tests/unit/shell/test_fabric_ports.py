# SPDX-License-Identifier: Apache-2.0
"""Fabrics of adapters: listed where a port is, their ports offered, and told why there is none."""

from __future__ import annotations

from tests.unit.lio.test_wwns import OTHER, PORT, add_fc_port
from tests.unit.shell.test_invented_fabric import offers


def test_without_an_adapter_it_is_not_listed_but_can_be_reached(shell):
    assert "qla2xxx" not in shell.run("ls /")
    assert "[no port on this machine, Targets: 0]" in shell.run("ls /qla2xxx")
    assert "/qla2xxx" in offers(shell, "/qla")[0]
    assert "in target mode" in shell.fails("/qla2xxx create").hint


def test_ports_are_offered_until_they_are_targets(shell):
    sim = shell.folder / "sim"
    add_fc_port(sim, "host7", PORT, "qla2xxx")
    add_fc_port(sim, "host8", OTHER, "qla2xxx")
    assert "o- qla2xxx" in shell.run("ls /")
    assert offers(shell, "/qla2xxx create ")[:2] == [PORT, OTHER]
    shell.run(f"/qla2xxx create {PORT}")
    assert offers(shell, "/qla2xxx create ")[0] == OTHER
    assert shell.fails(f"/qla2xxx create {PORT}").hint
    shell.run("/qla2xxx create")
    listing = shell.run("ls /qla2xxx")
    assert "Targets: 2" in listing
    assert shell.lio.configfs.read("qla2xxx/21:00:00:24:ff:31:4c:48/tpgt_1/enable") == "1"


def test_a_new_target_that_needs_luns_is_not_enabled_yet(shell):
    text = shell.run("/sbp create 0010180a1b2c3d4e")
    assert "It can be enabled once it has LUNs: /sbp/eui.0010180a1b2c3d4e enable" in text
    assert "disabled" in shell.run("ls /sbp")
    shell.fails("/sbp/eui.0010180a1b2c3d4e enable")
    shell.run(
        "/backstores/ramdisk create ram 1M",
        "/sbp/eui.0010180a1b2c3d4e/luns create /backstores/ramdisk/ram",
        "/sbp/eui.0010180a1b2c3d4e enable",
    )
    assert "disabled" not in shell.run("ls /sbp")


def test_a_target_without_its_only_group_can_be_seen_and_deleted(shell):
    shell.run("/loopback create naa.5001405a1b2c3d4e", "/loopback delete naa.5001405a1b2c3d4e")
    shell.lio.kernel.system.load_module("tcm_loop")
    if not shell.lio.configfs.is_dir("loopback"):
        shell.lio.configfs.mkdir("loopback")
    shell.lio.configfs.mkdir("loopback/naa.5001405a1b2c3d4e")
    assert "TPGs: 0" in shell.run("ls /loopback")
    shell.run("/loopback delete naa.5001405a1b2c3d4e")
    assert "Targets: 0" in shell.run("ls /loopback")


def test_info_names_the_file(shell):
    assert "Fabric module specfile: " in shell.run("/iscsi info")
    assert "/specs/iscsi.yaml" in shell.run("/iscsi info")
