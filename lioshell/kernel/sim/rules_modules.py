# SPDX-License-Identifier: Apache-2.0
"""What the fabric modules other than iSCSI and loopback add: names, tags, and their own files.

drivers/target/tcm_fc/tfc_conf.c, drivers/target/sbp/sbp_target.c, drivers/vhost/scsi.c,
drivers/scsi/qla2xxx/tcm_qla2xxx.c, drivers/infiniband/ulp/srpt/ib_srpt.c,
drivers/usb/gadget/function/f_tcm.c, drivers/xen/xen-scsiback.c,
drivers/scsi/ibmvscsi_tgt/ibmvscsi_tgt.c, drivers/scsi/elx/efct/efct_lio.c. Whatever a module
answers to a bad name of a target or a TPG, its user sees EINVAL (target_core_fabric_configfs.c).
"""

from __future__ import annotations

import errno
import re

from lioshell.kernel.sim.machine_ports import has_port
from lioshell.kernel.sim.rules_fabric import FabricRules, number_acl
from lioshell.kernel.sim.rules_nexus import NexusRules
from lioshell.kernel.sim.schema import Made
from lioshell.kernel.sim.values import Refused, switch, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation

_COLONS = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){7}")
_TAG_MAX = 63


def _tag(name: str, maximum: int) -> int:
    """Return N of tpgt_N; raises Refused(EINVAL)."""
    try:
        if not name.startswith("tpgt_"):
            raise Refused(errno.EINVAL)
        # kstrtoul(..., 10, ...): decimal, leading zeros or not.
        number = unsigned(name[5:].lstrip("0") or name[5:], 64)
    except Refused:
        raise Refused(errno.EINVAL) from None
    if number > maximum:
        raise Refused(errno.EINVAL)
    return number


class PortRules(FabricRules):
    """A module whose targets are ports of this machine, which the spec says how to find."""

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        del folder
        if self.spec.wwn_fixed and not has_port(sim.root, self.spec, name):
            raise Refused(errno.EINVAL)
        return Made()


class FibreChannelRules(PortRules):
    """qla2xxx and efct: a port has the one TPG 1, and an initiator is a port's name."""

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        if _tag(name, 0xFFFF) != 1:
            raise Refused(errno.EINVAL)
        return Made()

    def make_acl(self, sim: Simulation, folder: str, name: str) -> Made:
        del folder
        index = number_acl(sim)
        if not _COLONS.fullmatch(name):
            raise Refused(errno.EINVAL)
        return Made(state={"index": index})


class TcmFcRules(FibreChannelRules):
    """tcm_fc: any port name, whether or not there is such a port."""

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        if not _COLONS.fullmatch(name):
            raise Refused(errno.EINVAL)
        return Made()

    def make_acl(self, sim: Simulation, folder: str, name: str) -> Made:
        made = super().make_acl(sim, folder, name)
        texts = {"port_name": f"{name}\n", "node_name": f"{':'.join(['00'] * 8)}\n", "tag": ""}
        return Made(texts={**made.texts, **texts}, state=made.state)

    def store(self, group: str, name: str) -> Callable[[Write], str | None] | None:
        if group != "acl":
            return None
        return store_tag if name == "tag" else _store_port_name


def store_tag(write: Write) -> str:
    """Keep a tag as it was written: the attribute adds no newline of its own."""
    if len(write.value.encode()) > _TAG_MAX:
        raise Refused(errno.EINVAL)
    return "" if write.value.startswith("NULL") else write.value


def _store_port_name(write: Write) -> str:
    """Take hexadecimal digits without colons; what is none is EPERM (ft_wwn_store returns -1)."""
    digits = write.value.removesuffix("\n")
    if not re.fullmatch("[0-9a-fA-F]{1,31}", digits):
        raise Refused(errno.EPERM)
    value = f"{int(digits, 16) % 2**64:016x}"
    return ":".join(value[at : at + 2] for at in range(0, 16, 2)) + "\n"


class SbpRules(FabricRules):
    """sbp_target: FireWire. A unit has one TPG, which needs a LUN to be enabled."""

    _guid = re.compile("[0-9a-fA-F]{16}")

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        if not self._guid.fullmatch(name):
            raise Refused(errno.EINVAL)
        return Made()

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        _tag(name, 2**32 - 1)
        if any(other.startswith("tpgt_") for other in sim.tree.names(folder)):
            raise Refused(errno.EINVAL)
        return Made()

    def make_acl(self, sim: Simulation, folder: str, name: str) -> Made:
        del folder
        index = number_acl(sim)
        if not self._guid.fullmatch(name):
            raise Refused(errno.EINVAL)
        return Made(state={"index": index})

    def store(self, group: str, name: str) -> Callable[[Write], str | None] | None:
        return _store_directory_id if (group, name) == ("tpg", "directory_id") else None

    def set_enabled(self, write: Write) -> str:
        flag = switch(write.value)
        tree, folder = write.sim.tree, f"{write.folder}/lun"
        linked = any(tree.names(f"{folder}/{lun}", links=True) for lun in tree.names(folder))
        if flag and tree.value(write.path) == "0" and not linked:
            raise Refused(errno.EINVAL)
        return f"{int(flag)}\n"


def _store_directory_id(write: Write) -> str:
    if write.read(f"{write.folder}/enable") == "1\n":
        raise Refused(errno.EBUSY)
    if write.value.startswith("implicit"):
        return "implicit\n"
    match = re.fullmatch("(?:0[xX])?([0-9a-fA-F]+)", write.value.removesuffix("\n"))
    if match is None or int(match[1], 16) > 0xFFFFFF:
        raise Refused(errno.EINVAL)
    return f"{int(match[1], 16):06x}\n"


class SrptRules(PortRules):
    """ib_srpt: a port, with TPGs of any names; an initiator's GUID or port identifier."""

    _guid = re.compile(r"\s*[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){3}.*")
    _identifier = re.compile("(0[xX])?([0-9a-fA-F]{2})*")

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder, name
        return Made()

    def make_acl(self, sim: Simulation, folder: str, name: str) -> Made:
        del folder
        index = number_acl(sim)
        if not self._guid.fullmatch(name) and not self._identifier.fullmatch(name):
            raise Refused(errno.EINVAL)
        return Made(state={"index": index})


class IbmvscsisRules(PortRules):
    """ibmvscsis: an adapter of the partition, tpgt_N."""

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        _tag(name, 0xFFFF)
        return Made()


class VhostRules(NexusRules):
    """vhost_scsi: tags up to 255."""

    in_use = errno.EBUSY

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        _tag(name, 255)
        return Made()


class XenRules(NexusRules):
    """xen-scsiback: names shorter than 32 bytes."""

    in_use = errno.EBUSY
    name_max = 31

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        del sim, folder
        _tag(name, 0xFFFF)
        return Made()

    def store(self, group: str, name: str) -> Callable[[Write], str | None] | None:
        return _store_alias if (group, name) == ("tpg_parameter", "alias") else None


def _store_alias(write: Write) -> str:
    if len(write.value.encode()) >= 32:
        raise Refused(errno.EINVAL)
    return write.value.removesuffix("\n") + "\n"


class UsbGadgetRules(NexusRules):
    """usb_f_tcm: the simulated machine has one gadget function, so one TPG in all."""

    prefixes = ("naa.",)

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        _tag(name, 0xFFFF)
        fabric = folder.partition("/")[0]
        for target in sim.tree.names(fabric):
            if any("tpgt_" in tpg for tpg in sim.tree.names(f"{fabric}/{target}")):
                raise Refused(errno.EINVAL)
        return Made()


RULES: dict[str, type[FabricRules]] = {
    "vhost": VhostRules,
    "fc": TcmFcRules,
    "sbp": SbpRules,
    "srpt": SrptRules,
    "qla2xxx": FibreChannelRules,
    "qla2xxx_npiv": FibreChannelRules,
    "efct": FibreChannelRules,
    "efct_npiv": FibreChannelRules,
    "ibmvscsis": IbmvscsisRules,
    "xen-pvscsi": XenRules,
    "usb_gadget": UsbGadgetRules,
}
"""Group in configfs -> the rules of its module."""
