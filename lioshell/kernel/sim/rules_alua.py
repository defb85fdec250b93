# SPDX-License-Identifier: Apache-2.0
"""Rules of ALUA: a storage object's target port groups, and which of them a LUN is in.

drivers/target/target_core_alua.c, target_core_configfs.c (target_tg_pt_gp_*_store).
"""

from __future__ import annotations

import errno
import os

from lioshell.kernel.sim import alua_metadata
from lioshell.kernel.sim.schema import READ_ONLY, READ_WRITE, Attribute, Group, Made
from lioshell.kernel.sim.values import Refused, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation

DEFAULT_GROUP = "default_tg_pt_gp"
_NAME_MAX = 256
_STATES = {
    0: ("Active/Optimized", "active_optimized"),
    1: ("Active/NonOptimized", "active_nonoptimized"),
    2: ("Standby", "standby"),
    3: ("Unavailable", "unavailable"),
    4: ("LBA Dependent", "lba_dependent"),
    14: ("Offline", "offline"),
    15: ("Transitioning", "transitioning"),
}
_STATUSES = ("None", "Altered by Explicit STPG", "Altered by Implicit ALUA")
_ACCESS_TYPES = ("None", "Implicit", "Explicit", "Implicit and Explicit")


def alua_group() -> Group:
    """Return alua/ of a storage object."""
    other = Group(_attributes(""), drop=_drop)
    return Group(
        groups={DEFAULT_GROUP: Group(_attributes("0\n"))},
        make=lambda _sim, _folder, _name: Made(),
        child=lambda _name: other,
    )


def _attributes(number: str) -> dict[str, Attribute]:
    supports = {
        f"alua_support_{name}": Attribute(
            "0\n" if name == "lba_dependent" else "1\n", READ_WRITE, _store_support
        )
        for _, name in _STATES.values()
    }
    return {
        "alua_access_state": Attribute("0\n", READ_WRITE, _store_state),
        "alua_access_status": Attribute("None\n", READ_WRITE, _store_status),
        "alua_access_type": Attribute(f"{_ACCESS_TYPES[3]}\n", READ_WRITE, _store_access_type),
        **supports,
        "alua_write_metadata": Attribute("0\n", READ_WRITE, _up_to(1)),
        "nonop_delay_msecs": Attribute("100\n", READ_WRITE, _up_to(10000)),
        "trans_delay_msecs": Attribute("0\n", READ_WRITE, _up_to(30000)),
        "implicit_trans_secs": Attribute("0\n", READ_WRITE, _up_to(255)),
        "preferred": Attribute("0\n", READ_WRITE, _up_to(1)),
        "tg_pt_gp_id": Attribute(number, READ_WRITE, _store_id),
        "members": Attribute("", READ_ONLY, own=True),
    }


def _up_to(maximum: int) -> Callable[[Write], str]:
    def store(write: Write) -> str:
        number = unsigned(write.value, 64)
        if number > maximum:
            raise Refused(errno.EINVAL)
        return f"{number}\n"

    return store


def _require_id(write: Write) -> None:
    if not write.read(f"{write.folder}/tg_pt_gp_id"):
        raise Refused(errno.EINVAL)


def _device(group: str) -> str:
    return group.rpartition("/alua/")[0]


def _store_support(write: Write) -> str:
    _require_id(write)
    try:
        return _up_to(1)(write)
    except Refused:
        raise Refused(errno.EINVAL) from None


def _store_state(write: Write) -> str:
    _require_id(write)
    device = _device(write.folder)
    tree = write.sim.tree
    if tree.value(f"{device}/enable") != "1":
        raise Refused(errno.ENODEV)
    number = unsigned(write.value, 64)
    kind = _ACCESS_TYPES.index(tree.value(f"{write.folder}/alua_access_type"))
    implicit, explicit = kind & 1, kind & 2
    # LBA dependent (4) is for implicit management alone.
    if not implicit or (explicit and number == 4) or number not in _STATES:
        raise Refused(errno.EINVAL)
    support = f"{write.folder}/alua_support_{_STATES[number][1]}"
    if tree.value(f"{device}/attrib/alua_support") != "1" or tree.value(support) != "1":
        raise Refused(errno.EINVAL)
    if tree.value(write.path) != str(number):
        tree.put(f"{write.folder}/alua_access_status", f"{_STATUSES[2]}\n")
        tree.put(write.path, f"{number}\n")
        alua_metadata.keep_group(write.sim, write.folder, status=2)
        show_luns(write.sim, write.folder)
    return f"{number}\n"


def _store_status(write: Write) -> str:
    _require_id(write)
    number = unsigned(write.value, 64)
    if number >= len(_STATUSES):
        raise Refused(errno.EINVAL)
    write.sim.tree.put(write.path, f"{_STATUSES[number]}\n")
    show_luns(write.sim, write.folder)
    return f"{_STATUSES[number]}\n"


def _store_access_type(write: Write) -> str:
    number = unsigned(write.value, 64)
    if number >= len(_ACCESS_TYPES):
        raise Refused(errno.EINVAL)
    return f"{_ACCESS_TYPES[number]}\n"


def _store_id(write: Write) -> str:
    """The number may be set once; 0 asks for the next free one."""
    number = unsigned(write.value, 64)
    if number > 0xFFFF or write.read(write.path):
        raise Refused(errno.EINVAL)
    tree = write.sim.tree
    taken = [
        int(text)
        for group in tree.names(write.parent)
        if (text := tree.value(f"{write.parent}/{group}/tg_pt_gp_id"))
    ]
    if number in taken and number != 0:
        raise Refused(errno.EINVAL)
    return f"{number or max(taken) + 1}\n"


def _drop(sim: Simulation, path: str) -> None:
    """The LUNs of a group that goes are in the default group from then on."""
    for lun in _members(sim, path):
        join(sim, lun, f"{_device(path)}/alua/{DEFAULT_GROUP}")


def _members(sim: Simulation, group: str) -> list[str]:
    return list(sim.tree.state(group).get("luns", ()))


def store_lun_group(write: Write, device: str) -> None:
    """Move a LUN to a group of its storage object, "NULL" for the default one."""
    tree = write.sim.tree
    if tree.value(f"{device}/attrib/alua_support") != "1":
        raise Refused(errno.ENODEV)
    if len(write.value) > _NAME_MAX:
        raise Refused(errno.EINVAL)
    name = write.value.strip()
    group = f"{device}/alua/{DEFAULT_GROUP if name == 'NULL' else name}"
    if not name or not tree.is_dir(group) or not tree.text(f"{group}/tg_pt_gp_id"):
        raise Refused(errno.ENODEV)
    join(write.sim, write.folder, group)


def join(sim: Simulation, lun: str, group: str) -> None:
    """Put a LUN into a group, and out of the one in which it was."""
    leave(sim, lun, _device(group))
    sim.tree.change_state(group, luns=[*_members(sim, group), lun])
    _show_members(sim, group)
    show_luns(sim, group)


def leave(sim: Simulation, lun: str, device: str) -> None:
    """Take a LUN out of its group."""
    for name in sim.tree.names(f"{device}/alua"):
        group = f"{device}/alua/{name}"
        luns = _members(sim, group)
        if lun in luns:
            luns.remove(lun)
            sim.tree.change_state(group, luns=luns)
            _show_members(sim, group)


def _show_members(sim: Simulation, group: str) -> None:
    from lioshell.kernel.sim.rules_fabric import fabric_title

    lines = []
    for lun in _members(sim, group):
        fabric, wwn, tpg, _, name = lun.split("/")
        lines.append(f"{fabric_title(fabric)}/{wwn}/{tpg}/{name}\n\0")
    sim.tree.put(f"{group}/members", "".join(lines))


def show_luns(sim: Simulation, group: str) -> None:
    """Bring alua_tg_pt_gp of a group's LUNs in line with the group."""
    tree = sim.tree
    state = int(tree.value(f"{group}/alua_access_state"))
    for lun in _members(sim, group):
        if not os.path.isdir(tree.full(lun)):
            continue
        offline = tree.value(f"{lun}/alua_tg_pt_offline") == "1"
        status = int(tree.value(f"{lun}/alua_tg_pt_status"))
        tree.put(
            f"{lun}/alua_tg_pt_gp",
            f"TG Port Alias: {group.rpartition('/')[2]}\n"
            f"TG Port Group ID: {tree.value(f'{group}/tg_pt_gp_id')}\n"
            f"TG Port Primary Access State: {_STATES[state][0]}\n"
            f"TG Port Primary Access Status: {tree.value(f'{group}/alua_access_status')}\n"
            f"TG Port Secondary Access State: {'Offline' if offline else 'None'}\n"
            f"TG Port Secondary Access Status: {_STATUSES[status]}\n",
        )


def group_of(sim: Simulation, lun: str, device: str) -> str | None:
    """Return the group of its storage object in which a LUN is."""
    for name in sim.tree.names(f"{device}/alua"):
        if lun in _members(sim, f"{device}/alua/{name}"):
            return f"{device}/alua/{name}"
    return None
