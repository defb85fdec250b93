# SPDX-License-Identifier: Apache-2.0
"""What the command does outside of the virtual machine: samples come in, tables go out."""

import json

from benchmarks import kernel
from benchmarks.measure.document import About

LINE = json.dumps(
    {"figure": "ls, 100 LUNs", "contestant": "lioshell", "round": 0, "values": {"seconds": 2.0}}
)
ABOUT = About("2026-11-20", "abc1234", "2 x CPU", "Linux 6.1", "0.5", 3)


def test_samples_are_copied_by_whole_lines(tmp_path, capsys):
    source, target = tmp_path / "shared", tmp_path / "kept"
    target.write_text("about\n")
    source.write_text(f"{LINE}\n{LINE[:20]}")
    done = kernel._copy(source, target, 0)
    assert done == len(LINE) + 1
    assert kernel._copy(source, target, done) == 0
    source.write_text(f"{LINE}\n{LINE}\n")
    kernel._copy(source, target, done)
    assert target.read_text() == f"about\n{LINE}\n{LINE}\n"
    assert capsys.readouterr().err.count("seconds 2") == 2


def test_a_table_is_made_of_what_was_kept(tmp_path, capsys):
    (tmp_path / "control.jsonl").write_text(f"{json.dumps(vars(ABOUT))}\n{LINE}\n{LINE[:9]}")
    assert "| ls, 100 LUNs | 2.00 |" in kernel._table(tmp_path, "control")
    assert "No samples" in kernel._table(tmp_path, "data")


def test_without_measuring_nothing_is_booted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["kernel.py", "--table", "--results", str(tmp_path)])
    assert kernel.main() == 0
    assert capsys.readouterr().out.count("No samples") == len(kernel.PARTS)


def test_every_part_has_a_title_and_a_table():
    for part in kernel.PARTS:
        assert kernel.document.part_table(part, ABOUT, kernel.samples.Results([]))
