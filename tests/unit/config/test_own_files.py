# SPDX-License-Identifier: Apache-2.0
"""Settings that stand in the folder of an object itself, as a spec describes them."""

import pytest

from lioshell.config.restore import clear, restore
from lioshell.config.save import dump
from lioshell.lio.fabrics import Fabric

from .conftest import put

WWN = "naa.5001405a1b2c3d4e"


@pytest.fixture
def tpg(lio):
    return Fabric(lio, lio.specs.fabric("tcm_fc")).create_target(WWN).tpg(1)


def test_what_differs_from_the_spec_is_saved(lio, tpg):
    acl, _ = tpg.create_acl("naa.5001405000000001")
    put(lio, f"{acl.path}/node_name", "20:00:00:00:00:00:00:01\n")
    put(lio, f"{acl.path}/tag", "\n")
    (target,) = dump(lio)["targets"]
    (saved,) = target["tpgs"][0]["node_acls"]
    assert saved["files"]["node_name"] == "20:00:00:00:00:00:00:01"
    assert "tag" not in saved["files"]
    assert target["wwn"] == WWN


def test_a_state_is_not_saved(lio):
    tpg = Fabric(lio, lio.specs.fabric("loopback")).create_target(WWN).tpg(1)
    lio.configfs.write(f"{tpg.path}/transport_status", "offline")
    assert "files" not in dump(lio)["targets"][0]["tpgs"][0]


def test_only_what_a_spec_describes_is_written(lio, tpg, tmp_path):
    document = dump(lio)
    document["targets"][0]["tpgs"][0]["files"] = {"../../x": "1", "enable": 0}
    clear(lio)
    report = restore(lio, document, str(tmp_path / "saveconfig.json"))
    assert ["../../x, enable" in failure.reason for failure in report.failures] == [True]


def test_settings_of_a_whole_fabric(lio, tmp_path):
    group = Fabric(lio, lio.specs.fabric("srpt")).discovery_auth()
    group.set_all({"rdma_cm_port": "5000"})
    document = dump(lio)
    assert document["fabric_modules"] == [{"name": "srpt", "parameters": {"rdma_cm_port": "5000"}}]
    clear(lio)
    assert not lio.configfs.is_dir("srpt")
    assert dump(lio)["fabric_modules"] == []
    restore(lio, document, str(tmp_path / "saveconfig.json"))
    assert group.get("rdma_cm_port") == "5000"


def test_an_older_name_of_a_fabric_is_understood(lio, tmp_path):
    target = {"fabric": "tcm_vhost", "wwn": WWN, "tpgs": [{"tag": 1}]}
    document = {"storage_objects": [], "fabric_modules": [], "targets": [target]}
    report = restore(lio, document, str(tmp_path / "saveconfig.json"))
    assert report.failures == []
    assert lio.configfs.is_dir(f"vhost/{WWN}/tpgt_1")
    assert dump(lio)["targets"][0]["fabric"] == "vhost"
