# SPDX-License-Identifier: Apache-2.0
import copy

import pytest

from lioshell.config.plan import plan

IQN = "iqn.2003-01.com.example:vol0"
TPG = f"/iscsi/{IQN}/tpg1"
ACL = "iqn.1994-05.com.redhat:client1"


@pytest.fixture
def document():
    return {
        "storage_objects": [
            {
                "plugin": "fileio",
                "name": "f0",
                "dev": "/srv/f0",
                "size": 1048576,
                "attributes": {"emulate_tpu": 0, "block_size": 512},
                "alua_tpgs": [{"name": "default_tg_pt_gp", "preferred": 0}],
            },
            {"plugin": "ramdisk", "name": "r0", "size": 1048576, "attributes": {}},
        ],
        "fabric_modules": [{"name": "iscsi", "discovery_enable_auth": False}],
        "targets": [
            {
                "fabric": "iscsi",
                "wwn": IQN,
                "tpgs": [
                    {
                        "tag": 1,
                        "enable": True,
                        "attributes": {"authentication": 0},
                        "parameters": {"MaxConnections": "1"},
                        "luns": [{"index": 0, "storage_object": "/backstores/fileio/f0"}],
                        "portals": [{"ip_address": "0.0.0.0", "port": 3260, "iser": False}],
                        "node_acls": [
                            {
                                "node_wwn": ACL,
                                "attributes": {},
                                "chap_userid": "u",
                                "chap_password": "p",
                                "mapped_luns": [{"index": 0, "tpg_lun": 0, "write_protect": False}],
                            }
                        ],
                    }
                ],
            }
        ],
    }


def tpg_of(document):
    return document["targets"][0]["tpgs"][0]


def steps(running, wanted, applied=None):
    return [str(step) for step in plan(running, wanted, applied or {})]


def changed(document, change):
    wanted = copy.deepcopy(document)
    change(wanted)
    return wanted


def test_equal_documents_need_nothing(document):
    assert steps(document, copy.deepcopy(document), document) == []


def test_nothing_runs(document):
    assert steps({}, document) == [
        "create /backstores/fileio/f0",
        "create /backstores/ramdisk/r0",
        "create /iscsi discovery_auth",
        f"create /iscsi/{IQN}",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda d: d["storage_objects"][0]["attributes"].update(emulate_tpu=1),
            "set /backstores/fileio/f0: emulate_tpu",
        ),
        (
            lambda d: d["storage_objects"][0].update(size=2097152),
            "replace /backstores/fileio/f0: size",
        ),
        (
            lambda d: d["storage_objects"][0]["alua_tpgs"][0].update(preferred=1),
            "set /backstores/fileio/f0/alua/default_tg_pt_gp: preferred",
        ),
        (lambda d: tpg_of(d).update(enable=False), f"set {TPG}: enable"),
        (
            lambda d: tpg_of(d)["parameters"].update(MaxConnections="4"),
            f"set {TPG}: MaxConnections",
        ),
        (lambda d: tpg_of(d).update(chap_userid="x"), f"set {TPG}: chap_userid"),
        (
            lambda d: tpg_of(d)["luns"][0].update(storage_object="/backstores/ramdisk/r0"),
            f"replace {TPG}/luns/lun0: storage_object",
        ),
        (
            lambda d: tpg_of(d)["luns"].append({"index": 1, "storage_object": "x"}),
            f"create {TPG}/luns/lun1",
        ),
        (
            lambda d: tpg_of(d)["portals"][0].update(iser=True),
            f"set {TPG}/portals/0.0.0.0:3260: iser",
        ),
        (
            lambda d: tpg_of(d)["node_acls"][0].update(chap_password="q"),
            f"set {TPG}/acls/{ACL}: chap_password",
        ),
        (
            lambda d: tpg_of(d)["node_acls"][0]["mapped_luns"][0].update(write_protect=True),
            f"set {TPG}/acls/{ACL}/mapped_lun0: write_protect",
        ),
        (
            lambda d: d["targets"][0]["tpgs"].append({"tag": 2}),
            f"create /iscsi/{IQN}/tpg2",
        ),
    ],
)
def test_one_change_is_one_step(document, change, expected):
    assert steps(document, changed(document, change), document) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["storage_objects"].pop(), "delete /backstores/ramdisk/r0"),
        (lambda d: d["targets"].pop(), f"delete /iscsi/{IQN}"),
        (lambda d: tpg_of(d)["luns"].pop(), f"delete {TPG}/luns/lun0"),
        (lambda d: tpg_of(d)["portals"].pop(), f"delete {TPG}/portals/0.0.0.0:3260"),
        (lambda d: tpg_of(d)["node_acls"].pop(), f"delete {TPG}/acls/{ACL}"),
        (
            lambda d: tpg_of(d)["node_acls"][0]["mapped_luns"].pop(),
            f"delete {TPG}/acls/{ACL}/mapped_lun0",
        ),
    ],
)
def test_what_was_removed_from_the_file_is_deleted_and_what_was_never_in_it_is_not(
    document, change, expected
):
    wanted = changed(document, change)

    assert steps(document, wanted, document) == [expected]
    assert steps(document, wanted, applied=wanted) == []
    assert steps(document, wanted, applied={}) == []


def test_deletions_come_first_and_luns_before_what_is_behind_them(document):
    wanted = copy.deepcopy(document)
    del wanted["storage_objects"][0]
    tpg_of(wanted)["luns"] = []
    tpg_of(wanted)["node_acls"][0]["mapped_luns"] = []
    wanted["storage_objects"].append({"plugin": "ramdisk", "name": "r1", "size": 1})

    assert steps(document, wanted, document) == [
        f"delete {TPG}/acls/{ACL}/mapped_lun0",
        f"delete {TPG}/luns/lun0",
        "delete /backstores/fileio/f0",
        "create /backstores/ramdisk/r1",
    ]


def test_no_secret_is_in_a_step(document):
    wanted = changed(document, lambda d: tpg_of(d).update(chap_password="secret"))

    assert "secret" not in str(plan(document, wanted, {}))
