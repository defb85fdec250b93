# SPDX-License-Identifier: Apache-2.0
"""watch: what it repeats, and what it refuses."""

import pytest

from lioshell.errors import LioshellError, UsageError
from lioshell.shell.screen import Screen

IQN = "iqn.2003-01.com.example:disk1"


class Twice(Screen):
    def __init__(self):
        self.titles = []

    def watch(self, interval_s, title, show):
        self.titles.append((interval_s, title))
        show()
        show()


def test_the_line_is_repeated_where_it_was_typed(built):
    built.session.screen = Twice()
    assert built.run("/iscsi watch 0.5 pwd") == "/iscsi\n/iscsi\n"
    assert built.session.screen.titles == [(0.5, "Every 0.5 s at /iscsi: pwd")]
    assert built.path == "/"


def test_a_star_is_repeated_at_all_that_match(built):
    built.session.screen = Twice()
    built.run("/backstores/ramdisk create r 1M")
    shown = built.run("watch 2 /backstores/*/* pwd").split()
    assert shown == ["/backstores/fileio/disk1", "/backstores/ramdisk/r"] * 2


def test_the_line_keeps_its_quotes_and_its_names(built):
    built.session.screen = Twice()
    built.run("watch 2 get global 'prompt_length'")
    assert built.session.screen.titles[-1][1] == "Every 2 s at /: get global 'prompt_length'"
    assert "Targets: 1" in built.run("watch 2 ls path=/iscsi")
    assert built.fails("watch 2 ls 'open").exit_code == 2


@pytest.mark.parametrize(
    "line",
    [
        "watch",
        "watch 2",
        "watch 2 #",
        "watch 2 ''",
        "watch x ls",
        "watch 0 ls",
        "watch nan ls",
        "watch inf ls",
        "watch -1 ls",
        f"watch 2 /iscsi delete {IQN}",
        "watch 2 saveconfig",
        "watch 2 exit",
        "watch 2 cd /iscsi",
        "watch 2 /iscsi",
        "watch 2 watch 2 ls",
        "watch 2 nonsense",
        "watch 2 set global prompt_length=3 'x",
    ],
)
def test_what_is_no_repetition_is_refused(built, line):
    built.session.screen = Twice()
    assert isinstance(built.fails(line), LioshellError)
    assert built.run("/iscsi pwd") == "/iscsi\n"
    assert built.path == "/"


def test_a_preference_is_not_set_again_and_again(built):
    built.session.screen = Twice()
    with pytest.raises(UsageError):
        built.session.run_line("watch 2 set global prompt_length=3")


def test_without_a_terminal_there_is_no_watch(built):
    assert "terminal" in built.fails("watch 2 ls").message
