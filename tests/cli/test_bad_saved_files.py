# SPDX-License-Identifier: Apache-2.0
"""Files that are no saved configuration, disks that are full, folders that cannot be written."""

from __future__ import annotations

import errno
import gzip
import json
import os

import pytest

IQN = "iqn.2003-01.com.example:disk1"
EMPTY = {"storage_objects": [], "fabric_modules": [], "targets": []}


@pytest.fixture
def running(cli):
    cli.ok("/backstores/ramdisk create r0 1M", f"/iscsi create {IQN}", "saveconfig")
    return cli


BROKEN = [
    ("saved.json", b"", 1, "it is empty"),
    ("saved.json", b"   \n", 1, "it is empty"),
    ("saved.json", b'{\n "storage_objects": [\n', 1, "line 3 column 1"),
    ("saved.json", b'{"storage_objects": [}', 1, "line 1 column 22"),
    ("saved.json", b"\x7fELF\x02\x01\x01\x00\xff\xfe", 1, "is no text (byte 9)"),
    ("saved.json", b"PK\x03\x04", 1, "is no JSON"),
    ("saved.json", gzip.compress(b"{}", mtime=0), 1, "is no text"),
    ("saved.json", b"null", 1, "no table of sections"),
    ("saved.json", b"[1, 2]", 1, "no table of sections"),
    ("saved.json", b'{"name": "somebody\'s package", "version": 3}', 1, "has none of"),
    ("saved.json", b'{"targets": {"x": 1}}', 1, "targets is no list"),
    ("saved.json", b'{"targets": [{}, 5]}', 1, "targets, entry 2 is no object"),
    ("saved.json", b'{"lioshell": 5, "targets": []}', 1, "lioshell is no object"),
    ("saved.json", b'{"lioshell": {"version": 2}, "targets": []}', 1, "by a newer lioshell"),
    ("saved.json", b'{"lioshell": {"version": "x"}, "targets": []}', 1, "by a newer lioshell"),
    ("saved.json", b"[" * 100000, 1, "nested too deeply"),
    ("saved.yaml", b"storage_objects:\n  - name: x\n bad: [\n", 1, "line 3"),
    ("saved.yaml", b"- 1\n- 2\n", 1, "no table of sections"),
    ("saved.yaml", b"!!python/object/apply:os.system ['true']\n", 1, "is no YAML"),
    ("saved.yaml", b"", 1, "no table of sections"),
    ("saved.yaml", b"lioshell:\n  version: 9\n", 1, "by a newer lioshell"),
    ("saved.yaml", b"a: *b\n", 1, "line 1"),
]


@pytest.mark.parametrize(("name", "content", "code", "message"), BROKEN)
def test_what_is_no_saved_configuration_changes_nothing(
    running, tmp_path, name, content, code, message
):
    path = tmp_path / name
    path.write_bytes(content)
    before = running.tree()
    for words in (("clear_existing=true",), ()):
        result = running("restoreconfig", str(path), *words)
        assert result.code == code
        assert message in result.err
        assert str(path) in result.err
        assert "hint: " in result.err
        assert "Traceback" not in result.err
    assert running.tree() == before
    assert path.read_bytes() == content


@pytest.mark.parametrize(("name", "content", "code", "message"), BROKEN)
def test_a_save_keeps_what_it_replaces(running, tmp_path, name, content, code, message):
    path = tmp_path / name
    path.write_bytes(content)
    running.ok(f"saveconfig {path}")
    assert (tmp_path / f"{name}.unreadable").read_bytes() == content
    path.write_bytes(b"{")
    running.ok(f"saveconfig {path}")
    assert (tmp_path / f"{name}.unreadable.1").read_bytes() == b"{"
    assert running("restoreconfig", str(path), "clear_existing=true").code == 0


def test_half_a_file_is_no_half_of_a_configuration(running, tmp_path):
    """Cut off anywhere, it is refused, or is whole but for its last line break."""
    text = running.saveconfig.read_bytes()
    before = running.tree()
    path = tmp_path / "cut.json"
    for length in range(0, len(text) - 2, 97):
        path.write_bytes(text[:length])
        assert running("restoreconfig", str(path), "clear_existing=true").code == 1
    assert running.tree() == before


def test_a_half_valid_file_is_restored_as_far_as_it_goes(cli, tmp_path):
    document = {
        "storage_objects": [
            {"name": "r0", "plugin": "ramdisk", "size": 1 << 20},
            {"name": "r1", "plugin": "ramdisk", "size": "much"},
            {"plugin": "ramdisk", "size": 1 << 20},
            {},
        ],
        "targets": [{"fabric": "iscsi", "wwn": IQN, "tpgs": 5}, {"fabric": "iscsi", "wwn": 7}],
    }
    (tmp_path / "half.json").write_text(json.dumps(document))
    result = cli("restoreconfig", str(tmp_path / "half.json"))
    assert result.code == 1
    lines = [line for line in result.err.splitlines() if line.startswith("not restored: ")]
    assert len(lines) == 5
    assert lines[0].startswith("not restored: /backstores/ramdisk/r1: malformed: ")
    assert all("(" in line for line in lines), "each says what to do"
    assert "r0 " in cli("ls").out
    cli.ok("saveconfig")
    saved = json.loads(cli.saveconfig.read_text())
    assert len(saved["lioshell"]["not_restored"]) == 5
    assert {"name": "r1", "plugin": "ramdisk", "size": "much"} in saved["storage_objects"]


# Rights


def test_passwords_that_others_can_read_are_warned_of(cli, tmp_path):
    cli.ok("/iscsi set discovery_auth userid=me password=sesame", "saveconfig", "clearconfig true")
    path = cli.saveconfig
    path.chmod(0o644)
    result = cli("restoreconfig")
    assert result.code == 0
    assert f"{path} holds passwords, and others can read or write it (644)" in result.err
    assert "sesame" not in result.err
    cli.ok("saveconfig")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(json.dumps(EMPTY))
    path.chmod(0o644)
    assert cli("restoreconfig").err == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_warned_of(cli):
    cli.ok("saveconfig")
    os.chown(cli.saveconfig, 65534, 65534)
    result = cli("restoreconfig")
    assert result.code == 0
    assert "belongs to user 65534, who can change what is restored at boot" in result.err


# A disk that is full, a folder that cannot be written


FULL = ["write", "fsync", "rename", "backup"]


@pytest.mark.parametrize("where", FULL)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_save_that_fails_leaves_the_old_file(running, monkeypatch, where, code):
    from lioshell.config import backups, durable

    old = running.saveconfig.read_bytes()
    running.ok("/backstores/ramdisk create r1 1M")

    def refuse(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    if where == "write":
        monkeypatch.setattr(durable.tempfile, "mkstemp", lambda **_: refuse())
    elif where == "fsync":
        monkeypatch.setattr(durable.os, "fsync", refuse)
    elif where == "rename":
        monkeypatch.setattr(durable.os, "replace", refuse)
    else:
        monkeypatch.setattr(backups, "write_whole", refuse)
    result = running("saveconfig")
    assert result.code == 6
    assert os.strerror(code) in result.err
    assert "hint: " in result.err
    monkeypatch.undo()

    assert running.saveconfig.read_bytes() == old
    folder = running.saveconfig.parent
    left = [p for p in folder.rglob("*") if p.is_file()]
    assert left == [running.saveconfig]
    running.ok("saveconfig")
    assert b'"r1"' in running.saveconfig.read_bytes()


def test_what_is_no_file_is_left_alone(running, tmp_path):
    """Not read without an end, not waited for, not replaced."""
    link, fifo = tmp_path / "link.json", tmp_path / "fifo"
    link.symlink_to("/dev/full")
    os.mkfifo(fifo)
    for path in (link, fifo, tmp_path):
        for words in (("saveconfig", str(path)), ("restoreconfig", str(path))):
            result = running(*words)
            assert result.code == 6, words
            assert "cannot be" in result.err
    assert link.is_symlink()
    assert fifo.is_fifo()
    assert not [p for p in tmp_path.iterdir() if p not in (link, fifo)]


def test_a_link_to_the_saved_file_stays_one(running, tmp_path):
    path = tmp_path / "elsewhere" / "saved.json"
    path.parent.mkdir()
    path.write_text("{}")
    link = tmp_path / "link.json"
    link.symlink_to(path)
    running.ok(f"saveconfig {link}")
    assert link.is_symlink()
    assert b"r0" in path.read_bytes()


# YAML and its references


def test_yaml_keeps_passwords_elsewhere_and_brings_them_back(running, tmp_path):
    path = tmp_path / "target.yaml"
    running.ok("/iscsi set discovery_auth userid=me password='se same'", f"saveconfig {path}")
    text = path.read_text()
    assert "se same" not in text
    (kept,) = (tmp_path / "target.secrets").iterdir()
    assert kept.read_text() == "se same\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    running.ok(f"saveconfig {path}", f"restoreconfig {path} clear_existing=true")
    assert path.read_text() == text
    shown = running("/iscsi", "get", "discovery_auth", "--reveal").out
    assert "password=se same" in shown.replace("'", "")

    running.ok("/iscsi set discovery_auth password=other", f"saveconfig {path}")
    (now,) = (tmp_path / "target.secrets").iterdir()
    assert now != kept
    assert now.read_text() == "other\n"


def test_a_password_may_be_a_credential_of_the_service(running, tmp_path, monkeypatch):
    path = tmp_path / "target.yaml"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "chap").write_text("sesame\n")
    path.write_text(
        "fabric_modules:\n- name: iscsi\n  discovery_userid: me\n"
        "  discovery_password: {credential: chap}\n"
    )
    running.ok("clearconfig true")
    result = running("restoreconfig", str(path))
    assert result.code == 1
    assert "not restored: /iscsi discovery_auth: " in result.err

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert running("restoreconfig", str(path)).code == 0
    assert "password=sesame" in running("/iscsi", "get", "discovery_auth", "--reveal").out
    running.ok("/iscsi set discovery_auth userid=you", f"saveconfig {path}")
    assert "credential: chap" in path.read_text()
    assert not (tmp_path / "target.secrets").exists()


def test_unknown_keys_stay_at_every_level(running):
    document = json.loads(running.saveconfig.read_text())
    document["theirs"] = {"x": [1]}
    document["storage_objects"][0]["comment"] = "a disk"
    document["targets"][0]["comment"] = "a target"
    document["targets"][0]["tpgs"][0]["comment"] = "a TPG"
    document["targets"][0]["tpgs"][0]["portals"][0]["comment"] = "a portal"
    document["storage_objects"][0]["alua_tpgs"][0]["comment"] = "a group"
    running.saveconfig.write_text(json.dumps(document))
    running.ok(
        "restoreconfig clear_existing=true", "/backstores/ramdisk create r1 1M", "saveconfig"
    )
    again = json.loads(running.saveconfig.read_text())
    del again["storage_objects"][1]
    assert again == document


def test_the_password_of_somebody_who_has_none_any_more_does_not_come_back(running):
    running.ok("/iscsi set discovery_auth userid=me password=sesame", "saveconfig")
    running.ok("/iscsi set discovery_auth userid= password=", "saveconfig")
    assert "sesame" not in running.saveconfig.read_text()
