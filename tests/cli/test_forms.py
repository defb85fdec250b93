# SPDX-License-Identifier: Apache-2.0
"""What is printed, where, and in which form: -o, -q, -v, --color, and what runs nothing."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

import lioshell

from .conftest import Result

IQN = "iqn.2003-01.com.example:disk1"
ACL = f"/iscsi/{IQN}/tpg1/acls/iqn.1994-05.com.redhat:client1"
ESCAPE = "\x1b["


@pytest.fixture
def target(cli):
    cli.ok(
        "/backstores/ramdisk create r0 1M",
        f"/iscsi create {IQN}",
        f"/iscsi/{IQN}/tpg1/acls create iqn.1994-05.com.redhat:client1",
    )
    return cli


def load(form: str, text: str) -> list[object]:
    if form == "yaml":
        return list(yaml.safe_load_all(text))
    return [json.loads(line) for line in text.splitlines()]


# -o json, -o yaml


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_ls(target, form):
    result = target("-o", form, "ls", "/backstores/ramdisk")
    (document,) = load(form, result.out)

    assert (result.code, result.err) == (0, "")
    assert document["schema"] == "lioshell/1"
    assert document["command"] == "ls /backstores/ramdisk"
    tree = document["result"]
    assert (tree["name"], tree["path"]) == ("ramdisk", "/backstores/ramdisk")
    (child,) = tree["children"]
    assert child["path"] == "/backstores/ramdisk/r0"
    assert "1.0MiB" in child["summary"]
    assert child["state"] == "deactivated"
    assert [below["name"] for below in child["children"]] == ["alua"]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_info(target, form):
    (document,) = load(form, target("-o", form, "/backstores/ramdisk/r0", "info").out)

    assert document["result"]["name"] == "r0"
    assert document["result"]["size_bytes"] == 1 << 20
    assert document["result"]["nullio"] is False


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_get(target, form):
    (document,) = load(form, target("-o", form, f"/iscsi/{IQN}/tpg1", "get", "attribute").out)

    assert document["result"]["authentication"] == "0"
    assert document["result"]["login_timeout"] == "15"


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_messages(cli, form):
    (document,) = load(form, cli("-o", form, "/backstores/ramdisk", "create", "r0", "1M").out)

    assert document["result"] is None
    assert document["messages"] == ["Created ramdisk r0 with size 1M."]


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("bogus",), 2, "usage"),
        (("ls", "/nowhere"), 3, "not-found"),
        (("/backstores/ramdisk", "create", "r0", "1M"), 3, "conflict"),
        (("/backstores/ramdisk", "create", "r1", "1Q"), 2, "usage"),
        (("--bogus",), 2, "usage"),
    ],
)
def test_errors(target, form, words, code, kind):
    result = target("-o", form, *words)

    assert result.code == code
    if words == ("--bogus",):
        # The options themselves are not understood, and so neither is -o.
        assert result.out == ""
        return
    (document,) = load(form, result.out)
    error = document["error"]
    assert error.keys() >= {"code", "message", "hint", "path"}
    assert error["code"] == kind
    assert error["message"]
    assert error["hint"]
    assert result.err == ""


def test_a_kernel_error_names_the_path_in_configfs(target):
    error = target("-o", "json", "/iscsi/" + IQN + "/tpg1", "set", "parameter", "MaxConnections=0")
    path = f"{target.sim}/config/target/iscsi/{IQN}/tpgt_1/param/MaxConnections"
    assert error.code == 5
    assert error.json["error"]["code"] == "kernel"
    assert error.json["error"]["path"] == path


def test_one_document_for_each_line(target):
    result = target("--keep-going", "-o", "json", "-c", "pwd", "-c", "bogus", "-c", "cd /iscsi")
    first, second, third = result.documents

    assert first["result"] == "/"
    assert second["error"]["code"] == "usage"
    assert third["result"] is None


def test_an_error_of_a_script_says_where_in_json_too(target, tmp_path):
    script = tmp_path / "script"
    script.write_text("pwd\nbogus\n")
    assert (
        f"{script}:2: " in target("-o", "json", "-f", str(script)).documents[1]["error"]["message"]
    )


def test_a_form_that_there_is_not(cli):
    assert cli("-o", "xml", "ls").code == 2


# stdout and stderr


def test_stdout_carries_the_answer_and_stderr_the_rest(cli, tmp_path):
    image = tmp_path / "f0.img"
    image.write_bytes(bytes(1 << 20))
    result = cli("/backstores/fileio", "create", "f0", str(image), "2M")

    assert result.out == "Created fileio f0 with size 1048576\n"
    assert "its own size counts" in result.err


def test_an_error_is_one_to_three_lines_on_stderr(target):
    for words in (("bogus",), ("ls", "/nowhere"), ("/backstores/ramdisk", "create", "r0", "1M")):
        result = target(*words)
        assert result.out == ""
        assert 1 <= len(result.err.splitlines()) <= 3
        assert result.err.startswith("error: ")
        assert "\n  hint: " in result.err


# -q


def test_quiet_leaves_out_what_was_not_asked_for(cli):
    assert cli("-q", "/backstores/ramdisk", "create", "r0", "1M") == Result(0, "", "")
    assert "r0" in cli("-q", "ls").out
    assert cli("-q", "pwd").out == "/\n"
    assert "error: " in cli("-q", "bogus").err


# -v


def test_verbose_prints_each_write_on_stderr(cli):
    result = cli("-v", "/backstores/ramdisk", "create", "r0", "1M")

    assert result.out == "Created ramdisk r0 with size 1M.\n"
    assert re.search(r"(?m)^mkdir .*/core/rd_mcp_0/r0$", result.err)
    assert re.search(r"(?m)^echo -n 'rd_pages=256' > .*/core/rd_mcp_0/r0/control$", result.err)


def test_verbose_shows_no_secret(target):
    result = target("-v", ACL, "set", "auth", "userid=me", "password=sesame")

    assert result.code == 0
    assert "sesame" not in result.out + result.err
    assert re.search(r"(?m)^echo -n '\*\*\*' > .*/auth/password$", result.err)
    assert re.search(r"(?m)^echo -n 'me' > .*/auth/userid$", result.err)


def test_verbose_reads_show_nothing(target):
    assert target("-v", "ls").err == ""


def test_what_is_shown_can_be_typed_into_a_shell(cli, tmp_path):
    image = tmp_path / 'it\'s a $HOME "x" `y` \\z.img'
    image.write_bytes(bytes(1 << 20))
    result = cli("-n", "/backstores/fileio", "create", "f0", str(image))
    line = next(x for x in result.out.splitlines() if "fd_dev_name" in x)
    value = line.removeprefix("echo -n ").rpartition(" > ")[0]
    shell = subprocess.run(["bash", "-c", f"printf %s {value}"], capture_output=True, text=True)

    assert shell.stdout == f"fd_dev_name={image},fd_dev_size=1048576"


def test_a_traceback_comes_with_verbose_only(target):
    for words in (("bogus",), ("ls", "/nowhere")):
        assert "Traceback" not in target(*words).err
    assert "Traceback" in target("-v", "ls", "/nowhere").err


# --color


@pytest.mark.parametrize(
    ("options", "tty", "environ", "colored"),
    [
        ((), False, {}, False),
        ((), True, {}, True),
        (("--color", "auto"), True, {}, True),
        ((), True, {"NO_COLOR": "1"}, False),
        ((), True, {"TERM": "dumb"}, False),
        (("--color", "always"), False, {}, True),
        (("--color", "always"), True, {"NO_COLOR": "1"}, True),
        (("--color", "never"), True, {}, False),
        (("-o", "json", "--color", "always"), True, {}, False),
    ],
)
def test_color(cli, options, tty, environ, colored):
    cli.environ |= environ
    assert (ESCAPE in cli(*options, "ls", tty=tty).out) is colored


def test_color_is_all_that_color_adds(target):
    colored = target("--color", "always", "ls").out
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == target("ls").out


def test_a_color_that_there_is_not(cli):
    assert cli("--color", "blue", "ls").code == 2


# What runs nothing


@pytest.mark.parametrize("argv", [("--version",), ("--help",), ("-h",), ("completion",)])
def test_answers_that_need_no_kernel(cli, argv):
    result = cli(*argv, sim=False)

    assert (result.code, result.err) == (0, "")
    assert result.out
    assert not cli.sim.exists()


def test_version(cli):
    assert cli("--version").out == f"lioshell {lioshell.__version__}\n"


def test_help_lists_every_option_of_the_contract(cli):
    text = cli("--help").out
    options = ("-c", "-f", "--keep-going", "--sim", "--configfs", "-o", "-n", "--dry-run", "-y")
    for option in (*options, "--yes", "--color", "-q", "-v", "--version", "--help"):
        assert re.search(rf"(?m)(^|[ ,]){option}\b", text), option


def test_completion_is_a_script_that_bash_takes(cli, tmp_path):
    script = tmp_path / "completion"
    script.write_text(cli("completion", "bash").out)
    check = f"source {script}; COMP_WORDS=(lioshell --ke); COMP_CWORD=1; _lioshell; echo $COMPREPLY"
    done = subprocess.run(["bash", "-c", check], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("--keep-going\n", "")


def test_a_completion_for_another_shell(cli):
    assert cli("completion", "tcsh").code == 2
