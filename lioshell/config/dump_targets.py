# SPDX-License-Identifier: Apache-2.0
"""Targets, and what belongs to a whole fabric, as they are saved."""

from __future__ import annotations

import os

from lioshell.config.document import OWN_FILES
from lioshell.config.dump_values import attributes, credentials, number, text_of, texts
from lioshell.errors import KernelError
from lioshell.lio.backstores import storage_object_at
from lioshell.lio.fabrics import Fabric
from lioshell.lio.luns import group_in
from lioshell.model.names import sort_key
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.config.document import Item
    from lioshell.lio.acls import MappedLun, NodeAcl
    from lioshell.lio.fabrics import Target
    from lioshell.lio.luns import Lun
    from lioshell.lio.portals import Portal
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg
    from lioshell.specs import Parameter

_FILES_WITH_A_KEY = ("cmdsn_depth", "tag")
"""Files of an ACL itself that have keys of their own in a saved configuration."""

_CREDENTIAL_FILES = ("userid", "password", "enforce_discovery_auth")
_LUN_ALUA = ("alua_tg_pt_offline", "alua_tg_pt_status", "alua_tg_pt_write_md")


def dump_fabrics(lio: Lio) -> tuple[list[Item], list[Item]]:
    """Return what belongs to whole fabrics, and all targets, by name."""
    modules, targets = [], []
    for name in sorted(lio.specs.fabric_names()):
        fabric = Fabric(lio, lio.specs.fabric(name))
        if not fabric.exists:
            continue
        module = _module(lio, fabric)
        if module:
            modules.append({"name": name, **module})
        for wwn in sorted(fabric.targets(), key=sort_key):
            try:
                targets.append(_target(lio, fabric.target(wwn)))
            except KernelError:
                # Another program may have deleted it meanwhile.
                if wwn in fabric.targets():
                    raise
    return modules, targets


def _module(lio: Lio, fabric: Fabric) -> Item:
    """Return the discovery credentials, also while they are not enforced: they would be lost."""
    item: Item = {}
    if fabric.spec.has("discovery_auth"):
        values = credentials(fabric.discovery_auth(), "discovery_")
        if values or fabric.enforces_discovery_auth:
            item = {"discovery_enable_auth": fabric.enforces_discovery_auth, **values}
    described = fabric.spec.attributes.get("discovery_auth", ())
    others = [p for p in described if not p.name.startswith(_CREDENTIAL_FILES)]
    parameters = _changed(lio, f"{fabric.path}/discovery_auth", others)
    if parameters:
        item["parameters"] = parameters
    cpus = text_of(lio, f"{fabric.path}/cpus_allowed_list")
    if cpus and not _is_every_cpu(cpus):
        item["cpus_allowed_list"] = cpus
    return item


def _is_every_cpu(text: str) -> bool:
    """Tell whether a list such as "0-3,6" (Documentation/core-api/printk-formats.rst, %*pbl) has
    every CPU of this machine: that is how it is on each machine until somebody changes it."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or not (last or "0").isdigit():
            return False
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus >= set(range(os.cpu_count() or 1))


def _target(lio: Lio, target: Target) -> Item:
    item: Item = {"fabric": target.spec.name, "wwn": target.wwn}
    item |= _values(lio, target.path)
    item["tpgs"] = [_tpg(lio, target.tpg(tag)) for tag in target.tpg_tags()]
    return item


def _values(lio: Lio, path: str) -> Item:
    """Return attributes, and parameters, which targetcli saves as text, numbers too."""
    found: Item = {
        "attributes": attributes(lio, f"{path}/attrib"),
        "parameters": texts(lio, f"{path}/param"),
    }
    return {key: value for key, value in found.items() if value}


def _own_files(lio: Lio, path: str, described: Iterable[Parameter]) -> Item:
    """Return what was changed in the folder of an object itself, which targetcli does not save."""
    values = _changed(lio, path, [p for p in described if p.name not in _FILES_WITH_A_KEY])
    return {OWN_FILES: values} if values else {}


def _changed(lio: Lio, path: str, described: Iterable[Parameter]) -> dict[str, str]:
    """Return the files that can be written and do not have the value that the spec tells."""
    values = {p.name: text_of(lio, f"{path}/{p.name}") for p in described if p.writable and p.saved}
    defaults = {p.name: p.default or "" for p in described}
    return {name: value for name, value in values.items() if value not in ("", defaults[name])}


def _tpg(lio: Lio, tpg: Tpg) -> Item:
    item: Item = {"tag": tpg.tag, "enable": tpg.enabled, **_values(lio, tpg.path)}
    item |= _own_files(lio, tpg.path, tpg.spec.attributes.get("tpg", ()))
    luns = (dump_lun(lio, tpg.lun(index)) for index in tpg.lun_indexes())
    item["luns"] = [lun for lun in luns if lun is not None]
    item["portals"] = [_portal(portal) for portal in _in_order(lio, tpg.portals())]
    depth = item.get("attributes", {}).get("default_cmdsn_depth")
    acls = (tpg.acl(wwn) for wwn in sorted(tpg.acl_wwns(), key=sort_key))
    item["node_acls"] = [_acl(lio, acl, depth) for acl in acls]
    if tpg.spec.has("tpg_auth"):
        item |= credentials(tpg.group("auth"), "chap_")
    nexus = tpg.nexus if tpg.spec.has("nexus") else None
    if nexus:
        item["nexus"] = nexus
    return item


def _in_order(lio: Lio, portals: list[Portal]) -> list[Portal]:
    """Return portals in the order in which they were made: it is that of discovery's answers.

    configfs lists what was made last first (fs/configfs/dir.c, configfs_new_dirent); the files of
    the simulated kernel are in no order, so they go by name.
    """
    if lio.kernel.simulated:
        return sorted(portals, key=lambda portal: sort_key(portal.name))
    return portals[::-1]


def _portal(portal: Portal) -> Item:
    return {
        "ip_address": portal.ip_address,
        "port": portal.ip_port,
        "iser": portal.flag("iser"),
        "offload": portal.flag("cxgbit"),
    }


def dump_lun(lio: Lio, lun: Lun) -> Item | None:
    """Return a LUN, None for a half-made one."""
    link = lun.link
    if link is None:
        return None
    alias, path = link
    storage_object = storage_object_at(lio, path)
    item: Item = {
        "index": lun.index,
        "alias": alias,
        "storage_object": f"/backstores/{storage_object.plugin}/{storage_object.name}",
    }
    found = texts(lio, lun.path)
    group = group_in(found.get("alua_tg_pt_gp", ""))
    if group:
        item["alua_tg_pt_gp_name"] = group
    for name in _LUN_ALUA:
        value = found.get(name, "")
        if value not in ("", "0"):
            item[name] = number(value)
    return item


def _acl(lio: Lio, acl: NodeAcl, default_depth: object) -> Item:
    item: Item = {"node_wwn": acl.wwn, **_values(lio, acl.path)}
    item |= _own_files(lio, acl.path, acl.spec.attributes.get("acl", ()))
    mapped = (dump_mapped_lun(one) for one in acl.mapped_luns())
    item["mapped_luns"] = [one for one in mapped if one is not None]
    depth = number(text_of(lio, f"{acl.path}/cmdsn_depth"))
    if depth not in ("", default_depth):
        item["cmdsn_depth"] = depth
    tag = text_of(lio, f"{acl.path}/tag")
    if tag:
        item["tag"] = tag
    if acl.spec.has("acls_auth"):
        item |= credentials(acl.group("auth"), "chap_")
    return item


def dump_mapped_lun(mapped: MappedLun) -> Item | None:
    """Return a mapped LUN, None for a half-made one."""
    link = mapped.link
    if link is None:
        return None
    alias, lun_path = link
    return {
        "index": mapped.index,
        "tpg_lun": int(lun_path.rpartition("/lun/lun_")[2]),
        "write_protect": mapped.write_protect,
        "alias": alias,
    }
