# SPDX-License-Identifier: Apache-2.0
"""`sessions` at the root and at targets, and `clearconfig`."""

import itertools
import json
from pathlib import Path

import pytest

from lioshell.errors import ConflictError, KernelError, NotFoundError, UsageError
from lioshell.kernel.sim.faults import Faults

from .conftest import CLIENT, IQN, TPG, Shell

OTHER = "iqn.2003-01.com.example:other"
GUEST = "iqn.1994-05.com.redhat:guest"


def log_in(shell):
    configfs = Path(shell.lio.configfs.location)
    (configfs / f"iscsi/{IQN}/tpgt_1/acls/{CLIENT}/info").write_text(
        f"InitiatorName: {CLIENT}\nInitiatorAlias: web01\n"
        "LIO Session ID: 7   ISID: 0x80  TSIH: 3  SessionType: Normal\n"
        "Session State: TARG_SESS_STATE_LOGGED_IN\n"
        "   Address 192.168.1.7:41394 TCP  StatSN: 0x1\n"
    )
    (configfs / f"iscsi/{OTHER}/tpgt_1/dynamic_sessions").write_text(f"{GUEST}\n\0")


@pytest.fixture
def used(built):
    built.run(f"/iscsi create {OTHER}", f"/iscsi/{OTHER}/tpg1/luns create /backstores/fileio/disk1")
    log_in(built)
    return built


def test_nobody(built):
    assert built.run("sessions") == "(no open sessions)\n"
    assert built.run("sessions detail") == "(no open sessions)\n"


def test_a_line_for_each_session(used):
    lines = used.run("sessions").splitlines()
    assert lines[0].split() == ["INITIATOR", "TARGET", "SID", "STATE", "ADDRESS"]
    assert lines[1].split() == [CLIENT, TPG, "7", "LOGGED_IN", "192.168.1.7:41394", "TCP"]
    assert lines[2].split() == [GUEST, f"/iscsi/{OTHER}/tpg1", "-", "DYNAMIC", "-"]


def test_sessions_of_one_target_or_tpg(used):
    assert GUEST not in used.run(f"/iscsi/{IQN} sessions")
    assert CLIENT in used.run(f"{TPG} sessions list")
    assert CLIENT not in used.run(f"/iscsi/{OTHER}/tpg1 sessions")


def test_all_that_is_known_of_a_session(used):
    shown = used.run("sessions detail")
    for line in (
        f"initiator: {CLIENT}",
        "alias: web01",
        "type: Normal",
        "luns: mapped_lun0 lun0 fileio/disk1 (rw)",
        f"initiator: {GUEST}",
        "type: demo mode",
    ):
        assert line in shown
    assert f"luns: lun0 fileio/disk1 ({used.folder}/disk1.img) (default_tg_pt_gp)" in shown


def test_one_session(used):
    for line in ("sessions detail 7", "sessions 7", "sessions action=detail sid=7"):
        assert "alias: web01" in used.run(line)
        assert GUEST not in used.run(line)
    assert isinstance(used.fails("sessions detail 8"), NotFoundError)
    assert isinstance(used.fails("sessions nonsense"), UsageError)


def test_sessions_for_programs(tmp_path, specs):
    shell = Shell(tmp_path, specs, form="json").build()
    assert json.loads(shell.run("sessions"))["result"] == []
    shell.run(f"/iscsi create {OTHER}")
    log_in(shell)
    first, second = json.loads(shell.run("sessions"))["result"]
    assert first["initiator"] == CLIENT
    assert second["state"] == "DYNAMIC"
    assert json.loads(shell.run("sessions detail 7"))["result"][0]["alias"] == "web01"


def test_clearconfig_wants_to_be_meant(built):
    before = built.run("ls")
    for line in ("clearconfig", "clearconfig false", "clearconfig confirm=no"):
        error = built.fails(line)
        assert isinstance(error, UsageError)
        assert "confirm=True" in error.hint
    assert built.run("ls") == before


@pytest.mark.parametrize("line", ["clearconfig confirm=True", "clearconfig true"])
def test_clearconfig_removes_everything(built, line):
    built.run("/iscsi set discovery_auth userid=u password=p enable=1", line)
    shown = built.run("ls")
    assert "Storage Objects: 1" not in shown
    assert "Targets: 1" not in shown
    assert not built.lio.configfs.is_dir("iscsi")
    assert built.lio.configfs.folders("core") == ["alua"]


def test_clearconfig_with_yes(built):
    built.session.consent.assume_yes = True
    built.run("clearconfig")
    assert not built.lio.configfs.is_dir("iscsi")


def test_clearconfig_takes_nothing_from_who_is_logged_in(used):
    before = used.run("ls")
    error = used.fails("clearconfig confirm=True")
    assert isinstance(error, ConflictError)
    assert CLIENT in error.message
    assert GUEST in error.message
    assert used.run("ls") == before


def test_a_clearconfig_that_fails_leaves_all_as_it_was(built, monkeypatch):
    before = built.run("ls")
    faults = Faults()
    monkeypatch.setattr(built.lio.configfs, "_faults", faults)
    built.run(f"/iscsi create {OTHER}", f"/iscsi delete {OTHER}")
    for number in itertools.count(1):
        faults.operations.clear()
        faults.fail_nth = number
        try:
            built.session.run_line("clearconfig confirm=True")
        except KernelError as error:
            assert error.remains == ()
        else:
            break
        faults.fail_nth = 0
        assert built.run("ls") == before
    # A folder that holds nothing any more may stay.
    assert faults.operations[number - 1][0] == "rmdir"
    assert number > 8
