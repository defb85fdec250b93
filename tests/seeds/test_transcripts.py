# SPDX-License-Identifier: Apache-2.0
"""Every command line that the tutorials print, typed in their order on the simulated kernel."""

import re
from pathlib import Path

import pytest

from .transcript import DATA, Transcript, load

DOCUMENTS = sorted(DATA.glob("*.yaml"))
PRINTED = Path(__file__).resolve().parents[3] / "shared" / "seeds"
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)


def test_there_are_five():
    assert len(DOCUMENTS) == 5


@pytest.fixture
def transcript(tmp_path, path):
    document = load(path)
    names = {
        name: value.replace("{folder}", str(tmp_path))
        for name, value in document.get("on_a_sim", {}).items()
    }
    made = Transcript(str(tmp_path), str(tmp_path / "sim"), names)
    for disk in document.get("disks", ()):
        file = tmp_path / f"sim{disk}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
        with file.open("r+b") as opened:
            opened.truncate(1 << 20)
    return made


@each_document
def test_a_transcript(path, transcript):
    document = load(path)
    assert transcript.play(document) == []
    assert any("shows" in step for step in document["steps"])


@each_document
def test_what_is_made_can_be_deleted(path, transcript):
    document = load(path)
    transcript.play(document)
    for step in document["cleared_by"]:
        assert transcript.step(step) == []
    configfs = transcript.kernel.configfs
    assert configfs.folders("core") == ["alua"]
    assert all(
        not configfs.folders(group)
        for group in ("iscsi", "loopback", "vhost")
        if configfs.is_dir(group)
    )


def test_each_line_that_is_printed_is_typed_or_said_to_be_none():
    """In its order; `found` of a step is what the document has."""
    if not PRINTED.exists():
        pytest.skip(f"the tutorials are not beside this checkout ({PRINTED}): only the data is run")
    for path in DOCUMENTS:
        document = load(path)
        text = (PRINTED / document["document"]).read_text(encoding="utf-8")
        lines = [
            command
            for line in text.splitlines()
            for command in commands(line, document["commands"])
        ]
        listed = [found for step in document["steps"] for found in as_list(step.get("found", ()))]
        for line, found in zip(lines, listed, strict=False):
            assert begins_with(line, found), f"{path.stem}: printed {line!r}, listed {found!r}"
        assert lines[len(listed) :] == []
        assert listed[len(lines) :] == []


def commands(text, patterns):
    """Return the command lines in a line of a document, from left to right."""
    found = [match for pattern in patterns for match in re.finditer(pattern, text)]
    return [match[1].strip() for match in sorted(found, key=lambda match: match.start())]


def begins_with(line, found):
    """Tell whether a printed line is a command, with or without its answer behind it."""
    return line == found or line.startswith(f"{found} ")


def as_list(found):
    return [found] if isinstance(found, str) else list(found)


def test_a_wrong_answer_is_seen(tmp_path):
    made = Transcript(str(tmp_path), str(tmp_path / "sim"))
    assert made.step({"line": "ls", "shows": ["o- nothing ... [Storage Objects: 0]"]})
    assert made.step({"line": "ls /nowhere"})
    assert made.step({"line": "ls", "fails": 3})
    assert made.step({"line": "cd /iscsi", "at": "/"})
    assert made.step({"line": "ls /", "hides": ["iscsi"]})
    assert made.step({"line": "ls /", "captures": {"X": "nothing (.*)"}})
    assert made.step({"line": "ls /", "shows": ["o- iscsi ... [Targets: 0]"]}) == []
