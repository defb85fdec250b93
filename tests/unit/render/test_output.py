# SPDX-License-Identifier: Apache-2.0
"""Streams, colours and forms of what is shown."""

import io
import json

import pytest
import yaml

from lioshell.environment import Environment
from lioshell.errors import NotFoundError
from lioshell.render.output import Output
from lioshell.render.tree import TreeItem


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Latin(io.TextIOWrapper):
    """A stream of an encoding that lacks most of what there is."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="latin-1", newline="\n")

    def getvalue(self):
        self.flush()
        return self.buffer.getvalue().decode("latin-1")


def make(stdout=None, stderr=None, columns="80", **options):
    env = Environment(
        stdout=stdout or io.StringIO(),
        stderr=stderr or io.StringIO(),
        environ={"COLUMNS": columns},
    )
    return env, Output(env, **options)


ERROR = NotFoundError("There is no /x", hint="Type ls.", path="/x")
ERROR.excerpt = ("ls 'x", "   ^")


def test_an_error_is_what_failed_and_what_to_type_next():
    env, out = make()
    out.error(ERROR, "line 3: ")
    assert env.stdout.getvalue() == ""
    assert env.stderr.getvalue() == (
        "ls 'x\n   ^\nerror: line 3: There is no /x\n  hint: Type ls.\n"
    )


def test_an_error_has_colour_where_stderr_is_a_terminal():
    env, out = make(Terminal(), Terminal(), color=True)
    out.error(ERROR)
    assert "\x1b[1;31merror: \x1b[0mThere is no /x" in env.stderr.getvalue()
    assert "\x1b[36m  hint: \x1b[0m" in env.stderr.getvalue()


@pytest.mark.parametrize(
    ("stderr", "options", "colored"),
    [
        (io.StringIO, {"color": True}, False),
        (Terminal, {"color": False}, False),
        (Terminal, {"color": False, "color_errors": True}, True),
        (Terminal, {"color": True, "color_errors": False}, False),
        (io.StringIO, {"color": True, "color_errors": True}, True),
    ],
)
def test_when_errors_have_colour(stderr, options, colored):
    env, out = make(io.StringIO(), stderr(), **options)
    out.error(ERROR)
    assert ("\x1b[" in env.stderr.getvalue()) is colored


def test_what_could_not_be_undone_is_told():
    error = NotFoundError("It failed", hint="Look.")
    error.remains = ("rmdir x: busy",)
    env, out = make()
    out.error(error)
    assert "Could not be undone: rmdir x: busy" in env.stderr.getvalue()
    env, out = make(form="json")
    out.error(error)
    assert json.loads(env.stdout.getvalue())["error"]["remains"] == ["rmdir x: busy"]


def test_a_tree_in_colour_has_the_same_text():
    item = TreeItem("/", "/", "...", None, [TreeItem("a", "/a", "broken", False, [])])
    plain_env, plain = make()
    color_env, color = make(Terminal(), color=True)
    plain.tree(item)
    color.tree(item)
    assert "\x1b[1;31m[broken]\x1b[0m" in color_env.stdout.getvalue()
    import re

    bare = re.sub(r"\x1b\[[0-9;]*m", "", color_env.stdout.getvalue())
    assert bare == plain_env.stdout.getvalue()


def test_lines_are_folded_on_a_terminal_only():
    rows = [("name", "1", "word " * 40, True)]
    for stream, lines in ((io.StringIO(), 1), (Terminal(), 3)):
        env, out = make(stream)
        out.parameters(rows, title="")
        assert len(env.stdout.getvalue().splitlines()) >= lines
        assert (len(env.stdout.getvalue().splitlines()) == 1) is (lines == 1)


def test_control_characters_are_shown_and_not_sent():
    env, out = make(Terminal(), color=True)
    out.say("a\x1b[2Jb\nc\u202ed")
    assert env.stdout.getvalue() == "a\\x1b[2Jb\\nc\\u202ed\n"


def test_what_an_encoding_lacks_is_escaped():
    env, out = make(Latin(), Latin())
    out.say("ü € \udcff")
    out.error(NotFoundError("€", hint="Look."))
    assert env.stdout.getvalue() == "ü \\u20ac \\udcff\n"
    assert env.stderr.getvalue().startswith("error: \\u20ac\n")


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_documents(form, read):
    env, out = make(form=form)
    out.say("Created.")
    out.parameters([("a", "1", "", True), ("b", None, "unreadable", True)], title="X")
    out.finish("get x")
    assert read(env.stdout.getvalue()) == {
        "schema": "lioshell/1",
        "command": "get x",
        "result": {"a": "1", "b": None},
        "messages": ["Created."],
    }
    out.finish("ls")
    assert env.stdout.getvalue().count("lioshell/1") == 2


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_documents_hold_any_name_in_any_encoding(form):
    env, out = make(Latin(), form=form)
    out.say("\udcff € \x1b")
    out.finish("x")
    assert "lioshell/1" in env.stdout.getvalue()


def test_quiet_leaves_out_what_was_not_asked_for():
    env, out = make(quiet=True)
    out.say("Created.")
    out.note("by the way")
    out.text("/iscsi")
    out.error(ERROR)
    assert env.stdout.getvalue() == "/iscsi\n"
    assert "error: " in env.stderr.getvalue()


def test_steps_are_told_where_they_are_asked_for():
    env, out = make()
    out.trace("write x")
    assert env.stderr.getvalue() == ""
    env, out = make(verbose=True)
    out.trace("write x")
    assert env.stderr.getvalue() == "write x\n"


def test_fields_show_yes_no_and_nothing():
    env, out = make()
    out.fields({"a": True, "b": False, "c": None, "d": 5}, title="ALL")
    assert env.stdout.getvalue() == "ALL\na: yes\nb: no\nc: -\nd: 5\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_said_of_a_change_is_shown_once_it_is_done(form):
    env, out = make(form=form)
    with out.once_done():
        out.say("Created LUN 0.")
        assert env.stdout.getvalue() == ""
    out.finish("create")
    assert "Created LUN 0." in env.stdout.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_said_of_a_change_that_fails_is_not_shown(form):
    env, out = make(form=form)
    with pytest.raises(NotFoundError), out.once_done():
        out.say("Created LUN 0.")
        raise NotFoundError("gone")
    out.say("Next.")
    out.finish("create")
    assert "Created" not in env.stdout.getvalue()
    assert "Next." in env.stdout.getvalue()


def test_records_are_a_table_or_blocks_and_in_json_a_list():
    records = [{"name": "a", "state": "on"}, {"name": "b", "state": "off"}]
    env, out = make()
    out.records(records)
    assert [line.split() for line in env.stdout.getvalue().splitlines()] == [
        ["NAME", "STATE"],
        ["a", "on"],
        ["b", "off"],
    ]
    env, out = make()
    out.records(records, in_full=True)
    assert env.stdout.getvalue() == "name: a\nstate: on\n\nname: b\nstate: off\n"
    env, out = make(form="json")
    out.records(records)
    out.finish("sessions")
    assert json.loads(env.stdout.getvalue())["result"] == records


def test_an_answer_for_each_of_several_objects():
    env, out = make(form="json")
    for name in ("a", "b"):
        out.text(name.upper())
        out.one_of_many(name)
    out.finish("* pwd")
    out.text("C")
    out.finish("pwd")
    first, second = map(json.loads, env.stdout.getvalue().splitlines())
    assert first["result"] == {"a": "A", "b": "B"}
    assert second["result"] == "C"


def test_no_preference_takes_colours_that_were_asked_for():
    for fixed, colored in ((False, False), (True, True)):
        _, out = make(color=True, color_is_fixed=fixed)
        out.prefer(color=False, says=True, notes=True)
        assert out.color is colored
