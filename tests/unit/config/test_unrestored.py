# SPDX-License-Identifier: Apache-2.0
"""What is not restored: the journal, its reading after a kill, and what is laid over what runs."""

import json

import pytest

from lioshell.config.attempts import Attempts, Journal
from lioshell.config.pending import Place, laid_over, without
from lioshell.config.unrestored import (
    CLEARING,
    ENDED,
    INTERRUPTED,
    RESTORING,
    Pending,
    Unrestored,
    journal_path,
    read,
    remember,
    unrestored,
)
from lioshell.errors import DocumentError, KernelError

DISK = {"plugin": "fileio", "name": "f1", "dev": "/srv/f1", "size": 512}
OTHER = {"plugin": "ramdisk", "name": "r1", "size": 4096}
LUN = {"index": 0, "storage_object": "/backstores/fileio/f1"}
TARGET = {"fabric": "iscsi", "wwn": "iqn.x", "tpgs": [{"tag": 1, "enable": True, "luns": [LUN]}]}
WHOLE = {"storage_objects": [DISK, OTHER], "targets": [TARGET]}


def test_nothing_is_pending(tmp_path):
    assert unrestored(str(tmp_path)) == []
    assert read(str(tmp_path)) is None
    remember(str(tmp_path), Pending("", ENDED, {}, ()))
    assert list(tmp_path.iterdir()) == []


def test_what_is_remembered_is_read(tmp_path):
    one = Unrestored("/backstores/fileio/f1", "gone", "Look.", "/srv/f1")
    remember(str(tmp_path), Pending("/etc/x.json", ENDED, {"storage_objects": [DISK]}, (one,)))
    assert unrestored(str(tmp_path)) == [one]
    assert journal_path(str(tmp_path)).endswith("/unrestored")
    assert (tmp_path / "unrestored").stat().st_mode & 0o777 == 0o600
    remember(str(tmp_path), Pending("", ENDED, {}, ()))
    assert unrestored(str(tmp_path)) == []


@pytest.mark.parametrize("phase", [CLEARING, RESTORING])
def test_a_killed_restore_leaves_everything_that_is_not_done(tmp_path, phase):
    journal = Journal(str(tmp_path), Pending("x", phase, WHOLE, ()))
    attempts = Attempts(journal, 4)
    with attempts.attempt("/backstores/fileio/f1", {"storage_objects": [DISK]}):
        raise KernelError("mkdir", "core/fileio_0", 28)
    attempts.done("/backstores/fileio/f1")
    attempts.done("/backstores/ramdisk/r1")
    with open(journal_path(str(tmp_path)), "a") as file:
        file.write('{"done": "/iscsi/iq')  # cut off by the kill

    pending = read(str(tmp_path))
    assert pending.interrupted
    assert pending.document["storage_objects"] == [DISK]
    assert pending.document["targets"] == [TARGET]
    assert [(one.path, one.reason) for one in pending.objects] == [
        ("/backstores/fileio/f1", str(KernelError("mkdir", "core/fileio_0", 28))),
        ("/iscsi/iqn.x", INTERRUPTED),
    ]
    assert set(pending.begun) == {"/backstores/fileio/f1", "/backstores/ramdisk/r1", "/iscsi/iqn.x"}


@pytest.mark.parametrize("text", ["", "{", "[]\n", '{"phase": 1}\n', "{}\n{}\n", "\0\0"])
def test_a_journal_that_cannot_be_understood_is_told(tmp_path, text):
    (tmp_path / "unrestored").write_text(text)
    with pytest.raises(DocumentError) as caught:
        unrestored(str(tmp_path))
    assert "remove it" in caught.value.hint


def test_a_dry_run_writes_nothing(tmp_path):
    journal = Journal(str(tmp_path), Pending("x", RESTORING, WHOLE, ()), dry_run=True)
    journal.add(done="/x")
    journal.end({}, [Unrestored("/x", "gone")])
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_laid_over_what_runs():
    running = {
        "targets": [{"fabric": "iscsi", "wwn": "iqn.x", "tpgs": [{"tag": 1, "enable": False}]}]
    }
    place = Place().inside("targets", TARGET).inside("tpgs", {"tag": 1})
    missing = place.document({"enable": True, "luns": [LUN], "attributes": {"t10_pi": 1}})
    (target,) = laid_over(running, missing, ())["targets"]
    assert target["tpgs"] == [
        {"tag": 1, "enable": True, "luns": [LUN], "attributes": {"t10_pi": 1}}
    ]


def test_what_somebody_made_since_stays_as_it_is():
    running = {"storage_objects": [{**DISK, "dev": "/srv/new"}]}
    whole = {"/backstores/fileio/f1"}
    assert laid_over(running, {"storage_objects": [DISK]}, whole) == running


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("/iscsi/iqn.x/tpg1/luns/lun0", []),
        ("/iscsi/iqn.x/luns/lun0", []),
        ("/iscsi/iqn.x/tpg1", []),
        ("/iscsi", []),
        ("/iscsi/iqn.x/tpg1/luns/lun00", [LUN]),
        ("/iscsi/iqn.x/tpg11", [LUN]),
    ],
)
def test_to_forget_takes_what_is_below(path, left):
    place = Place().inside("targets", TARGET).inside("tpgs", {"tag": 1})
    one = Unrestored("/iscsi/iqn.x/tpg1/luns/lun0", "gone")
    pending = Pending("x", ENDED, place.holding("luns", LUN), (one,))
    found = without(pending, [path]).document["targets"]
    assert [lun for t in found for tpg in t["tpgs"] for lun in tpg.get("luns", [])] == left


def test_the_journal_is_lines_of_json(tmp_path):
    Journal(str(tmp_path), Pending("x", RESTORING, WHOLE, ())).add(done="/x")
    lines = (tmp_path / "unrestored").read_text().splitlines()
    assert json.loads(lines[0])["document"] == WHOLE
    assert json.loads(lines[1]) == {"done": "/x"}
