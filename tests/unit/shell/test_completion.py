# SPDX-License-Identifier: Apache-2.0
"""What Tab offers; that it reads little, changes nothing, and that what it offers works."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent, get_common_complete_suffix
from prompt_toolkit.document import Document

from lioshell.errors import LioshellError
from lioshell.kernel.traced import traced
from lioshell.shell import candidates, grammar
from lioshell.shell.completion import ShellCompleter

IQN = "iqn.2003-01.com.example:disk1"
CLIENT = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"


def offers(shell, line, after=""):
    document = Document(line + after, len(line))
    return list(ShellCompleter(shell.session).get_completions(document, CompleteEvent()))


def words(shell, line):
    """What the line would end with, from where the completions begin."""
    return [offer.text.rstrip(" ") for offer in offers(shell, line)]


def accepted(shell, line):
    """The lines that accepting each offer leads to."""
    return [line[: len(line) + o.start_position] + o.text for o in offers(shell, line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/", ["/backstores/", "/iscsi/", "/loopback", "/vhost"]),
        ("/back", ["/backstores/"]),
        ("back", ["backstores/"]),
        ("backstores/f", ["backstores/fileio/"]),
        ("/backstores/fileio/", ["/backstores/fileio/disk1/"]),
        ("../isc", ["../iscsi/"]),
        ("..", ["../"]),
        ("./isc", ["./iscsi/"]),
        (f"/iscsi/{IQN}/", [f"{TPG}/"]),
        (f"/iscsi/{IQN}/tpgt", [f"/iscsi/{IQN}/tpgt1/"]),
        (f"/iscsi/{IQN}/tpgt1/l", [f"/iscsi/{IQN}/tpgt1/luns/"]),
        ("backstores/ib", ["backstores/iblock"]),
        ("/backstores/rd", ["/backstores/rd_mcp", "/backstores/rd_dr"]),
        ("cd backstores/fi", ["backstores/fileio/"]),
        ("ls /isc", ["/iscsi/"]),
        ("ls path=/isc", ["path=/iscsi/"]),
        ("/sav", ["/saveconfig"]),
        ("nosuch/", []),
        ("/backstores/fileio/disk1/x", []),
    ],
)
def test_paths(shared, line, expected):
    assert words(shared, line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sa", ["saveconfig"]),
        ("help sa", ["saveconfig"]),
        ("/backstores/fileio c", ["cd", "create"]),
        ("backstores/iblock cr", ["create"]),
        (f"{TPG} en", ["enable"]),
        ("/backstores/fileio/disk1 info ", []),
        ("nosuch ", []),
        ("/nosuch c", []),
        ("ls # c", []),
    ],
)
def test_commands(shared, line, expected):
    assert words(shared, line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/backstores/fileio create d /x si", ["size="]),
        ("/backstores/fileio create name=d f", ["file_or_dev="]),
        ("/backstores/fileio create d /x wr", ["write_back="]),
        ("/backstores/fileio create d /x write_back=", ["write_back=true", "write_back=false"]),
        ("/backstores/fileio create d /x write_back=f", ["write_back=false"]),
        ("/backstores/fileio create d /x write_back=true write", []),
        ("/backstores/fileio create d /x size=1M ", ["true", "false", "sparse=", "wwn="]),
        (f"{TPG}/acls/{CLIENT} create 3 ", ["lun0", "write_protect="]),
        (f"{TPG}/acls/{CLIENT} create 3 0 write_protect=t", ["write_protect=true"]),
        (f"{TPG}/luns create storage_object=/backstores/f", [
            "storage_object=/backstores/fileio/"]),
        (f"{TPG}/luns create /backstores/fileio/", ["/backstores/fileio/disk1"]),
        (f"{TPG}/luns create ", ["/backstores/fileio/disk1", "lun=", "add_mapped_luns="]),
        (f"{TPG}/luns create storage_object=", ["storage_object=/backstores/fileio/disk1"]),
        (f"{TPG}/luns create ../../../../back", ["../../../../backstores/"]),
    ],
)  # fmt: skip
def test_parameters_and_their_values(shared, line, expected):
    assert words(shared, line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/backstores/fileio delete ", ["disk1", "save="]),
        ("/backstores/fileio delete name=d", ["name=disk1"]),
        (f"{TPG}/luns delete ", ["lun0"]),
        (f"{TPG}/acls delete iqn", [CLIENT]),
        (f"{TPG}/acls/{CLIENT} delete m", ["mapped_lun=", "mapped_lun0"]),
        (f"{TPG}/portals delete [", ["[::0]:3260"]),
        (f"{TPG}/portals delete [::0]:3260 ", ["ip_port="]),
        (f"/iscsi/{IQN} delete tp", ["tpg1"]),
    ],
)
def test_delete_offers_what_is_there(shared, line, expected):
    assert sorted(words(shared, line)) == sorted(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("get ", ["global"]),
        (f"{TPG} get ", ["global", "attribute", "parameter", "auth"]),
        (f"{TPG} set attribute auth", ["authentication="]),
        (f"{TPG} get attribute auth", ["authentication"]),
        (f"{TPG} set attribute authentication=", ["authentication=1", "authentication=0"]),
        (f"{TPG} set attribute authentication=0 authentication=", []),
        (f"{TPG} set parameter InitialR2T=", ["InitialR2T=Yes", "InitialR2T=No"]),
        (f"{TPG} get auth --", ["--reveal"]),
        (f"{TPG} get attribute --", []),
        (f"{TPG} set auth authenticate", []),
        ("set global auto_cd", ["auto_cd_after_create="]),
        ("set global auto_cd_after_create=", [
            "auto_cd_after_create=true", "auto_cd_after_create=false"]),
        ("set global prompt_length=", ["prompt_length=30"]),
        (f"{TPG} set parameter MaxConnections=", ["MaxConnections=1"]),
        (f"{TPG} set auth password=", []),
        ("/iscsi set discovery_auth en", ["enable="]),
        ("/iscsi set discovery_auth enable=", ["enable=1", "enable=0"]),
        ("get nosuch ", []),
    ],
)  # fmt: skip
def test_groups_and_their_parameters(shared, line, expected):
    assert words(shared, line) == expected


def test_names_of_files(shell):
    folder = shell.folder / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b.img").write_text("")
    (folder / "c.img").write_text("")
    for parameter in ("", "cfgstring="):
        base = f"/backstores/user:file create v 1M {parameter}{folder}/"
        assert [o.display_text for o in offers(shell, base)] == ["a b.img", "c.img", "sub/"]
        assert accepted(shell, base + "c") == [base + "c.img "]
        assert accepted(shell, base + "s") == [base + "sub/"]
    line = f"/backstores/user:file create v 1M {folder}/a"
    (done,) = accepted(shell, line)
    assert [word.text for word in grammar.split_words(done)][-1] == f"{folder}/a b.img"


def test_a_word_that_ends_here_is_followed_by_one_blank(shared):
    assert accepted(shared, "/backstores/fileio del") == ["/backstores/fileio delete "]
    assert [o.text for o in offers(shared, "del", " x")] == []
    assert [o.text for o in offers(shared, "pw", " x")] == ["pwd"]


def test_meanings_come_from_the_specs_and_the_tree(shared):
    meanings = {o.text.strip(): o.display_meta_text for o in offers(shared, "/backstores/")}
    assert meanings["/backstores/fileio/"] == "Storage Objects: 1"
    (offer,) = offers(shared, f"{TPG} set attribute authentic")
    assert offer.display_meta_text == "Refuse a login without CHAP"
    (offer,) = offers(shared, "/backstores/fileio cre")
    assert offer.display_meta_text.startswith("Create a storage object on a file")


AWKWARD = ["my disk", "a'b", 'a"b', "a\\b", "#1", "a=b", "delete", "@last", "vg+lv", "a~b", "ü"]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_are_offered_in_a_form_that_works(shell, name):
    # Another program may have made an object with a name that this one would refuse.
    folder = shell.folder / "sim" / "config" / "target" / "core"
    shell.run(f"/backstores/fileio create plain {shell.folder}/f 1M")
    (folder / "fileio_0" / "plain").rename(folder / "fileio_0" / name)

    for line in ("/backstores/fileio/", "ls /backstores/fileio/", "cd '/backstores/fileio/"):
        (done,) = accepted(shell, line)
        shell.run("cd /", done)
        if not line.startswith("ls"):
            assert shell.path == f"/backstores/fileio/{name}"
    shell.run("cd /backstores/fileio")
    (done,) = [
        line
        for line in accepted(shell, "")
        if line.strip('"./ \\')[0] == name[0]
        and shell.session.resolve(grammar.split_words(line))[1] == ""
    ]
    shell.run(done)
    assert shell.path == f"/backstores/fileio/{name}"
    shell.run("..")
    (done,) = [o for o in accepted(shell, "delete ") if not o.endswith(("name=", "save="))]
    positional, named = grammar.arguments(grammar.split_words(done)[1:], "")
    assert (positional, named) == ([name], {})


def test_looking_changes_nothing(shell):
    target = shell.folder / "sim" / "config" / "target"
    before = sorted(str(path) for path in target.rglob("*"))
    for line in ("/iscsi get ", "/iscsi get discovery_auth ", "/iscsi set discovery_auth en"):
        offers(shell, line)
    assert sorted(str(path) for path in target.rglob("*")) == before


def test_two_thousand_children_cost_one_listing(shell, monkeypatch):
    core = shell.folder / "sim" / "config" / "target" / "core" / "rd_mcp_0"
    shell.run("/backstores/ramdisk create r0 1M")
    for number in range(1, 2001):
        (core / f"r{number}").mkdir()
    reads = []
    monkeypatch.setattr(
        type(shell.lio.configfs), "read", lambda self, path: reads.append(path) or ""
    )

    for line in ("/backstores/ramdisk/", "/backstores/ramdisk delete "):
        found = offers(shell, line)
        assert 200 < len(found) <= candidates.MAX_OFFERED
        assert found[0].display_meta_text == "one of 2,001: type on to see the others"
    assert reads == []
    folder = Document("/backstores/ramdisk/r19")
    assert get_common_complete_suffix(folder, offers(shell, folder.text)) == ""
    assert words(shell, "/backstores/ramdisk/r199") == [
        f"/backstores/ramdisk/{name}" for name in ["r199", *(f"r199{n}" for n in range(10))]
    ]


def test_what_all_of_a_long_list_begin_with_is_completed_and_no_more(shell):
    core = shell.folder / "sim" / "config" / "target" / "core" / "rd_mcp_0"
    shell.run("/backstores/ramdisk create vol-a0 1M")
    for number in range(1, 1000):
        (core / f"vol-a{number}").mkdir()
    (core / "vol-b").mkdir()
    line = Document("/backstores/ramdisk/v")
    assert get_common_complete_suffix(line, offers(shell, line.text)) == "ol-"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/backstores/FI", ["/backstores/fileio/"]),
        ("/store", ["/backstores/", "/restoreconfig", "/unrestored"]),
        ("conf", ["saveconfig", "restoreconfig"]),
        ("svc", ["saveconfig"]),
        ("/backstores/fileio/sk1", ["/backstores/fileio/disk1/"]),
        (f"{TPG}/acls delete client1", [CLIENT]),
        (f"{TPG} set attribute node_acls", ["generate_node_acls="]),
        ("set global after_create", ["auto_cd_after_create="]),
        ("/backstores/fileio create d /x back", ["write_back="]),
        ("/backstores/fileio create d /x write_back=RUE", ["write_back=true"]),
        ("zz", []),
    ],
)
def test_what_only_resembles_is_offered_where_nothing_begins_so(shared, line, expected):
    found = [o for o in words(shared, line) if o != "clearconfig"]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/backstores/block create d ", [("/dev/sdb", "1.0GiB"), ("/dev/sdc", "1.0GiB")]),
        ("/backstores/block create d dev=sdc", [("dev=/dev/sdc", "1.0GiB")]),
        (f"{TPG}/luns create /x lun=", [("lun=1", "the lowest free number")]),
        (f"{TPG}/acls/{CLIENT} create ", [("1", "the lowest free number")]),
        (f"{TPG}/portals create 192", [("192.168.1.139", "eth0")]),
        (f"{TPG}/portals create ip_address=[", [
            ("ip_address=[::0]", "every IPv6 and IPv4 address; the default")]),
    ],
)  # fmt: skip
def test_values_that_the_machine_knows(shared, line, expected):
    found = [(o.text.strip(), o.display_meta_text) for o in offers(shared, line)]
    assert [f for f in found if not f[0].endswith("=")] == expected


def test_a_disk_in_use_is_not_offered(shell):
    shell.run("/backstores/block create d /dev/sdb")
    assert "/dev/sdb" not in words(shell, "/backstores/block create e ")
    # Another path is a file's name like any other.
    assert words(shell, "/backstores/block create e /nosuch/x") == []


def test_initiators_known_elsewhere_are_offered(built):
    other = "/iscsi/iqn.2003-01.com.example:disk2"
    built.run(f"/iscsi create {other[7:]}")
    (offer,) = offers(built, f"{other}/tpg1/acls create ")[:1]
    assert (offer.text.strip(), offer.display_meta_text) == (CLIENT, f"has an ACL at {TPG}")
    assert words(built, f"{TPG}/acls create ") == ["wwn=", "add_mapped_luns="]
    dynamic = built.folder / "sim" / "config" / "target" / TPG[1:].replace("tpg1", "tpgt_1")
    (dynamic / "dynamic_sessions").write_text("iqn.1994-05.com.redhat:guest\0")
    found = {o.text.strip(): o.display_meta_text for o in offers(built, f"{TPG}/acls create ")}
    assert found["iqn.1994-05.com.redhat:guest"] == "logged in here, without an ACL"


def test_free_numbers(built):
    built.run("/backstores/ramdisk create r 1M", f"{TPG}/luns create /backstores/ramdisk/r 5")
    assert words(built, f"{TPG}/luns create /x lun=") == ["lun=1", "lun=6"]
    built.run("/loopback create naa.5001405a1b2c3d4e")
    line = "/loopback/naa.5001405a1b2c3d4e/luns create /x lun="
    assert words(built, line) == ["lun=0"]


def test_the_line_behind_watch_is_completed(shared):
    assert words(shared, "watch 2 sta") == ["status"]
    assert words(shared, "watch 2 ls /isc") == ["/iscsi/"]
    assert words(shared, "/iscsi watch 2 ls /isc") == []
    assert shared.path == "/"


def test_many_objects_are_offered_by_their_kind(shell):
    core = shell.folder / "sim" / "config" / "target" / "core" / "rd_mcp_0"
    shell.run("/backstores/ramdisk create r0 1M", f"/iscsi create {IQN}")
    for number in range(1, 100):
        (core / f"r{number}").mkdir()
    offered = words(shell, f"{TPG}/luns create ")
    assert "/backstores/ramdisk/" in offered
    assert "/backstores/fileio" in offered


def test_an_object_that_cannot_be_read_is_offered_all_the_same(built):
    folder = built.folder / "sim" / "config" / "target" / "core" / "fileio_0" / "disk1"
    (folder / "enable").unlink()
    (offer,) = offers(built, "/backstores/fileio/d")
    assert "unreadable" in offer.display_meta_text


def test_a_defect_offers_nothing_instead_of_breaking_the_prompt(shared, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(candidates, "candidates", broken)
    assert offers(shared, "l") == []


WORDS = f"""/ .. ' " \\ = # ² create set get help delete auth global attribute --reveal @x path=
name= storage_object= /backstores/ fileio user:file /iscsi/ {IQN} /tpg1 /luns""".split()
PIECES = st.one_of(st.text(max_size=8), st.sampled_from([*WORDS, " ", "\0"]))


@settings(deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_any_text_can_be_completed(shared, text):
    # Below the completer's own net, so that a defect shows.
    with contextlib.suppress(LioshellError):
        found = grammar.word_at_end(text)
        if found is not None:
            for candidate in candidates.candidates(shared.session, *found):
                assert candidate.text or candidate.name
    for offer in offers(shared, text):
        assert -len(text) <= offer.start_position <= 0


@settings(deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join))
def test_what_is_offered_can_be_read(shared, text):
    try:
        grammar.split_words(text)
    except LioshellError:
        return
    for line in accepted(shared, text):
        grammar.split_words(line)


def test_no_traced_write_happens(shared):
    writes = []
    kernel = traced(shared.lio.kernel, writes.append)
    shared.lio.kernel, real = kernel, shared.lio.kernel
    try:
        for line in ("/", "/iscsi get ", f"{TPG} set attribute ", f"{TPG}/luns create "):
            offers(shared, line)
    finally:
        shared.lio.kernel = real
    assert writes == []
