# SPDX-License-Identifier: Apache-2.0
"""Storage objects by raw writes: what each kind wants, shows and refuses."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from .conftest import refused

if TYPE_CHECKING:
    from pathlib import Path

    from lioshell.kernel.ports import ConfigfsPort, Kernel
    from lioshell.specs import Specs

    from .conftest import Objects

SERIAL = "6f1a9b0e-1111-4222-8333-444455556666"
FROM_THE_DEVICE = {"hw_queue_depth", "queue_depth", "hw_max_sectors", "optimal_sectors"}


@pytest.fixture
def device(request: pytest.FixtureRequest, objects: Objects) -> str:
    """An enabled storage object of the kind that the test is for."""
    kind = request.param
    if kind == "fileio":
        path = request.getfixturevalue("backing_file")
        return objects.enabled("fileio", f"fd_dev_name={path},fd_dev_size={16 << 20}")
    if kind == "block":
        path = request.getfixturevalue("block_device")
        return objects.enabled("iblock", f"udev_path={path}", "readonly=0")
    if kind == "ramdisk":
        return objects.ramdisk()
    if kind == "pscsi":
        path = request.getfixturevalue("scsi_disk")
        address = objects.kernel.system.scsi_address(path)
        assert address is not None
        device = objects.device("pscsi")
        host, channel, target, lun = address
        objects.configfs.write(
            f"{device}/control",
            f"scsi_host_id={host},scsi_channel_id={channel},"
            f"scsi_target_id={target},scsi_lun_id={lun}",
        )
        objects.configfs.write(f"{device}/udev_path", path)
        objects.configfs.write(f"{device}/enable", "1")
        return device
    return objects.enabled(
        "user",
        "dev_config=contract/x",
        f"dev_size={16 << 20}",
        "max_data_area_mb=8",
        "nl_reply_supported=-1",
    )


KINDS = ("fileio", "block", "ramdisk", "pscsi", "user")


@pytest.mark.parametrize(("device", "kind"), [(kind, kind) for kind in KINDS], indirect=["device"])
def test_shape(configfs: ConfigfsPort, device: str, kind: str, specs: Specs) -> None:
    spec = specs.backstore(kind)
    assert configfs.read(f"{device}/enable") == "1"
    assert configfs.read(f"{device}/info").startswith("Status: DEACTIVATED")
    assert set(configfs.listdir(device)) >= {
        *("action", "alias", "alua", "alua_lu_gp", "attrib", "control", "enable", "info"),
        *("lba_map", "pr", "statistics", "udev_path", "wwn"),
    }
    assert "default_tg_pt_gp" in configfs.listdir(f"{device}/alua")
    shown = set(configfs.listdir(f"{device}/attrib"))
    assert {parameter.name for parameter in spec.attributes} <= shown
    changed = {"max_data_area_mb", "nl_reply_supported"} if kind == "user" else set()
    for parameter in spec.attributes:
        path = f"{device}/attrib/{parameter.name}"
        assert configfs.is_writable(path) == parameter.writable, parameter.name
        if parameter.default is not None and parameter.name not in changed:
            assert configfs.read(path) == parameter.default, parameter.name
    with refused(errno.EEXIST):
        configfs.write(f"{device}/enable", "1")


@pytest.mark.parametrize("device", ["fileio", "block", "ramdisk", "user"], indirect=True)
def test_serial(configfs: ConfigfsPort, device: str) -> None:
    path = f"{device}/wwn/vpd_unit_serial"
    assert configfs.read(path) == "T10 VPD Unit Serial Number: "
    configfs.write(path, f"{SERIAL}\n")
    assert configfs.read(path) == f"T10 VPD Unit Serial Number: {SERIAL}"
    with refused(errno.EOVERFLOW):
        configfs.write(path, "x" * 254)


@pytest.mark.parametrize("device", ["pscsi"], indirect=True)
def test_serial_of_the_device_itself(configfs: ConfigfsPort, device: str) -> None:
    assert configfs.read(f"{device}/wwn/vpd_unit_serial") != "T10 VPD Unit Serial Number: "
    with refused(errno.EOPNOTSUPP):
        configfs.write(f"{device}/wwn/vpd_unit_serial", SERIAL)
    with refused(errno.ENOSYS):
        configfs.write(f"{device}/attrib/alua_support", "1")


@pytest.mark.parametrize("prefix", ["fileio", "iblock", "rd_mcp", "pscsi"])
def test_enable_without_options(configfs: ConfigfsPort, objects: Objects, prefix: str) -> None:
    device = objects.device(prefix)
    with refused(errno.EINVAL):
        configfs.write(f"{device}/enable", "1")
    assert configfs.read(f"{device}/enable") == "0"


@pytest.mark.parametrize("value", ["0", "2", "garbage"])
def test_enable_takes_only_1(configfs: ConfigfsPort, objects: Objects, value: str) -> None:
    device = objects.device("rd_mcp")
    configfs.write(f"{device}/control", "rd_pages=16")
    with refused(errno.EINVAL):
        configfs.write(f"{device}/enable", value)


def test_fileio(configfs: ConfigfsPort, objects: Objects, backing_file: str) -> None:
    device = objects.device("fileio")
    configfs.write(f"{device}/control", "no_such_option=1")
    with refused(errno.EINVAL):
        configfs.write(f"{device}/control", "fd_dev_size=much")
    with refused(errno.EINVAL):
        configfs.write(f"{device}/control", "fd_buffered_io=2")
    configfs.write(f"{device}/control", "fd_dev_name=/nosuch/file,fd_dev_size=1048576")
    with refused(errno.ENOENT):
        configfs.write(f"{device}/enable", "1")
    configfs.write(f"{device}/control", f"fd_dev_name={os.path.dirname(backing_file)}")
    with refused(errno.EISDIR):
        configfs.write(f"{device}/enable", "1")
    configfs.write(f"{device}/control", f"fd_dev_name={backing_file},fd_buffered_io=1")
    configfs.write(f"{device}/udev_path", f"{backing_file}\n")
    configfs.write(f"{device}/enable", "1\n")
    assert configfs.read(f"{device}/udev_path") == backing_file
    assert configfs.read(f"{device}/attrib/emulate_write_cache") == "1"
    info = configfs.read(f"{device}/info")
    assert f"File: {backing_file}  Size: 1048576  Mode: Buffered-WCE Async: 0" in info


def test_fileio_makes_a_missing_file(
    configfs: ConfigfsPort, objects: Objects, tmp_path: Path
) -> None:
    path = tmp_path / "new.img"
    objects.enabled("fileio", f"fd_dev_name={path},fd_dev_size=1048576")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == 0


def test_block(
    configfs: ConfigfsPort, objects: Objects, block_device: str, backing_file: str
) -> None:
    device = objects.device("iblock")
    configfs.write(f"{device}/control", f"udev_path={backing_file}")
    with refused(errno.ENOTBLK):
        configfs.write(f"{device}/enable", "1")
    configfs.write(f"{device}/control", "udev_path=/dev/nosuchdisk")
    with refused(errno.ENOENT):
        configfs.write(f"{device}/enable", "1")
    configfs.write(f"{device}/control", f"udev_path={block_device}")
    configfs.write(f"{device}/enable", "1")
    assert f"UDEV PATH: {block_device}  readonly: 0" in configfs.read(f"{device}/info")
    with refused(errno.EINVAL):
        configfs.write(f"{device}/attrib/emulate_write_cache", "1")
    with refused(errno.EEXIST):
        configfs.write(f"{device}/control", f"udev_path={block_device}")
    second = objects.device("iblock", "second")
    configfs.write(f"{second}/control", f"udev_path={block_device}")
    with refused(errno.EBUSY):
        configfs.write(f"{second}/enable", "1")
    found = objects.kernel.system.block_device(block_device)
    assert found is not None
    assert found.in_use
    configfs.rmdir(device)
    configfs.write(f"{second}/enable", "1")


def test_ramdisk(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.device("rd_mcp")
    configfs.write(f"{device}/control", "rd_pages=2048,rd_nullio=1")
    configfs.write(f"{device}/enable", "1")
    assert "PAGES/PAGE_SIZE: 2048*4096" in configfs.read(f"{device}/info")
    assert "nullio: 1" in configfs.read(f"{device}/info")
    with refused(errno.ENOSYS):
        configfs.write(f"{device}/attrib/emulate_tpu", "1")


def test_pscsi_of_no_host(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.device("pscsi")
    configfs.write(
        f"{device}/control",
        "scsi_host_id=4000,scsi_channel_id=0,scsi_target_id=0,scsi_lun_id=0",
    )
    configfs.write(f"{device}/udev_path", "/dev/sda")
    with refused(errno.EINVAL):
        configfs.write(f"{device}/enable", "1")


@pytest.mark.parametrize(
    "option",
    [
        *("dev_size=much", "hw_block_size=0", "hw_max_sectors=-1"),
        *("max_data_area_mb=0", "cmd_ring_size_mb=0"),
    ],
)
def test_user_options_refused(configfs: ConfigfsPort, objects: Objects, option: str) -> None:
    device = objects.device("user")
    with refused(errno.EINVAL):
        configfs.write(f"{device}/control", option)


def test_user(configfs: ConfigfsPort, objects: Objects, kernel: Kernel) -> None:
    device = objects.device("user", "vol0")
    configfs.write(f"{device}/control", "no_such_option=1\nhw_max_sectors=8")
    configfs.write(f"{device}/control", "dev_config=contract//srv/x,dev_size=8388608")
    configfs.write(f"{device}/control", "hw_max_sectors=1000,cmd_ring_size_mb=99")
    configfs.write(f"{device}/control", "max_data_area_mb=16")
    configfs.write(f"{device}/control", "nl_reply_supported=-1")
    assert configfs.read(f"{device}/attrib/nl_reply_supported") == "-1"
    with refused(errno.EINVAL):
        configfs.write(f"{device}/action/block_dev", "1")
    configfs.write(f"{device}/enable", "1")
    assert configfs.read(f"{device}/attrib/nl_reply_supported") == "-1"
    assert configfs.read(f"{device}/info").endswith(
        "Config: contract//srv/x Size: 8388608 MaxDataAreaMB: 16 DataPagesPerBlk: 1 "
        "CmdRingSizeMB: 8"
    )
    assert configfs.read(f"{device}/attrib/hw_max_sectors") == "1000"
    found = [uio for uio in kernel.uio.devices() if uio.configfs_path == device]
    assert [(uio.dev_config, uio.map_size_bytes) for uio in found] == [
        ("contract//srv/x", 24 << 20)
    ]
    with refused(errno.EINVAL):
        configfs.write(f"{device}/control", "max_data_area_mb=32")
    configfs.write(f"{device}/control", "dev_size=16777216")
    assert configfs.read(f"{device}/attrib/dev_size") == "16777216"
    for name, value in (("dev_size", "4096"), ("dev_config", "a/b"), ("emulate_write_cache", "1")):
        with refused(errno.ESRCH):
            configfs.write(f"{device}/attrib/{name}", value)
    configfs.rmdir(device)
    assert device not in [uio.configfs_path for uio in kernel.uio.devices()]


def test_user_actions(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.enabled("user", "dev_size=1048576,max_data_area_mb=8,nl_reply_supported=-1")
    assert configfs.read(f"{device}/action/block_dev") == "unblocked"
    configfs.write(f"{device}/action/block_dev", "1")
    assert configfs.read(f"{device}/action/block_dev") == "blocked"
    configfs.write(f"{device}/action/reset_ring", "1")
    configfs.write(f"{device}/action/block_dev", "0")
    assert configfs.read(f"{device}/action/block_dev") == "unblocked"
    for name, value in (("block_dev", "2"), ("reset_ring", "3"), ("free_kept_buf", "7")):
        with refused(errno.EINVAL):
            configfs.write(f"{device}/action/{name}", value)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("emulate_write_cache", "garbage", errno.EINVAL),
        ("emulate_write_cache", "2", errno.EINVAL),
        ("block_size", "abc", errno.EINVAL),
        ("block_size", "3", errno.EINVAL),
        ("queue_depth", "0", errno.EINVAL),
        ("queue_depth", "99999", errno.EINVAL),
        ("optimal_sectors", "99999999", errno.EINVAL),
        ("max_unmap_lba_count", "-1", errno.EINVAL),
        ("max_unmap_lba_count", "4294967296", errno.ERANGE),
        ("emulate_ua_intlck_ctrl", "3", errno.EINVAL),
        ("emulate_rest_reord", "1", errno.ENOSYS),
        ("pi_prot_type", "2", errno.ENOSYS),
        ("pi_prot_type", "4", errno.EINVAL),
        ("alua_support", "0", errno.ENOSYS),
        ("hw_block_size", "512", errno.EACCES),
    ],
)
@pytest.mark.parametrize("device", ["fileio"], indirect=True)
def test_attributes_refused(
    configfs: ConfigfsPort, device: str, name: str, value: str, code: int
) -> None:
    before = configfs.read(f"{device}/attrib/{name}")
    with refused(code):
        configfs.write(f"{device}/attrib/{name}", value)
    assert configfs.read(f"{device}/attrib/{name}") == before


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("emulate_write_cache", "yes", "1"),
        ("emulate_write_cache", "on\n", "1"),
        ("emulate_tpu", "1", "1"),
        ("block_size", "0x1000", "4096"),
        ("queue_depth", "1", "1"),
        ("max_unmap_lba_count", "010", "8"),
        ("emulate_dpo", "0", "1"),
        ("pi_prot_verify", "1", "0"),
        ("alua_support", "1", "1"),
    ],
)
@pytest.mark.parametrize("device", ["fileio"], indirect=True)
def test_attributes_taken(
    configfs: ConfigfsPort, device: str, name: str, value: str, shown: str
) -> None:
    configfs.write(f"{device}/attrib/{name}", value)
    assert configfs.read(f"{device}/attrib/{name}") == shown


@pytest.mark.parametrize("device", ["fileio"], indirect=True)
def test_block_size_changes_what_one_command_moves(configfs: ConfigfsPort, device: str) -> None:
    configfs.write(f"{device}/attrib/block_size", "4096")
    assert configfs.read(f"{device}/attrib/hw_max_sectors") == "2048"
    assert "SectorSize: 4096  HwMaxSectors: 2048" in configfs.read(f"{device}/info")


@pytest.mark.parametrize("device", ["fileio"], indirect=True)
def test_model_alias(configfs: ConfigfsPort, device: str) -> None:
    assert configfs.read(f"{device}/wwn/product_id") == "FILEIO"
    configfs.write(f"{device}/attrib/emulate_model_alias", "1")
    assert configfs.read(f"{device}/wwn/product_id") == "contract"
    configfs.write(f"{device}/attrib/emulate_model_alias", "0")
    assert configfs.read(f"{device}/wwn/product_id") == "FILEIO"


@pytest.mark.parametrize("device", ["ramdisk"], indirect=True)
def test_inquiry_strings(configfs: ConfigfsPort, device: str) -> None:
    configfs.write(f"{device}/wwn/vendor_id", "ACME\n")
    assert configfs.read(f"{device}/wwn/vendor_id") == "ACME"
    assert configfs.read(f"{device}/wwn/company_id") == "0x001405"
    for name, value, code in (
        ("vendor_id", "x" * 9, errno.EOVERFLOW),
        ("product_id", "x" * 17, errno.EOVERFLOW),
        ("revision", "x" * 5, errno.EOVERFLOW),
        ("vendor_id", "a\tb", errno.EINVAL),
        ("company_id", "0x1000000", errno.EOVERFLOW),
    ):
        with refused(code):
            configfs.write(f"{device}/wwn/{name}", value)


@pytest.mark.parametrize("device", ["fileio"], indirect=True)
def test_while_exported(
    configfs: ConfigfsPort, objects: Objects, device: str, iscsi_tpg: str
) -> None:
    objects.lun(iscsi_tpg, 0, device)
    assert configfs.read(f"{device}/info").startswith("Status: ACTIVATED")
    for name, value in (
        *(("block_size", "512"), ("queue_depth", "128"), ("emulate_tas", "1")),
        *(("optimal_sectors", "8"), ("pi_prot_type", "0"), ("unmap_zeroes_data", "0")),
        *(("emulate_model_alias", "1"), ("force_pr_aptpl", "0")),
    ):
        with refused(errno.EINVAL):
            configfs.write(f"{device}/attrib/{name}", value)
    for name, value in (("vpd_unit_serial", SERIAL), ("product_id", "x")):
        with refused(errno.EINVAL):
            configfs.write(f"{device}/wwn/{name}", value)
    configfs.write(f"{device}/attrib/emulate_write_cache", "1")
    configfs.write(f"{device}/attrib/emulate_tpu", "0")


@pytest.mark.parametrize("device", ["ramdisk", "user"], indirect=True)
def test_alua_groups(configfs: ConfigfsPort, objects: Objects, device: str, iscsi_tpg: str) -> None:
    group = objects.mkdir(f"{device}/alua/ao")
    assert configfs.read(f"{group}/tg_pt_gp_id") == ""
    with refused(errno.EINVAL):
        configfs.write(f"{group}/alua_access_state", "1")
    configfs.write(f"{group}/tg_pt_gp_id", "7")
    with refused(errno.EINVAL):
        configfs.write(f"{group}/tg_pt_gp_id", "8")
    configfs.write(f"{group}/alua_access_state", "1")
    assert configfs.read(f"{group}/alua_access_state") == "1"
    with refused(errno.EINVAL):
        configfs.write(f"{group}/alua_access_state", "9")
    assert configfs.read(f"{group}/alua_access_status") == "Altered by Implicit ALUA"
    assert configfs.read(f"{group}/alua_access_type") == "Implicit and Explicit"
    lun = objects.lun(iscsi_tpg, 0, device)
    assert "TG Port Alias: default_tg_pt_gp\n" in configfs.read(f"{lun}/alua_tg_pt_gp")
    configfs.write(f"{lun}/alua_tg_pt_gp", "ao")
    assert configfs.read(f"{lun}/alua_tg_pt_gp").startswith(
        "TG Port Alias: ao\nTG Port Group ID: 7\n"
        "TG Port Primary Access State: Active/NonOptimized\n"
    )
    tpg = iscsi_tpg.removeprefix("iscsi/")
    assert configfs.read(f"{group}/members") == f"iSCSI/{tpg}/lun_0"
    with refused(errno.ENODEV):
        configfs.write(f"{lun}/alua_tg_pt_gp", "nosuch")
    configfs.rmdir(group)
    assert "TG Port Alias: default_tg_pt_gp\n" in configfs.read(f"{lun}/alua_tg_pt_gp")
    with refused(errno.EPERM):
        configfs.rmdir(f"{device}/alua/default_tg_pt_gp")


def test_lu_groups(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.ramdisk()
    assert configfs.read(f"{device}/alua_lu_gp").startswith("LU Group Alias: default_lu_gp\n")
    group = objects.mkdir("core/alua/lu_gps/contract")
    with refused(errno.ENODEV):
        configfs.write(f"{device}/alua_lu_gp", "contract")
    configfs.write(f"{group}/lu_gp_id", "500")
    configfs.write(f"{device}/alua_lu_gp", "contract")
    assert configfs.read(f"{device}/alua_lu_gp") == "LU Group Alias: contract\nLU Group ID: 500"
    assert configfs.read(f"{group}/members") == device.removeprefix("core/")
