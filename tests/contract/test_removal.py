# SPDX-License-Identifier: Apache-2.0
"""Removal: what is in use stays, and in reverse everything goes and leaves nothing."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .conftest import refused

if TYPE_CHECKING:
    from lioshell.kernel.ports import ConfigfsPort, Kernel

    from .conftest import Objects

INITIATOR = "iqn.1994-05.com.redhat:contract"


def test_everything_in_reverse(
    configfs: ConfigfsPort, kernel: Kernel, objects: Objects, iscsi_tpg: str, loopback_tpg: str
) -> None:
    device = objects.enabled("user", "dev_size=1048576,max_data_area_mb=8,nl_reply_supported=-1")
    ramdisk = objects.ramdisk("ram")
    lun = objects.lun(iscsi_tpg, 0, ramdisk)
    portal = objects.mkdir(f"{iscsi_tpg}/np/127.0.0.1:23260")
    acl = objects.mkdir(f"{iscsi_tpg}/acls/{INITIATOR}")
    mapped = objects.mkdir(f"{acl}/lun_0")
    objects.symlink(lun, f"{mapped}/m")
    configfs.write(f"{iscsi_tpg}/enable", "1")
    objects.nexus(loopback_tpg, "naa.6001405c0de00001")
    loop_lun = objects.lun(loopback_tpg, 0, ramdisk)

    target = iscsi_tpg.rpartition("/")[0]
    hba = device.rpartition("/")[0]
    for path, code in (
        (ramdisk, errno.EBUSY),
        (hba, errno.ENOTEMPTY),
        (lun, errno.EBUSY),
        (loop_lun, errno.ENOTEMPTY),
        (mapped, errno.ENOTEMPTY),
        (acl, errno.ENOTEMPTY),
        (iscsi_tpg, errno.ENOTEMPTY),
        (target, errno.ENOTEMPTY),
        ("iscsi", errno.ENOTEMPTY),
        (f"{iscsi_tpg}/lun", errno.EPERM),
        (f"{iscsi_tpg}/attrib", errno.EPERM),
        ("iscsi/discovery_auth", errno.EPERM),
        (loopback_tpg, errno.ENOTEMPTY),
    ):
        with refused(code):
            configfs.rmdir(path)

    assert configfs.is_linked(lun)
    assert not configfs.is_linked(loop_lun)
    configfs.unlink(f"{mapped}/m")
    assert not configfs.is_linked(lun)
    assert configfs.is_dir(lun)
    configfs.rmdir(mapped)
    configfs.rmdir(acl)
    configfs.rmdir(portal)
    configfs.unlink(f"{lun}/link")
    configfs.rmdir(lun)
    # A TPG may be removed while it is enabled, and one with a nexus too.
    configfs.rmdir(iscsi_tpg)
    configfs.rmdir(target)
    configfs.unlink(f"{loop_lun}/link")
    configfs.rmdir(loop_lun)
    configfs.rmdir(loopback_tpg)
    configfs.rmdir(ramdisk)
    configfs.rmdir(device)
    configfs.rmdir(hba)
    assert not configfs.exists(hba)
    assert device not in [uio.configfs_path for uio in kernel.uio.devices()]


def test_storage_object_with_an_alua_group(configfs: ConfigfsPort, objects: Objects) -> None:
    device = objects.ramdisk()
    group = objects.mkdir(f"{device}/alua/ao")
    with refused(errno.ENOTEMPTY):
        configfs.rmdir(device)
    configfs.rmdir(group)
    configfs.rmdir(device)


def test_never_enabled(configfs: ConfigfsPort, objects: Objects) -> None:
    for prefix in ("fileio", "iblock", "pscsi", "rd_mcp", "user"):
        device = objects.device(prefix)
        configfs.rmdir(device)
        configfs.rmdir(device.rpartition("/")[0])


def test_lun_linked_again_while_mapped(
    configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str
) -> None:
    device = objects.ramdisk()
    lun = objects.lun(iscsi_tpg, 0, device)
    mapped = objects.mkdir(f"{objects.mkdir(f'{iscsi_tpg}/acls/{INITIATOR}')}/lun_0")
    objects.symlink(lun, f"{mapped}/m")
    configfs.unlink(f"{lun}/link")
    configfs.rmdir(device)
    assert configfs.readlink(f"{mapped}/m") == lun


def test_nexus_that_came_too_late(
    configfs: ConfigfsPort, objects: Objects, loopback_tpg: str
) -> None:
    """A LUN linked before the nexus leaves a count behind, and only the TPG's end clears it."""
    lun = objects.lun(loopback_tpg, 0, objects.ramdisk())
    configfs.unlink(f"{lun}/link")
    configfs.write(f"{loopback_tpg}/nexus", "naa.6001405c0de00001")
    with refused(errno.EPERM):
        configfs.write(f"{loopback_tpg}/nexus", "NULL")
    configfs.rmdir(lun)
    configfs.rmdir(loopback_tpg)
