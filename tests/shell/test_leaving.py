# SPDX-License-Identifier: Apache-2.0
"""The end of a session: what is saved, and who serves the disks afterwards."""

import json

import pytest

from lioshell.errors import RunnerError

CTRL_C, CTRL_D = b"\x03", b"\x04"
IQN = "iqn.2003-01.com.example:disk1"


def create_disk(terminal):
    return f"/backstores/user:file create vol0 1M {terminal.folder}/vol0.img"


@pytest.mark.parametrize("end", ["exit", CTRL_D])
def test_what_changed_is_saved(terminal, end):
    assert terminal.type(f"/iscsi create {IQN}", end) == 0
    assert "Configuration saved to" in terminal.out
    assert json.loads(terminal.saved.read_text())["targets"][0]["wwn"] == IQN


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["ls"],
        ["set global prompt_length=20"],
        ["lz"],
        ["/iscsi create nonsense"],
        ["/backstores/fileio delete x"],
    ],
)
def test_nothing_is_saved_where_nothing_changed(terminal, lines):
    assert terminal.type(*lines) == 0
    assert not terminal.saved.exists()
    assert "aved" not in terminal.out


def test_what_was_saved_already_is_not_saved_again(terminal):
    terminal.type(f"/iscsi create {IQN}", "saveconfig")
    assert terminal.out.count("Configuration saved") == 1


def test_saving_elsewhere_is_not_saving(terminal):
    terminal.type(f"/iscsi create {IQN}", f"saveconfig {terminal.folder}/other.json")
    assert terminal.out.count("Configuration saved") == 2
    assert terminal.saved.exists()


def test_a_preference_keeps_it_from_being_saved(terminal):
    terminal.type("set global auto_save_on_exit=false", f"/iscsi create {IQN}")
    assert not terminal.saved.exists()


def test_a_save_that_fails_is_shown_and_makes_the_exit_code(terminal):
    terminal.saved.mkdir()
    (terminal.saved / "x").write_text("")
    assert terminal.type(f"/iscsi create {IQN}", create_disk(terminal), "exit", "y") != 0
    assert "error: " in terminal.err
    assert terminal.hosting.handed_over == ["core/user_0/vol0"]


@pytest.mark.parametrize("answer", ["", "y", "Yes", "what", CTRL_D, CTRL_C])
def test_disks_are_handed_over(terminal, answer):
    assert terminal.type(create_disk(terminal), "exit", answer) == 0
    assert "This session serves vol0." in terminal.out
    assert terminal.hosting.handed_over == ["core/user_0/vol0"]
    assert terminal.out.endswith("A service serves vol0 now.\n")


@pytest.mark.parametrize("answer", ["n", "No"])
def test_or_left_to_wait(terminal, answer):
    assert terminal.type(create_disk(terminal), "exit", answer) == 0
    assert terminal.hosting.handed_over == []
    assert "initiators wait until somebody serves them again" in terminal.err


def test_nobody_is_asked_where_nothing_is_served(terminal):
    terminal.type("ls", "exit")
    assert "Hand over" not in terminal.out
    assert terminal.hosting.handed_over == []


def test_yes_answers_the_question(terminal):
    terminal.new_session(assume_yes=True)
    terminal.type(create_disk(terminal), "exit")
    assert terminal.hosting.handed_over == ["core/user_0/vol0"]


@pytest.mark.parametrize(
    ("failure", "shown", "code"),
    [
        (RunnerError("The service did not start", hint="Look."), "did not start", 1),
        (ZeroDivisionError("x"), "lioshell itself failed: ZeroDivisionError", 1),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
)
def test_a_hand_over_that_fails_is_shown(terminal, failure, shown, code):
    terminal.hosting.failure = failure
    assert terminal.type(create_disk(terminal), "exit", "y") == code
    assert shown in terminal.err
    assert "A service serves" not in terminal.out


def test_the_answer_is_in_no_history(terminal):
    terminal.type(create_disk(terminal), "exit", "yes")
    assert terminal.history == [create_disk(terminal), "exit"]
