# SPDX-License-Identifier: Apache-2.0
"""ALUA metadata of the simulated kernel: written where the folder is, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.system import SimSystem
from lioshell.specs import Specs

if TYPE_CHECKING:
    from pathlib import Path

SPECS = Specs(cache_folder="")
DEVICE = "core/rd_mcp_0/r"
GROUP = f"{DEVICE}/alua/ao"
LUN = "iscsi/iqn.x/tpgt_3/lun/lun_7"


@pytest.fixture
def configfs(tmp_path: Path) -> SimConfigfs:
    SimSystem(str(tmp_path), SPECS).prepare()
    configfs = SimConfigfs(str(tmp_path), SPECS)
    for path in ("core/rd_mcp_0", DEVICE, GROUP):
        configfs.mkdir(path)
    for path, value in (
        (f"{DEVICE}/control", "rd_pages=1"),
        (f"{DEVICE}/enable", "1"),
        (f"{DEVICE}/wwn/vpd_unit_serial", "11111111-2222"),
        (f"{GROUP}/tg_pt_gp_id", "7"),
        (f"{GROUP}/alua_write_metadata", "1"),
    ):
        configfs.write(path, value)
    return configfs


def test_a_groups_state(configfs: SimConfigfs, tmp_path: Path) -> None:
    folder = tmp_path / "var/target/alua/tpgs_11111111-2222"
    configfs.write(f"{GROUP}/alua_access_state", "1")
    # As on the real kernel the state has changed, though it could not be kept.
    assert configfs.read(f"{GROUP}/alua_access_state") == "1"
    assert not folder.exists()
    folder.mkdir(parents=True)
    configfs.write(f"{GROUP}/alua_access_state", "2")
    kept = (folder / "ao").read_text()
    assert kept == "tg_pt_gp_id=7\nalua_access_state=0x02\nalua_access_status=0x02\n"
    configfs.write(f"{GROUP}/alua_write_metadata", "0")
    configfs.write(f"{GROUP}/alua_access_state", "0")
    assert (folder / "ao").read_text() == kept


def test_a_lun_that_is_offline(configfs: SimConfigfs, tmp_path: Path) -> None:
    for path in ("iscsi", "iscsi/iqn.x", "iscsi/iqn.x/tpgt_3", LUN):
        configfs.mkdir(path)
    configfs.symlink(DEVICE, f"{LUN}/l")
    folder = tmp_path / "var/target/alua/iSCSI/iqn.x+3"
    folder.mkdir(parents=True)
    configfs.write(f"{LUN}/alua_tg_pt_offline", "1")
    assert list(folder.iterdir()) == []
    configfs.write(f"{LUN}/alua_tg_pt_write_md", "1")
    configfs.write(f"{LUN}/alua_tg_pt_offline", "0")
    assert (folder / "lun_7").read_text() == "alua_tg_pt_offline=0\nalua_tg_pt_status=0x02\n"
