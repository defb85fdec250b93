# SPDX-License-Identifier: Apache-2.0
"""What each level of the tree offers beside its children: groups, versions, kinds of backstore."""

import pytest

from lioshell.errors import NotFoundError, UsageError

from .conftest import IQN, TPG


def test_a_fabrics_own_attributes(built):
    assert built.run("/iscsi get") == "groups: global attribute discovery_auth\n"
    assert "cpus_allowed_list=" in built.run("/iscsi get attribute")
    assert IQN not in built.run("/iscsi get attribute")
    built.run("/iscsi set attribute cpus_allowed_list=0")
    assert "cpus_allowed_list=0\n" in built.run("/iscsi get attribute cpus_allowed_list")
    assert isinstance(built.fails("/iscsi set attribute lio_version=1"), UsageError)
    assert isinstance(built.fails(f"/iscsi get attribute {IQN}"), NotFoundError)


def test_a_fabric_that_is_not_loaded_has_none_and_stays_so(shell):
    assert shell.run("/iscsi get") == "groups: global discovery_auth\n"
    assert "not loaded" in shell.run("/iscsi version")
    assert not shell.lio.configfs.is_dir("iscsi")


def test_the_version_of_a_fabric(built):
    assert "iSCSI Target v4.1.0" in built.run("/iscsi version")
    assert "version: not loaded" in built.run("/loopback version")


def test_the_version_of_all(built):
    shown = built.run("version").splitlines()
    assert shown[0].startswith("lioshell: ")
    assert shown[1].startswith("kernel: Target Engine Core ConfigFS Infrastructure")
    assert built.run("/version").splitlines() == shown


def test_the_version_of_a_backstore(built):
    assert "plugin: fileio" in built.run("/backstores/fileio/disk1 version")


def test_a_targets_parameters(built):
    path = f"/iscsi/{IQN}"
    assert built.run(f"{path} get") == "groups: global parameter\n"
    built.run(f"{path} set parameter cmd_completion_affinity=-2")
    assert "cmd_completion_affinity=-2" in built.run(f"{path} get parameter")


def test_every_group_of_a_tpg(built):
    assert built.run(f"{TPG} get") == "groups: global attribute parameter auth\n"
    built.run(f"{TPG} set parameter MaxConnections=2 InitialR2T=No")
    assert "MaxConnections=2" in built.run(f"{TPG} get parameter MaxConnections")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("fileio", "create f1 FILE size=1M write_back=false sparse=false wwn=abc"),
        ("fileio", "create name=f1 file_or_dev=FILE size=1M"),
        ("fileio", "create f1 FILE 1M true true"),
        ("block", "create b1 /dev/sdb readonly=true wwn=abc exclusive=true"),
        ("block", "create name=b1 dev=/dev/sdb"),
        ("pscsi", "create p1 /dev/sdc"),
        ("ramdisk", "create r1 1M nullio=true wwn=abc"),
        ("ramdisk", "create r1 size=1M"),
        ("user:file", "create u1 1M FILE hw_max_sectors=256 control=max_data_area_mb=16"),
        ("iblock", "create b1 /dev/sdb"),
        ("rd_mcp", "create r1 1M"),
        ("rd_dr", "create r1 1M"),
    ],
)
def test_backstores_as_they_are_made(built, kind, line):
    built.run(f"/backstores/{kind} {line.replace('FILE', str(built.folder / 'f1.img'))}")
    name = line.split()[1].removeprefix("name=")
    assert f"name: {name}" in built.run(f"/backstores/{kind}/{name} info")
    built.run(f"/backstores/{kind} delete {name}")


def test_a_device_that_is_shared_needs_a_kernel_that_can(built):
    error = built.fails("/backstores/block create b1 /dev/sdb exclusive=false")
    assert isinstance(error, UsageError)
    assert "6.17" in error.hint
    assert "b1" not in built.run("ls /backstores/block")
    assert isinstance(built.fails("/backstores/block create b1 /dev/sdb exclusive=x"), UsageError)


def test_a_kernel_that_can_share_a_device(built, monkeypatch):
    configfs = type(built.lio.configfs)
    read = configfs.read

    def newer(self, path):
        text = read(self, path)
        return f"{text} exclusive: 0" if path.endswith("/info") else text

    monkeypatch.setattr(configfs, "read", newer)
    built.run("/backstores/block create b1 /dev/sdb exclusive=false")
    assert "o- b1" in built.run("ls /backstores/block")
