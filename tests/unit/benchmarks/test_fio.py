# SPDX-License-Identifier: Apache-2.0
"""What fio says, and processor times of /proc."""

import json
import os
import time

import pytest

from benchmarks.measure.fio import Load, command, parse, process_times_s, stat_times_s

NONE = {"iops": 0, "bw_bytes": 0, "total_ios": 0, "clat_ns": {"mean": 0}}


def job(ios, error=0):
    return {
        "error": error,
        "read": NONE,
        "write": {
            "iops": ios / 2,
            "bw_bytes": 4096 * ios / 2,
            "total_ios": ios,
            "clat_ns": {"mean": 1500.0, "percentile": {"50.000000": 1, "99.000000": 250_000}},
        },
    }


def test_several_jobs_are_added_up():
    text = "fio: a warning\n" + json.dumps({"jobs": [job(1000), job(3000)]})
    values = parse(text)
    assert values["iops"] == 2000
    assert values["ios"] == 4000
    assert values["mb_s"] == pytest.approx(8.192)
    assert values["p99_us"] == 250
    assert values["lat_us"] == 1.5


@pytest.mark.parametrize("jobs", [[job(0)], [job(10, error=5)]])
def test_nothing_moved_and_an_error_are_no_result(jobs):
    with pytest.raises(ValueError, match="fio"):
        parse(json.dumps({"jobs": jobs}))


def test_each_disk_is_a_job_of_its_own():
    words = command(Load("randread", 4096, 16), ["/dev/sda", "/dev/sdb"], 2.5)
    assert [word for word in words if word.startswith("--filename=")] == [
        "--filename=/dev/sda",
        "--filename=/dev/sdb",
    ]
    assert {"--direct=1", "--bs=4096", "--iodepth=16", "--runtime=2.5s"} <= set(words)
    assert words.index("--direct=1") < words.index("--name=job0")


def test_loads_have_names_that_tell_them_apart():
    assert str(Load("randwrite", 4096, 64)) == "4 KiB random write QD64"
    assert str(Load("read", 1 << 20, 4)) == "1 MiB sequential read QD4"


def test_a_process_name_may_hold_anything():
    hz = os.sysconf("SC_CLK_TCK")
    fields = ["S", *("0" for _ in range(10)), str(2 * hz), str(3 * hz), "0"]
    assert stat_times_s(f"12 (a) b (c) {' '.join(fields)}") == (2, 3)


def test_the_time_of_this_process_grows():
    before = sum(process_times_s(os.getpid()))
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert sum(process_times_s(os.getpid())) > before
