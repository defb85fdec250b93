# SPDX-License-Identifier: Apache-2.0
"""Who is logged in, read from what the kernel shows, and who would lose what."""

from pathlib import Path

import pytest

from lioshell.kernel.ports import BlockDevice
from lioshell.lio import impact, sessions
from lioshell.lio.backstore_create import create_ramdisk
from lioshell.lio.fabrics import Fabric
from lioshell.lio.root import Lio

CLIENT = "iqn.1994-05.com.redhat:client1"
OTHER = "iqn.1994-05.com.redhat:client2"
# As iscsi_target_configfs.c, lio_target_nacl_info_show, writes it.
INFO = f"""InitiatorName: {CLIENT}
InitiatorAlias: web01
LIO Session ID: 7   ISID: 0x80 12 34 56 00 00  TSIH: 3  SessionType: Normal
Session State: TARG_SESS_STATE_LOGGED_IN
---------------------[iSCSI Session Values]-----------------------
  CmdSN/WR  :  CmdSN/WC  :  ExpCmdSN  :  MaxCmdSN  :     ITT    :     TTT
 0x00000040   0x00000040   0x00000012   0x00000051   0x10000011   0x0000000d
----------------------[iSCSI Connections]-------------------------
CID: 0  Connection State: TARG_CONN_STATE_LOGGED_IN
   Address 192.168.1.7:41394 TCP  StatSN: 0x5f2bd0c4
"""


def kernel_shows(lio, path, text):
    """Let the simulated kernel show something else in an attribute that cannot be written."""
    Path(lio.configfs.location, path).write_text(text)


@pytest.fixture
def exported(lio, tpg):
    """A TPG with two LUNs; CLIENT sees the first, OTHER both."""
    for name in ("one", "two"):
        tpg.create_lun(create_ramdisk(lio, name, 1 << 20), add_mapped=False)
    for wwn, luns in ((CLIENT, [0]), (OTHER, [0, 1])):
        acl, _ = tpg.create_acl(wwn, add_mapped=False)
        for index in luns:
            acl.create_mapped_lun(index, tpg.lun(index))
    return tpg


def names(logins):
    return [login.initiator for login in logins]


def test_nobody_is_logged_in(lio, exported):
    assert list(sessions.all_logins(lio)) == []


def test_a_session_as_the_kernel_shows_it(lio, exported):
    kernel_shows(lio, f"{exported.acl(CLIENT).path}/info", INFO)

    (login,) = sessions.all_logins(lio)

    assert login == sessions.Login(
        CLIENT,
        exported.tree_path,
        sid="7",
        alias="web01",
        kind="Normal",
        state="LOGGED_IN",
        addresses=("192.168.1.7:41394 TCP",),
    )
    assert str(login) == f"{CLIENT} (192.168.1.7:41394 TCP)"


def test_demo_mode_sessions_are_separated_by_nul(lio, exported):
    kernel_shows(lio, f"{exported.path}/dynamic_sessions", "iqn.2000-01.a:b\n\0iqn.2000-01.a:c\n\0")

    assert names(sessions.all_logins(lio)) == ["iqn.2000-01.a:b", "iqn.2000-01.a:c"]
    assert all(login.dynamic for login in sessions.logins_of_tpg(exported))


def test_who_loses_a_lun_is_who_sees_it(lio, exported):
    kernel_shows(lio, f"{exported.acl(CLIENT).path}/info", INFO)

    assert names(impact.of_lun(exported, 0).logins) == [CLIENT]
    assert names(impact.of_lun(exported, 1).logins) == []
    assert names(impact.of_acl(exported, exported.acl(CLIENT)).logins) == [CLIENT]
    assert names(impact.of_acl(exported, exported.acl(OTHER)).logins) == []
    assert names(impact.of_tpg(exported).logins) == [CLIENT]


def test_demo_mode_sees_every_lun(lio, exported):
    kernel_shows(lio, f"{exported.path}/dynamic_sessions", f"{OTHER}\n\0")
    assert names(impact.of_lun(exported, 1).logins) == [OTHER]


def test_a_storage_object_goes_with_its_luns(lio, exported):
    kernel_shows(lio, f"{exported.acl(CLIENT).path}/info", INFO)

    found = impact.of_storage_object(exported.lun(0).storage_object)

    assert names(found.logins) == [CLIENT]
    assert list(found.lun_lines()) == [f"{exported.tree_path}/luns/lun0 (ramdisk/one)"]
    assert impact.of_storage_object(exported.lun(1).storage_object).logins == ()


def test_only_the_last_portal_shuts_initiators_out(lio, exported):
    kernel_shows(lio, f"{exported.acl(CLIENT).path}/info", INFO)
    exported.create_portal("127.0.0.1", 3260)
    exported.create_portal("127.0.0.1", 3261)

    assert impact.of_portal(exported, "127.0.0.1:3260").logins == ()
    exported.portals()[0].delete()
    assert names(impact.of_portal(exported, "127.0.0.1:3260").logins) == [CLIENT]


def test_everything_is_all_luns_and_all_sessions(lio, exported):
    kernel_shows(lio, f"{exported.acl(CLIENT).path}/info", INFO)
    found = impact.of_everything(lio, "clearconfig")
    assert [index for _, index in found.luns] == [0, 1]
    assert names(found.logins) == [CLIENT]


class SystemWithDisk:
    """A machine whose loopback LUN is /dev/sdz."""

    def __init__(self, system, *, in_use):
        self._system = system
        self._in_use = in_use

    def disks_at(self, address, lun, timeout_s=0.0):
        return ["/dev/sdz"]

    def block_device(self, path):
        return BlockDevice(path, 1 << 20, 512, False, 0, self._in_use)

    def __getattr__(self, name):
        return getattr(self._system, name)


@pytest.mark.parametrize("in_use", [True, False])
def test_a_loopback_disk_in_use_is_this_machine_logged_in(lio, in_use):
    system = SystemWithDisk(lio.kernel.system, in_use=in_use)
    here = Lio(lio.kernel._replace(system=system), lio.specs)
    target = Fabric(here, here.specs.fabric("loopback")).create_target()
    target.tpg(1).create_lun(create_ramdisk(here, "one", 1 << 20))

    logins = impact.of_target(target).logins

    assert [login.addresses for login in logins] == ([("/dev/sdz",)] if in_use else [])
    assert len(impact.of_lun(target.tpg(1), 0).logins) == in_use
