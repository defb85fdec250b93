# SPDX-License-Identifier: Apache-2.0
"""`export` and `unexport` on the simulated kernel."""

import os

import pytest

INITIATOR = "iqn.1994-05.com.redhat:client1"
PASSWORD = "correct-horse"


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "My Disk.img"
    path.write_bytes(bytes(1 << 20))
    return path


def iqn():
    host = os.uname().nodename.lower()
    return f"iqn.2003-01.org.linux-iscsi.{host}:my-disk.img"


def tree(cli):
    """Return folders and links: everything that was made."""
    found = (cli.sim / "config/target").rglob("*")
    return sorted(str(path) for path in found if path.is_dir() or path.is_symlink())


def test_export_and_unexport_leave_nothing(cli, image):
    cli("ls")
    before = tree(cli)
    result = cli("export", str(image), "--initiator", INITIATOR, "-p", "127.0.0.1:3260")

    assert result.code == 0
    assert f"iscsiadm -m node -T {iqn()} -p 127.0.0.1:3260 --login" in result.out
    listed = cli("ls", "/iscsi").out
    assert "[no-gen-acls, no-auth]" in listed
    assert "127.0.0.1:3260" in listed
    assert f"{INITIATOR}" in listed
    assert "(rw)" in listed
    assert cli("unexport", str(image)).code == 0
    assert tree(cli) == before
    assert image.stat().st_size == 1 << 20


def test_a_second_export_changes_nothing(cli, image):
    cli("export", str(image), "--initiator", INITIATOR)
    before = tree(cli)
    result = cli("export", str(image), "--initiator", INITIATOR)

    assert result.code == 0
    assert "exported already" in result.out
    assert tree(cli) == before


def test_another_initiator_and_portal_are_added(cli, image):
    cli("export", str(image), "-p", "127.0.0.1")
    cli("export", str(image), "--initiator", INITIATOR, "-p", "[::1]:3261")
    listed = cli("ls", "/iscsi").out

    assert "127.0.0.1:3260" in listed
    assert "[::1]:3261" in listed
    assert INITIATOR in listed


def test_nobody_is_let_in_unless_that_is_said(cli, image):
    result = cli("export", str(image))

    assert "Nobody is let in" in result.out
    assert "iscsiadm" not in result.out
    assert "[no-gen-acls, no-auth]" in cli("ls", "/iscsi").out


def test_demo_mode_warns(cli, image):
    result = cli("export", str(image), "--demo")

    assert "anybody" in result.err
    tpg = f"/iscsi/{iqn()}/tpg1"
    assert "[gen-acls, no-auth]" in cli("ls", "/iscsi").out
    assert "demo_mode_write_protect=0" in cli(tpg, "get", "attribute").out


def test_a_password_is_read_and_never_shown(cli, image, tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    result = cli("-v", "export", str(image), "--chap", "alice", "--chap-password-file", str(file))

    assert result.code == 0
    assert PASSWORD not in result.out + result.err
    assert "username -v alice" in result.out
    assert "[gen-acls, tpg-auth]" in cli("ls", "/iscsi").out
    shown = cli(f"/iscsi/{iqn()}/tpg1", "get", "auth", "--reveal").out
    assert PASSWORD in shown


def test_a_password_of_an_acl(cli, image, tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    words = ("--initiator", INITIATOR, "--chap", "alice", "--chap-password-file", str(file))
    cli("export", str(image), *words)

    assert "[no-gen-acls, " in cli("ls", "/iscsi").out
    acl = f"/iscsi/{iqn()}/tpg1/acls/{INITIATOR}"
    assert PASSWORD in cli(acl, "get", "auth", "--reveal").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("a", "b"), 2),
        (("IMAGE", "--what", "1"), 2),
        (("IMAGE", "-p"), 2),
        (("IMAGE", "-p", "hello"), 2),
        (("IMAGE", "-p", "127.0.0.1:port"), 2),
        (("IMAGE", "--iqn", "nonsense"), 2),
        (("IMAGE", "--initiator", "nonsense"), 2),
        (("IMAGE", "--demo", "--initiator", INITIATOR), 2),
        (("IMAGE", "--chap-password-file", "/dev/null"), 2),
        (("IMAGE", "--chap", "alice", "--chap-password-file", "/dev/null"), 2),
        (("IMAGE", "--chap", "alice", "--chap-password-file", "/no/such"), 1),
        (("/no/such/file",), 3),
        (("/",), 2),
        (("SMALL",), 2),
    ],
)
def test_what_cannot_be_exported_changes_nothing(cli, image, tmp_path, words, code):
    small = tmp_path / "small"
    small.write_bytes(b"x" * 511)
    cli("ls")
    before = tree(cli)
    named = {"IMAGE": str(image), "SMALL": str(small)}
    result = cli("export", *(named.get(word, word) for word in words))

    assert result.code == code, result.err
    assert "hint:" in result.err
    assert tree(cli) == before
    assert not os.path.exists("/no/such/file")


def test_two_files_of_one_name_need_two_targets(cli, image, tmp_path):
    other = tmp_path / "other" / image.name
    other.parent.mkdir()
    other.write_bytes(bytes(1 << 20))
    cli("export", str(image))
    before = tree(cli)
    refused = cli("export", str(other))

    assert refused.code == 3
    assert "--iqn" in refused.err
    assert tree(cli) == before
    assert cli("export", str(other), "--iqn", f"{iqn()}.2").code == 0


def test_what_is_more_than_an_export_is_not_removed(cli, image):
    cli("export", str(image))
    cli("/backstores/ramdisk", "create", "r0", "1M")
    cli(f"/iscsi/{iqn()}/tpg1/luns", "create", "/backstores/ramdisk/r0")
    before = tree(cli)
    for text in (str(image), iqn()):
        refused = cli("unexport", text)
        assert refused.code == 3
    assert tree(cli) == before


def test_what_is_not_exported_cannot_be_unexported(cli, image):
    assert cli("unexport", str(image)).code == 3
    assert cli("unexport", "iqn.2003-01.com.example:nothing").code == 3


def test_a_dry_run_of_an_export_changes_nothing(cli, image):
    cli("ls")
    before = tree(cli)
    assert cli("-n", "export", str(image), "--demo").code == 0
    assert tree(cli) == before
