# SPDX-License-Identifier: Apache-2.0
"""Rules of loopback, and of other fabrics with a nexus: one initiator that the TPG itself names.

drivers/target/loopback/tcm_loop.c. No disk appears in the simulation; what the kernel counts for
it is counted, because it decides whether a nexus can be taken away.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from lioshell.kernel.sim.rules_fabric import FabricRules
from lioshell.kernel.sim.schema import READ_WRITE, Attribute, Made, read_only
from lioshell.kernel.sim.values import Refused, unsigned

if TYPE_CHECKING:
    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation

_PREFIXES = ("naa.", "fc.", "iqn.")
_NAME_MAX = 255
_TPGS = 32


def _prefix_of(name: str) -> str:
    """Return the first of the kernel's prefixes that a name contains, or ""."""
    return next((prefix for prefix in _PREFIXES if prefix in name), "")


class NexusRules(FabricRules):
    """A fabric whose TPG has a `nexus` attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.tpg_attributes = {"nexus": Attribute("", READ_WRITE, self._store_nexus)}

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        if not _prefix_of(name) or len(name) > _NAME_MAX:
            raise Refused(errno.EINVAL)
        return Made()

    def _store_nexus(self, write: Write) -> str:
        """Set the initiator's name, or take it away with NULL."""
        present = bool(write.read(write.path))
        state = write.sim.tree.state(write.folder)
        if write.value.startswith("NULL"):
            if not present:
                raise Refused(errno.ENODEV)
            if state.get("ports", 0):
                raise Refused(errno.EPERM)
            return ""
        name = write.value.removesuffix("\n")
        prefix = _prefix_of(name)
        wwn = write.path.split("/")[1]
        if len(write.value) > _NAME_MAX or not prefix or prefix != _prefix_of(wwn):
            raise Refused(errno.EINVAL)
        if present:
            raise Refused(errno.EEXIST)
        return f"{name.removeprefix('fc.')}\n"

    def lun_linked(self, sim: Simulation, lun: str) -> None:
        tpg = lun.rpartition("/lun/")[0]
        ports = int(sim.tree.state(tpg).get("ports", 0))
        sim.tree.change_state(tpg, ports=ports + 1)
        sim.tree.change_state(lun, disk=bool(sim.tree.text(f"{tpg}/nexus")))

    def lun_unlinked(self, sim: Simulation, lun: str) -> None:
        """Count one port less; for a LUN linked before its nexus, the kernel forgets to."""
        tpg = lun.rpartition("/lun/")[0]
        if sim.tree.state(lun).get("disk"):
            ports = int(sim.tree.state(tpg).get("ports", 0))
            sim.tree.change_state(tpg, ports=ports - 1)


class LoopbackRules(NexusRules):
    """tcm_loop: each target is a SCSI host of this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.fabric_attributes = {"version": read_only("TCM Loopback Fabric module v2.1-rc2")}
        self.tpg_attributes |= {
            "transport_status": Attribute("online\n", READ_WRITE, _store_transport_status),
            "address": read_only(""),
        }

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        super().make_target(sim, folder, name)
        used = {int(address.split(":")[0]) for address in sim.disks.addresses()}
        for other in sim.tree.names(folder):
            if (host := sim.tree.state(f"{folder}/{other}").get("host")) is not None:
                used.add(int(host))
        free = next(number for number in range(len(used) + 1) if number not in used)
        return Made(state={"host": free})

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        digits = name.removeprefix("tpgt_")
        if digits == name or not digits.isdecimal() or unsigned(str(int(digits)), 64) >= _TPGS:
            raise Refused(errno.EINVAL)
        host = sim.tree.state(folder)["host"]
        return Made(texts={"address": f"{host}:0:{int(digits)}\n"})


def _store_transport_status(write: Write) -> str:
    for status in ("online", "offline"):
        if write.value.startswith(status):
            return f"{status}\n"
    raise Refused(errno.EINVAL)
