# SPDX-License-Identifier: Apache-2.0
"""Rules of LUNs and mapped LUNs: what can be linked, and what follows from a link.

drivers/target/target_core_fabric_configfs.c (target_fabric_port_link, target_fabric_port_alua_*,
target_fabric_mappedlun_*), target_core_device.c (core_enable_device_list_for_node).
"""

from __future__ import annotations

import errno
import os

from lioshell.kernel.sim import alua_metadata, rules_alua, rules_statistics
from lioshell.kernel.sim.rules_device import is_enabled, show_info
from lioshell.kernel.sim.schema import READ_WRITE, Attribute, Group, Made
from lioshell.kernel.sim.values import Refused, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation

_LUN_ATTRIBUTES = ("alua_tg_pt_offline", "alua_tg_pt_status", "alua_tg_pt_write_md")


def lun_group(
    linked: Callable[[Simulation, str], None], unlinked: Callable[[Simulation, str], None]
) -> Group:
    """Return the kind of a TPG's LUNs; the fabric's `linked` comes last, `unlinked` first."""
    return Group(
        attributes={
            "alua_tg_pt_gp": Attribute("", READ_WRITE, _store_lun_group, own=True),
            **{name: Attribute("0\n", READ_WRITE, _store_lun_alua) for name in _LUN_ATTRIBUTES},
        },
        groups={"statistics": rules_statistics.lun_statistics()},
        link=_link_lun,
        linked=lambda sim, folder, target: _lun_linked(sim, folder, target, linked),
        unlinked=lambda sim, folder, target: _lun_unlinked(sim, folder, target, unlinked),
    )


def mapped_lun_group() -> Group:
    """Return the kind of an ACL's mapped LUNs."""
    return Group(
        attributes={"write_protect": Attribute("", READ_WRITE, _store_write_protect, own=True)},
        groups={"statistics": rules_statistics.mapped_lun_statistics()},
        link=_link_mapped_lun,
        linked=_mapped_lun_linked,
        unlinked=lambda sim, folder, _target: _forget_mapping(sim, folder),
    )


def make_mapped_lun(
    sim: Simulation,
    acl: str,
    name: str,
    texts: Callable[[Simulation, str], dict[str, str]],
) -> Made:
    """Check the name of a mapped LUN, which shows the session of its ACL."""
    make_lun(sim, acl, name)
    return Made(texts=texts(sim, acl))


def make_lun(sim: Simulation, folder: str, name: str) -> Made:
    """Check the name of a LUN, or of a mapped LUN."""
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


def _lun_linked(
    sim: Simulation, lun: str, device: str, then: Callable[[Simulation, str], None]
) -> None:
    if sim.tree.value(f"{device}/attrib/alua_support") == "1":
        rules_alua.join(sim, lun, f"{device}/alua/{rules_alua.DEFAULT_GROUP}")
    show_info(sim, device)
    rules_statistics.show_ports(sim, device)
    rules_statistics.show_lun(sim, lun, device)
    then(sim, lun)


def _lun_unlinked(
    sim: Simulation, lun: str, device: str, first: Callable[[Simulation, str], None]
) -> None:
    first(sim, lun)
    rules_alua.leave(sim, lun, device)
    sim.tree.put(f"{lun}/alua_tg_pt_gp", "")
    show_info(sim, device)
    rules_statistics.show_ports(sim, device)
    rules_statistics.hide_lun(sim, lun)
    for link in sim.links_to(lun):
        # A mapped LUN whose LUN has no storage object any more shows nothing.
        _forget_mapping(sim, link.rpartition("/")[0])


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
        alua_metadata.keep_lun(sim, lun)
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
    rules_statistics.show_mapped_lun(sim, folder, lun)


def _forget_mapping(sim: Simulation, folder: str) -> None:
    sim.tree.put(f"{folder}/write_protect", "")
    rules_statistics.hide_mapped_lun(sim, folder)


def _store_write_protect(write: Write) -> str | None:
    """Without a link, or with a LUN that lost its storage object, the value is forgotten."""
    number = unsigned(write.value, 64)
    if number > 1:
        raise Refused(errno.EINVAL)
    return f"{number}\n" if write.read(write.path) else None
