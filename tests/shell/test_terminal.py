# SPDX-License-Identifier: Apache-2.0
"""A real process on a real terminal: keys, colours, messages, and the terminal left as it was."""

import fcntl
import os
import re
import signal
import termios

import pytest

from .pty_screen import CTRL_C, CTRL_D, ENTER, TAB, Screen


@pytest.fixture
def start(tmp_path):
    screens = []

    def begin(*options, **environment):
        screens.append(Screen(tmp_path, *options, **environment))
        screens[-1].until("/>")
        return screens[-1]

    yield begin
    for screen in screens:
        screen.close()


def test_tab_completes_errors_are_red_and_the_terminal_is_left_as_it_was(start):
    screen = start()
    screen.keys("cd /backstores/fil" + TAB)
    # The screen is repaired, not written anew: only what Tab adds comes.
    screen.until("eio")
    screen.line("", "/backstores/fileio>")
    # Whoever knows what Tab will do does not wait for it.
    screen.keys(f"cre{TAB}disk1 {screen.folder}/disk1.img 1M")
    screen.line("", "Created fileio disk1")
    screen.line("lz", "Did you mean ls?")
    assert "\x1b[1;31merror: " in screen.written
    assert "\x1b[32mCreated fileio disk1" in screen.written
    screen.until(">")
    screen.keys(CTRL_D)
    screen.until("Configuration saved to")
    assert screen.end() == 0
    assert termios.tcgetattr(screen.slave) == screen.before
    # Bracketed paste is switched off again.
    assert screen.written.rindex("\x1b[?2004l") > screen.written.rindex("\x1b[?2004h")


def test_ctrl_c_ends_what_waits_and_the_line_that_is_typed(start):
    screen = start()
    run_dir = screen.folder / "sim" / "run"
    run_dir.mkdir(exist_ok=True)
    with (run_dir / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        screen.keys("/iscsi create" + ENTER)
        screen.until_it_has_open(run_dir / "lock")
        screen.keys(CTRL_C)
        screen.until("interrupted")
    screen.until("/>")
    screen.keys("nonsense" + CTRL_C)
    screen.until("/>")
    screen.line("pwd", "\n/\n")
    screen.line("exit", "exit")
    assert screen.end() == 0
    assert "There is no command" not in screen.plain
    assert termios.tcgetattr(screen.slave) == screen.before


def test_no_colour_where_none_is_wanted(start):
    screen = start(NO_COLOR="1")
    screen.line("lz", "Did you mean ls?")
    screen.line("ls", "[Targets: 0]")
    screen.line("exit", "exit")
    assert screen.end() == 0
    assert not re.search(r"\x1b\[(?:[0-9]+;)*3[0-7]m", screen.written)


def test_a_dumb_terminal_works(start):
    screen = start(TERM="dumb")
    screen.line("ls", "[Targets: 0]")
    screen.line("exit", "exit")
    assert screen.end() == 0


def test_nothing_is_handed_over_where_no_disk_is_left(start):
    screen = start()
    screen.line(f"/backstores/user:file create v 1M {screen.folder}/v.img", "by this session")
    screen.line("/backstores/user:file delete v", "Go on? [y/N]")
    screen.line("y", "Deleted storage object v")
    screen.until(">")
    screen.line("exit", "Configuration saved to")
    assert screen.end() == 0
    assert "Hand over" not in screen.plain


IQN = "iqn.2003-01.com.example:disk1"
TPG = f"/iscsi/{IQN}/tpg1"
SIZES = [(80, 24), (200, 50)]
UP, DOWN, ESCAPE, CTRL_R, CTRL_L = "\x1b[A", "\x1b[B", "\x1b", "\x12", "\x0c"
XTERM = {"TERM": "xterm-256color"}


def shows(*texts):
    return lambda lines: all(any(text in line for line in lines) for text in texts)


def make_target(screen):
    for line in (
        f"/backstores/fileio create disk1 {screen.folder}/disk1.img 10M",
        f"/iscsi create {IQN}",
        f"{TPG}/luns create /backstores/fileio/disk1",
        f"{TPG}/acls create iqn.1994-05.com.redhat:client1",
    ):
        screen.line(line, "Created")
        screen.until(">")


@pytest.mark.parametrize("size", SIZES)
def test_a_working_day(start, size):
    """Menu, colours, did-you-mean, suggestion, search, paste, watch, tree and resize."""
    screen = start(size=size, **XTERM)
    make_target(screen)
    screen.keys(CTRL_L)

    # The menu has a line for each command, with what it does, and stays on the screen.
    screen.keys(f"{TPG} " + TAB)
    screen.until_screen(shows("disable", "enable", "Let initiators use this"), "menu")
    # Esc closes it, and the line is as it was.
    screen.keys(ESCAPE)
    screen.until_screen(lambda lines: not shows("Let initiators use this")(lines), "line alone")
    screen.keys(CTRL_C)

    # Toolbar: the last line of the screen.
    screen.until_screen(
        lambda lines: (
            "simulated kernel | unsaved changes" in lines[-1] and "0 sessions" in lines[-1]
        ),
        "toolbar",
    )

    # An unknown word is red, a path is not; the error says what was meant.
    screen.keys(CTRL_L + "/iscsi lz")
    screen.until_screen(lambda lines: lines[0].endswith("/iscsi lz"), "typed line")
    screen.until_screen(lambda lines: screen.styles(0)[10:12] == ["red", "red"], "red word")
    assert screen.styles(0)[3:9] == ["magenta"] * 6
    screen.line("", "Did you mean ls?")

    # A suggestion out of the history, which the right key takes.
    screen.keys(CTRL_L + "/backstores/fileio cr")
    screen.until_screen(shows(f"create disk1 {screen.folder}"[: size[0] - 25]), "suggestion")
    screen.keys(CTRL_C)

    # Ctrl-R finds a line by a part of it.
    screen.keys(CTRL_L + CTRL_R + "luns cr")
    screen.until_screen(shows(f"`luns cr': {TPG}"), "line that was searched for")
    screen.keys(CTRL_C + CTRL_L)

    # A paste of several lines waits for Enter, and is then run line by line.
    screen.keys("\x1b[200~cd /iscsi\npwd\ncd /\n\x1b[201~")
    screen.until_screen(shows("cd /iscsi", "pwd"), "paste")
    assert "[1/3]" not in screen.plain
    screen.line("", "[3/3] cd /")
    screen.until(">")

    # watch has the screen for itself, and gives it back.
    screen.keys(f"watch 0.1 ls {TPG}/luns" + ENTER)
    screen.until_screen(
        lambda lines: lines[0].startswith("Every 0.1 s at /: ls") and shows("lun0")(lines[2:]),
        "watch",
    )
    screen.keys(CTRL_C)
    screen.until("/>")
    screen.line("pwd", "\n/\n")

    # cd alone: the tree, a filter, Enter.
    screen.keys("cd" + ENTER)
    screen.until_screen(shows("Go to", "o- backstores", "places"), "tree")
    screen.keys("acls client")
    screen.until_screen(shows(" 2 places"), "places that match")
    screen.keys(DOWN + ENTER)
    screen.until("mapped_lun0>")
    # Faster than the screen is painted.
    screen.keys("cd" + ENTER + "acls client" + DOWN + ENTER + "pwd" + ENTER)
    screen.until("client1/mapped_lun0")
    screen.until("mapped_lun0>")
    screen.keys("cd" + ENTER)
    screen.until_screen(shows("Go to"), "tree")
    screen.keys(ESCAPE)
    screen.until("mapped_lun0>")
    screen.line("cd /", "/>")

    # A resize in the middle of a line.
    screen.keys(CTRL_L + "/backstores/fileio ")
    screen.until_screen(
        lambda lines: lines[0].startswith("/> /backstores/fileio"), "line at the top"
    )
    screen.resize(size[0] + 20, size[1] - 4)
    screen.until_screen(
        lambda lines: "simulated kernel" in lines[-1] and shows("/> /backstores/fileio")(lines),
        "line and toolbar after a resize",
    )
    screen.keys(CTRL_C)

    screen.line("exit", "Configuration saved to")
    assert screen.end() == 0
    assert termios.tcgetattr(screen.slave) == screen.before
    assert "Traceback" not in screen.plain


def test_a_long_answer_goes_to_the_pager_and_a_short_one_does_not(start):
    pager = "sh -c 'echo IT COMES; cat; echo IT GOES'"
    screen = start(PAGER=pager, **XTERM)
    make_target(screen)
    screen.line("ls", "IT COMES")
    screen.until("o- loopback")
    screen.until("IT GOES")
    screen.until("/>")
    screen.line(f"ls {TPG}/luns", "lun0")
    screen.until("/>")
    screen.line("ls -o yaml", "IT COMES")
    screen.until("IT GOES")
    screen.until("/>")
    screen.line("set global pager=false", "now")
    screen.line("ls", "o- loopback")
    screen.until("/>")
    assert screen.plain.count("IT COMES") == 2
    screen.line("exit", "saved")
    assert screen.end() == 0


def test_a_pager_that_is_left_or_killed_leaves_the_terminal_as_it_was(start):
    screen = start(PAGER="sh -c 'read line; stty raw -echo </dev/tty; kill -9 $$'", **XTERM)
    make_target(screen)
    screen.keys("ls" + ENTER)
    screen.until("/>")
    screen.line("pwd", "\n/\n")
    screen.line("exit", "saved")
    assert screen.end() == 0
    assert termios.tcgetattr(screen.slave) == screen.before


def test_ctrl_c_ends_a_long_listing(start):
    screen = start(PAGER="cat", **XTERM)
    folder = screen.folder / "sim" / "config" / "target" / "core" / "rd_mcp_0"
    screen.line("/backstores/ramdisk create r0 1M", "Created")
    for number in range(1, 6000):
        (folder / f"r{number}").mkdir()
    # An attribute that the kernel is slow to answer.
    (folder / "r0" / "enable").unlink()
    os.mkfifo(folder / "r0" / "enable")
    screen.until("/>")
    screen.keys("ls" + ENTER)
    slow = screen.until_it_reads(folder / "r0" / "enable")
    screen.keys(CTRL_C)
    screen.until("interrupted")
    os.close(slow)
    (folder / "r0" / "enable").unlink()
    (folder / "r0" / "enable").write_text("1\n")
    screen.until("/>")
    screen.line("pwd", "\n/\n")
    screen.keys("/backstores/ramdisk/r59" + TAB)
    screen.until_screen(shows("r5902"), "menu")
    screen.keys(CTRL_C)
    screen.line("set global auto_save_on_exit=false", "now 'false'")
    screen.until("/>")
    screen.line("exit", "exit")
    assert screen.end() == 0
    assert termios.tcgetattr(screen.slave) == screen.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_session_that_is_ended_saves_and_restores_the_terminal(start, number):
    screen = start(**XTERM)
    make_target(screen)
    screen.signal(number)
    assert screen.end() == 0
    saved = screen.folder / "sim" / "etc" / "target" / "saveconfig.json"
    assert IQN in saved.read_text()
    assert termios.tcgetattr(screen.slave) == screen.before
    assert "Traceback" not in screen.plain


def test_keys_pressed_while_a_command_runs_are_not_echoed_and_not_lost(start):
    screen = start(**XTERM)
    screen.keys("watch 0.2 pwd" + ENTER)
    screen.until("Every 0.2 s")
    screen.keys(CTRL_C)
    screen.until("/>")
    screen.keys("ls /iscsi" + ENTER + "pwd" + ENTER)
    screen.until("[Targets: 0]")
    screen.until("\n/\n")
    screen.line("exit", "exit")
    assert screen.end() == 0


def test_preferences_choose_the_colours(start):
    screen = start(**XTERM)
    screen.line("set global color_path=green color_command=none", "now 'none'")
    screen.until("/>")
    screen.keys(CTRL_L + "/iscsi ls x")
    screen.until_screen(lambda lines: screen.styles(0)[3:9] == ["green"] * 6, "green path")
    assert screen.styles(0)[10:12] == ["default"] * 2
    screen.keys(CTRL_C)
    screen.line("set global color_mode=false", "now 'false'")
    screen.until("/>")
    screen.keys(CTRL_L + "/iscsi pwd x")
    screen.until_screen(lambda lines: lines[0] == "/> /iscsi pwd x", "line")
    assert set(screen.styles(0)) == {"default"}
    screen.keys(CTRL_C)
    screen.line("exit", "exit")
    assert screen.end() == 0


def test_vi_keys(start):
    screen = start(**XTERM)
    screen.line("set global editing_mode=vi", "now 'vi'")
    screen.until("/>")
    screen.keys("pwdx" + ESCAPE)
    screen.until_screen(lambda lines: lines[-1].startswith(" vi "), "mode in the toolbar")
    screen.keys("x" + ENTER)
    screen.until("\n/\n")
    screen.line("exit", "exit")
    assert screen.end() == 0


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_terminals_have_all_that_needs_no_colour(start, environment):
    screen = start(**{**XTERM, **environment})
    make_target(screen)
    screen.line(f"/iscsi delete {IQN}", "1 LUN:")
    screen.until("Go on? [y/N]")
    screen.line("n", "Nothing was changed")
    screen.until("/>")
    screen.keys("watch 0.1 pwd" + ENTER)
    screen.until("Every 0.1 s at /: pwd")
    screen.keys(CTRL_C)
    screen.until("/>")
    screen.line("exit", "saved")
    assert screen.end() == 0
    assert not re.search(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|9[0-7])m", screen.written)
