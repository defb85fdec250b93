# SPDX-License-Identifier: Apache-2.0
import os
import stat

import pytest

from lioshell.shell.history import SafeHistory, holds_secret


@pytest.mark.parametrize(
    "line",
    [
        "set auth password=hunter2",
        "/iscsi set discovery_auth userid=a mutual_password='b c'",
        "set auth password_mutual=x",
        "set auth password='hunter2",
    ],
)
def test_lines_with_passwords_are_not_kept(line, tmp_path):
    history = SafeHistory(str(tmp_path))

    history.append_string(line)

    assert holds_secret(line)
    assert history.get_strings() == []
    assert not (tmp_path / "history").exists()


def test_other_lines_are_kept_for_their_user_alone(tmp_path):
    folder = tmp_path / "state"
    history = SafeHistory(str(folder))
    history.append_string("ls")
    history.append_string("cd /iscsi")

    assert stat.S_IMODE(os.stat(folder / "history").st_mode) == 0o600
    assert list(SafeHistory(str(folder)).load_history_strings()) == ["cd /iscsi", "ls"]


def test_a_history_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    history = SafeHistory(str(tmp_path / "file"))
    history.append_string("ls")
    assert history.get_strings() == ["ls"]
