# SPDX-License-Identifier: Apache-2.0
import copy

import pytest

from lioshell.config.attempts import Attempts, Journal
from lioshell.config.restore import Serving, restore
from lioshell.config.save import dump
from lioshell.config.unrestored import RESTORING, Pending, unrestored
from lioshell.errors import ConflictError, KernelError, LioshellError
from lioshell.lio import backstore_create as create
from lioshell.lio.backstores import find_storage_object, list_storage_objects
from lioshell.lio.clearing import clear
from lioshell.lio.fabrics import Fabric

IQN = "iqn.2003-01.com.example:disk1"
NAA = "naa.5001405a1b2c3d4e"
INITIATOR = "iqn.1994-05.com.redhat:client1"


def pending(lio):
    return [one.path for one in unrestored(lio.kernel.run_dir)]


@pytest.fixture
def saved(lio):
    """A document of a ramdisk in an ALUA group, exported over iSCSI and loopback."""
    made = create.create_ramdisk(lio, "disk1", 4096)
    group = f"{made.path}/alua/ao"
    lio.configfs.mkdir(group)
    lio.configfs.write(f"{group}/tg_pt_gp_id", "10")
    lio.configfs.write(f"{group}/alua_access_type", "1")
    lio.configfs.write(f"{group}/preferred", "1")
    tpg = Fabric(lio, lio.specs.fabric("iscsi")).create_target(IQN).create_tpg()
    lun, _ = tpg.create_lun(made)
    lio.configfs.write(f"{lun.path}/alua_tg_pt_gp", "ao")
    tpg.create_acl(INITIATOR)
    tpg.create_portal("0.0.0.0", 3260)
    tpg.set_enabled(True)
    Fabric(lio, lio.specs.fabric("loopback")).create_target(NAA).tpg(1).create_lun(made)
    return dump(lio)


def paths(report):
    return [failure.path for failure in report.failures]


def test_another_kernel_is_made_the_same(new_lio, saved):
    other = new_lio()
    report = restore(other, saved)

    assert report.failures == []
    assert dump(other) == saved
    group = find_storage_object(other, "ramdisk", "disk1").path + "/alua/ao"
    assert other.configfs.read(f"{group}/alua_access_type") == "Implicit"


def test_what_exists_is_refused_before_the_first_change(lio, saved):
    with pytest.raises(ConflictError) as caught:
        restore(lio, saved)
    assert f"/backstores/ramdisk/disk1, /iscsi/{IQN}, /loopback/{NAA}" in caught.value.message
    assert pending(lio) == []


def test_clear_leaves_nothing(lio, saved):
    Fabric(lio, lio.specs.fabric("iscsi")).discovery_auth().set_all(
        {"userid": "me", "password": "sesame", "enable": "1"}
    )
    clear(lio)
    assert dump(lio) == {"storage_objects": [], "fabric_modules": [], "targets": []}
    assert sorted(lio.configfs.folders("")) == ["core"]
    assert lio.configfs.folders("core") == ["alua"]


def test_the_failed_ones_are_remembered_and_a_success_forgets_them(new_lio, saved):
    broken = copy.deepcopy(saved)
    broken["storage_objects"][0]["size"] = 0
    other = new_lio()
    report = restore(other, broken)

    assert paths(report) == pending(other)
    assert "/backstores/ramdisk/disk1" in paths(report)
    clear(other)
    assert restore(other, saved).failures == []
    assert pending(other) == []


def test_what_an_interrupted_restore_did_not_come_to_is_remembered(new_lio, saved):
    def interrupted(path):
        raise KeyboardInterrupt

    other = new_lio()
    user = {"name": "vol0", "plugin": "user", "size": 512, "config": "file//srv/vol0"}
    saved["storage_objects"].append(user)
    with pytest.raises(KeyboardInterrupt):
        restore(other, saved, serving=Serving(interrupted))

    assert pending(other) == [
        "/backstores/user/vol0",
        f"/iscsi/{IQN}",
        f"/loopback/{NAA}",
    ]
    assert list_storage_objects(other, "user") == []


def test_a_kill_in_the_middle_is_remembered(new_lio, saved):
    """Everything is written down before the first change."""
    other, seen = new_lio(), []
    user = {"name": "vol0", "plugin": "user", "size": 512, "config": "file//srv/vol0"}
    saved["storage_objects"].insert(0, user)

    def look(configfs_path):
        seen.extend(pending(other))
        return ""

    restore(other, saved, serving=Serving(look))
    assert seen == [
        "/backstores/user/vol0",
        "/backstores/ramdisk/disk1",
        f"/iscsi/{IQN}",
        f"/loopback/{NAA}",
    ]


def test_a_user_disk_that_is_not_served_is_not_kept(lio):
    item = {"name": "vol0", "plugin": "user", "size": 512, "config": "file//srv/vol0"}
    document = {"storage_objects": [item]}
    asked = []

    def nobody(path):
        asked.append(path)
        return "its file is gone"

    (failure,) = restore(lio, document, serving=Serving(nobody)).failures
    assert asked == ["core/user_0/vol0"]
    assert "its file is gone" in failure.reason
    assert list_storage_objects(lio, "user") == []


def test_the_options_of_a_user_disk(lio):
    item = {
        "name": "vol0",
        "plugin": "user",
        "size": 1 << 20,
        "config": "file//srv/vol0",
        "control": "max_data_area_mb=64,hw_block_size=4096,data_pages_per_blk=2",
        "hw_max_sectors": 1024,
        "attributes": {"cmd_time_out": 7, "dev_size": 5, "nl_reply_supported": 1},
    }
    report = restore(lio, {"storage_objects": [item]})
    assert report.failures == []
    (saved,) = dump(lio)["storage_objects"]
    for part in item["control"].split(","):
        assert part in saved["control"]
    assert saved["hw_max_sectors"] == 1024
    assert saved["attributes"]["cmd_time_out"] == 7
    assert saved["size"] == 1 << 20


def test_a_zero_that_the_kernel_would_divide_by(lio):
    item = {
        "name": "vol0",
        "plugin": "user",
        "size": 512,
        "config": "file//srv/vol0",
        "control": "data_pages_per_blk=0",
    }
    report = restore(lio, {"storage_objects": [item]})
    assert paths(report) == ["/backstores/user/vol0"]


def test_an_attribute_made_by_hand_comes_back(lio, new_lio, saved):
    other = new_lio()
    saved["storage_objects"][0]["attributes"]["from_the_future"] = 1
    report = restore(other, saved)

    assert paths(report) == ["/backstores/ramdisk/disk1 from_the_future"]
    made = find_storage_object(other, "ramdisk", "disk1")
    assert made.activated


def test_an_attribute_that_can_only_be_read_here_is_left_alone(lio, new_lio, saved):
    saved["storage_objects"][0]["attributes"]["hw_block_size"] = 4096
    assert restore(new_lio(), saved).failures == []


def test_credentials_under_the_names_of_targetclis_manual(new_lio, saved):
    acl = saved["targets"][0]["tpgs"][0]["node_acls"][0]
    acl |= {"userid": "me", "password": "sesame1", "chap_mutual_userid": "you"}
    other = new_lio()
    assert restore(other, saved).failures == []
    group = (
        Fabric(other, other.specs.fabric("iscsi")).target(IQN).tpg(1).acl(INITIATOR).group("auth")
    )
    assert group.get("userid") == "me"
    assert group.get("password", reveal=True) == "sesame1"
    assert group.get("mutual_userid") == "you"


def test_credentials_for_a_fabric_that_has_none(new_lio, saved):
    (loopback,) = (t for t in saved["targets"] if t["fabric"] == "loopback")
    loopback["tpgs"][0]["chap_userid"] = "me"
    report = restore(new_lio(), saved)
    assert paths(report) == [f"/loopback/{NAA}"]


def test_the_nexus_is_the_saved_one(new_lio, saved):
    (loopback,) = (t for t in saved["targets"] if t["fabric"] == "loopback")
    other = new_lio()
    restore(other, saved)
    tpg = Fabric(other, other.specs.fabric("loopback")).target(NAA).tpg(1)
    assert tpg.nexus == loopback["tpgs"][0]["nexus"]


def test_an_older_name_of_a_kind_is_no_plugin(lio):
    document = {"storage_objects": [{"name": "x", "plugin": "rd_dr", "size": 4096}]}
    report = restore(lio, document)
    assert "rd_dr" in report.failures[0].reason


# The report


@pytest.fixture
def attempts(tmp_path):
    return Attempts(Journal(str(tmp_path), Pending("", RESTORING, {}, ())), 2)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LioshellError("no disk"), "no disk"),
        (KeyError("dev"), "malformed: 'dev' is missing"),
        (IndexError("out of range"), "malformed: out of range"),
        (TypeError("no text"), "malformed: no text"),
        (ValueError("no number"), "malformed: no number"),
        (AttributeError("no items"), "malformed: no items"),
        (OverflowError("too large"), "malformed: too large"),
    ],
)
def test_a_failure_is_noted_and_does_not_stop(attempts, error, reason):
    with attempts.attempt("/x", {}):
        raise error
    with attempts.attempt("/y", {}):
        pass
    assert attempts.report.total == 2
    assert [(f.path, f.reason) for f in attempts.report.failures] == [("/x", reason)]


def test_what_could_not_be_undone_is_noted(attempts):
    error = KernelError("mkdir", "/x", 28)
    error.remains = ("rmdir core/x: busy",)
    with attempts.attempt("/x", {}):
        raise error
    (failure,) = attempts.report.failures
    assert failure.reason.endswith("; could not be undone: rmdir core/x: busy")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), AssertionError("a defect of ours")])
def test_what_is_no_failure_of_the_object_stops(attempts, error):
    with pytest.raises(type(error)), attempts.attempt("/x", {}):
        raise error
