# SPDX-License-Identifier: Apache-2.0
import os
import stat

import pytest

from lioshell.config import saved_file
from lioshell.errors import DocumentError, HostError, NotFoundError

DOCUMENT = {"storage_objects": [], "fabric_modules": [], "targets": []}


def test_what_is_written_is_read(tmp_path):
    path = str(tmp_path / "etc" / "saveconfig.json")

    assert saved_file.write(path, DOCUMENT)
    assert saved_file.read(path) == DOCUMENT
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path / "etc") == ["saveconfig.json"]


def test_writing_the_same_again_touches_nothing(tmp_path):
    path = str(tmp_path / "saveconfig.json")
    saved_file.write(path, DOCUMENT)
    before = os.stat(path).st_ino

    assert not saved_file.write(path, DOCUMENT)
    assert os.stat(path).st_ino == before


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = str(tmp_path / "saveconfig.json")
    saved_file.write(path, DOCUMENT)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(HostError) as caught:
        saved_file.write(path, {**DOCUMENT, "targets": [{}]})
    assert "No space left" in str(caught.value)
    assert saved_file.read(path) == DOCUMENT
    assert os.listdir(tmp_path) == ["saveconfig.json"]


def test_a_missing_file(tmp_path):
    with pytest.raises(NotFoundError):
        saved_file.read(str(tmp_path / "none.json"))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(HostError):
        saved_file.read(str(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"targets": 1}', '{"storage_objects": [1]}'])
def test_what_is_no_saved_configuration(tmp_path, text):
    path = tmp_path / "saveconfig.json"
    path.write_text(text)
    with pytest.raises(DocumentError):
        saved_file.read(str(path))
