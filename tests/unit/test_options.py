# SPDX-License-Identifier: Apache-2.0
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.errors import UsageError
from lioshell.option_parser import parser
from lioshell.options import Options, _plain, parse

DEFAULT = "/home/me/.local/state/lioshell/sim"


def options(*argv: str) -> Options:
    found = parse(argv, DEFAULT)
    assert isinstance(found, Options)
    return found


def test_nothing():
    found = options()
    assert (found.lines, found.script, found.words) == ((), None, ())
    assert (found.sim, found.configfs) == (None, "/sys/kernel/config")
    assert (found.output, found.color) == ("text", "auto")
    assert not any((found.dry_run, found.yes, found.quiet, found.verbose, found.keep_going))


def test_every_option():
    found = options(
        *("--sim=/tmp/x", "--configfs", "/cfg", "-o", "json", "-n", "-y", "--color", "never"),
        *("-q", "-v", "--keep-going", "-c", "ls", "-c", "pwd -x"),
    )
    assert found.lines == ("ls", "pwd -x")
    assert (found.sim, found.configfs, found.output, found.color) == (
        "/tmp/x",
        "/cfg",
        "json",
        "never",
    )
    assert all((found.dry_run, found.yes, found.quiet, found.verbose, found.keep_going))
    found = options("--dry-run", "--yes", "--configfs=/cfg", "-f", "script")
    assert (found.dry_run, found.yes, found.configfs, found.script) == (
        True,
        True,
        "/cfg",
        "script",
    )


def test_words_begin_at_the_first_that_is_no_option():
    assert options("-n", "ls", "-n", "--sim", "-c").words == ("ls", "-n", "--sim", "-c")
    assert options("create", "a b", "", "x=y z").words == ("create", "a b", "", "x=y z")
    assert options("", "ls").words == ("", "ls")


# --sim


@pytest.mark.parametrize(
    ("argv", "sim", "words"),
    [
        (["--sim"], DEFAULT, ()),
        (["--sim", "ls"], DEFAULT, ("ls",)),
        (["--sim", "ls", "/iscsi"], DEFAULT, ("ls", "/iscsi")),
        (["--sim", "/iscsi", "ls"], DEFAULT, ("/iscsi", "ls")),
        (["--sim", "/backstores/fileio", "create"], DEFAULT, ("/backstores/fileio", "create")),
        (["--sim", "/", "ls"], DEFAULT, ("/", "ls")),
        (["--sim", "/tmp", "ls"], DEFAULT, ("/tmp", "ls")),
        (["--sim", "/tmp/x", "ls"], "/tmp/x", ("ls",)),
        (["--sim", "/tmp/x/", "ls"], "/tmp/x", ("ls",)),
        (["--sim", "./x", "ls"], "CWD/x", ("ls",)),
        (["--sim", "../x", "ls"], "PARENT/x", ("ls",)),
        (["--sim", ".", "ls"], "CWD", ("ls",)),
        (["--sim=/iscsi", "ls"], "/iscsi", ("ls",)),
        (["--sim=x", "ls"], "CWD/x", ("ls",)),
        (["--sim=", "ls"], DEFAULT, ("ls",)),
        (["--sim", "-n", "ls"], DEFAULT, ("ls",)),
        (["-n", "--sim", "/tmp/x", "-v", "ls"], "/tmp/x", ("ls",)),
        (["-o", "json", "--sim", "ls"], DEFAULT, ("ls",)),
        (["--color", "always", "--sim", "ls"], DEFAULT, ("ls",)),
        (["-c", "--sim", "--sim", "/tmp/x"], None, ()),
        (["ls", "--sim"], None, ("ls", "--sim")),
    ],
)
def test_sim(argv, sim, words, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    if argv[:2] == ["-c", "--sim"]:
        # An option's value is never taken for another option.
        with pytest.raises(UsageError):
            options(*argv)
        return
    found = options(*argv)
    if sim is not None:
        sim = sim.replace("CWD", str(folder)).replace("PARENT", str(tmp_path))
    assert (found.sim, found.words) == (sim, words)


def test_sim_in_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert options("--sim", "~/sim", "ls").sim == "/home/me/sim"
    assert options("--sim=~/sim", "ls").sim == "/home/me/sim"


def test_sim_with_lines():
    found = options("--sim", "-c", "ls")
    assert (found.sim, found.lines) == (DEFAULT, ("ls",))


def test_options_for_a_process_that_is_to_use_the_same_kernel():
    assert options("--sim=/tmp/x", "ls").kernel_options == ("--sim=/tmp/x",)
    assert options("--configfs=/cfg", "ls").kernel_options == ("--configfs=/cfg",)
    relative = options("--configfs", "cfg").kernel_options
    assert relative == (f"--configfs={os.path.abspath('cfg')}",)
    again = options(*options("--sim", "./a b").kernel_options)
    assert again.sim == os.path.abspath("a b")


# What is wrong


@pytest.mark.parametrize(
    "argv",
    [
        ("--bogus",),
        ("-x",),
        ("--si", "ls"),
        ("--keep",),
        ("-c",),
        ("-f",),
        ("-o",),
        ("-o", "xml"),
        ("--color", "blue"),
        ("--configfs",),
        ("--dry-run=maybe",),
        ("-c", "ls", "ls"),
        ("-c", "ls", "-f", "script"),
        ("-f", "script", "ls"),
    ],
)
def test_what_is_not_understood(argv):
    with pytest.raises(UsageError) as caught:
        parse(argv, DEFAULT)
    assert caught.value.hint


def test_help_and_version_are_texts():
    for argv in (["--help"], ["-h"], ["-n", "--help", "ls"]):
        assert "COMMAND WORDS" in str(parse(argv, DEFAULT))
    assert str(parse(["--version"], DEFAULT)).startswith("lioshell ")


def test_short_options_in_one():
    found = options("-nv", "ls")
    assert (found.dry_run, found.verbose) == (True, True)


def test_an_option_with_its_value_attached():
    found = options("-ojson", "-cls", "--sim")
    assert (found.output, found.lines, found.sim) == ("json", ("ls",), DEFAULT)


def test_short_options_in_one_before_a_value():
    found = options("-nc", "ls", "--sim")
    assert (found.dry_run, found.lines, found.sim) == (True, ("ls",), DEFAULT)


def test_two_dashes_end_the_options():
    assert options("-n", "--", "ls", "-n").words == ("ls", "-n")
    assert options("--", "--sim").words == ("--sim",)


# The plain forms are read without argparse, and mean the same there


WORDS = (
    *("-n", "-y", "-q", "-v", "--dry-run", "--keep-going", "-c", "-f", "-o", "--color", "ls", "-"),
    *("json", "always", "--configfs", "--configfs=/cfg", "--configfs=", "--sim=/x", "-h", "-cls"),
    *("--version", "--nothing", "-qv", "--yes=1", "", "--color=never", "-ojson"),
)


@given(st.lists(st.sampled_from(WORDS), max_size=6))
def test_plain_options_mean_what_argparse_says(words):
    plain = _plain(words)
    try:
        found = vars(parser().parse_args(words))
    except UsageError:
        found = None
    assert plain is None or plain == found


def test_usual_options_are_plain():
    assert _plain(["-q", "--sim=/x", "-c", "ls /", "-o", "json", "--color=never", "-y"]) is not None
