# SPDX-License-Identifier: Apache-2.0
"""Rules of fabrics with a nexus: one initiator that the TPG itself names.

drivers/target/loopback/tcm_loop.c, drivers/vhost/scsi.c, drivers/xen/xen-scsiback.c,
drivers/usb/gadget/function/f_tcm.c.
"""

from __future__ import annotations

import errno

from lioshell.kernel.sim.rules_fabric import FabricRules, number_acl
from lioshell.kernel.sim.schema import READ_WRITE, Attribute, Made
from lioshell.kernel.sim.values import Refused
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import FabricSpec


class NexusRules(FabricRules):
    """A fabric whose TPG has a `nexus` attribute.

    `in_use` is the errno of taking a nexus away under a LUN, `prefixes` what a name has to hold.
    """

    in_use = errno.EPERM
    name_max = 255
    prefixes: tuple[str, ...] = ("naa.", "fc.", "iqn.")

    def __init__(self, spec: FabricSpec) -> None:
        super().__init__(spec)
        self.tpg_attributes = {"nexus": Attribute("", READ_WRITE, self._store_nexus)}

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        if not self._prefix_of(name) or len(name) > self.name_max:
            raise Refused(errno.EINVAL)
        return Made()

    def _prefix_of(self, name: str) -> str:
        """Return the first of the kernel's prefixes that a name contains, or ""."""
        return next((prefix for prefix in self.prefixes if prefix in name), "")

    def _store_nexus(self, write: Write) -> str:
        """Set the initiator's name, or take it away with NULL."""
        present = bool(write.read(write.path))
        state = write.sim.tree.state(write.folder)
        if write.value.startswith("NULL"):
            if not present:
                raise Refused(errno.ENODEV)
            if state.get("ports", 0):
                raise Refused(self.in_use)
            return ""
        name = write.value.removesuffix("\n")
        prefix = self._prefix_of(name)
        wwn = write.path.split("/")[1]
        if len(write.value) > self.name_max or not prefix or prefix != self._prefix_of(wwn):
            raise Refused(errno.EINVAL)
        if present:
            raise Refused(errno.EEXIST)
        # The session has an ACL of its own (core_tpg_check_initiator_node_acl).
        number_acl(write.sim)
        return f"{name.removeprefix('fc.')}\n"

    def lun_linked(self, sim: Simulation, lun: str) -> None:
        _count(sim, lun, 1)

    def lun_unlinked(self, sim: Simulation, lun: str) -> None:
        _count(sim, lun, -1)


class FreeNexusRules(NexusRules):
    """A module that no rule here knows, with a nexus: any name will do."""

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        if len(name) > self.name_max:
            raise Refused(errno.EINVAL)
        return Made()

    def _prefix_of(self, name: str) -> str:
        return "any" if name else ""


def _count(sim: Simulation, lun: str, difference: int) -> None:
    tpg = lun.rpartition("/lun/")[0]
    ports = int(sim.tree.state(tpg).get("ports", 0))
    sim.tree.change_state(tpg, ports=ports + difference)
