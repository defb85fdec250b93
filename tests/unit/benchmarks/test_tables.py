# SPDX-License-Identifier: Apache-2.0
"""The tables: goals per figure, what is short of one, what failed, and the document around them."""

import pytest

from benchmarks.measure import control_table, data, data_table, document, isolation_table
from benchmarks.measure.contestants import FILEIO, OURS, TCMU_RUNNER
from benchmarks.measure.markdown import judged, number, table
from benchmarks.measure.samples import Results, Sample

ABOUT = document.About("2026-11-20", "abc1234", "2 x CPU", "Linux 6.1", "0.5", 3)
QD16 = "4 KiB random read QD16"


def rows(text):
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def test_numbers_keep_three_digits():
    assert [number(value) for value in (None, 0.0, 1.234, 12.34, 12345.6)] == [
        "-", "0", "1.23", "12.3", "12346"
    ]  # fmt: skip


def test_a_ratio_short_of_its_goal_is_bold():
    assert judged(2.5, 2.5) == "2.50 (>= 2.5)"
    assert judged(2.4, 2.5) == "**2.40** (>= 2.5)"
    assert judged(4.6, 4.5, at_most=True) == "**4.60** (<= 4.5)"
    assert judged(1.2, None) == "1.20"
    assert judged(None, 2) == "-"


def test_a_table_has_a_line_below_its_heads():
    assert table(("", "a"), [("x", "1")]) == "|  | a |\n| --- | ---: |\n| x | 1 |\n"


@pytest.mark.parametrize(
    ("figure", "goal"),
    [
        ("4 KiB random read QD1", 2.5),
        ("4 KiB random write QD1", 2.5),
        (QD16, 1.8),
        ("4 KiB random write QD16", 1.5),
        ("4 KiB random read QD64", None),
        ("1 MiB sequential write QD16", 1.3),
        ("4 KiB random read QD1, 4 disks", 1.5),
        ("1 MiB sequential read QD4, 4 disks", 1.5),
    ],
)
def test_each_figure_has_the_goal_that_was_set(figure, goal):
    assert data_table.goal(figure) == goal
    assert figure in {name for disks in (1, 4) for name, _ in data.figures(False, disks)}


def test_the_data_table_has_medians_and_both_ratios():
    results = Results(
        Sample(QD16, who, n, {"iops": value, "cpu_us": 30.0, "all_cpu_us": 90.0, "p99_us": 5.0})
        for n in range(3)
        for who, value in ((OURS, 900.0), (TCMU_RUNNER, 600.0), (FILEIO, 1000.0))
    )
    speed = next(row for row in rows(data_table.tables(results)) if row[0] == QD16)
    assert speed[1:5] == ["900", "600", "-", "1000"]
    assert speed[5:8] == ["**1.50** (>= 1.8)", "0.90 (>= 0.9)", "-"]


def test_a_contestant_that_did_not_start_is_told_with_its_reason():
    results = Results(
        [
            Sample("start", TCMU_RUNNER, 0, failed="no message bus"),
            Sample(QD16, OURS, 0, {"iops": 1.0}),
        ]
    )
    text = document.part_table("data", ABOUT, results)
    assert f"- {TCMU_RUNNER}, start: no message bus" in text
    assert "commit abc1234" in text
    assert "start" not in [row[0] for row in rows(text)]


def test_the_control_table_says_how_many_times_faster_and_how_it_grows():
    seconds = {("restore, 100 LUNs", OURS): 2, ("restore, 100 LUNs", control_table.PEER): 12}
    seconds |= {("restore, 100 LUNs", control_table.BARE): 0.8, ("restore, 400 LUNs", OURS): 8}
    results = Results(Sample(*key, 0, {"seconds": value}) for key, value in seconds.items())
    found = {row[0]: row[1:] for row in rows(control_table.tables(results))}
    assert found["restore, 100 LUNs"][3:] == ["6.00 (>= 5)", "**2.50** (<= 2)"]
    assert found[f"restore: {OURS}"] == ["4.00 (<= 4.5)"]


def test_isolation_compares_with_the_undisturbed():
    table_ = isolation_table
    results = Results(
        [
            Sample(table_.SESSION, table_.IDLE, 0, {"p99_us": 100.0}),
            Sample(table_.SESSION, table_.LISTING, 0, {"p99_us": 400.0}),
            Sample(table_.SERVICE, table_.IDLE, 0, {"percent": 0.2}),
        ]
    )
    found = rows(table_.tables(results))
    assert found[2][-1] == "**4.00** (<= 3)"
    assert found[3][-1] == "0.20 (<= 0.5)"
    assert len(found) == 4


def test_every_figure_of_isolation_is_one_that_is_measured():
    measured = {
        isolation_table.SESSION,
        isolation_table.GIVEN,
        isolation_table.SERVICE,
        isolation_table.HOG,
        *(isolation_table.other_storage(load) for load in (data.Load("randread", 4096, 1),
                                                          data.Load("randread", 4096, 16))),
    }  # fmt: skip
    assert {one.figure for one in isolation_table.COMPARISONS} == measured


def test_a_piece_of_the_document_is_replaced_and_the_rest_kept(tmp_path):
    path = tmp_path / "performance.md"
    path.write_text("# Performance\n\n## On the harness\n\nours\n\n## Afterwards\n\nlast\n")
    document.replace(path, "data", "first")
    document.replace(path, "control", "second")
    document.replace(path, "data", "third")
    text = path.read_text()
    assert "first" not in text
    order = [text.index(word) for word in ("ours", "last", document.SECTION, "third", "second")]
    assert order == sorted(order)


def test_a_section_before_others_grows_in_its_place(tmp_path):
    path = tmp_path / "performance.md"
    path.write_text(f"# Performance\n\n{document.SECTION}\n\nHow.\n\n## Afterwards\n\nlast\n")
    document.replace(path, "data", "first")
    text = path.read_text()
    assert text.index("How.") < text.index("first") < text.index("## Afterwards")
    assert text.endswith("last\n")
