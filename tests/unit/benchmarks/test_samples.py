# SPDX-License-Identifier: Apache-2.0
"""Samples: kept one by one, medians and ratios of rounds, and what failed."""

import io

import pytest

from benchmarks.measure.samples import Recorder, Results, Sample, parse


def recorded(tmp_path):
    path = tmp_path / "samples.jsonl"
    with path.open("w") as file:
        recorder = Recorder(file)
        recorder.add("read", "ours", 0, iops=10.0, cpu_us=3.0)
        recorder.fail("read", "peer", 0, "it did\n  not start")
    return path.read_text()


def test_a_sample_is_read_back_as_it_was(tmp_path):
    ours, peer = parse(io.StringIO(recorded(tmp_path)))
    assert ours == Sample("read", "ours", 0, {"iops": 10.0, "cpu_us": 3.0})
    assert peer.failed == "it did not start"
    assert not peer.values


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    text = recorded(tmp_path)
    assert len(parse(io.StringIO(text[:-5]))) == 1


def test_the_median_ignores_one_bad_round():
    results = Results(
        Sample("read", who, number, {"iops": value})
        for who, values in (("ours", (100, 7, 110)), ("peer", (50, 50, 5000)))
        for number, value in enumerate(values)
    )
    assert results.median("read", "ours", "iops") == 100
    assert results.ratio("read", "ours", "peer", "iops") == 2
    assert results.rounds("read", "ours", "iops") == 3
    assert results.spread("read", "ours", "iops") == pytest.approx(1.03)
    assert results.figures == ("read",)
    assert results.contestants == ("ours", "peer")


def test_what_was_not_measured_is_no_number():
    results = Results([Sample("read", "ours", 0, {"iops": 1}), Sample("read", "peer", 0, {}, "no")])
    assert results.median("read", "peer", "iops") is None
    assert results.ratio("read", "ours", "peer", "iops") is None
    assert results.spread("write", "ours", "iops") is None
    assert results.failure("read", "peer") == "no"
    assert results.failure("read", "ours") == ""
