# SPDX-License-Identifier: Apache-2.0
"""Tags: several initiators that are shown and changed as one."""

from pathlib import Path

import pytest

from lioshell.errors import ConflictError, KernelError, NotFoundError, UsageError
from lioshell.kernel.sim.faults import Faults

from .conftest import CLIENT, IQN, TPG

SECOND = "iqn.1994-05.com.redhat:client2"
ACLS = f"{TPG}/acls"


@pytest.fixture
def two(built):
    built.run(
        "/backstores/ramdisk create r 1M",
        f"{TPG}/luns create /backstores/ramdisk/r",
        f"{ACLS}/{CLIENT} set auth userid=me password=sesame",
        f"{ACLS}/{CLIENT} set attribute dataout_timeout=9",
        f"{ACLS}/{CLIENT} delete 1",
        f"{ACLS}/{CLIENT} create 7 1 write_protect=true",
        f"{ACLS} create {SECOND} add_mapped_luns=false",
        f"{ACLS}/{SECOND} create 5 0",
    )
    return built


@pytest.fixture
def tagged(two):
    two.run(f"{ACLS} tag {CLIENT} web", f"{ACLS} tag {SECOND} web")
    return two


def names(shell, path):
    return [line.split()[1] for line in shell.run(f"ls {path} 1").splitlines()[1:]]


def test_who_joins_sees_what_the_others_see(tagged):
    assert names(tagged, ACLS) == ["web"]
    assert "[(group of 2), Mapped LUNs: 2]" in tagged.run(f"ls {ACLS}")
    assert names(tagged, f"{ACLS}/web") == ["mapped_lun0", "mapped_lun7"]
    assert names(tagged, f"{ACLS}/{SECOND}") == ["mapped_lun0", "mapped_lun7"]
    assert "(ro)" in tagged.run(f"{ACLS}/{SECOND}/mapped_lun7 status")
    assert "password=sesame" in tagged.run(f"{ACLS}/{SECOND} get auth --reveal")
    assert "dataout_timeout=9" in tagged.run(f"{ACLS}/{SECOND} get attribute dataout_timeout")
    assert f"wwn: {CLIENT}, {SECOND}" in tagged.run(f"{ACLS}/web info")


def test_a_change_is_one_of_all(tagged):
    tagged.run(
        f"{ACLS}/web set attribute nopin_timeout=20",
        f"{ACLS}/web create 9 0",
        f"{ACLS}/web delete 0",
    )
    for wwn in (CLIENT, SECOND):
        assert "nopin_timeout=20" in tagged.run(f"{ACLS}/{wwn} get attribute nopin_timeout")
        assert names(tagged, f"{ACLS}/{wwn}") == ["mapped_lun7", "mapped_lun9"]


def test_a_change_of_all_is_undone_for_all(tagged, monkeypatch):
    tagged.run(f"{ACLS}/{SECOND} create 9 0")
    assert isinstance(tagged.fails(f"{ACLS}/web create 9 0"), ConflictError)
    assert names(tagged, f"{ACLS}/{CLIENT}") == ["mapped_lun0", "mapped_lun7"]
    monkeypatch.setattr(tagged.lio.configfs, "_faults", Faults(fail_nth=2))
    with pytest.raises(KernelError):
        tagged.session.run_line(f"{ACLS}/web set attribute nopin_timeout=20")
    assert "nopin_timeout=15" in tagged.run(f"{ACLS}/{CLIENT} get attribute nopin_timeout")


def test_a_join_that_fails_leaves_the_initiator_as_it_was(two, monkeypatch):
    two.run(f"{ACLS} tag {CLIENT} web")
    before = two.run(f"ls {ACLS}"), two.run(f"{ACLS}/{SECOND} get attribute")
    for number in range(1, 10):
        monkeypatch.setattr(two.lio.configfs, "_faults", Faults(fail_nth=number))
        with pytest.raises(KernelError) as caught:
            two.session.run_line(f"{ACLS} tag {SECOND} web")
        assert caught.value.remains == ()
        monkeypatch.setattr(two.lio.configfs, "_faults", None)
        assert (two.run(f"ls {ACLS}"), two.run(f"{ACLS}/{SECOND} get attribute")) == before


def test_a_single_tag_is_shown_with_its_initiator(two):
    two.run(f"{ACLS} tag {CLIENT} db")
    assert f"[({CLIENT}), Mapped LUNs: 2]" in two.run(f"ls {ACLS}/db")
    assert "tag: db" in two.run(f"{ACLS}/{CLIENT} info")


def test_a_tag_is_changed_and_taken_away(tagged):
    tagged.run(f"{ACLS} tag web front")
    assert names(tagged, ACLS) == ["front"]
    tagged.run(f"{ACLS} untag {CLIENT}")
    assert names(tagged, ACLS) == ["front", CLIENT]
    tagged.run(f"{ACLS} untag front")
    assert names(tagged, ACLS) == [CLIENT, SECOND]
    assert names(tagged, f"{ACLS}/{SECOND}") == ["mapped_lun0", "mapped_lun7"]


def test_a_tag_is_deleted_with_its_initiators(tagged):
    tagged.run(f"{ACLS} delete web")
    assert names(tagged, ACLS) == []


@pytest.mark.parametrize("tag", ["a.b", "a/b", "''", "'a b'", "NULL", "x" * 64, CLIENT])
def test_what_is_no_tag(two, tag):
    assert isinstance(two.fails(f"{ACLS} tag {CLIENT} {tag}"), UsageError)
    assert names(two, ACLS) == [CLIENT, SECOND]


@pytest.mark.parametrize("line", ["tag nosuch web", "untag nosuch", "delete nosuch", "untag ''"])
def test_who_is_not_there(tagged, line):
    assert isinstance(tagged.fails(f"{ACLS} {line}"), NotFoundError)


def test_who_is_logged_in_loses_no_lun_by_joining(two):
    configfs = Path(two.lio.configfs.location)
    info = configfs / f"iscsi/{IQN}/tpgt_1/acls/{SECOND}/info"
    info.write_text(f"InitiatorName: {SECOND}\n")
    two.run(f"{ACLS} tag {CLIENT} web")
    error = two.fails(f"{ACLS} tag {SECOND} web")
    assert isinstance(error, ConflictError)
    assert SECOND in error.message
    # It only gains.
    two.run(f"{ACLS}/{CLIENT} create 5 0 write_protect=false", f"{ACLS}/{CLIENT} delete 7")
    two.run(f"{ACLS} tag {SECOND} web")


def test_credentials_are_told_where_they_are_wanted(two):
    two.run(f"{TPG} set attribute authentication=1")
    shown = two.run(f"ls {ACLS} 1")
    assert "[1-way auth, Mapped LUNs: 2]" in shown
    assert "[no auth credentials, Mapped LUNs: 1]" in shown
    two.run(f"{ACLS}/{CLIENT} set auth mutual_userid=you mutual_password=sesame2")
    assert "[mutual auth, Mapped LUNs: 2]" in two.run(f"ls {ACLS} 1")
