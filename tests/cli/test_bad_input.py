# SPDX-License-Identifier: Apache-2.0
"""What is typed wrongly: one exit code, a message, what to type next, and nothing half made."""

from __future__ import annotations

import pytest

IQN = "iqn.2003-01.com.example:disk1"
NAA = "naa.5001405a1b2c3d4e"
INITIATOR = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"
ACL = f"{TPG}/acls/{INITIATOR}"


@pytest.fixture
def target(cli):
    cli.ok(
        "/backstores/ramdisk create disk1 1M",
        "/backstores/ramdisk create disk2 1M",
        f"/iscsi create {IQN}",
        f"{TPG}/luns create /backstores/ramdisk/disk1",
        f"{TPG}/acls create {INITIATOR}",
        f"/loopback create {NAA}",
    )
    return cli


def refused(cli, line: str, code: int, *texts: str) -> None:
    """Check how a line is refused, in text and in JSON, and that nothing changes."""
    before = cli.tree()
    result = cli("-c", line)
    assert (result.code, result.out) == (code, ""), result
    assert "hint: " in result.err, result.err
    for text in texts:
        assert text in result.err, result.err
    assert "Traceback" not in result.err
    assert "itself failed" not in result.err
    assert len(result.err) < 1000
    error = cli("-o", "json", "-c", line).json["error"]
    assert error["message"] in result.err
    assert error["hint"] in result.err
    assert cli.tree() == before


# Paths, commands, parameters

TYPING_ERRORS = [
    # A path
    ("ls /backstore", 3, "There is no /backstore", "Did you mean /backstores?"),
    ("ls /backstores/ramdsk", 3, "Did you mean /backstores/ramdisk?"),
    ("/backstores/ramdisk/disc1 info", 3, "Did you mean /backstores/ramdisk/disk1?"),
    (f"{TPG}/lun/ ls", 3, "luns?"),
    ("ls /qqqqqq", 3, "There is no /qqqqqq"),
    # A command
    ("sl", 2, "Did you mean ls?"),
    ("/backstores/ramdisk creat disk3 1M", 2, "Did you mean create?"),
    ("/backstores/ramdisk remove disk1", 2, "remove"),
    ("qqqqqq", 2, "There is no command 'qqqqqq'"),
    ("create disk3 1M", 2, "create"),
    # A parameter
    ("/backstores/ramdisk create disk3 siz=1M", 2, "siz", "Did you mean size=?"),
    ("/backstores/ramdisk create disk3 1M qqqqqq=1", 2, "qqqqqq", "syntax"),
    ("/backstores/ramdisk create disk3", 2, "size"),
    ("/backstores/ramdisk create", 2, "name"),
    ("/backstores/ramdisk create disk3 1M true wwn extra", 2, "syntax"),
    ("/backstores/ramdisk create disk3 1M size=1M", 2, "size"),
    ("/backstores/ramdisk create disk3 size=1M size=2M", 2, "twice"),
    ("/backstores/ramdisk create disk3 1M nullio=maybe", 2, "maybe"),
    # A line
    ("ls 'open", 2, "never closed"),
    ("ls \\", 2, "backslash"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "texts"), [(x, c, t) for x, c, *t in TYPING_ERRORS])
def test_what_does_not_exist(target, line, code, texts):
    refused(target, line, code, *texts)


# Sizes

SIZES = [
    ("none", "is not a size"),
    ("", ""),
    ("1.5G", "is not a size"),
    ("-1", ""),
    ("1Q", "is not a size"),
    ("0", "no size"),
    ("0M", "no size"),
    ("100", "multiple"),
    ("513", "multiple"),
    ("8E", "larger than any device"),
    ("99999999999999999999999999", "larger than any device"),
]


@pytest.mark.parametrize(("size", "text"), SIZES)
@pytest.mark.parametrize("kind", ["ramdisk", "fileio", "user:file"])
def test_a_size_that_is_none(target, tmp_path, kind, size, text):
    image = tmp_path / "new.img"
    where = {"ramdisk": "", "fileio": f"file_or_dev={image}", "user:file": f"cfgstring={image}"}
    refused(target, f"/backstores/{kind} create disk3 size='{size}' {where[kind]}", 2, text)
    assert not image.exists()


def test_a_size_that_is_no_multiple_of_a_larger_block(target, tmp_path):
    line = f"/backstores/user:file create disk3 5632 {tmp_path}/new.img hw_block_size=4096"
    refused(target, line, 2, "multiple", "4096")
    assert not (tmp_path / "new.img").exists()


@pytest.mark.parametrize("block", ["0", "513", "8192", "none", "-512"])
def test_a_block_size_that_is_none(target, tmp_path, block):
    line = f"/backstores/user:file create disk3 1M {tmp_path}/new.img hw_block_size={block}"
    refused(target, line, 2)
    assert not (tmp_path / "new.img").exists()


@pytest.mark.parametrize("option", ["data_pages_per_blk=0", "none=1", "dev_config=file//x", "x"])
def test_a_kernel_option_that_is_none(target, tmp_path, option):
    line = f"/backstores/user:file create disk3 1M {tmp_path}/new.img control={option}"
    refused(target, line, 2)
    assert not (tmp_path / "new.img").exists()


# Names


def test_a_name_in_use(target, tmp_path):
    refused(target, "/backstores/ramdisk create disk1 1M", 3, "exists already")
    refused(target, f"/iscsi create {IQN}", 3, "exists already")
    refused(target, f"/iscsi create {IQN.upper()}", 3, "exists already")
    refused(target, f"/loopback create {NAA}", 3, "exists already")
    refused(target, f"/iscsi/{IQN} create 1", 3, "exists already")
    refused(target, f"{TPG}/acls create {INITIATOR}", 3, "exists already")
    refused(target, f"{TPG}/luns create /backstores/ramdisk/disk2 lun=0", 3, "exists already")
    refused(target, f"{TPG}/luns create /backstores/ramdisk/disk1", 3, "already")
    refused(target, f"{ACL} create 0 0", 3, "exists already")
    refused(target, f"{TPG}/portals create ::0", 3, "exists already")


def test_a_name_in_use_by_another_kind_of_backstore(target, tmp_path):
    target.ok(f"/backstores/fileio create disk1 {tmp_path}/disk1.img 1M")
    target.ok("/backstores/fileio delete disk1")
    assert "disk1" in target("ls", "/backstores/ramdisk").out


def test_a_name_in_use_leaves_the_backing_file_as_it_is(target, tmp_path):
    target.ok(f"/backstores/fileio create file1 {tmp_path}/file1.img 1M")
    refused(target, f"/backstores/fileio create file1 {tmp_path}/other.img 1M", 3)
    refused(target, f"/backstores/fileio create file1 {tmp_path}/file1.img 1M", 3)
    assert not (tmp_path / "other.img").exists()
    assert (tmp_path / "file1.img").stat().st_size == 1 << 20


@pytest.mark.parametrize("name", ["''", "a/b", "..", ".", "'a b'", "a\\\tb", "x" * 256])
def test_a_name_that_configfs_cannot_hold(target, name):
    refused(target, f"/backstores/ramdisk create {name} 1M", 2)


@pytest.mark.parametrize(
    "wwn", ["disk1", "iqn.bogus", "naa.123", "eui.xyz", "''", f"{IQN}/x", IQN + "x" * 223]
)
def test_a_target_name_that_is_none(target, wwn):
    refused(target, f"/iscsi create {wwn}", 2)


def test_a_target_name_of_another_fabric(target):
    refused(target, "/loopback create iqn.2003-01.com.example:x", 2, "naa")


@pytest.mark.parametrize("tag", ["0", "65536", "-1", "x", "1.5"])
def test_a_tpg_tag_that_is_none(target, tag):
    refused(target, f"/iscsi/{IQN} create {tag}", 2, "1 to 65535")


@pytest.mark.parametrize("lun", ["65536", "-1", "x", "lun", "1.5"])
def test_a_lun_that_is_none(target, lun):
    refused(target, f"{TPG}/luns create /backstores/ramdisk/disk2 lun={lun}", 2)


@pytest.mark.parametrize(
    ("portal", "code"),
    [
        ("localhost", 2),
        ("1.2.3", 2),
        ("::x", 2),
        ("127.0.0.1 0", 2),
        ("127.0.0.1 65536", 2),
        ("127.0.0.1 x", 2),
        ("203.0.113.7:3260", 2),
    ],
)
def test_a_portal_that_is_none(target, portal, code):
    refused(target, f"{TPG}/portals create {portal}", code)


# What is given to an object that is there


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{TPG} set attribute generate_node_acls=maybe", 2),
        (f"{TPG} set attribute default_cmdsn_depth=many", 2),
        (f"{TPG} set attribute default_cmdsn_depth=", 2),
        (f"{TPG} set attribute none=1", 3),
        (f"{TPG} set none a=1", 3),
        (f"{TPG} set attribute generate_node_acls=1 none=1", 3),
        (f"{TPG} set attribute generate_node_acls=1 default_cmdsn_depth=many", 2),
        (f"{ACL} set auth userid={'x' * 256}", 2),
        ("/backstores/ramdisk/disk1 set attribute hw_block_size=4096", 2),
        (f"{TPG} get none", 3),
        (f"{TPG} get attribute none", 3),
        (f"{TPG}/luns create /backstores/ramdisk", 3),
        (f"{TPG}/luns create /iscsi", 3),
        (f"{TPG}/luns create /backstores/ramdisk/none", 3),
        (f"{TPG}/luns delete 7", 3),
        (f"{ACL} create 1 7", 3),
        (f"{ACL} delete 7", 3),
        (f"{TPG}/portals delete 10.0.0.1", 3),
        ("/backstores/block create b0 /dev/none", 3),
        ("/backstores/block create b0 /etc/passwd", 3),
        ("/backstores/pscsi create p0 /dev/none", 3),
        ("/backstores/pscsi create p0 9:9:9:9", 3),
        ("/iscsi set discovery_auth none=1", 3),
        ("/loopback set discovery_auth enable=1", 3),
    ],
)
def test_what_an_object_cannot_take(target, line, code):
    refused(target, line, code)


def test_a_device_in_use(target):
    target.ok("/backstores/block create b0 /dev/sdb")
    refused(target, "/backstores/block create b1 /dev/sdb", 3, "/backstores/block/b0")


def test_one_file_is_not_two_disks(target, tmp_path):
    path, link = tmp_path / "one.img", tmp_path / "link.img"
    link.symlink_to(path)
    target.ok(f"/backstores/fileio create f0 {path} 1M")
    for other in (path, link, tmp_path / "." / "one.img"):
        refused(target, f"/backstores/fileio create f1 {other}", 3, "/backstores/fileio/f0")
        refused(target, f"/backstores/user:file create u1 1M {other}", 3, "/backstores/fileio/f0")


def test_a_refused_change_of_a_fabric_that_is_not_there_does_not_make_it(cli):
    cli("ls")
    for line, code in (
        ("/iscsi create bogus", 2),
        ("/iscsi set discovery_auth none=1", 3),
        ("/iscsi set discovery_auth enable=maybe", 2),
        ("/iscsi get discovery_auth none", 3),
    ):
        refused(cli, line, code)
    cli.ok("/iscsi get discovery_auth", "/iscsi info", "ls")
    assert not (cli.sim / "config/target/iscsi").exists()
