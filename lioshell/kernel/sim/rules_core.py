# SPDX-License-Identifier: Apache-2.0
"""Rules of the top: the target folder itself, core/ with its HBAs, and the fabrics' folders.

drivers/target/target_core_configfs.c (target_core_register_fabric, target_core_call_addhbatotarget,
target_core_alua_create_lu_gp), target_core_hba.c.
"""

from __future__ import annotations

import errno
import os

from lioshell.errors import SpecError
from lioshell.kernel.sim import members
from lioshell.kernel.sim.alua_metadata import DEFAULT_DBROOT
from lioshell.kernel.sim.schema import READ_WRITE, Attribute, Group, Made, read_only
from lioshell.kernel.sim.values import Refused, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import BackstoreSpec, FabricSpec

VERSION = "v5.0"
DEFAULT_LU_GROUP = "core/alua/lu_gps/default_lu_gp"
_HBA_NAME_MAX = 63
_AUTOLOADED = {"iscsi": "iscsi_target_mod", "loopback": "tcm_loop"}
"""The only fabrics whose module a mkdir loads."""

_BACKSTORE_MODULES = ("target_core_iblock", "target_core_file", "target_core_pscsi")


def root_group(sim: Simulation) -> Group:
    """Return the kind of the target folder."""
    version = f"Target Engine Core ConfigFS Infrastructure {VERSION} on Linux/{os.uname().machine}"
    return Group(
        attributes={
            "version": read_only(f"{version} on simulated"),
            "dbroot": Attribute(f"{DEFAULT_DBROOT}\n", READ_WRITE, _store_dbroot),
        },
        groups={"core": _core_group(sim)},
        make=_make_fabric,
        child=lambda name: _fabric_group(sim, name),
    )


def find_fabric(sim: Simulation, group: str) -> FabricSpec | None:
    """Return the fabric whose folder is called `group`; its spec mostly has the same name."""
    names = sim.specs.fabric_names()
    for name in (*(name for name in names if name == group), *names):
        try:
            spec = sim.specs.fabric(name)
        except SpecError:
            # A broken file of somebody's must not take the other fabrics away.
            continue
        if spec.group == group:
            return spec
    return None


def find_backstore(sim: Simulation, prefix: str) -> BackstoreSpec | None:
    """Return the backstore whose HBAs are called `prefix`_N."""
    for name in sim.specs.backstore_names():
        try:
            spec = sim.specs.backstore(name)
        except SpecError:
            # As above.
            continue
        if spec.hba_prefix == prefix:
            return spec
    return None


def hba_prefix(name: str) -> str:
    """Return "rd_mcp" of "rd_mcp_0": the part before the first "_", or the second if there is one.

    Raises Refused(EINVAL) for a name without "_".
    """
    parts = name.split("_", 2)
    if len(parts) == 1:
        raise Refused(errno.EINVAL)
    return "_".join(parts[:-1])


def _store_dbroot(write: Write) -> str:
    path = write.value.removesuffix("\n")
    if any(write.sim.tree.names(f"core/{hba}") for hba in _hbas(write.sim)):
        raise Refused(errno.EINVAL)
    if not os.path.isdir(path):
        raise Refused(errno.ENOTDIR if os.path.exists(path) else errno.ENOENT)
    return f"{path}\n"


def _hbas(sim: Simulation) -> list[str]:
    return [name for name in sim.tree.names("core") if name != "alua"]


def _make_fabric(sim: Simulation, folder: str, name: str) -> Made:
    del folder
    spec = find_fabric(sim, name)
    if spec is None:
        raise Refused(errno.EINVAL)
    if name in _AUTOLOADED:
        sim.load_module(_AUTOLOADED[name])
    if not sim.has_module(spec.module):
        raise Refused(errno.EINVAL)
    return Made()


def _fabric_group(sim: Simulation, name: str) -> Group | None:
    from lioshell.kernel.sim.rules_fabric import fabric_group

    spec = find_fabric(sim, name)
    return None if spec is None else sim.kind(("fabric", name), lambda: fabric_group(spec))


def _core_group(sim: Simulation) -> Group:
    return Group(
        groups={"alua": Group(groups={"lu_gps": _lu_gps_group()})},
        make=_make_hba,
        child=lambda name: _hba_group(sim, name),
    )


def _make_hba(sim: Simulation, folder: str, name: str) -> Made:
    del folder
    if len(name) > _HBA_NAME_MAX:
        raise Refused(errno.ENAMETOOLONG)
    prefix = hba_prefix(name)
    unsigned(name[len(prefix) + 1 :], 64)
    # transport_subsystem_check_init asks for every kind of backstore at the first HBA.
    for module in (*_BACKSTORE_MODULES, "target_core_user"):
        sim.load_module(module)
    if find_backstore(sim, prefix) is None:
        raise Refused(errno.EINVAL)
    index = sim.count("hbas")
    info = f"HBA Index: {index} plugin: {prefix} version: {VERSION}\n"
    return Made(texts={"hba_info": info}, state={"index": index})


def _hba_group(sim: Simulation, name: str) -> Group | None:
    from lioshell.kernel.sim.rules_device import device_group, make_device

    prefix = hba_prefix(name)
    spec = find_backstore(sim, prefix)
    if spec is None:
        return None
    device = sim.kind(("device", prefix), lambda: device_group(spec))
    return Group(
        attributes={
            "hba_info": read_only(""),
            "hba_mode": Attribute("0\n", READ_WRITE, _store_hba_mode),
        },
        make=make_device,
        child=lambda _name: device,
    )


def _store_hba_mode(write: Write) -> str:
    """pscsi alone has a mode, 1 for the host that the HBA's number names; there is none here."""
    if not hba_prefix(write.folder.rpartition("/")[2]) == "pscsi":
        raise Refused(errno.EINVAL)
    if unsigned(write.value, 64):
        raise Refused(errno.EINVAL)
    return "0\n"


def _lu_gps_group() -> Group:
    attributes = {
        "lu_gp_id": Attribute("", READ_WRITE, _store_lu_gp_id),
        "members": Attribute("", 0o444),
    }
    default = Group({**attributes, "lu_gp_id": Attribute("0\n", READ_WRITE, _store_lu_gp_id)})
    other = Group(attributes, drop=_drop_lu_gp)
    return Group(
        groups={"default_lu_gp": default},
        make=lambda _sim, _folder, _name: Made(),
        child=lambda _name: other,
    )


def _store_lu_gp_id(write: Write) -> str:
    number = unsigned(write.value, 64)
    if number > 0xFFFF or write.read(write.path):
        raise Refused(errno.EINVAL)
    taken = [
        int(text)
        for group in write.sim.tree.names(write.parent)
        if (text := write.sim.tree.value(f"{write.parent}/{group}/lu_gp_id"))
    ]
    if number == 0:
        number = max(taken) + 1
    elif number in taken:
        raise Refused(errno.EINVAL)
    return f"{number}\n"


def _drop_lu_gp(sim: Simulation, path: str) -> None:
    """The storage objects of a group that goes are in the default group from then on."""
    from lioshell.kernel.sim.rules_device import join_lu_group

    for member in members.all_members(sim, path):
        join_lu_group(sim, f"core/{member}", DEFAULT_LU_GROUP.rpartition("/")[2])
    members.forget(sim, path)
