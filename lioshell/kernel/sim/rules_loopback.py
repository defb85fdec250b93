# SPDX-License-Identifier: Apache-2.0
"""Rules of loopback: each target is a SCSI host of this machine, each LUN a disk of it.

drivers/target/loopback/tcm_loop.c.
"""

from __future__ import annotations

import errno

from lioshell.kernel.sim.rules_lun import storage_object_of
from lioshell.kernel.sim.rules_nexus import NexusRules
from lioshell.kernel.sim.schema import READ_WRITE, Attribute, Made, read_only
from lioshell.kernel.sim.scsi_hosts import ScsiHosts
from lioshell.kernel.sim.values import Refused, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import FabricSpec

_TPGS = 32


class LoopbackRules(NexusRules):
    """tcm_loop: each target is a SCSI host of this machine."""

    def __init__(self, spec: FabricSpec) -> None:
        super().__init__(spec)
        self.fabric_attributes = {"version": read_only("TCM Loopback Fabric module v2.1-rc2")}
        self.tpg_attributes |= {
            "transport_status": Attribute("online\n", READ_WRITE, _store_transport_status),
            "address": read_only(""),
        }

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        super().make_target(sim, folder, name)
        return Made(state={"host": ScsiHosts(sim.root).add_host()})

    def drop_target(self, sim: Simulation, target: str) -> None:
        ScsiHosts(sim.root).remove_host(sim.tree.state(target)["host"])

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        digits = name.removeprefix("tpgt_")
        if digits == name or not digits.isdecimal() or unsigned(str(int(digits)), 64) >= _TPGS:
            raise Refused(errno.EINVAL)
        host = sim.tree.state(folder)["host"]
        return Made(texts={"address": f"{host}:0:{int(digits)}\n"})

    def lun_linked(self, sim: Simulation, lun: str) -> None:
        super().lun_linked(sim, lun)
        nexus = sim.tree.text(f"{lun.rpartition('/lun/')[0]}/nexus")
        sim.tree.change_state(lun, disk=bool(nexus))
        if nexus:
            ScsiHosts(sim.root).attach(_address(sim, lun), _backing(sim, lun))

    def lun_unlinked(self, sim: Simulation, lun: str) -> None:
        """Count one port less; for a LUN linked before its nexus, the kernel forgets to."""
        if sim.tree.state(lun).get("disk"):
            super().lun_unlinked(sim, lun)
            ScsiHosts(sim.root).detach(_address(sim, lun))


def _address(sim: Simulation, lun: str) -> str:
    tpg, _, name = lun.rpartition("/lun/")
    return f"{sim.tree.value(f'{tpg}/address')}:{name.removeprefix('lun_')}"


def _backing(sim: Simulation, lun: str) -> str:
    """Return the file behind a LUN, "" where there is none; a disk goes by its own name only."""
    device = storage_object_of(sim, lun)
    path = str(sim.tree.state(device).get("dev", "")) if device else ""
    return "" if sim.disks.covers(path) else path


def _store_transport_status(write: Write) -> str:
    for status in ("online", "offline"):
        if write.value.startswith(status):
            return f"{status}\n"
    raise Refused(errno.EINVAL)
