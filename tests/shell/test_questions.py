# SPDX-License-Identifier: Apache-2.0
"""Destructive commands at the prompt: the impact is shown, a question asked, its answer counts."""

import json

import pytest

from lioshell.lio.sessions import Login

CTRL_C, CTRL_D = b"\x03", b"\x04"
IQN = "iqn.2003-01.com.example:disk1"
CLIENT = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"


@pytest.fixture
def built(terminal):
    for line in (
        f"/backstores/fileio create disk1 {terminal.folder}/disk1.img 1M",
        f"/iscsi create {IQN}",
        f"{TPG}/luns create /backstores/fileio/disk1",
        f"{TPG}/acls create {CLIENT}",
    ):
        terminal.session.run_line(line)
    return terminal


@pytest.fixture
def somebody(monkeypatch):
    """Somebody is logged in to everything that is asked about."""
    login = Login(CLIENT, TPG, addresses=("192.168.1.7:41394 TCP",))
    for name in ("logins_of_tpg", "logins_of_lun", "logins_of_acl", "all_logins"):
        monkeypatch.setattr(f"lioshell.lio.sessions.{name}", lambda *_: iter([login]))


def is_there(terminal, path):
    return terminal.session._node_or_none(path) is not None


def test_the_impact_is_shown_before_the_question(built, somebody):
    built.type(f"/iscsi delete {IQN}", "y")
    assert not is_there(built, f"/iscsi/{IQN}")
    assert built.err.splitlines() == [
        f"delete /iscsi/{IQN} takes away:",
        "  1 LUN:",
        f"    {TPG}/luns/lun0 (fileio/disk1)",
        "  1 session:",
        f"    {CLIENT} (192.168.1.7:41394 TCP) at {TPG}",
    ]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (f"/iscsi delete {IQN}", ""),
        (f"/iscsi delete {IQN}", "no"),
        (f"/iscsi delete {IQN}", "yess"),
        (f"/iscsi delete {IQN}", CTRL_C),
        (f"/iscsi delete {IQN}", CTRL_D),
        ("/backstores/fileio delete disk1", "n"),
        (f"{TPG} disable", "n"),
        (f"{TPG}/luns delete 0", "n"),
        (f"{TPG}/acls delete {CLIENT}", "n"),
        (f"/iscsi/{IQN} delete tpg1", "n"),
        ("restoreconfig clear_existing=true", "n"),
    ],
)
def test_anything_but_yes_changes_nothing(built, line, answer):
    built.session.run_line("saveconfig")
    before = sorted(str(p) for p in (built.folder / "sim" / "config").rglob("*"))
    built.type(line, answer)
    assert "was declined" in built.err
    assert sorted(str(p) for p in (built.folder / "sim" / "config").rglob("*")) == before
    assert not built.session.changed


def test_what_is_made_again_with_one_line_is_not_asked_about(built, somebody, monkeypatch):
    built.type(f"{TPG}/acls/{CLIENT} delete 0", "n")
    assert is_there(built, f"{TPG}/acls/{CLIENT}/mapped_lun0")
    monkeypatch.undo()
    built.type(f"{TPG}/acls/{CLIENT} delete 0", f"{TPG}/portals delete [::0] 3260")
    assert built.err == ""
    assert not is_there(built, f"{TPG}/portals/[::0]:3260")


def test_nobody_else_waits_for_the_answer(built, monkeypatch):
    """The lock of changes is free while the question stands."""
    from lioshell.lio.lock import ChangeLock
    from lioshell.shell.questions import Questions

    def answer(self, question):
        with ChangeLock(built.kernel.run_dir)("another"):
            return True

    monkeypatch.setattr(Questions, "yes", answer)
    built.type(f"/iscsi delete {IQN}")
    assert not is_there(built, f"/iscsi/{IQN}")


def test_who_logs_in_after_the_question_is_asked_about_too(built, monkeypatch):
    from lioshell.shell.questions import Questions

    asked = []
    login = Login(CLIENT, TPG)

    def answer(self, question):
        asked.append(built.err)
        monkeypatch.setattr("lioshell.lio.sessions.logins_of_tpg", lambda tpg: iter([login]))
        return len(asked) < 2

    monkeypatch.setattr(Questions, "yes", answer)
    built.type(f"/iscsi delete {IQN}")
    assert len(asked) == 2
    assert CLIENT not in asked[0]
    assert CLIENT in asked[1]
    assert is_there(built, f"/iscsi/{IQN}")


def test_a_preference_and_yes_answer_it(built):
    built.type("set global confirm_destructive=false", "/backstores/fileio delete disk1")
    assert built.err == ""
    built.new_session(assume_yes=True)
    built.session.run_line("set global confirm_destructive=true")
    built.type(f"/iscsi delete {IQN}")
    assert built.err == ""
    assert not is_there(built, f"/iscsi/{IQN}")


def test_many_are_counted(built):
    for number in range(1, 20):
        built.session.run_line(f"/backstores/ramdisk create r{number} 1M")
        built.session.run_line(f"{TPG}/luns create /backstores/ramdisk/r{number}")
    built.type(f"{TPG} disable", "n")
    assert "  20 LUNs:" in built.err
    assert "    and 12 more" in built.err
    assert "Nobody is logged in" in built.err


PASTE = f"\x1b[200~/backstores/ramdisk create r 1M\n/iscsi delete {IQN}\npwd\x1b[201~"


def test_a_paste_is_asked_about_once_and_before_its_first_line(built):
    built.type(PASTE, "n")
    assert "1 of 3 pasted lines may take something away:" in built.err
    assert "no line was run" in built.err
    assert is_there(built, f"/iscsi/{IQN}")
    assert not is_there(built, "/backstores/ramdisk/r")
    built.type(PASTE, "y")
    assert not is_there(built, f"/iscsi/{IQN}")
    assert is_there(built, "/backstores/ramdisk/r")
    assert f"    {TPG}/luns/lun0 (fileio/disk1)" in built.err


def test_a_paste_that_cuts_somebody_off_asks_again(built, somebody):
    built.type(PASTE, "y", "n")
    assert is_there(built, f"/iscsi/{IQN}")
    assert is_there(built, "/backstores/ramdisk/r")
    assert "1 more pasted line not run" in built.err


def test_a_harmless_paste_is_not_asked_about(built):
    built.type("\x1b[200~pwd\ncd /iscsi\x1b[201~", "pwd")
    assert built.out.splitlines()[2:4] == ["/", "/iscsi"]


def test_the_answer_is_in_no_history(built):
    built.type("/backstores/fileio delete disk1", "no")
    assert built.history == ["/backstores/fileio delete disk1"]


def test_apply_is_one_question_for_all_that_it_removes(built):
    other = "/iscsi/iqn.2003-01.com.example:disk2"
    built.session.run_line(f"/iscsi create {other[7:]}")
    built.session.run_line("saveconfig")
    document = json.loads(built.saved.read_text())
    document["targets"].clear()
    built.saved.write_text(json.dumps(document))
    built.type("apply", "n")
    assert f"apply {built.saved} takes away:\n  1 LUN:\n    {TPG}/luns/lun0" in built.err
    assert is_there(built, f"/iscsi/{IQN}")
    built.type("apply", "y")
    assert not is_there(built, f"/iscsi/{IQN}")
    assert not is_there(built, other)
