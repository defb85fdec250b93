# SPDX-License-Identifier: Apache-2.0
import copy

from lioshell.config.additions import apart, together

DOCUMENT = {
    "storage_objects": [
        {
            "plugin": "ramdisk",
            "name": "r1",
            "vendor_id": "ACME",
            "alua_tpgs": [{"name": "ao", "preferred": 1, "alua_support_lba_dependent": 1}],
        },
        {"plugin": "ramdisk", "name": "r2"},
    ],
    "fabric_modules": [],
    "targets": [
        {"fabric": "loopback", "wwn": "naa.5", "tpgs": [{"tag": 1, "nexus": "naa.6", "luns": []}]}
    ],
    "theirs": 1,
    "lioshell": {"not_restored": [{"path": "/x", "reason": "gone"}], "future": 2},
}


def test_apart_and_together_again_is_the_same():
    before = copy.deepcopy(DOCUMENT)
    written = apart(DOCUMENT)
    assert before == DOCUMENT
    assert together(written) == DOCUMENT
    assert apart(together(written)) == written


def test_what_targetcli_reads_has_none_of_it():
    written = apart(DOCUMENT)
    assert "vendor_id" not in written["storage_objects"][0]
    assert written["storage_objects"][0]["alua_tpgs"] == [{"name": "ao", "preferred": 1}]
    assert written["targets"][0]["tpgs"] == [{"tag": 1, "luns": []}]
    own = written["lioshell"]
    assert own["version"] == 1
    assert own["storage_objects"][0]["vendor_id"] == "ACME"
    assert own["targets"] == [
        {"fabric": "loopback", "wwn": "naa.5", "tpgs": [{"tag": 1, "nexus": "naa.6"}]}
    ]


def test_nothing_to_say_is_no_section():
    plain = {"storage_objects": [{"plugin": "x", "name": "y"}], "targets": []}
    assert "lioshell" not in apart(plain)


def test_what_is_said_of_an_object_that_is_gone_is_left_out():
    written = apart(DOCUMENT)
    written["storage_objects"] = []
    written["targets"] = []
    found = together(written)
    assert found["storage_objects"] == found["targets"] == []
    assert set(found["lioshell"]) == {"not_restored", "future"}
