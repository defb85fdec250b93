# SPDX-License-Identifier: Apache-2.0
"""Fabrics by raw writes: targets, TPGs, portals, LUNs, ACLs, authentication, the nexus."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from .conftest import refused

if TYPE_CHECKING:
    from lioshell.kernel.ports import ConfigfsPort
    from lioshell.specs import Specs

    from .conftest import Objects

PORT = 23260
INITIATOR = "iqn.1994-05.com.redhat:contract"


def _assert_defaults(
    configfs: ConfigfsPort, specs: Specs, fabric: str, group: str, folder: str
) -> None:
    declared = specs.fabric(fabric).attributes.get(group, ())
    shown = configfs.listdir(folder)
    assert {parameter.name for parameter in declared} <= set(shown)
    for parameter in declared:
        path = f"{folder}/{parameter.name}"
        assert configfs.is_writable(path) == parameter.writable, parameter.name
        if parameter.default is None:
            continue
        shown_value = configfs.read(path)
        if group == "discovery_auth" and shown_value == "NULL":
            # The module keeps these while it is loaded; NULL is what is written for none.
            continue
        assert shown_value == parameter.default, parameter.name


def test_iscsi_shape(
    configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str, specs: Specs
) -> None:
    target = iscsi_tpg.rpartition("/")[0]
    assert set(configfs.listdir("iscsi")) >= {"lio_version", "cpus_allowed_list", "discovery_auth"}
    assert set(configfs.folders(target)) == {"fabric_statistics", "param", "tpgt_1"}
    assert set(configfs.listdir(iscsi_tpg)) >= {
        *("acls", "attrib", "auth", "dynamic_sessions", "enable", "lun", "np", "param"),
    }
    acl = objects.mkdir(f"{iscsi_tpg}/acls/{INITIATOR}")
    assert set(configfs.listdir(acl)) >= {
        *("attrib", "auth", "cmdsn_depth", "fabric_statistics", "info", "param", "tag"),
    }
    for group, folder in (
        ("discovery_auth", "iscsi/discovery_auth"),
        ("target_parameter", f"{target}/param"),
        ("tpg_attribute", f"{iscsi_tpg}/attrib"),
        ("tpg_parameter", f"{iscsi_tpg}/param"),
        ("tpg_auth", f"{iscsi_tpg}/auth"),
        ("acl_attribute", f"{acl}/attrib"),
        ("acl_parameter", f"{acl}/param"),
        ("acl_auth", f"{acl}/auth"),
    ):
        _assert_defaults(configfs, specs, "iscsi", group, folder)
    assert configfs.read(f"{acl}/cmdsn_depth") == "64"
    assert configfs.read(f"{acl}/param/MaxConnections") == "No Active iSCSI Session"
    assert INITIATOR in configfs.read(f"{acl}/info")
    assert configfs.read(f"{iscsi_tpg}/dynamic_sessions") == ""


def test_iscsi_names(configfs: ConfigfsPort, objects: Objects) -> None:
    objects.fabric("iscsi")
    with refused(errno.EINVAL):
        configfs.mkdir("iscsi/iqn.2003-01.org.x:" + "a" * 210)
    # The kernel leaves it to its users what a name is.
    objects.mkdir("iscsi/foo")
    for name in ("foo", "tpgt_", "tpgt_x", "tpgt_65536"):
        with refused(errno.EINVAL):
            configfs.mkdir(f"iscsi/foo/{name}")
    objects.mkdir("iscsi/foo/tpgt_0")
    with refused(errno.EEXIST):
        configfs.mkdir("iscsi/foo/tpgt_0")


def test_enable(configfs: ConfigfsPort, iscsi_tpg: str) -> None:
    path = f"{iscsi_tpg}/enable"
    assert configfs.read(path) == "0"
    configfs.write(path, "1")
    configfs.write(path, "1")
    assert configfs.read(path) == "1"
    with refused(errno.EINVAL):
        configfs.write(path, "x")
    configfs.write(path, "0")
    assert configfs.read(path) == "0"


@pytest.mark.parametrize(
    "name",
    ["garbage", "0.0.0.0", "0.0.0.0:", "0.0.0.0:99999", "0.0.0.0:abc", "::1:3262", "host.x:3260"],
)
def test_no_portal(configfs: ConfigfsPort, iscsi_tpg: str, name: str) -> None:
    with refused(errno.EINVAL):
        configfs.mkdir(f"{iscsi_tpg}/np/{name}")


def test_portals(configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str) -> None:
    portal = objects.mkdir(f"{iscsi_tpg}/np/0.0.0.0:{PORT}")
    assert configfs.read(f"{portal}/iser") == "0"
    assert configfs.read(f"{portal}/cxgbit") == "0"
    with refused(errno.EEXIST):
        configfs.mkdir(portal)
    for name in (f"127.0.0.1:{PORT}", f"[::0]:{PORT}"):
        with refused(errno.EINVAL):
            configfs.mkdir(f"{iscsi_tpg}/np/{name}")
    objects.mkdir(f"{iscsi_tpg}/np/[::1]:{PORT + 1}")
    objects.mkdir(f"{iscsi_tpg}/np/127.0.0.1:{PORT + 2}")
    second = objects.mkdir(f"{iscsi_tpg.rpartition('/')[0]}/tpgt_2")
    with refused(errno.EINVAL):
        configfs.mkdir(f"{second}/np/0.0.0.0:{PORT}")
    other = objects.mkdir("iscsi/iqn.2003-01.org.lioshell:other")
    objects.mkdir(f"{other}/tpgt_1")
    objects.mkdir(f"{other}/tpgt_1/np/0.0.0.0:{PORT}")


@pytest.mark.parametrize("name", ["foo", "lun_", "lun_x", "lun_-1"])
def test_no_lun(configfs: ConfigfsPort, iscsi_tpg: str, name: str) -> None:
    with refused(errno.EINVAL):
        configfs.mkdir(f"{iscsi_tpg}/lun/{name}")


def test_lun_without_a_storage_object(
    configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str
) -> None:
    lun = objects.mkdir(f"{iscsi_tpg}/lun/lun_70000")
    for name in ("alua_tg_pt_gp", "alua_tg_pt_offline", "alua_tg_pt_status"):
        with refused(errno.ENODEV):
            configfs.read(f"{lun}/{name}")
        with refused(errno.ENODEV):
            configfs.write(f"{lun}/{name}", "0")
    objects.symlink(objects.ramdisk(), f"{lun}/l")
    assert configfs.read(f"{lun}/alua_tg_pt_offline") == "0"
    configfs.write(f"{lun}/alua_tg_pt_offline", "1")
    assert "Secondary Access State: Offline" in configfs.read(f"{lun}/alua_tg_pt_gp")


def test_mapped_luns(configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str) -> None:
    lun = objects.lun(iscsi_tpg, 0, objects.ramdisk())
    empty = objects.mkdir(f"{iscsi_tpg}/lun/lun_1")
    acl = objects.mkdir(f"{iscsi_tpg}/acls/{INITIATOR}")
    with refused(errno.EEXIST):
        configfs.mkdir(acl)
    for name in ("foo", "lun_x"):
        with refused(errno.EINVAL):
            configfs.mkdir(f"{acl}/{name}")
    mapped = objects.mkdir(f"{acl}/lun_300")
    assert configfs.read(f"{mapped}/write_protect") == ""
    configfs.write(f"{mapped}/write_protect", "1")
    assert configfs.read(f"{mapped}/write_protect") == ""
    with refused(errno.EFAULT):
        configfs.symlink(configfs.readlink(f"{lun}/link"), f"{mapped}/m")
    with refused(errno.EINVAL):
        configfs.symlink(empty, f"{mapped}/m")
    objects.symlink(lun, f"{mapped}/m")
    assert configfs.read(f"{mapped}/write_protect") == "0"
    configfs.write(f"{mapped}/write_protect", "1")
    assert configfs.read(f"{mapped}/write_protect") == "1"
    with refused(errno.EINVAL):
        configfs.write(f"{mapped}/write_protect", "2")
    with refused(errno.EINVAL):
        configfs.symlink(lun, f"{mapped}/second")
    with refused(errno.EBUSY):
        configfs.rmdir(lun)
    configfs.unlink(f"{lun}/link")
    assert configfs.links(mapped) == ["m"]
    assert configfs.read(f"{mapped}/write_protect") == ""
    with refused(errno.EBUSY):
        configfs.rmdir(lun)


def test_mapped_lun_of_another_target(
    configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str
) -> None:
    other = objects.mkdir("iscsi/iqn.2003-01.org.lioshell:other")
    lun = objects.lun(objects.mkdir(f"{other}/tpgt_1"), 0, objects.ramdisk())
    acl = objects.mkdir(f"{iscsi_tpg}/acls/{INITIATOR}")
    mapped = objects.mkdir(f"{acl}/lun_0")
    with refused(errno.EINVAL):
        configfs.symlink(lun, f"{mapped}/m")


def test_prod_mode_write_protect(configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str) -> None:
    configfs.write(f"{iscsi_tpg}/attrib/prod_mode_write_protect", "1")
    lun = objects.lun(iscsi_tpg, 0, objects.ramdisk())
    mapped = objects.mkdir(f"{objects.mkdir(f'{iscsi_tpg}/acls/{INITIATOR}')}/lun_0")
    objects.symlink(lun, f"{mapped}/m")
    assert configfs.read(f"{mapped}/write_protect") == "1"


def test_acl_of_its_own_defaults(configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str) -> None:
    configfs.write(f"{iscsi_tpg}/attrib/default_cmdsn_depth", "16")
    configfs.write(f"{iscsi_tpg}/attrib/default_erl", "1")
    acl = objects.mkdir(f"{iscsi_tpg}/acls/{INITIATOR}")
    assert configfs.read(f"{acl}/cmdsn_depth") == "16"
    assert configfs.read(f"{acl}/attrib/default_erl") == "1"
    configfs.write(f"{acl}/cmdsn_depth", "32")
    assert configfs.read(f"{acl}/cmdsn_depth") == "32"
    with refused(errno.EINVAL):
        configfs.write(f"{acl}/cmdsn_depth", "513")
    configfs.write(f"{acl}/tag", "blue")
    assert configfs.read(f"{acl}/tag") == "blue"
    with refused(errno.EINVAL):
        configfs.write(f"{acl}/tag", "x" * 64)
    configfs.write(f"{acl}/tag", "NULL")
    assert configfs.read(f"{acl}/tag") == ""
    for value, code in (("-2", errno.EINVAL), ("2", errno.EINVAL), ("x", errno.EINVAL)):
        with refused(code):
            configfs.write(f"{acl}/attrib/authentication", value)
    with refused(errno.EINVAL):
        configfs.write(f"{acl}/attrib/nopin_timeout", "2")
    configfs.write(f"{acl}/attrib/nopin_timeout", "0")


def test_chap(configfs: ConfigfsPort, objects: Objects, iscsi_tpg: str) -> None:
    acl = objects.mkdir(f"{iscsi_tpg}/acls/{INITIATOR}")
    auth = f"{acl}/auth"
    assert configfs.read(f"{auth}/userid") == ""
    configfs.write(f"{auth}/userid", "user")
    configfs.write(f"{auth}/password", "contract-secret", secret=True)
    assert configfs.read(f"{auth}/userid") == "user"
    assert configfs.read(f"{auth}/authenticate_target") == "0"
    configfs.write(f"{auth}/userid_mutual", "target")
    configfs.write(f"{auth}/password_mutual", "contract-mutual", secret=True)
    assert configfs.read(f"{auth}/authenticate_target") == "1"
    configfs.write(f"{auth}/userid_mutual", "NULL")
    assert configfs.read(f"{auth}/userid_mutual") == "NULL"
    assert configfs.read(f"{auth}/authenticate_target") == "0"
    configfs.write(f"{auth}/userid", "x" * 255)
    with refused(errno.EINVAL):
        configfs.write(f"{auth}/userid", "x" * 256)
    with refused(errno.EACCES):
        configfs.write(f"{auth}/authenticate_target", "1")


def test_discovery_auth(configfs: ConfigfsPort, objects: Objects) -> None:
    objects.fabric("iscsi")
    path = "iscsi/discovery_auth/enforce_discovery_auth"
    before = configfs.read(path)
    configfs.write(path, "1")
    assert configfs.read(path) == "1"
    configfs.write(path, before)
    for value in ("2", "x"):
        with refused(errno.EINVAL):
            configfs.write(path, value)


def test_tpg_attributes_that_hang_together(configfs: ConfigfsPort, iscsi_tpg: str) -> None:
    method = f"{iscsi_tpg}/param/AuthMethod"
    assert configfs.read(method) == "CHAP"
    configfs.write(f"{iscsi_tpg}/attrib/authentication", "0")
    assert configfs.read(method) == "CHAP,None"
    configfs.write(f"{iscsi_tpg}/attrib/authentication", "1")
    assert configfs.read(method) == "CHAP"
    configfs.write(f"{iscsi_tpg}/attrib/generate_node_acls", "1")
    assert configfs.read(f"{iscsi_tpg}/attrib/cache_dynamic_acls") == "1"
    configfs.write(f"{iscsi_tpg}/attrib/cache_dynamic_acls", "0")
    assert configfs.read(f"{iscsi_tpg}/attrib/cache_dynamic_acls") == "1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attrib/authentication", "yes"),
        ("attrib/authentication", "5"),
        ("attrib/login_timeout", "4"),
        ("attrib/login_timeout", "31"),
        ("attrib/default_cmdsn_depth", "600"),
        ("attrib/fabric_prot_type", "2"),
        ("param/MaxConnections", "garbage"),
        ("param/MaxBurstLength", "0"),
        ("param/AuthMethod", "MD5"),
        ("param/HeaderDigest", "CRC32C,SHA"),
        ("param/InitialR2T", "maybe"),
        ("param/DefaultTime2Wait", "3601"),
        ("param/TargetAlias", "a,b"),
    ],
)
def test_tpg_values_refused(configfs: ConfigfsPort, iscsi_tpg: str, name: str, value: str) -> None:
    before = configfs.read(f"{iscsi_tpg}/{name}")
    with refused(errno.EINVAL):
        configfs.write(f"{iscsi_tpg}/{name}", value)
    assert configfs.read(f"{iscsi_tpg}/{name}") == before


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("attrib/login_timeout", "0x1e\n", "30"),
        ("param/MaxConnections", "2\n", "2"),
        ("param/AuthMethod", "None", "None"),
        ("param/HeaderDigest", "None,CRC32C", "None,CRC32C"),
        ("param/InitialR2T", "No", "No"),
        ("param/TargetAlias", "my target", "my target"),
    ],
)
def test_tpg_values_taken(
    configfs: ConfigfsPort, iscsi_tpg: str, name: str, value: str, shown: str
) -> None:
    configfs.write(f"{iscsi_tpg}/{name}", value)
    assert configfs.read(f"{iscsi_tpg}/{name}") == shown


def test_loopback_shape(configfs: ConfigfsPort, loopback_tpg: str, specs: Specs) -> None:
    assert set(configfs.listdir(loopback_tpg)) >= {
        *("acls", "address", "attrib", "auth", "lun", "nexus", "np", "param", "transport_status"),
    }
    assert not configfs.exists(f"{loopback_tpg}/enable")
    assert configfs.folders("loopback/discovery_auth") == []
    assert configfs.read(f"{loopback_tpg}/transport_status") == "online"
    host, channel, target = configfs.read(f"{loopback_tpg}/address").split(":")
    assert host.isdecimal()
    assert (channel, target) == ("0", "1")
    _assert_defaults(configfs, specs, "loopback", "tpg_attribute", f"{loopback_tpg}/attrib")
    with refused(errno.ENOSYS):
        configfs.mkdir(f"{loopback_tpg}/np/0.0.0.0:{PORT}")


@pytest.mark.parametrize("name", ["foo", "eui.0123456789abcdef"])
def test_loopback_names(configfs: ConfigfsPort, objects: Objects, name: str) -> None:
    objects.fabric("loopback")
    with refused(errno.EINVAL):
        configfs.mkdir(f"loopback/{name}")


@pytest.mark.parametrize("name", ["foo", "tpgt_", "tpgt_x", "tpgt_32", "tpgt_300"])
def test_loopback_tpgs(configfs: ConfigfsPort, loopback_tpg: str, name: str) -> None:
    with refused(errno.EINVAL):
        configfs.mkdir(f"{loopback_tpg.rpartition('/')[0]}/{name}")


def test_nexus(configfs: ConfigfsPort, objects: Objects, loopback_tpg: str) -> None:
    path = f"{loopback_tpg}/nexus"
    with refused(errno.ENODEV):
        configfs.read(path)
    with refused(errno.ENODEV):
        configfs.write(path, "NULL")
    for name in ("foo", "iqn.2003-01.org.x:y"):
        with refused(errno.EINVAL):
            configfs.write(path, name)
    objects.nexus(loopback_tpg, "naa.6001405c0de00001\n")
    assert configfs.read(path) == "naa.6001405c0de00001"
    with refused(errno.EEXIST):
        configfs.write(path, "naa.6001405c0de00002")
    lun = objects.lun(loopback_tpg, 0, objects.ramdisk())
    with refused(errno.EPERM):
        configfs.write(path, "NULL")
    configfs.unlink(f"{lun}/link")
    configfs.write(path, "NULL")
    with refused(errno.ENODEV):
        configfs.read(path)


def test_tpg_goes_with_its_nexus(
    configfs: ConfigfsPort, objects: Objects, loopback_tpg: str
) -> None:
    objects.nexus(loopback_tpg, "naa.6001405c0de00001")
    configfs.rmdir(loopback_tpg)
    assert not configfs.exists(loopback_tpg)
