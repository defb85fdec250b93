# SPDX-License-Identifier: Apache-2.0
"""ALUA metadata: files in which the kernel keeps states over a reboot, where somebody wants them.

drivers/target/target_core_alua.c (core_alua_update_tpg_primary_metadata, _secondary_metadata). The
kernel makes the files and not their folders; where it cannot, it says so in its log alone.
`dbroot` is /var/target at first, which is DIR/var/target here; another one is what it says.
"""

from __future__ import annotations

import os
from contextlib import suppress

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.simulation import Simulation

DEFAULT_DBROOT = "/var/target"


def keep_group(sim: Simulation, group: str, status: int) -> None:
    """Keep the state of a target port group that has alua_write_metadata set."""
    from lioshell.kernel.sim.rules_wwn import SERIAL_PREFIX

    value = sim.tree.value
    if value(f"{group}/alua_write_metadata") != "1":
        return
    device, _, name = group.rpartition("/alua/")
    serial = value(f"{device}/wwn/vpd_unit_serial").removeprefix(SERIAL_PREFIX)
    _write(
        f"{_folder(sim)}/tpgs_{serial}/{name}",
        f"tg_pt_gp_id={value(f'{group}/tg_pt_gp_id')}\n"
        f"alua_access_state=0x{int(value(f'{group}/alua_access_state')):02x}\n"
        f"alua_access_status=0x{status:02x}\n",
    )


def keep_lun(sim: Simulation, lun: str) -> None:
    """Keep the offline state of a LUN that has alua_tg_pt_write_md set."""
    from lioshell.kernel.sim.rules_fabric import fabric_title

    value = sim.tree.value
    if value(f"{lun}/alua_tg_pt_write_md") != "1":
        return
    fabric, wwn, tpg, _, name = lun.split("/")
    tag = tpg.rpartition("tpgt_")[2]
    _write(
        f"{_folder(sim)}/{fabric_title(fabric)}/{wwn}+{tag}/{name}",
        f"alua_tg_pt_offline={value(f'{lun}/alua_tg_pt_offline')}\n"
        f"alua_tg_pt_status=0x{int(value(f'{lun}/alua_tg_pt_status')):02x}\n",
    )


def _folder(sim: Simulation) -> str:
    dbroot = sim.tree.value("dbroot")
    return f"{sim.root if dbroot == DEFAULT_DBROOT else ''}{dbroot}/alua"


def _write(path: str, text: str) -> None:
    # As the kernel, which has nobody to tell: the change of the state itself stands.
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
