# SPDX-License-Identifier: Apache-2.0
"""Target port groups out of configfs."""

from __future__ import annotations

import pytest

from lioshell.errors import NotFoundError
from lioshell.runner.scsi.alua import PortGroup
from lioshell.service.port_groups import KEPT_S, PortGroups

BASE = "core/user_0/vol0"
GROUP = f"{BASE}/alua/default_tg_pt_gp"
PORT = "iscsi/iqn.2003-01.com.example:a/tpgt_1/lun/lun_0/statistics/scsi_port/indx"


class Files:
    """As much of configfs as is read here."""

    def __init__(self) -> None:
        self.files = {
            f"{GROUP}/members": "iSCSI/iqn.2003-01.com.example:a/tpgt_1/lun_0",
            f"{GROUP}/tg_pt_gp_id": "0",
            f"{GROUP}/alua_access_state": "1",
            f"{GROUP}/alua_access_status": "Altered by Implicit ALUA",
            f"{GROUP}/preferred": "1",
            f"{GROUP}/alua_support_active_optimized": "1",
            f"{GROUP}/alua_support_standby": "1",
            f"{GROUP}/alua_support_offline": "0",
            PORT: "1",
        }
        self.reads = 0

    def folders(self, path: str) -> list[str]:
        self.reads += 1
        start = f"{path}/"
        names = {name[len(start) :].split("/")[0] for name in self.files if name.startswith(start)}
        if not names:
            raise NotFoundError(f"There is no {path}")
        return sorted(names)

    def exists(self, path: str) -> bool:
        return path in self.files

    def read(self, path: str) -> str:
        try:
            return self.files[path]
        except KeyError:
            raise NotFoundError(f"There is no {path}") from None


@pytest.fixture
def files():
    return Files()


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def groups(files, now):
    return PortGroups(files, BASE, clock=lambda: now[0])


def test_a_group_is_read_whole(groups) -> None:
    assert groups() == (PortGroup(0, 1, 0x05, True, 2, (1,)),)


def test_groups_are_kept_for_a_moment(groups, files, now) -> None:
    groups()
    files.files[f"{GROUP}/alua_access_state"] = "2"
    assert groups()[0].state == 1
    assert files.reads == 1
    now[0] += KEPT_S
    assert groups()[0].state == 2


def test_a_group_without_ports_is_none(groups, files) -> None:
    files.files[f"{GROUP}/members"] = ""
    assert groups() == ()


@pytest.mark.parametrize("index", ["0", "65536", "-1"])
def test_a_port_without_a_relative_identifier_is_left_out(groups, files, index) -> None:
    files.files[PORT] = index
    assert groups() == ()
    del files.files[PORT]
    assert groups() == ()


@pytest.mark.parametrize("gone", ["tg_pt_gp_id", "alua_access_state", "members"])
def test_a_group_that_vanishes_meanwhile_is_left_out(groups, files, gone) -> None:
    del files.files[f"{GROUP}/{gone}"]
    assert groups() == ()


def test_a_group_without_an_identifier_yet_is_left_out(groups, files) -> None:
    files.files[f"{GROUP}/tg_pt_gp_id"] = ""
    assert groups() == ()


def test_a_kernel_without_groups(files) -> None:
    assert PortGroups(files, "core/user_0/other")() == ()
