# SPDX-License-Identifier: Apache-2.0
"""What a dry run imagines of an object is what the simulated kernel makes of it."""

import pytest

from lioshell.kernel import described
from lioshell.kernel.open import open_sim
from lioshell.lio.backstore_create import create_ramdisk
from lioshell.lio.fabrics import Fabric
from lioshell.lio.root import Lio
from lioshell.specs import Specs

IQN = "iqn.2003-01.com.example:one"
CLIENT = "iqn.1994-05.com.redhat:client1"


@pytest.fixture
def lio(tmp_path):
    specs = Specs()
    kernel = open_sim(str(tmp_path / "sim"), specs)
    kernel.system.prepare()
    lio = Lio(kernel, specs)
    create_ramdisk(lio, "r0", 1 << 20, model_alias=False)
    tpg = Fabric(lio, specs.fabric("iscsi")).create_target(IQN).create_tpg(1)
    tpg.create_acl(CLIENT)
    return lio


@pytest.mark.parametrize(
    "folder",
    [
        "core/rd_mcp_0/r0/attrib",
        f"iscsi/{IQN}/tpgt_1/attrib",
        f"iscsi/{IQN}/tpgt_1/param",
        f"iscsi/{IQN}/tpgt_1/auth",
        f"iscsi/{IQN}/tpgt_1/acls/{CLIENT}/attrib",
        f"iscsi/{IQN}/tpgt_1/acls/{CLIENT}/auth",
        "iscsi/discovery_auth",
    ],
)
def test_the_attributes_of_a_new_object(lio, folder):
    expected = {
        name: lio.configfs.read(f"{folder}/{name}") for name in lio.configfs.listdir(folder)
    }

    found = described.attributes(lio.specs, folder)

    assert {name: p.default for name, p in found.items()} == expected


def test_what_no_spec_describes_has_none(lio):
    for folder in ("core/foo_0/x/attrib", "nofabric/x/tpgt_1/attrib", "core", "iscsi"):
        assert described.attributes(lio.specs, folder) == {}


def test_a_new_object_is_not_enabled(lio):
    (enable,) = described.attributes(lio.specs, "core/rd_mcp_0/r0").values()
    assert (enable.name, enable.default) == ("enable", "0")


def test_group_folders():
    assert described.is_group(f"iscsi/{IQN}/tpgt_1/attrib")
    assert described.is_group("iscsi/discovery_auth")
    assert not described.is_group(f"iscsi/{IQN}/tpgt_1/lun")
