# SPDX-License-Identifier: Apache-2.0
"""Rules that all fabrics share: targets, TPGs and ACLs, as the spec describes them.

drivers/target/target_core_fabric_configfs.c, target_core_tpg.c. What iSCSI and loopback add is in
rules_iscsi.py and rules_loopback.py; another fabric is what its spec says.
"""

from __future__ import annotations

import errno
import os

from lioshell.kernel.sim.rules_lun import (
    lun_group,
    make_lun,
    make_mapped_lun,
    mapped_lun_group,
)
from lioshell.kernel.sim.schema import (
    EMPTY,
    READ_WRITE,
    Attribute,
    Group,
    Made,
    from_parameter,
    read_only,
)
from lioshell.kernel.sim.values import Refused, signed, switch, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import FabricSpec

_TITLES = {"iscsi": "iSCSI"}


def fabric_title(group: str) -> str:
    """Return a fabric's name as the kernel shows it in attributes."""
    return _TITLES.get(group, group)


class FabricRules:
    """What a fabric module adds to the core; the base class is a module that adds nothing."""

    target_statistics: Group = EMPTY
    acl_statistics: Group = EMPTY

    def __init__(self, spec: FabricSpec) -> None:
        self.spec = spec
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

    def drop_target(self, sim: Simulation, target: str) -> None:
        """Do what the module does before a target goes."""

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
        del folder, name
        return Made(state={"index": number_acl(sim)})

    def drop_acl(self, sim: Simulation, acl: str) -> None:
        """Do what the module does before an ACL goes."""

    def drop_tpg(self, sim: Simulation, tpg: str) -> None:
        """Do what the module does before a TPG goes."""

    def mapped_lun_texts(self, sim: Simulation, acl: str) -> dict[str, str]:
        """Return what a new mapped LUN shows of its ACL, by path below it."""
        del sim, acl
        return {}

    def portal_made(self, sim: Simulation, portal: str) -> None:
        """Do what the module does when a portal was made."""

    def portal_dropped(self, sim: Simulation, portal: str) -> None:
        """Do what the module does before a portal goes."""

    def lun_linked(self, sim: Simulation, lun: str) -> None:
        """Do what the module does when a LUN gets its storage object."""

    def lun_unlinked(self, sim: Simulation, lun: str) -> None:
        """Do what the module does when a LUN loses its storage object."""

    def set_enabled(self, write: Write) -> str:
        """Switch a TPG on or off."""
        return f"{int(switch(write.value))}\n"


def number_acl(sim: Simulation) -> int:
    """Return the number of a new ACL; one that is refused uses a number up too."""
    return sim.count("acls")


def fabric_group(spec: FabricSpec) -> Group:
    """Return the kind of a fabric's folder."""
    rules = _rules_of(spec)
    target = _target_group(spec, rules)
    return Group(
        attributes=_own_files(spec, rules, "fabric", rules.fabric_attributes),
        groups={"discovery_auth": _parameters(spec, rules, "discovery_auth")},
        make=rules.make_target,
        child=lambda _name: target,
    )


def _rules_of(spec: FabricSpec) -> FabricRules:
    if spec.group == "iscsi":
        from lioshell.kernel.sim.rules_iscsi import IscsiRules

        return IscsiRules(spec)
    if spec.group == "loopback":
        from lioshell.kernel.sim.rules_loopback import LoopbackRules

        return LoopbackRules(spec)
    from lioshell.kernel.sim.rules_modules import RULES
    from lioshell.kernel.sim.rules_nexus import FreeNexusRules

    if spec.group in RULES:
        return RULES[spec.group](spec)
    return FreeNexusRules(spec) if spec.has("nexus") else FabricRules(spec)


def _own_files(
    spec: FabricSpec, rules: FabricRules, group: str, own: Mapping[str, Attribute]
) -> dict[str, Attribute]:
    """Return the files in an object's own folder: those of the spec, the module's own in front."""
    described = dict(_parameters(spec, rules, group).attributes)
    if group == "fabric" and "version" in described:
        described["version"] = read_only(f"simulated {spec.module}")
    return {**described, **own}


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
            "fabric_statistics": rules.target_statistics,
            "param": Group({"cmd_completion_affinity": affinity}),
        },
        make=rules.make_tpg,
        child=lambda _name: tpg,
        drop=rules.drop_target,
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
    attributes = _own_files(spec, rules, "tpg", rules.tpg_attributes)
    if spec.has("enable"):
        attributes["enable"] = Attribute("0\n", READ_WRITE, rules.set_enabled)
    acl = _acl_group(spec, rules)
    portal = Group(
        _own_files(spec, rules, "portal", rules.portal_attributes),
        created=rules.portal_made,
        drop=rules.portal_dropped,
    )
    lun = lun_group(rules.lun_linked, rules.lun_unlinked)
    return Group(
        attributes=attributes,
        groups={
            "lun": Group(make=make_lun, child=lambda _name: lun),
            "np": Group(make=_portal_rule(spec, rules), child=lambda _name: portal),
            "acls": Group(make=rules.make_acl, child=lambda _name: acl),
            "attrib": _parameters(spec, rules, "tpg_attribute"),
            "auth": _parameters(spec, rules, "tpg_auth"),
            "param": _parameters(spec, rules, "tpg_parameter"),
        },
        drop=rules.drop_tpg,
    )


def _portal_rule(spec: FabricSpec, rules: FabricRules) -> Callable[[Simulation, str, str], Made]:
    """Return what checks a portal: the module's own rule, or for one that no rule knows any."""
    from lioshell.kernel.sim.rules_iscsi_portals import check_portal

    is_own = type(rules).make_portal is not FabricRules.make_portal
    return rules.make_portal if is_own or not spec.has("nps") else check_portal


def _acl_group(spec: FabricSpec, rules: FabricRules) -> Group:
    mapped = mapped_lun_group()
    return Group(
        attributes=_own_files(spec, rules, "acl", rules.acl_attributes),
        groups={
            "attrib": _parameters(spec, rules, "acl_attribute"),
            "auth": _parameters(spec, rules, "acl_auth"),
            "param": _parameters(spec, rules, "acl_parameter"),
            "fabric_statistics": rules.acl_statistics,
        },
        make=lambda sim, acl, name: make_mapped_lun(sim, acl, name, rules.mapped_lun_texts),
        child=lambda _name: mapped,
        drop=rules.drop_acl,
    )
