# SPDX-License-Identifier: Apache-2.0
"""Fabrics that no spec describes: shown as configfs has them."""

from __future__ import annotations

import pytest

from lioshell.errors import UsageError
from lioshell.lio.fabrics import Fabric
from lioshell.lio.foreign import ForeignFolder, foreign_groups
from lioshell.lio.root import Lio
from lioshell.specs import Specs
from tests.unit.lio.conftest import IQN

CLIENT = "iqn.1994-05.com.redhat:client1"


@pytest.fixture
def unknown(lio, tpg):
    """What runs, seen by one who has no spec of any fabric."""
    acl, _ = tpg.create_acl(CLIENT)
    acl.group("auth").set_all({"userid": "me", "password": "secretword"})
    Fabric(lio, lio.specs.fabric("loopback")).create_target("naa.5001405a1b2c3d4e")
    return Lio(lio.kernel, Specs([], cache_folder=""))


def test_which_are_foreign(lio, unknown):
    assert foreign_groups(unknown) == ["iscsi", "loopback"]
    assert foreign_groups(lio) == []


def test_objects_without_the_folders_that_each_has(unknown):
    assert ForeignFolder(unknown, "iscsi").names() == [IQN]
    assert ForeignFolder(unknown, f"iscsi/{IQN}").names() == ["tpgt_1"]
    tpg = ForeignFolder(unknown, f"iscsi/{IQN}/tpgt_1")
    assert sorted(tpg.names()) == ["acls", "lun", "np"]
    assert sorted(tpg.group_names()) == ["attribute", "auth", "parameter"]
    assert ForeignFolder(unknown, f"{tpg.path}/acls").names() == [CLIENT]


def test_files_of_an_object(unknown):
    files = ForeignFolder(unknown, f"iscsi/{IQN}/tpgt_1").files()
    assert files["enable"] == "0"
    loopback = ForeignFolder(unknown, "loopback/naa.5001405a1b2c3d4e/tpgt_1")
    assert loopback.files()["nexus"].startswith("naa.")
    unknown.configfs.write(f"{loopback.path}/nexus", "NULL")
    # Without one, a read of it is ENODEV: that hides no other file.
    assert "nexus" not in loopback.files()
    assert "address" in loopback.files()


def test_passwords_are_hidden_and_nothing_can_be_set(unknown):
    acl = ForeignFolder(unknown, f"iscsi/{IQN}/tpgt_1/acls/{CLIENT}")
    auth = acl.group("auth")
    assert auth.get("password") == "***"
    assert auth.get("userid") == "me"
    assert not auth.is_writable("userid")
    with pytest.raises(UsageError) as caught:
        auth.set_all({"userid": "other"})
    assert "specs.md" in caught.value.hint
    assert ForeignFolder(unknown, f"{acl.path}/auth").files()["password"] == "***"
