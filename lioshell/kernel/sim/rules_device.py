# SPDX-License-Identifier: Apache-2.0
"""Rules of a storage object: core/<hba>/<name>/ with control, enable, info and its groups.

drivers/target/target_core_configfs.c (target_core_make_subdev, target_dev_*), target_core_device.c
(target_configure_device). What only one kind of backstore does is in rules_backstores.py.
"""

from __future__ import annotations

import errno
import os
import re

from lioshell.kernel.sim import members
from lioshell.kernel.sim.rules_alua import alua_group
from lioshell.kernel.sim.rules_attrib import attrib_group
from lioshell.kernel.sim.rules_backstores import backstore_for, backstore_of
from lioshell.kernel.sim.rules_statistics import device_statistics, new_device, number_device
from lioshell.kernel.sim.rules_wwn import pr_group, wwn_group
from lioshell.kernel.sim.schema import (
    READ_ONLY,
    READ_WRITE,
    WRITE_ONLY,
    Attribute,
    Group,
    Made,
)
from lioshell.kernel.sim.values import Refused
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import BackstoreSpec

_PATH_MAX_BYTES = 511
_PAGE_SIZE_BYTES = 4096
_LU_GPS = "core/alua/lu_gps"
_DEFAULT_LU_GROUP = "default_lu_gp"
_LU_GROUP_NAME_MAX = 256
_LBA_MAP_LINE = re.compile(r"(\d+) (\d+)((?: \d+:[OASU])*)")


def device_group(spec: BackstoreSpec) -> Group:
    """Return the kind of a backstore's storage objects."""
    backstore = backstore_for(spec.hba_prefix)
    return Group(
        attributes={
            "info": Attribute("", READ_ONLY, own=True),
            "control": Attribute("", WRITE_ONLY, _store_control),
            "alias": Attribute("", READ_WRITE, _store_path),
            "udev_path": Attribute("", READ_WRITE, _store_path, own=True),
            "enable": Attribute("0\n", READ_WRITE, _store_enable, own=True),
            "alua_lu_gp": Attribute("", READ_WRITE, _store_lu_group, own=True),
            "lba_map": Attribute("", READ_WRITE, _store_lba_map),
        },
        groups={
            "action": Group(dict(backstore.actions)),
            "attrib": attrib_group(spec),
            "pr": pr_group(passthrough=backstore.passthrough),
            "wwn": wwn_group(backstore.product, backstore.revision),
            "alua": alua_group(),
            "statistics": device_statistics(),
        },
        created=show_info,
        drop=_drop,
    )


def make_device(sim: Simulation, folder: str, name: str) -> Made:
    """Return what a fresh storage object shows of itself."""
    backstore = backstore_of(f"{folder}/{name}")
    return Made(texts=new_device(sim, folder, backstore.product, backstore.revision))


def is_enabled(sim: Simulation, device: str) -> bool:
    """Tell whether a storage object is configured."""
    return sim.tree.value(f"{device}/enable") == "1"


def show_info(sim: Simulation, device: str) -> None:
    """Bring `info` in line with all that it shows (transport_dump_dev_state)."""
    tree = sim.tree
    attrib = f"{device}/attrib"
    if os.path.exists(tree.full(f"{attrib}/block_size")):
        block_size = tree.value(f"{attrib}/block_size")
    else:
        block_size = tree.value(f"{attrib}/hw_block_size") if is_enabled(sim, device) else "0"
    tree.put(
        f"{device}/info",
        f"Status: {'ACTIVATED' if sim.links_to(device) else 'DEACTIVATED'}"
        f"  Max Queue Depth: {tree.state(device).get('queue_depth', 0)}"
        f"  SectorSize: {block_size}"
        f"  HwMaxSectors: {tree.value(f'{attrib}/hw_max_sectors')}\n"
        f"        {backstore_of(device).info(sim, device)}",
    )


def join_lu_group(sim: Simulation, device: str, name: str) -> None:
    """Put a storage object into a LU group, and out of the one in which it was."""
    leave_lu_group(sim, device)
    group = f"{_LU_GPS}/{name}"
    members.add_member(sim, group, device.removeprefix("core/"))
    number = sim.tree.value(f"{group}/lu_gp_id")
    sim.tree.put(f"{device}/alua_lu_gp", f"LU Group Alias: {name}\nLU Group ID: {number}\n")


def leave_lu_group(sim: Simulation, device: str) -> None:
    """Take a storage object out of its LU group."""
    name = _lu_group_of(sim, device)
    if name is not None:
        members.remove_member(sim, f"{_LU_GPS}/{name}", device.removeprefix("core/"))
        sim.tree.put(f"{device}/alua_lu_gp", "")


def _store_control(write: Write) -> None:
    try:
        backstore_of(write.folder).control(write.sim, write.folder, write.value)
    finally:
        # The options before a bad one are taken.
        show_info(write.sim, write.folder)


def _store_enable(write: Write) -> str:
    sim, device, tree = write.sim, write.folder, write.sim.tree
    if "1" not in write.value:
        raise Refused(errno.EINVAL)
    if is_enabled(sim, device):
        raise Refused(errno.EEXIST)
    hba = device.rpartition("/")[0]
    number = int(tree.state(hba).get("configured", 0))
    tree.change_state(device, number=number)
    number_device(sim, device)
    values = backstore_of(device).configure(sim, device)
    tree.change_state(hba, configured=number + 1)
    alignment = max(1, _PAGE_SIZE_BYTES // values["hw_block_size"])
    values["hw_max_sectors"] -= values["hw_max_sectors"] % alignment
    values["block_size"] = values["hw_block_size"]
    values["queue_depth"] = values["hw_queue_depth"]
    values["optimal_sectors"] = values["hw_max_sectors"]
    for name, value in values.items():
        if os.path.exists(tree.full(f"{device}/attrib/{name}")):
            tree.put(f"{device}/attrib/{name}", f"{value}\n")
    if tree.value(f"{device}/attrib/alua_support") == "1":
        join_lu_group(sim, device, _DEFAULT_LU_GROUP)
    tree.put(write.path, "1\n")
    show_info(sim, device)
    return "1\n"


def _drop(sim: Simulation, device: str) -> None:
    if is_enabled(sim, device):
        backstore_of(device).destroy(sim, device)
    leave_lu_group(sim, device)


def _store_path(write: Write) -> str:
    if len(os.fsencode(write.value)) > _PATH_MAX_BYTES:
        raise Refused(errno.EINVAL)
    return write.value.removesuffix("\n") + "\n"


def _lu_group_of(sim: Simulation, device: str) -> str | None:
    text = sim.tree.text(f"{device}/alua_lu_gp")
    return text.partition("\n")[0].removeprefix("LU Group Alias: ") or None


def _store_lu_group(write: Write) -> str | None:
    """Change the LU group; without a group (not enabled, pscsi) the kernel takes and forgets it."""
    sim, device = write.sim, write.folder
    if _lu_group_of(sim, device) is None:
        return None
    if len(write.value) > _LU_GROUP_NAME_MAX:
        raise Refused(errno.EINVAL)
    name = write.value.strip()
    if name == "NULL":
        leave_lu_group(sim, device)
        return ""
    group = f"{_LU_GPS}/{name}"
    if not name or not sim.tree.is_dir(group) or not sim.tree.text(f"{group}/lu_gp_id"):
        raise Refused(errno.ENODEV)
    join_lu_group(sim, device, name)
    return sim.tree.text(f"{device}/alua_lu_gp")


def _store_lba_map(write: Write) -> str:
    """Take a table: segment size and multiplier, then lines of first LBA, last LBA, group:state."""
    lines = [line for line in write.value.split("\n") if line]
    if not lines:
        return ""
    groups = set()
    if not re.fullmatch(r"\d+ \d+", lines[0]):
        raise Refused(errno.EINVAL)
    for line in lines[1:]:
        match = _LBA_MAP_LINE.fullmatch(line)
        if match is None:
            raise Refused(errno.EINVAL)
        groups.add(match[3].count(":"))
    if len(groups) > 1:
        raise Refused(errno.EINVAL)
    return "".join(f"{line}\n" for line in lines)
