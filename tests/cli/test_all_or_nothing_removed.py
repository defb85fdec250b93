# SPDX-License-Identifier: Apache-2.0
"""Every step of every removal fails once, and is interrupted once: all is as before, or gone."""

from __future__ import annotations

import errno
import itertools

import pytest

from lioshell.kernel.sim.faults import Faults
from lioshell.service.hosting import Hosting

from .test_all_or_nothing import ACL, INITIATOR, IQN, NAA, TPG, Ground, Interrupts

CODES = (errno.EIO, errno.EBUSY)
EXPORTED = "iqn.2003-01.com.example:file.img"
PREPARED = (
    *(f"/backstores/ramdisk create r{n} 1M" for n in range(2)),
    f"/iscsi create {IQN}",
    f"{TPG}/portals delete ::0",
    f"{TPG}/portals create 127.0.0.1 3261",
    f"{TPG}/portals create ::1 3262",
    f"{TPG} set attribute generate_node_acls=1 default_cmdsn_depth=32 login_timeout=20",
    f"{TPG} set parameter MaxConnections=2 HeaderDigest=None",
    f"{TPG} set auth userid=me password=sesame1 mutual_userid=you mutual_password=sesame2",
    f"{TPG}/luns create /backstores/ramdisk/r0",
    f"{TPG}/luns create /backstores/ramdisk/r1",
    f"{TPG}/acls create {INITIATOR} add_mapped_luns=false",
    f"{ACL} create 4 0 write_protect=true",
    f"{ACL} create 5 1",
    f"{ACL} set auth userid=me password=sesame1",
    f"{ACL} set attribute dataout_timeout=9",
    f"{TPG}/acls create {INITIATOR}2",
    f"/loopback create {NAA}",
    f"/loopback/{NAA}/luns create /backstores/ramdisk/r0",
    "/ export FILE --initiator iqn.1994-05.com.redhat:client3 --iqn " + EXPORTED,
    "/backstores/ramdisk/r0/alua create standby 20",
    f"{TPG}/luns/lun0 set alua alua_tg_pt_gp_name=standby",
)
COMMANDS = {
    "iscsi target": (16, f"/iscsi delete {IQN}"),
    "loopback target": (5, f"/loopback delete {NAA}"),
    "tpg": (15, f"/iscsi/{IQN} delete tpg1"),
    "lun": (6, f"{TPG}/luns delete 0"),
    "luns": (12, f"{TPG}/luns delete lun*"),
    "acl": (5, f"{TPG}/acls delete {INITIATOR}"),
    "mapped lun": (2, f"{ACL} delete 4"),
    "portals": (2, f"{TPG}/portals delete *"),
    "exported file": (6, f"/ unexport {EXPORTED}"),
    "alua group": (1, "/backstores/ramdisk/r0/alua delete standby"),
    "storage object": (9, "/backstores/ramdisk delete r0"),
}
every_removal = pytest.mark.parametrize(
    ("least", "command"), COMMANDS.values(), ids=COMMANDS.keys()
)


@pytest.fixture
def ground(cli, tmp_path, command) -> Ground:
    return Ground(cli, tmp_path / "images", command, PREPARED)


@every_removal
def test_a_failure_of_each_step(ground, least):
    for number in itertools.count(1):
        faults = Faults(number, CODES[number % len(CODES)])
        result = ground.run(faults)
        if result.code == 0:
            break
        assert result.code == 5, result
        assert "Could not be undone" not in result.err
        assert "sesame" not in result.out + result.err
        ground.is_as_before()
    assert number > least
    # What may fail without harm: an empty folder stays.
    harmless = ["iscsi", "loopback", "core/"]
    left = [path for step, path in faults.operations[number - 1 :] if step == "rmdir"]
    assert all(any(path.startswith(name) for name in harmless) for path in left)
    assert all(path.count("/") < 2 for path in left)


@every_removal
def test_ctrl_c_before_each_step(ground, least):
    for number in range(1, least + 1):
        result = ground.run(Interrupts(number))
        assert result.code == 130, result
        assert "Could not be undone" not in result.err
        ground.is_as_before()


@pytest.mark.parametrize("command", ["clearconfig confirm=True"])
def test_a_failure_of_each_step_of_clearconfig(ground, command):
    """Until the first storage object has gone, which nothing brings back; it can be run again."""
    for number in itertools.count(1):
        faults = Faults(number, CODES[number % len(CODES)])
        result = ground.run(faults)
        if result.code == 0:
            # An empty folder stays: that harms nobody.
            step, path = faults.operations[number - 1]
            assert (step, path.count("/") < 2) == ("rmdir", True)
            break
        assert result.code == 5, result
        assert "Could not be undone" not in result.err
        ground.is_as_before()
    assert number > 20

    total = len(faults.operations)
    failed = []
    for late in range(number, total + 1):
        ground.prepare()
        faults = Faults(late)
        result = ground.run(faults)
        if result.code:
            assert result.code == 5, result
            failed.append(faults.operations[late - 1][1])
        ground.cli.ok(command)
        assert not any(path.startswith("target/core/rd_mcp_0/r") for path in ground.cli.tree())
    assert any(path.startswith("core/") for path in failed)


def test_a_failure_of_each_step_of_changemedium(cli, tmp_path, monkeypatch):
    """The old object goes before the new one is made: what fails, or Ctrl-C, brings it back."""
    monkeypatch.setattr(Hosting, "devices_changed", lambda self, created: [])
    command = "/backstores/user:file changemedium u1 2M NEW"
    prepared = ("/backstores/user:file create u1 1M MEDIUM",)
    ground = Ground(cli, tmp_path / "images", command, prepared)

    def seen() -> tuple[list[str], list[str]]:
        # The kernel counts its HBAs, and an empty one that stays harms nobody.
        info = cli.ok("/backstores/user:file/u1 info").splitlines()
        return [line for line in info if "configfs" not in line], ground.state()[1]

    before = seen()
    assert any("medium.img" in line for line in before[0])
    for kind, code in ((Interrupts, 130), (Faults, 5)):
        for number in itertools.count(1):
            faults = kind(number)
            result = ground.run(faults)
            if len(faults.operations) < number:
                break
            if result.code == 0:
                assert faults.operations[number - 1][0] == "rmdir"
                cli.ok(f"/backstores/user:file changemedium u1 1M {ground.file('MEDIUM')}")
                (tmp_path / "images" / "new.img").unlink()
                before = seen()
            else:
                assert result.code == code, result
                assert "Could not be undone" not in result.err
            assert seen() == before
        assert result.code == 0
        assert number > 12
        cli.ok(f"/backstores/user:file changemedium u1 1M {ground.file('MEDIUM')}")
        (tmp_path / "images" / "new.img").unlink()
        before = seen()
