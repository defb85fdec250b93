# SPDX-License-Identifier: Apache-2.0
import os
import stat

import pytest

from lioshell.shell.history import SafeHistory


@pytest.mark.parametrize(
    "line",
    [
        "set auth password=hunter2",
        "/iscsi set discovery_auth userid=a mutual_password='b c'",
        "set auth password_mutual=x",
        "set auth password='hunter2",
        "set auth pasword=hunter2",
        "set auth 'password=hunter2'",
        "set auth password hunter2",
    ],
)
def test_lines_with_passwords_are_not_kept(line, tmp_path):
    history = SafeHistory(str(tmp_path))

    history.append_string(line)

    assert history.get_strings() == []
    assert not (tmp_path / "history").exists()


def test_other_lines_are_kept_for_their_user_alone(tmp_path):
    folder = tmp_path / "state"
    history = SafeHistory(str(folder))
    history.append_string("ls")
    history.append_string("cd /iscsi")

    assert stat.S_IMODE(os.stat(folder / "history").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert list(SafeHistory(str(folder)).load_history_strings()) == ["cd /iscsi", "ls"]


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path):
    (tmp_path / "history").write_text("old\n")
    (tmp_path / "history").chmod(0o644)
    SafeHistory(str(tmp_path)).append_string("new")
    assert stat.S_IMODE(os.stat(tmp_path / "history").st_mode) == 0o600


def test_pasted_lines_are_kept_one_by_one(tmp_path):
    history = SafeHistory(str(tmp_path))
    history.append_string("ls\nset auth password=x\n\npwd")
    assert history.get_strings() == ["ls", "pwd"]
    assert (tmp_path / "history").read_text() == "ls\npwd\n"


def test_what_is_no_text_survives(tmp_path):
    history = SafeHistory(str(tmp_path))
    history.append_string("ls \udcff\u2028x")
    assert (tmp_path / "history").read_bytes() == b"ls \xff\nx\n"
    assert list(SafeHistory(str(tmp_path)).load_history_strings()) == ["x", "ls \udcff"]


def test_a_history_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    history = SafeHistory(str(tmp_path / "file"))
    history.append_string("ls")
    assert history.get_strings() == ["ls"]


def test_only_the_newest_lines_are_loaded(tmp_path):
    (tmp_path / "history").write_text("".join(f"line{n}\n" for n in range(6000)))
    lines = list(SafeHistory(str(tmp_path)).load_history_strings())
    assert (len(lines), lines[0], lines[-1]) == (5000, "line5999", "line1000")
