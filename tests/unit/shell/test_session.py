# SPDX-License-Identifier: Apache-2.0
"""What a line means: paths, commands, places, and what it may never silently become."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lioshell.errors import ConflictError, LioshellError, NotFoundError, UsageError

IQN = "iqn.2003-01.com.example:disk1"
TPG = f"/iscsi/{IQN}/tpg1"
ACL = f"{TPG}/acls/iqn.1994-05.com.redhat:client1"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("/iscsi", "/iscsi"),
        ("iscsi", "/iscsi"),
        ("iscsi/", "/iscsi"),
        ("cd iscsi", "/iscsi"),
        ("./iscsi/..", "/"),
        (f"/iscsi/{IQN}/tpgt1", TPG),
        (f"cd /iscsi/{IQN}/tpgt1/luns/lun0", f"{TPG}/luns/lun0"),
        ("backstores/iblock", "/backstores/block"),
        ("/backstores/rd_mcp", "/backstores/ramdisk"),
        ("'/backstores/fileio/disk1'", "/backstores/fileio/disk1"),
        ("//backstores//fileio/", "/backstores/fileio"),
    ],
)
def test_a_path_alone_goes_there(built, line, place):
    built.run(line)
    assert built.path == place


def test_cd_alone_goes_to_the_root_and_up_stays_there(built):
    built.run(f"cd {TPG}/luns", "cd")
    assert built.path == "/"
    built.run("..", "cd ..")
    assert built.path == "/"


@pytest.mark.parametrize(
    "line",
    [
        "/backstores/fileio delte disk1",
        "/backstores/fileio %s delete",
        "backstores/x* ls",
        "/iscsi 'create'x y",
        f"{TPG} luns create",
        "/backstores/fileio ''",
        "/nosuch",
        "nosuch/ ls",
        "/iscsi/nosuch/tpg1 ls",
        "/savconfig",
        "@nosuch",
        "''",
        "cd ''",
    ],
)
def test_what_makes_no_sense_is_an_error_and_never_a_mere_cd(built, line):
    built.fails(line)
    assert built.path == "/"


def test_a_command_may_stand_in_the_path(built):
    assert "saved" in built.run("/saveconfig")
    assert "Created" in built.run(f"{TPG}/portals/create 192.168.1.139 3261")
    built.fails(f"{TPG}/portals/remove 192.168.1.139")


def test_targetclis_spellings(built):
    assert "iscsi_target_mod" in built.run("iscsi/ info")
    built.run(f"cd /iscsi/{IQN}/tpgt1", "set global auto_cd_after_create=true")
    built.run("/backstores/rd_mcp create ram 1M", "cd <", "luns/ create /backstores/ramdisk/ram")
    assert built.path == f"{TPG}/luns/lun1"
    assert "Taking you back" in built.run("cd <")
    assert built.path == TPG


def test_a_new_target_is_entered_at_its_tpg(shell):
    shell.run("set global auto_cd_after_create=true", f"/iscsi create {IQN}")
    assert shell.path == TPG


def test_back_and_forward(built):
    built.run("/iscsi", "/backstores", "cd <")
    assert built.path == "/iscsi"
    built.run("cd >")
    assert built.path == "/backstores"
    assert "end" in built.fails("cd >").message
    built.run("cd <", "cd <")
    assert built.path == "/"
    assert "beginning" in built.fails("cd <").message


def test_places_that_have_gone_are_passed_over(built):
    built.run(f"cd {TPG}", "cd /backstores", f"/iscsi delete {IQN}", "cd <")
    assert built.path == "/"


def test_deleting_the_object_that_one_stands_in_goes_up(built):
    built.run(f"cd {TPG}/luns/lun0", f"/iscsi delete {IQN}")
    assert built.path == "/iscsi"


def test_a_place_that_another_program_deleted(built):
    built.run(f"cd {TPG}/luns")
    shutil.rmtree(built.folder / "sim" / "config" / "target" / "iscsi" / IQN)

    error = built.fails("delete lun0")

    assert isinstance(error, NotFoundError)
    assert f"{TPG}/luns does not exist any more" in error.message
    assert built.path == "/iscsi"


def test_a_place_is_seen_as_it_is_now(built):
    built.run("cd /backstores/fileio/disk1")
    assert "activated" in built.run("status")
    built.run(f"{TPG}/luns delete 0")
    assert "deactivated" in built.run("status")


def test_several_parameters_are_set_at_once_or_not_at_all(built):
    built.run(f"cd {TPG}")
    assert built.run("set attribute authentication=1 generate_node_acls=1").splitlines() == [
        "Parameter authentication is now '1'.",
        "Parameter generate_node_acls is now '1'.",
    ]
    error = built.fails("set attribute authentication=0 cache_dynamic_acls=1.")
    assert "1." in error.message
    assert "authentication=1" in built.run("get attribute authentication")


def test_get_shows_groups_parameters_and_passwords_as_stars(built):
    built.run(f"cd {ACL}", "set auth userid=bob password=hunter2")
    assert built.run("get") == "groups: global attribute parameter auth\n"
    assert "password=***" in built.run("get auth")
    assert "hunter2" not in built.run("get auth password")
    assert "password=hunter2" in built.run("get auth --reveal")
    assert "auto_save_on_exit=true" in built.run("get global auto_save_on_exit")


def test_set_without_parameters_shows_them_and_changes_nothing(shell):
    assert "auto_save_on_exit" in shell.run("set global")
    assert shell.run("set") == "groups: global\n"
    assert shell.session.changed is False


@pytest.mark.parametrize(
    ("line", "kind", "hint"),
    [
        ("lz", UsageError, "Did you mean ls?"),
        ("hepl", UsageError, "Did you mean help?"),
        ("quit", UsageError, "Did you mean exit?"),
        ("create", UsageError, "one level down: iscsi/ create, loopback/ create"),
        ("/backstores/fileio/disk1 delete", UsageError, "up: /backstores/fileio delete"),
        (f"{TPG}/luns saveconfig", UsageError, "4 levels up: / saveconfig"),
        ("/backstore", NotFoundError, "Did you mean /backstores?"),
        ("/savconfig", NotFoundError, "Did you mean / saveconfig?"),
        ("/iscsi/crate", NotFoundError, "Did you mean /iscsi create?"),
        ("/backstores/fileio/disk2", NotFoundError, "Did you mean /backstores/fileio/disk1?"),
        ("/backstores/fileio create x nam=1", UsageError, "Did you mean name=?"),
        ("/backstores/fileio create", UsageError, "The syntax is: create name file_or_dev"),
        ("/backstores/fileio create a b c d e f g", UsageError, "The syntax is:"),
        ("/backstores/fileio/disk1 get atribute", NotFoundError, "Did you mean attribute?"),
        ("get nothing", NotFoundError, "There is: global"),
        ("set global auto_cd=1", NotFoundError, "get global"),
        ("ls / deep", UsageError, "Give a whole number"),
        ("ls / ²", UsageError, "Give a whole number"),
        ("help nothing", UsageError, "help"),
    ],
)
def test_every_error_says_what_to_type_next(built, line, kind, hint):
    error = built.fails(line)
    assert isinstance(error, kind)
    assert hint in error.hint


@pytest.mark.parametrize("name", ["..", ".", "''", "disk1/attrib", "../../iscsi", "a\\ b"])
def test_a_name_is_one_component_of_a_path(built, name):
    before = built.run("ls /")
    built.fails(f"/backstores/fileio delete {name}")
    built.fails(f"/iscsi delete {name}")
    built.fails(f"{TPG}/acls delete {name}")
    built.fails(f"{TPG}/portals delete {name}")
    assert built.run("ls /") == before


def test_a_portal_is_deleted_by_the_name_that_the_tree_shows(built):
    built.run(f"{TPG}/portals delete [::0]:3260")
    built.run(f"{TPG}/portals create 192.168.1.139", f"{TPG}/portals delete 192.168.1.139:3260")
    assert "Portals: 0" in built.run(f"ls {TPG}/portals")


def test_depth_of_a_listing(built):
    assert len(built.run("ls / 1").splitlines()) == 5
    assert len(built.run("ls depth=1").splitlines()) == 5
    built.run("set global tree_max_depth=1")
    assert len(built.run("ls").splitlines()) == 5
    assert len(built.run("ls / 0").splitlines()) > 10


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("/backstores/ramdisk create r 1M", True),
        ("/backstores/ramdisk create r", False),
        ("/backstores/ramdisk create r nonsense", False),
        ("/backstores/fileio create disk1 /nosuch 1M", False),
        ("/backstores/fileio delete disk2", False),
        ("ls", False),
        ("set global prompt_length=20", False),
        ("/iscsi set discovery_auth enable=0", True),
    ],
)
def test_what_counts_as_a_change(built, line, changed):
    built.session.changed = False
    try:
        built.session.run_line(line)
    except (UsageError, NotFoundError, ConflictError):
        assert changed is False
    assert built.session.changed is changed


def test_saving_makes_no_change_to_save(built):
    built.run(f"saveconfig {built.folder}/other.json")
    assert built.session.changed is True
    built.run("saveconfig")
    assert built.session.changed is False


def test_words_of_the_calling_shell_keep_their_blanks(shell):
    path = shell.folder / "my disk.img"
    shell.session.run_arguments(["/backstores/fileio", "create", "d", str(path), "size=1M"])
    assert path.exists()


def test_json_shows_a_line_without_its_passwords(json_shell):
    json_shell.run(f"/iscsi create {IQN}")
    answer = json.loads(json_shell.run(f"{TPG} set auth userid=u password=hunter2"))
    assert answer["command"] == f"{TPG} set auth userid=u password=***"
    assert "hunter2" not in str(answer)


@pytest.mark.parametrize(
    "line",
    [
        "set auth password='hunter2",
        "set auth password=hunter2 password=hunter2",
        "password=hunter2",
        "set auth 'password=hunter2",
        "/password=hunter2",
    ],
)
def test_no_error_shows_a_password(built, line):
    built.run(f"cd {ACL}")
    error = built.fails(line)
    assert "hunter2" not in f"{error.message}{error.hint}{error.excerpt}{error.path}"


WORDS = f"""/ .. ' " \\ = # ² create set get help delete auth global attribute --reveal @x path=
name= ls cd info status pwd < > 0 -1 1M /backstores/ ramdisk fileio /iscsi/ {IQN} /tpg1 /luns
/acls lun0 disk1 enable disable userid=a authentication=1 prompt_length=5""".split()
PIECES = st.one_of(st.text(max_size=8), st.sampled_from([*WORDS, " ", " ", "\0"]))


@settings(deadline=None, max_examples=100)
@given(st.lists(PIECES, max_size=8).map("".join).filter(lambda line: "config" not in line))
def test_any_line_is_run_or_refused_with_a_hint(shared, line):
    try:
        shared.session.run_line(line)
    except LioshellError as error:
        assert error.hint
        assert error.exit_code in (1, 2, 3, 5)
    assert shared.session.node_at(shared.path, shared.session.root).path == shared.path
