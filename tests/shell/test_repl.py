# SPDX-License-Identifier: Apache-2.0
"""The interactive session: whatever a line does, the next prompt comes."""

import io
import os
import signal
import stat
import sys
import threading

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.styles import Style

from lioshell.lio.fabrics import Fabric
from lioshell.shell import editor, repl
from lioshell.shell.nodes.root_commands import RootCommands

CTRL_C, UP = b"\x03", b"\x1b[A"
IQN = "iqn.2003-01.com.example:disk1"


def test_lines_are_run_one_after_the_other(terminal):
    assert terminal.type("cd /iscsi", "pwd", "..", "pwd", "exit") == 0
    assert terminal.out.splitlines()[2:] == ["/iscsi", "/"]
    assert terminal.err == ""


def test_the_greeting_says_where_one_is(terminal):
    terminal.type("exit")
    assert "Type help" in terminal.out
    assert "simulated kernel" in terminal.out


def test_exit_ends_it_with_lines_left(terminal):
    terminal.type("exit", "cd /iscsi")
    assert terminal.session.node.path == "/"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("lz", "Did you mean ls?"),
        ("/nosuch", "There is no /nosuch"),
        ("ls 'open", "never closed"),
        ("/backstores/fileio create d /proc/nosuch/file 1M", "error: "),
        ("/backstores/ramdisk create d 5x", "error: "),
    ],
)
def test_an_error_does_not_end_it(terminal, line, shown):
    assert terminal.type(line, "pwd") == 0
    assert shown in terminal.err
    assert terminal.out.endswith("/\n")


@pytest.mark.parametrize(
    "defect", [RuntimeError("oh"), OSError(5, "Input/output error"), MemoryError(), EOFError("x")]
)
def test_no_defect_of_a_command_ends_it(terminal, monkeypatch, defect):
    def broken(self):
        raise defect

    monkeypatch.setattr(RootCommands, "ui_command_version", broken)
    assert terminal.type("version", "pwd") == 0
    assert f"lioshell itself failed: {type(defect).__name__}" in terminal.err
    assert "Traceback" not in terminal.err
    assert "  hint: " in terminal.err
    assert terminal.out.endswith("/\n")


def test_with_v_a_failure_shows_its_traceback(terminal, monkeypatch):
    def broken(self):
        raise ZeroDivisionError

    monkeypatch.setattr(RootCommands, "ui_command_version", broken)
    terminal.new_session(verbose=True)
    terminal.type("version", "lz")
    assert terminal.err.count("Traceback") == 2


def test_an_empty_line_and_a_comment_do_nothing(terminal):
    terminal.type("  ", "# nothing", "pwd # here")
    assert terminal.out.splitlines()[2:] == ["/"]
    assert terminal.err == ""


def test_ctrl_c_drops_the_line(terminal):
    terminal.type(b"/iscsi create", CTRL_C, "pwd")
    assert terminal.out.splitlines()[2:] == ["/"]
    assert "Targets" not in terminal.out
    assert terminal.session.changed is False


def test_ctrl_c_ends_a_command_and_not_the_session(terminal, monkeypatch):
    def slow(self):
        # The terminal sends SIGINT to who is in the foreground.
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(30)

    monkeypatch.setattr(RootCommands, "ui_command_version", slow)
    assert terminal.type("version", "pwd") == 0
    assert terminal.err == "interrupted\n"
    assert terminal.out.endswith("/\n")


def test_ctrl_c_in_the_middle_of_a_create_leaves_nothing_half_made(terminal, monkeypatch):
    real = type(terminal.lio.configfs).write

    def write(self, path, value, *, secret=False):
        if path.endswith("attrib/authentication"):
            raise KeyboardInterrupt
        real(self, path, value, secret=secret)

    monkeypatch.setattr(type(terminal.lio.configfs), "write", write)
    terminal.type(f"/iscsi create {IQN}", "pwd")
    assert "interrupted" in terminal.err
    assert Fabric(terminal.lio, terminal.lio.specs.fabric("iscsi")).targets() == []


def test_pasted_lines_are_run_until_one_fails(terminal):
    paste = "\x1b[200~cd /iscsi\npwd\n\nlz\npwd\nexit\x1b[201~"
    terminal.type(paste, "pwd")
    assert terminal.out.splitlines()[2:] == ["/iscsi", "/iscsi"]
    assert "[2/5] pwd\n[3/5] lz\n" in terminal.err
    assert "2 more pasted lines not run" in terminal.err
    assert terminal.history[:4] == ["cd /iscsi", "pwd", "lz", "pwd"]


def test_a_pasted_exit_ends_it(terminal):
    terminal.type("\x1b[200~pwd\nexit\npwd\x1b[201~")
    assert terminal.out.splitlines()[2:] == ["/"]


def test_places(terminal):
    terminal.type(
        "set global auto_cd_after_create=true",
        f"/iscsi create {IQN}",
        "pwd",
        "cd <",
        "pwd",
        "cd >",
        "pwd",
        "../..",
        "pwd",
        f"delete {IQN}",
        "y",
        "cd <",
        "pwd",
    )
    places = [line for line in terminal.out.splitlines() if line.startswith("/")]
    assert places == [f"/iscsi/{IQN}/tpg1", "/", f"/iscsi/{IQN}/tpg1", "/iscsi", "/"]


def test_deleting_where_one_stands_goes_up(terminal):
    terminal.type(
        f"/iscsi create {IQN}", f"/iscsi/{IQN}/tpg1/luns", f"/iscsi delete {IQN}", "y", "pwd"
    )
    assert "\n/iscsi\n" in terminal.out


def test_a_place_that_vanished_while_nobody_typed(terminal, monkeypatch):
    def sabotage(self):
        Fabric(self.lio, self.lio.specs.fabric("iscsi")).target(IQN).delete()

    monkeypatch.setattr(RootCommands, "ui_command_version", sabotage)
    # The command behind it stands for another program; it does not know where one stands.
    monkeypatch.setattr(type(terminal.session), "_leave_what_is_gone", lambda self: None, False)
    terminal.type(f"/iscsi create {IQN}", f"/iscsi/{IQN}/tpg1", "/ version")
    monkeypatch.undo()
    terminal.type("create 2", "pwd")
    assert "does not exist any more" in terminal.err
    assert "\n/iscsi\n" in terminal.out


def test_history_without_passwords_for_its_user_alone(terminal):
    terminal.type(
        "pwd", "set auth password=hunter2", "set auth pasword=hunter2", "set auth password='hunter2"
    )
    assert terminal.history == ["pwd"]
    path = terminal.home / ".local" / "state" / "lioshell" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "hunter2" not in terminal.out + terminal.err


def test_the_up_key_brings_the_last_line_of_an_earlier_session(terminal):
    terminal.type("cd /iscsi", "pwd")
    terminal.new_session()
    terminal.type(UP, "", "exit")
    assert terminal.out.splitlines()[2:] == ["/"]


@pytest.mark.parametrize(
    ("line", "suggested"),
    [
        ("/backstores/fileio delete disk1", None),
        ("/backstores/fileio/delete disk1", None),
        ("/iscsi/x/tpg1 disable", None),
        ("restoreconfig clear_existing=true", None),
        ("/restoreconfig", None),
        ("clearconfig confirm=true", None),
        ("/backstores/fileio 'delete' disk1", None),
        ("/backstores/fileio create disk1 /srv/x 1G", "ate disk1 /srv/x 1G"),
        ("ls /iscsi", "scsi"),
    ],
)
def test_no_line_that_takes_something_away_is_suggested(line, suggested):
    history = InMemoryHistory()
    history.append_string(line)
    buffer = Buffer(history=history)
    buffer.load_history_if_not_yet_loaded = lambda: None
    buffer._working_lines.appendleft(line)
    typed = line[: len(line) - len(suggested)] if suggested else line[:8]
    found = editor.HarmlessSuggestions().get_suggestion(buffer, Document(typed))
    assert (found and found.text) == suggested


def test_the_prompt_is_the_path_cut_in_the_middle(terminal):
    terminal.session.run_line(
        "/iscsi create iqn.2003-01.org.linux-iscsi.san01.x8664:sn.05135a0e4a11"
    )
    terminal.session.run_line("/iscsi/iqn.2003-01.org.linux-iscsi.san01.x8664:sn.05135a0e4a11/tpg1")
    text = "".join(part for _, part in editor.prompt_text(terminal.session))
    assert text == "/iscsi/iqn.20...5a0e4a11/tpg1> "
    terminal.session.run_line("set global prompt_length=0")
    text = "".join(part for _, part in editor.prompt_text(terminal.session))
    assert text == f"{terminal.session.node.path}> "


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_messages_of_other_threads_stand_above_the_line(terminal, monkeypatch):
    shown = Tty()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "stderr", shown)
    terminal.env.stdout = terminal.env.stderr = shown
    with create_app_session(output=DummyOutput()), repl._messages_above_the_prompt(terminal.env):
        assert terminal.env.stderr is sys.stdout
        assert terminal.env.stderr is not shown
        thread = threading.Thread(target=terminal.session.out.note, args=("a disk went",))
        thread.start()
        thread.join()
    assert shown.getvalue() == ""
    assert terminal.env.stdout is shown
    assert terminal.env.stderr is shown


def test_messages_that_go_to_a_file_stay_there(terminal, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    terminal.env.stderr = log
    with create_app_session(output=DummyOutput()), repl._messages_above_the_prompt(terminal.env):
        terminal.session.out.note("a disk went")
    assert log.getvalue() == "a disk went\n"


def test_the_colors_of_a_line_are_preferences(terminal):
    chosen, prefs = editor.chosen, terminal.session.prefs
    assert chosen(prefs)["line.path"] == "ansimagenta"
    terminal.session.run_line("set global color_path=red color_command=none color_default=blue")
    assert chosen(prefs)["line.path"] == "ansired"
    assert chosen(prefs)["line.command"] == "bold"
    assert chosen(prefs)[""] == "ansiblue"
    style = Style.from_dict(chosen(prefs))
    assert style.get_attrs_for_style_str("class:line.path").color == "ansired"
