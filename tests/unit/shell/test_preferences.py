# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from lioshell.errors import HostError, NotFoundError, UsageError
from lioshell.shell.preferences import PREFERENCES, Preferences

from .conftest import CLIENT, IQN, TPG, Shell


def test_defaults_hold_until_one_is_set(tmp_path):
    prefs = Preferences(str(tmp_path / "state"), pytest.fail)
    assert prefs.flag("auto_cd_after_create") is False
    assert prefs.number("prompt_length") == 30
    prefs.set_all({"auto_cd_after_create": "yes", "prompt_length": "0"})
    again = Preferences(str(tmp_path / "state"), pytest.fail)
    assert again.flag("auto_cd_after_create") is True
    assert again.shown(["prompt_length"]) == {"prompt_length": "0"}
    assert set(again.shown([])) == set(PREFERENCES)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"auto_cd_after_create": "maybe"}, UsageError),
        ({"prompt_length": "-1"}, UsageError),
        ({"editing_mode": "nano"}, UsageError),
        ({"prompt_length": "40", "nothing": "1"}, NotFoundError),
    ],
)
def test_all_or_none_are_set(tmp_path, values, kind):
    prefs = Preferences(str(tmp_path), pytest.fail)
    with pytest.raises(kind) as caught:
        prefs.set_all(values)
    assert caught.value.hint
    assert prefs.number("prompt_length") == 30
    assert not list(tmp_path.iterdir())


def test_a_word_is_one_of_those_that_there_are(tmp_path):
    prefs = Preferences(str(tmp_path), pytest.fail)
    assert prefs.word("editing_mode") == "emacs"
    prefs.set_all({"editing_mode": "vi"})
    assert Preferences(str(tmp_path), pytest.fail).word("editing_mode") == "vi"
    (tmp_path / "preferences.json").write_text('{"editing_mode": "ed", "pager": "x"}')
    again = Preferences(str(tmp_path), pytest.fail)
    assert again.word("editing_mode") == "emacs"
    assert again.flag("pager") is True


def test_what_a_newer_version_knows_is_kept(tmp_path):
    path = tmp_path / "preferences.json"
    path.write_text('{"of_the_future": "x", "prompt_length": 12}')
    prefs = Preferences(str(tmp_path), pytest.fail)
    prefs.set_all({"tree_max_depth": "2"})
    assert json.loads(path.read_text()) == {
        "of_the_future": "x",
        "prompt_length": 12,
        "tree_max_depth": 2,
    }


@pytest.mark.parametrize("text", [b"{", b"", b"\0", b"[]", b"\xff"])
def test_a_broken_file_is_told_of_once_and_not_overwritten(tmp_path, text):
    (tmp_path / "preferences.json").write_bytes(text)
    told = []
    prefs = Preferences(str(tmp_path), told.append)

    assert prefs.flag("auto_save_on_exit") is True
    assert prefs.number("prompt_length") == 30

    (told,) = told
    assert str(tmp_path / "preferences.json") in told
    with pytest.raises(UsageError):
        prefs.set_all({"prompt_length": "20"})
    assert (tmp_path / "preferences.json").read_bytes() == text


@pytest.mark.parametrize("text", ["{}", '{"prompt_length": "long", "auto_save_on_exit": 7.5}'])
def test_values_of_another_type_are_not_taken(tmp_path, text):
    (tmp_path / "preferences.json").write_text(text)
    prefs = Preferences(str(tmp_path), pytest.fail)
    assert prefs.number("prompt_length") == 30
    assert prefs.flag("auto_save_on_exit") is True


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError):
        Preferences(str(tmp_path / "file"), pytest.fail).set_all({"prompt_length": "1"})


def test_every_preference_of_targetcli_is_there(shell):
    shown = shell.run("get global")
    for name, default in {
        "auto_add_default_portal": "true",
        "auto_add_mapped_luns": "true",
        "auto_cd_after_create": "false",
        "auto_enable_tpgt": "true",
        "auto_save_on_exit": "true",
        "auto_use_daemon": "false",
        "daemon_use_batch_mode": "false",
        "export_backstore_name_as_model": "true",
        "max_backup_files": "10",
        "color_mode": "true",
        "color_default": "none",
        "color_path": "magenta",
        "color_command": "cyan",
        "color_parameter": "magenta",
        "color_keyword": "cyan",
        "loglevel_console": "info",
        "loglevel_file": "debug",
        "prompt_length": "30",
        "tree_max_depth": "0",
        "tree_status_mode": "true",
        "tree_round_nodes": "true",
        "tree_show_root": "true",
    }.items():
        assert f"{name}={default}" in shown


def test_the_look_of_the_tree(shell):
    assert shell.run("ls / 1").splitlines()[0].startswith("o- / ....")
    shell.run("set global tree_round_nodes=false")
    assert shell.run("ls / 1").splitlines()[1].startswith("  +- backstores ....")
    shell.run("set global tree_status_mode=false")
    assert shell.run("ls / 1").splitlines()[:2] == ["+- /", "  +- backstores"]
    shell.run("set global tree_show_root=false")
    assert shell.run("ls / 1").splitlines()[0] == "+- backstores"


def test_two_shells_do_not_undo_each_others_changes(shell, specs):
    other = type(shell)(shell.folder, specs)
    assert "30" in other.run("get global prompt_length")
    shell.run("set global prompt_length=40")
    other.run("set global tree_max_depth=2", "bookmarks add here")
    shell.run("set global color_path=red")
    third = type(shell)(shell.folder, specs)
    assert "=40" in third.run("get global prompt_length")
    assert "=2" in third.run("get global tree_max_depth")
    assert "@here" in third.run("bookmarks")


def test_what_a_new_tpg_and_lun_come_with(shell):
    """auto_add_default_portal, auto_enable_tpgt, auto_add_mapped_luns and the disk's model."""
    shell.run(
        "set global auto_add_default_portal=false auto_enable_tpgt=false",
        "set global auto_add_mapped_luns=false export_backstore_name_as_model=false",
        "/backstores/ramdisk create r 1M",
        f"/iscsi create {IQN}",
        f"{TPG}/acls create {CLIENT}",
        f"{TPG}/luns create /backstores/ramdisk/r",
    )
    shown = shell.run(f"ls {TPG}")
    assert "[disabled]" in shown
    assert "[Portals: 0]" in shown
    assert "[Mapped LUNs: 0]" in shown
    path = "/backstores/ramdisk/r get attribute emulate_model_alias"
    assert "emulate_model_alias=0" in shell.run(path)

    shell.run(
        "set global auto_add_default_portal=true auto_enable_tpgt=true auto_add_mapped_luns=true",
        "set global export_backstore_name_as_model=true",
        f"/iscsi/{IQN} create 2",
        "/backstores/ramdisk create s 1M",
        f"{TPG}/luns create /backstores/ramdisk/s",
    )
    assert "emulate_model_alias=1" in shell.run(path.replace("/r ", "/s "))
    assert "[Mapped LUNs: 1]" in shell.run(f"ls {TPG}")
    shown = shell.run(f"ls /iscsi/{IQN}/tpg2")
    assert "[no-gen-acls, no-auth]" in shown
    assert "[Portals: 1]" in shown


def test_an_explicit_word_counts_more_than_the_preference(shell):
    shell.run("set global auto_add_mapped_luns=false", f"/iscsi create {IQN}")
    shell.run("/backstores/ramdisk create r 1M", f"{TPG}/luns create /backstores/ramdisk/r")
    shell.run(f"{TPG}/acls create {CLIENT} add_mapped_luns=true")
    assert "[Mapped LUNs: 1]" in shell.run(f"ls {TPG}")


@pytest.mark.parametrize(
    ("level", "said", "noted"),
    [("debug", 1, 1), ("info", 1, 1), ("warning", 0, 1), ("error", 0, 0), ("critical", 0, 0)],
)
def test_the_level_of_what_is_said(shell, level, said, noted):
    shell.run(f"set global loglevel_console={level}")
    assert len(shell.run("/backstores/ramdisk create r 1M").splitlines()) == said
    shell.out.note("mind")
    assert shell.env.stderr.getvalue().count("mind") == noted
    assert "o- r " in shell.run("ls /backstores")


def test_colors_can_be_turned_off(tmp_path, specs):
    shell = Shell(tmp_path, specs)
    shell.out.__init__(shell.env, color=True)
    assert "\x1b[" in shell.run("ls /")
    shell.run("set global color_mode=false")
    assert "\x1b[" not in shell.run("ls /")


def test_commands_are_logged_where_that_is_asked_for(shell):
    log = shell.folder / "log.txt"
    shell.run(f"/iscsi create {IQN}")
    assert not log.exists()
    shell.run(f"set global logfile={log}", f"{TPG} set auth userid=u password=hunter2", "ls")
    shell.fails("/nosuch password=hunter2")
    text = log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert "hunter2" not in text
    assert [line.split()[2] for line in text.splitlines()] == [
        "debug:",
        "info:",
        "debug:",
        "error:",
    ]
    assert "set auth userid=u password=***" in text
    assert "There is no /nosuch" in text

    shell.run("set global loglevel_file=error", "ls", "/backstores/ramdisk create r 1M")
    assert len(log.read_text().splitlines()) == 4
    shell.run("set global logfile=", "set global loglevel_file=debug", "ls")
    assert len(log.read_text().splitlines()) == 4


def test_a_log_that_cannot_be_written_is_told_of_once(shell):
    shell.run("set global logfile=/nosuch/log.txt", "ls", "ls")
    assert shell.env.stderr.getvalue().count("/nosuch/log.txt cannot be written") == 1


@pytest.mark.parametrize(
    "line",
    [
        "set global color_path=beige",
        "set global loglevel_file=all",
        "set global max_backup_files=-1",
        "set global max_backup_files=99999999999",
        "set global auto_save_on_exit=2",
        "set global nosuch=1",
    ],
)
def test_what_a_preference_cannot_be(shell, line):
    before = shell.run("get global")
    shell.fails(line)
    assert shell.run("get global") == before
