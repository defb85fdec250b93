# SPDX-License-Identifier: Apache-2.0
"""Rules that all fabrics share: targets, TPGs, LUNs, ACLs and mapped LUNs, from the spec.

drivers/target/target_core_fabric_configfs.c, target_core_tpg.c. What iSCSI and loopback add is in
rules_iscsi.py and rules_loopback.py; another fabric is what its spec says.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lioshell.kernel.sim import rules_alua
from lioshell.kernel.sim.rules_device import is_enabled, show_info
from lioshell.kernel.sim.schema import EMPTY, READ_WRITE, Attribute, Group, Made, from_parameter
from lioshell.kernel.sim.values import Refused, signed, switch, unsigned

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import FabricSpec

_TITLES = {"iscsi": "iSCSI"}
_LUN_ATTRIBUTES = ("alua_tg_pt_offline", "alua_tg_pt_status", "alua_tg_pt_write_md")
_MAPPED_STATISTICS = ("scsi_att_intr_port", "scsi_auth_intr")
_LUN_STATISTICS = ("scsi_port", "scsi_tgt_port", "scsi_transport")


def fabric_title(group: str) -> str:
    """Return a fabric's name as the kernel shows it in attributes."""
    return _TITLES.get(group, group)


class FabricRules:
    """What a fabric module adds to the core; the base class is a module that adds nothing."""

    target_statistics: tuple[str, ...] = ()
    acl_statistics: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.fabric_attributes: dict[str, Attribute] = {}
        self.tpg_attributes: dict[str, Attribute] = {}
        self.acl_attributes: dict[str, Attribute] = {}
        self.portal_attributes: dict[str, Attribute] = {}

    def store(self, group: str, name: str) -> Callable[[Write], str | None] | None:
        """Return what a write to a group's attribute does, None for what its type says."""
        del group, name
        return None

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        """Check a target's name."""
        del sim, folder, name
        return Made()

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        """Check a TPG's name."""
        del sim, folder
        if not name.startswith("tpgt_"):
            raise Refused(errno.EINVAL)
        try:
            unsigned(name[5:], 16)
        except Refused:
            raise Refused(errno.EINVAL) from None
        return Made()

    def make_portal(self, sim: Simulation, folder: str, name: str) -> Made:
        """Check a portal's name."""
        del sim, folder, name
        raise Refused(errno.ENOSYS)

    def make_acl(self, sim: Simulation, folder: str, name: str) -> Made:
        """Check an initiator's name."""
        del sim, folder, name
        return Made()

    def lun_linked(self, sim: Simulation, lun: str) -> None:
        """Do what the module does when a LUN gets its storage object."""

    def lun_unlinked(self, sim: Simulation, lun: str) -> None:
        """Do what the module does when a LUN loses its storage object."""

    def set_enabled(self, write: Write) -> str:
        """Switch a TPG on or off."""
        return f"{int(switch(write.value))}\n"


def fabric_group(spec: FabricSpec) -> Group:
    """Return the kind of a fabric's folder."""
    from lioshell.kernel.sim.rules_iscsi import IscsiRules
    from lioshell.kernel.sim.rules_loopback import LoopbackRules, NexusRules

    rules: FabricRules
    if spec.group == "iscsi":
        rules = IscsiRules()
    elif spec.group == "loopback":
        rules = LoopbackRules()
    else:
        rules = NexusRules() if spec.has("nexus") else FabricRules()
    target = _target_group(spec, rules)
    return Group(
        attributes=rules.fabric_attributes,
        groups={"discovery_auth": _parameters(spec, rules, "discovery_auth")},
        make=rules.make_target,
        child=lambda _name: target,
    )


def _parameters(spec: FabricSpec, rules: FabricRules, group: str) -> Group:
    """Return a folder of the attributes that the spec has in a group."""
    attributes = {}
    for parameter in spec.attributes.get(group, ()):
        attribute = from_parameter(parameter, fabric=True)
        store = rules.store(group, parameter.name)
        if store is not None and attribute.store is not None:
            attribute = Attribute(attribute.text, attribute.mode, store)
        attributes[parameter.name] = attribute
    return Group(attributes)


def _target_group(spec: FabricSpec, rules: FabricRules) -> Group:
    tpg = _tpg_group(spec, rules)
    affinity = Attribute("-1\n", READ_WRITE, _store_affinity)
    return Group(
        groups={
            "fabric_statistics": Group(groups=dict.fromkeys(rules.target_statistics, EMPTY)),
            "param": Group({"cmd_completion_affinity": affinity}),
        },
        make=rules.make_tpg,
        child=lambda _name: tpg,
    )


def _store_affinity(write: Write) -> str:
    try:
        number = signed(write.value)
    except Refused:
        raise Refused(errno.EINVAL) from None
    if not -2 <= number < (os.cpu_count() or 1):
        raise Refused(errno.EINVAL)
    return f"{number}\n"


def _tpg_group(spec: FabricSpec, rules: FabricRules) -> Group:
    attributes = dict(rules.tpg_attributes)
    if spec.has("enable"):
        attributes["enable"] = Attribute("0\n", READ_WRITE, rules.set_enabled)
    acl, portal = _acl_group(spec, rules), Group(rules.portal_attributes)
    lun = Group(
        attributes={
            "alua_tg_pt_gp": Attribute("", READ_WRITE, _store_lun_group),
            **{name: Attribute("0\n", READ_WRITE, _store_lun_alua) for name in _LUN_ATTRIBUTES},
        },
        groups={"statistics": Group(groups=dict.fromkeys(_LUN_STATISTICS, EMPTY))},
        link=_link_lun,
        linked=lambda sim, folder, target: _lun_linked(sim, folder, target, rules),
        unlinked=lambda sim, folder, target: _lun_unlinked(sim, folder, target, rules),
    )
    return Group(
        attributes=attributes,
        groups={
            "lun": Group(make=_make_lun, child=lambda _name: lun),
            "np": Group(make=rules.make_portal, child=lambda _name: portal),
            "acls": Group(make=rules.make_acl, child=lambda _name: acl),
            "attrib": _parameters(spec, rules, "tpg_attribute"),
            "auth": _parameters(spec, rules, "tpg_auth"),
            "param": _parameters(spec, rules, "tpg_parameter"),
        },
    )


def _acl_group(spec: FabricSpec, rules: FabricRules) -> Group:
    mapped = Group(
        attributes={"write_protect": Attribute("", READ_WRITE, _store_write_protect)},
        groups={"statistics": Group(groups=dict.fromkeys(_MAPPED_STATISTICS, EMPTY))},
        link=_link_mapped_lun,
        linked=_mapped_lun_linked,
        unlinked=lambda sim, folder, _target: sim.tree.put(f"{folder}/write_protect", ""),
    )
    return Group(
        attributes=rules.acl_attributes,
        groups={
            "attrib": _parameters(spec, rules, "acl_attribute"),
            "auth": _parameters(spec, rules, "acl_auth"),
            "param": _parameters(spec, rules, "acl_parameter"),
            "fabric_statistics": Group(groups=dict.fromkeys(rules.acl_statistics, EMPTY)),
        },
        make=_make_lun,
        child=lambda _name: mapped,
    )


def _make_lun(sim: Simulation, folder: str, name: str) -> Made:
    del sim, folder
    if not name.startswith("lun_"):
        raise Refused(errno.EINVAL)
    unsigned(name[4:], 64)
    return Made()


# LUNs


def storage_object_of(sim: Simulation, lun: str) -> str | None:
    """Return the storage object that a LUN exports, None for a LUN without one."""
    links = sim.tree.names(lun, links=True)
    return sim.tree.target(f"{lun}/{links[0]}") if links else None


def _link_lun(sim: Simulation, folder: str, target: str) -> None:
    parts = target.split("/")
    if parts[0] != "core" or len(parts) != 3 or parts[1] == "alua":
        raise Refused(errno.EFAULT)
    if not is_enabled(sim, target):
        raise Refused(errno.ENODEV)
    if storage_object_of(sim, folder) is not None:
        raise Refused(errno.EEXIST)


def _lun_linked(sim: Simulation, lun: str, device: str, rules: FabricRules) -> None:
    for name in _LUN_ATTRIBUTES:
        sim.tree.put(f"{lun}/{name}", "0\n")
    if sim.tree.value(f"{device}/attrib/alua_support") == "1":
        rules_alua.join(sim, lun, f"{device}/alua/{rules_alua.DEFAULT_GROUP}")
    show_info(sim, device)
    rules.lun_linked(sim, lun)


def _lun_unlinked(sim: Simulation, lun: str, device: str, rules: FabricRules) -> None:
    rules.lun_unlinked(sim, lun)
    rules_alua.leave(sim, lun, device)
    sim.tree.put(f"{lun}/alua_tg_pt_gp", "")
    show_info(sim, device)
    for link in sim.links_to(lun):
        # A mapped LUN whose LUN has no storage object any more shows nothing.
        sim.tree.put(f"{link.rpartition('/')[0]}/write_protect", "")


def _require_storage_object(write: Write) -> str:
    device = storage_object_of(write.sim, write.folder)
    if device is None:
        raise Refused(errno.ENODEV)
    return device


def _store_lun_group(write: Write) -> None:
    rules_alua.store_lun_group(write, _require_storage_object(write))


def _store_lun_alua(write: Write) -> str:
    device = _require_storage_object(write)
    sim, lun = write.sim, write.folder
    offline = write.path.endswith("offline")
    has_alua = sim.tree.value(f"{device}/attrib/alua_support") == "1"
    if offline and not has_alua:
        raise Refused(errno.ENODEV)
    number = unsigned(write.value, 64)
    if number > (2 if write.path.endswith("status") else 1):
        raise Refused(errno.EINVAL)
    group = rules_alua.group_of(sim, lun, device)
    if offline and group is None:
        raise Refused(errno.EINVAL)
    sim.tree.put(write.path, f"{number}\n")
    if offline:
        # core_alua_set_tg_pt_secondary_state: the change itself is an implicit one.
        sim.tree.put(f"{lun}/alua_tg_pt_status", "2\n")
    if group is not None:
        rules_alua.show_luns(sim, group)
    return f"{number}\n"


# Mapped LUNs


def _link_mapped_lun(sim: Simulation, folder: str, target: str) -> None:
    parts = target.split("/")
    if len(parts) != 5 or parts[0] == "core" or parts[3] != "lun":
        raise Refused(errno.EFAULT)
    if storage_object_of(sim, target) is None:
        raise Refused(errno.EINVAL)
    # The kernel compares the names of target and TPG, not the fabrics.
    if folder.split("/")[1:3] != parts[1:3] or sim.tree.names(folder, links=True):
        raise Refused(errno.EINVAL)


def _mapped_lun_linked(sim: Simulation, folder: str, lun: str) -> None:
    tpg = lun.rpartition("/lun/")[0]
    protect = f"{tpg}/attrib/prod_mode_write_protect"
    device = storage_object_of(sim, lun)
    read_only = os.path.exists(sim.tree.full(protect)) and sim.tree.value(protect) == "1"
    if device is not None and sim.tree.state(device).get("readonly"):
        read_only = True
    sim.tree.put(f"{folder}/write_protect", f"{int(read_only)}\n")


def _store_write_protect(write: Write) -> str | None:
    """Without a link, or with a LUN that lost its storage object, the value is forgotten."""
    number = unsigned(write.value, 64)
    if number > 1:
        raise Refused(errno.EINVAL)
    return f"{number}\n" if write.read(write.path) else None
