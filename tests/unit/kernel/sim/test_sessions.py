# SPDX-License-Identifier: Apache-2.0
"""Initiators that log in to simulated targets, and what ends their sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lioshell.errors import NotFoundError
from lioshell.kernel.open import open_sim
from lioshell.kernel.sim.sessions import SimInitiators
from lioshell.lio import sessions
from lioshell.lio.root import Lio
from lioshell.specs import Specs

if TYPE_CHECKING:
    from pathlib import Path

    from lioshell.kernel.ports import ConfigfsPort

SPECS = Specs(cache_folder="")
IQN = "iqn.2003-01.com.example:disk1"
TPG = f"iscsi/{IQN}/tpgt_1"
ONE, TWO = "iqn.1994-05.com.redhat:one", "iqn.1994-05.com.redhat:two"


@pytest.fixture
def lio(tmp_path: Path) -> Lio:
    """A target with an ACL for ONE, without authentication, enabled."""
    kernel = open_sim(str(tmp_path), SPECS)
    kernel.system.prepare()
    for path in ("iscsi", f"iscsi/{IQN}", TPG, f"{TPG}/np/127.0.0.1:3260", f"{TPG}/acls/{ONE}"):
        kernel.configfs.mkdir(path)
    kernel.configfs.write(f"{TPG}/attrib/authentication", "0")
    kernel.configfs.write(f"{TPG}/enable", "1")
    return Lio(kernel, SPECS)


@pytest.fixture
def configfs(lio: Lio) -> ConfigfsPort:
    return lio.configfs


@pytest.fixture
def initiators(lio: Lio, tmp_path: Path) -> SimInitiators:
    del lio
    return SimInitiators(str(tmp_path), address="192.168.1.7", alias="web01")


def count(configfs: ConfigfsPort) -> int:
    return int(configfs.read(f"iscsi/{IQN}/fabric_statistics/iscsi_instance/sessions"))


def test_lioshell_lists_the_session(lio: Lio, initiators: SimInitiators) -> None:
    assert initiators.login(ONE, IQN)
    (login,) = sessions.all_logins(lio)
    assert (login.initiator, login.alias, login.state) == (ONE, "web01", "LOGGED_IN")
    assert login.addresses == ("192.168.1.7 TCP",)
    initiators.logout(ONE, IQN)
    assert list(sessions.all_logins(lio)) == []


def test_nobody_listens(configfs: ConfigfsPort, initiators: SimInitiators) -> None:
    with pytest.raises(NotFoundError):
        initiators.login(ONE, "iqn.2003-01.com.example:other")
    configfs.write(f"{TPG}/enable", "0")
    with pytest.raises(NotFoundError):
        initiators.login(ONE, IQN)


def test_demo_mode(lio: Lio, configfs: ConfigfsPort, initiators: SimInitiators) -> None:
    assert not initiators.login(TWO, IQN)
    configfs.write(f"{TPG}/attrib/generate_node_acls", "1")
    assert initiators.login(TWO, IQN)
    (login,) = sessions.all_logins(lio)
    assert login.dynamic
    configfs.mkdir(f"{TPG}/acls/{TWO}")
    (login,) = sessions.all_logins(lio)
    assert not login.dynamic
    assert configfs.read(f"{TPG}/dynamic_sessions") == ""


@pytest.mark.parametrize(("own", "needed"), [("-1", True), ("0", False), ("1", True)])
def test_chap(configfs: ConfigfsPort, initiators: SimInitiators, own: str, needed: bool) -> None:
    acl = f"{TPG}/acls/{ONE}"
    configfs.write(f"{TPG}/attrib/authentication", "1")
    configfs.write(f"{acl}/attrib/authentication", own)
    assert initiators.login(ONE, IQN) is not needed
    configfs.write(f"{acl}/auth/userid", "me")
    configfs.write(f"{acl}/auth/password", "sesame123456")
    assert initiators.login(ONE, IQN, "me", "sesame123456")
    assert not initiators.login(ONE, IQN, "me", "another12345")
    # A login that is refused leaves the session alone.
    assert count(configfs) == 1


def test_a_second_login_takes_the_place_of_the_first(
    configfs: ConfigfsPort, initiators: SimInitiators
) -> None:
    assert initiators.login(ONE, IQN)
    assert initiators.login(ONE, IQN)
    assert count(configfs) == 1


def test_a_disabled_tpg_has_no_sessions(lio: Lio, initiators: SimInitiators) -> None:
    lio.configfs.write(f"{TPG}/attrib/generate_node_acls", "1")
    assert initiators.login(ONE, IQN)
    assert initiators.login(TWO, IQN)
    lio.configfs.write(f"{TPG}/enable", "0")
    assert count(lio.configfs) == 0
    assert list(sessions.all_logins(lio)) == []


def test_a_session_goes_with_its_acl(configfs: ConfigfsPort, initiators: SimInitiators) -> None:
    assert initiators.login(ONE, IQN)
    configfs.rmdir(f"{TPG}/acls/{ONE}")
    assert count(configfs) == 0
    initiators.logout(ONE, IQN)
    assert count(configfs) == 0


def test_a_mapped_lun_that_comes_later_shows_the_session(
    configfs: ConfigfsPort, initiators: SimInitiators
) -> None:
    assert initiators.login(ONE, IQN)
    configfs.mkdir(f"{TPG}/acls/{ONE}/lun_0")
    shown = configfs.read(f"{TPG}/acls/{ONE}/lun_0/statistics/scsi_att_intr_port/port_ident")
    assert shown.startswith(f"{ONE}+i+")
