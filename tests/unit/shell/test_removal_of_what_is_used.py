# SPDX-License-Identifier: Apache-2.0
"""A one-liner or script takes nothing from an initiator that is logged in, unless --yes."""

from pathlib import Path

import pytest

from lioshell.errors import ConflictError, DeclinedError, ExitCode

from .conftest import CLIENT, IQN, TPG

COMMANDS = [
    f"/iscsi delete {IQN}",
    f"/iscsi/{IQN} delete tpg1",
    f"{TPG} disable",
    f"{TPG}/luns delete lun0",
    f"{TPG}/acls delete {CLIENT}",
    f"{TPG}/acls/{CLIENT} delete 0",
    f"{TPG}/portals delete [::0]:3260",
    "/backstores/fileio delete disk1",
    "restoreconfig clear_existing=true",
]


@pytest.fixture
def used(built):
    """A target to which CLIENT is logged in."""
    built.run("saveconfig")
    configfs = Path(built.lio.configfs.location)
    info = configfs / f"iscsi/{IQN}/tpgt_1/acls/{CLIENT}/info"
    info.write_text(
        f"InitiatorName: {CLIENT}\nSession State: TARG_SESS_STATE_LOGGED_IN\n"
        "   Address 192.168.1.7:41394 TCP  StatSN: 0x1\n"
    )
    return built


@pytest.mark.parametrize("line", COMMANDS)
def test_it_is_refused_with_exit_3_and_names_who_is_logged_in(used, line):
    before = used.run("ls")

    error = used.fails(line)

    assert isinstance(error, ConflictError)
    assert error.exit_code == ExitCode.CONFLICT
    assert f"{CLIENT} (192.168.1.7:41394 TCP) is logged in" in error.message
    assert "--yes" in error.hint
    assert used.run("ls") == before


@pytest.mark.parametrize("line", COMMANDS)
def test_yes_does_it(used, line):
    used.session.consent.assume_yes = True
    before = used.run("ls")
    used.run(line)
    assert used.run("ls") != before or line.startswith("restoreconfig")


@pytest.mark.parametrize("line", COMMANDS)
def test_yes_at_the_end_of_a_line_does_this_one(used, line):
    used.run(f"{line} --yes")
    assert used.session.assume_yes is False


def test_a_quoted_yes_is_a_name(used):
    error = used.fails("/backstores/fileio delete '--yes'")
    assert "no /backstores/fileio/--yes" in error.message
    used.session.run_arguments(["clearconfig", "--yes"])
    assert "Targets: 0" in used.run("ls /iscsi")


@pytest.mark.parametrize("line", COMMANDS)
def test_nobody_logged_in_is_no_question(built, line):
    built.run("saveconfig", line)


def test_an_interactive_session_asks_and_its_answer_counts(used):
    asked = []
    answers = [False, True]

    def confirm(impact):
        asked.append((impact.logins, list(impact.lun_lines())))
        return answers.pop(0)

    used.session.consent.confirm = confirm
    before = used.run("ls")

    assert isinstance(used.fails(f"/iscsi delete {IQN}"), DeclinedError)
    assert used.run("ls") == before
    used.run(f"/iscsi delete {IQN}")

    assert IQN not in used.run("ls /iscsi")
    logins, luns = asked[0]
    assert [login.initiator for login in logins] == [CLIENT]
    assert luns == [f"{TPG}/luns/lun0 (fileio/disk1)"]
