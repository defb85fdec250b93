# SPDX-License-Identifier: Apache-2.0
"""Paths with * in any component, bookmarks, and names that look like something else."""

import json
from pathlib import Path

import pytest

from lioshell.errors import ConflictError, DeclinedError, KernelError, NotFoundError, UsageError

from .conftest import CLIENT, IQN, TPG


@pytest.fixture
def several(built):
    built.run(
        "/backstores/ramdisk create one 1M",
        "/backstores/ramdisk create two 1M",
        f"{TPG}/luns create /backstores/ramdisk/one",
    )
    return built


def test_a_star_stands_in_any_component(several):
    assert several.run("/backstores/*/o*e status").splitlines()[0] == (
        "path: /backstores/ramdisk/one"
    )
    shown = several.run(f"/*/{IQN}/*/luns/* info")
    assert "lun: 0" in shown
    assert "lun: 1" in shown
    several.run("cd /backstores/ramdisk")
    assert several.run("* pwd").split() == ["/backstores/ramdisk/one", "/backstores/ramdisk/two"]
    assert several.run("../f*/* pwd").split() == ["/backstores/fileio/disk1"]
    assert several.run("../*/../ramdisk/one pwd").split() == ["/backstores/ramdisk/one"]


def test_a_star_in_what_ls_and_cd_are_given(several):
    shown = several.run("ls /backstores/ram*/*")
    assert "o- one" in shown
    assert "o- two" in shown
    several.run("cd /backstores/f*/disk*")
    assert several.path == "/backstores/fileio/disk1"


def test_a_star_alone_lists_and_one_match_is_gone_to(several):
    several.run("cd /backstores/ramdisk")
    assert several.run("*").count("\no- ") == 1
    assert several.path == "/backstores/ramdisk"
    several.run("t*")
    assert several.path == "/backstores/ramdisk/two"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("/backstores/*/nosuch ls", NotFoundError),
        ("/backstores/x* ls", NotFoundError),
        ("cd /backstores/*", UsageError),
        ("'/backstores/*' ls", NotFoundError),
        ("/backstores/\\* ls", NotFoundError),
        ("/backstores/* create a 1M nosuch=1", UsageError),
        ("/backstores/ramdisk delete x*", NotFoundError),
        ("/backstores/ramdisk delete */x", NotFoundError),
        ("/iscsi/*/*/luns create /backstores/ramdisk/*", UsageError),
    ],
)
def test_what_a_star_does_not_mean(several, line, kind):
    before = several.run("ls /")
    assert isinstance(several.fails(line), kind)
    assert several.run("ls /") == before
    assert several.path == "/"


def test_a_change_happens_at_all_matches_or_at_none(several):
    several.run("/backstores/ramdisk/* set attribute emulate_write_cache=1")
    shown = several.run("/backstores/ramdisk/* get attribute emulate_write_cache")
    assert shown.count("emulate_write_cache=1") == 2

    # The first is exported, the second refuses what is no number.
    with pytest.raises(KernelError):
        several.session.run_line("/backstores/ramdisk/* set attribute emulate_tas=0 block_size=777")
    shown = several.run("/backstores/ramdisk/* get attribute emulate_tas")
    assert shown.count("emulate_tas=1") == 2


def test_delete_takes_a_star(several):
    several.run("/backstores/ramdisk delete t*")
    assert "two" not in several.run("ls /backstores")
    several.run("/backstores/ramdisk delete *")
    assert "Storage Objects: 0" in several.run("ls /backstores/ramdisk")


def test_a_person_at_a_terminal_is_asked_before_several_are_changed(several):
    asked = []
    answers = [False, True]

    def confirm(question):
        asked.append(question if isinstance(question, str) else question.deed)
        return answers.pop(0)

    several.session.consent.confirm = confirm
    error = several.fails("/backstores/ramdisk delete *")
    assert isinstance(error, DeclinedError)
    assert "o- two" in several.run("ls /backstores")
    several.run("/backstores/ramdisk delete *")
    assert asked == ["delete 2 times: /backstores/ramdisk one, /backstores/ramdisk two"] * 2
    assert "o- two" not in several.run("ls /backstores")


def test_several_that_change_something_else_are_one_question_too(several):
    asked = []
    several.session.consent.confirm = lambda question: asked.append(question) or True
    several.run("/backstores/ramdisk/* set attribute emulate_caw=0")
    assert asked == ["set 2 times: /backstores/ramdisk/one, /backstores/ramdisk/two"]
    assert several.run("/backstores/ramdisk/one get attribute emulate_caw").startswith(
        "emulate_caw=0"
    )


def test_json_of_several(tmp_path, specs):
    from .conftest import Shell

    shell = Shell(tmp_path, specs, form="json").build()
    shell.run("/backstores/ramdisk create one 1M", "/backstores/ramdisk create two 1M")
    answer = json.loads(shell.run("/backstores/ramdisk/* status"))
    assert list(answer["result"]) == ["/backstores/ramdisk/one", "/backstores/ramdisk/two"]
    answer = json.loads(shell.run("ls /backstores/ramdisk/*"))
    assert answer["result"]["/backstores/ramdisk/one"]["name"] == "one"
    assert json.loads(shell.run("pwd"))["result"] == "/"


NAMES = [
    "my disk", "a*b", "*", "a=b", "name=x", "-n", "--yes", "it's", 'a"b', "back\\slash", "#one",
    "дисктөр", "ディスク", "@last", "vg+lv", "a~b", "a@b", "ls", "create", "..a", "<", "%", "a|b",
    "{x}", "$(reboot)", "[x]", "?", "é", "tab\tin",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_the_kernel_takes_can_be_addressed(several, name):
    # As another program may have made it: not all of these could be created here.
    configfs = several.lio.configfs
    configfs.mkdir("core/rd_mcp_77")
    configfs.mkdir(f"core/rd_mcp_77/{name}")
    configfs.write(f"core/rd_mcp_77/{name}/control", "rd_pages=256")
    configfs.write(f"core/rd_mcp_77/{name}/enable", "1")
    quoted = "'" + name.replace("'", "'\\''") + "'"
    path = f"/backstores/ramdisk/{quoted}"

    assert several.run(f"{path} pwd") == f"/backstores/ramdisk/{shown(name)}\n"
    several.run(f"cd {path}")
    assert several.path == f"/backstores/ramdisk/{name}"
    several.run("cd /backstores/ramdisk", f"./{quoted}")
    assert several.path == f"/backstores/ramdisk/{name}"
    several.run("/", f"{path} set attribute emulate_write_cache=1", f"{TPG}/luns create {path}")
    assert f"ramdisk/{shown(name)}" in several.run(f"ls {TPG}/luns")
    several.run(f"/backstores/ramdisk delete {quoted}")
    assert not configfs.is_dir("core/rd_mcp_77")
    assert "o- one" in several.run("ls /backstores")


def shown(name):
    return name.replace("\t", "\\t")


def test_bookmarks(several):
    several.run("cd /backstores/ramdisk", "bookmarks add ram", "/")
    several.run("@ram")
    assert several.path == "/backstores/ramdisk"
    several.run("/", "bookmarks go ram")
    assert several.path == "/backstores/ramdisk"
    assert "o- two" in several.run("/", "ls @ram")
    assert several.run("@ram/t* pwd") == "/backstores/ramdisk/two\n"
    assert several.run("@ram/one pwd") == "/backstores/ramdisk/one\n"
    assert several.run("bookmarks show ram") == "@ram: /backstores/ramdisk\n"
    assert "@ram: /backstores/ramdisk" in several.run("bookmarks")
    several.run("bookmarks del ram")
    assert isinstance(several.fails("@ram"), NotFoundError)


def test_last_is_what_was_created_last(several):
    several.run("/backstores/ramdisk create three 1M")
    assert several.run("@last pwd") == "/backstores/ramdisk/three\n"
    several.run(f"{TPG}/luns create @last")
    assert several.run("@last pwd") == f"{TPG}/luns/lun2\n"


def test_bookmarks_are_kept_for_the_next_session(several, specs):
    from .conftest import Shell

    several.run("cd /iscsi", "bookmarks add here")
    assert Shell(several.folder, specs).run("@here pwd") == "/iscsi\n"
    assert Path(several.env.state_dir, "preferences.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "line",
    [
        "bookmarks add",
        "bookmarks nonsense x",
        "bookmarks add a/b",
        "bookmarks add last",
        "bookmarks del nosuch",
        "bookmarks go nosuch",
        "bookmarks show nosuch",
        "@",
        "@nosuch ls",
    ],
)
def test_what_bookmarks_refuse(several, line):
    several.fails(line)


def test_a_glob_over_targets_where_one_is_in_use_takes_none(several):
    several.run("/iscsi create iqn.2003-01.com.example:a")
    info = Path(several.lio.configfs.location) / f"iscsi/{IQN}/tpgt_1/acls/{CLIENT}/info"
    info.write_text(f"InitiatorName: {CLIENT}\n")
    before = several.run("ls /iscsi")
    assert isinstance(several.fails("/iscsi delete *"), ConflictError)
    assert several.run("ls /iscsi") == before
