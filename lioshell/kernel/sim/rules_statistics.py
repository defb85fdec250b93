# SPDX-License-Identifier: Apache-2.0
"""Statistics of storage objects, LUNs and mapped LUNs: which files, and what they show when.

drivers/target/target_core_stat.c. No commands are counted here: the counters stay 0. A file of a
LUN without a storage object, or of a mapped LUN without a LUN, is empty here and ENODEV to read
(SimConfigfs.read).
"""

from __future__ import annotations

import time

from lioshell.kernel.sim.schema import READ_ONLY, Attribute, Group, read_only
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.simulation import Simulation

_NOTHING = Attribute("", READ_ONLY)
_OWN = Attribute("", READ_ONLY, own=True)
_OWN_ZERO = Attribute("0\n", READ_ONLY, own=True)
_ZERO = read_only("0")

_LUN_FILES = {
    "scsi_port": ("inst", "dev", "indx", "role", "busy_count"),
    "scsi_tgt_port": (
        *("inst", "dev", "indx", "name", "port_index", "in_cmds"),
        *("write_mbytes", "read_mbytes", "hs_in_cmds"),
    ),
    "scsi_transport": ("inst", "device", "indx", "dev_name", "proto_id"),
}
_SESSION_FILES = ("indx", "port_ident")
_MAPPED_FILES = {
    "scsi_auth_intr": (
        *("inst", "dev", "port", "indx", "dev_or_port", "intr_name", "map_indx", "att_count"),
        *("num_cmds", "read_mbytes", "write_mbytes", "hs_num_cmds", "creation_time", "row_status"),
    ),
    "scsi_att_intr_port": ("inst", "dev", "port", "port_auth_indx", *_SESSION_FILES),
}
_PROTOCOLS = {"fc": 0, "sbp": 3, "srpt": 4, "ibmvscsis": 4, "iscsi": 5}
_PROTOCOLS |= dict.fromkeys(("qla2xxx", "qla2xxx_npiv", "efct", "efct_npiv"), 0)
_PROTOCOLS_OF_NAMES = {"fc.": 0, "iqn.": 5}
_SAS = 6
_OF_EACH = frozenset({"inst", "dev", "role", "dev_name", "creation_time", "port_index", "name"})
"""Files of LUNs and mapped LUNs that hold something else in each."""


def device_statistics() -> Group:
    """Return statistics/ of a storage object that was just made."""
    zeros = dict.fromkeys(("resets", "aborts_complete", "aborts_no_task"), _ZERO)
    counters = ("num_cmds", "read_mbytes", "write_mbytes", "resets", "full_stat", "hs_num_cmds")
    return Group(
        groups={
            "scsi_dev": Group(
                {"inst": _ZERO, "indx": _OWN_ZERO, "role": read_only("Target"), "ports": _OWN_ZERO}
            ),
            "scsi_tgt_dev": Group(
                {
                    "inst": _ZERO,
                    "indx": _OWN_ZERO,
                    "num_lus": read_only("1"),
                    "status": Attribute("deactivated", READ_ONLY, own=True),
                    "non_access_lus": Attribute("1\n", READ_ONLY, own=True),
                    **zeros,
                }
            ),
            "scsi_lu": Group(
                {
                    "inst": _ZERO,
                    "dev": _OWN_ZERO,
                    "indx": read_only("1"),
                    "lun": _ZERO,
                    "lu_name": Attribute("None\n", READ_ONLY, own=True),
                    "vend": _NOTHING,
                    "prod": _NOTHING,
                    "rev": _NOTHING,
                    "dev_type": _ZERO,
                    "status": Attribute("notavailable\n", READ_ONLY, own=True),
                    "state_bit": read_only("exposed"),
                    **dict.fromkeys(counters, _ZERO),
                    "creation_time": _ZERO,
                }
            ),
        }
    )


def lun_statistics() -> Group:
    """Return statistics/ of a LUN."""
    return _empty(_LUN_FILES)


def mapped_lun_statistics() -> Group:
    """Return statistics/ of a mapped LUN."""
    return _empty(_MAPPED_FILES)


def _empty(files: dict[str, tuple[str, ...]]) -> Group:
    return Group(
        groups={
            group: Group({name: _OWN if name in _OF_EACH else _NOTHING for name in names})
            for group, names in files.items()
        }
    )


def uptime() -> str:
    """Return the time since boot as the kernel shows it, in hundredths of a second."""
    return f"{int(time.monotonic() * 100) % 2**32}\n"


# Storage objects


def new_device(sim: Simulation, hba: str, product: str, revision: str) -> dict[str, str]:
    """Return what the statistics of a fresh storage object show, by path below it."""
    # hba_index counts from 1 on, hba_id of `hba_info` from 0, and the first of both is the core's.
    index = f"{int(sim.tree.state(hba).get('index', 0)) + 1}\n"
    return {
        "statistics/scsi_dev/inst": index,
        "statistics/scsi_tgt_dev/inst": index,
        "statistics/scsi_lu/inst": index,
        "statistics/scsi_lu/vend": "LIO-ORG \n",
        "statistics/scsi_lu/prod": f"{product:16}\n",
        "statistics/scsi_lu/rev": f"{revision:4}\n",
        "statistics/scsi_lu/creation_time": uptime(),
    }


def number_device(sim: Simulation, device: str) -> None:
    """Give a storage object its index, which the kernel counts up (target_configure_device)."""
    index = sim.count("devices")
    text = f"{index}\n"
    sim.tree.change_state(device, index=index)
    folder = f"{device}/statistics"
    sim.tree.put(f"{folder}/scsi_dev/indx", text)
    sim.tree.put(f"{folder}/scsi_tgt_dev/indx", text)
    sim.tree.put(f"{folder}/scsi_lu/dev", text)


def show_identity(sim: Simulation, device: str) -> None:
    """Bring scsi_lu in line with wwn/."""
    from lioshell.kernel.sim.rules_wwn import SERIAL_PREFIX

    tree, folder = sim.tree, f"{device}/statistics/scsi_lu"
    for name, file, width in (
        ("vend", "vendor_id", 8),
        ("prod", "product_id", 16),
        ("rev", "revision", 4),
    ):
        tree.put(f"{folder}/{name}", f"{tree.value(f'{device}/wwn/{file}'):{width}}\n")
    serial = tree.value(f"{device}/wwn/vpd_unit_serial").removeprefix(SERIAL_PREFIX)
    tree.put(f"{folder}/lu_name", f"{serial or 'None'}\n")


def show_ports(sim: Simulation, device: str) -> None:
    """Bring a storage object in line with the number of LUNs that export it."""
    tree, folder = sim.tree, f"{device}/statistics"
    ports = len(sim.links_to(device))
    before = tree.text(f"{folder}/scsi_dev/ports")
    tree.put(f"{folder}/scsi_dev/ports", f"{ports}\n")
    if (before == "0\n") == (ports == 0):
        return
    tree.put(f"{folder}/scsi_tgt_dev/status", "activated" if ports else "deactivated")
    tree.put(f"{folder}/scsi_tgt_dev/non_access_lus", f"{int(not ports)}\n")
    tree.put(f"{folder}/scsi_lu/status", "available\n" if ports else "notavailable\n")


# LUNs


def show_lun(sim: Simulation, lun: str, device: str) -> None:
    """Fill the statistics of a LUN that got its storage object."""
    from lioshell.kernel.sim.rules_fabric import fabric_title
    from lioshell.kernel.sim.rules_wwn import SERIAL_PREFIX

    tree = sim.tree
    state = tree.state(device)
    # core_alloc_rtpi: each object counts its ports up, and no number comes back.
    port = int(state.get("port", 0)) + 1
    tree.change_state(device, port=port)
    fabric, wwn, tpg = lun.split("/")[:3]
    title, index = fabric_title(fabric), state.get("index", 0)
    serial = tree.value(f"{device}/wwn/vpd_unit_serial").removeprefix(SERIAL_PREFIX)
    name = serial or tree.value(f"{device}/wwn/vendor_id")
    inst = tree.value(f"{device}/statistics/scsi_dev/inst")
    place = {"inst": inst, "dev": index, "indx": port}
    zeros = dict.fromkeys(("in_cmds", "write_mbytes", "read_mbytes", "hs_in_cmds"), 0)
    shown = {
        "scsi_port": {**place, "role": f"Device{index}", "busy_count": 0},
        "scsi_tgt_port": {
            **place,
            "name": f"{title}Port#{port}",
            "port_index": f"{wwn}+t+{_tag(tpg)}",
            **zeros,
        },
        "scsi_transport": {
            "inst": inst,
            "device": f"scsiTransport{title}",
            "indx": _instance(sim, lun),
            "dev_name": f"{wwn}+{name}",
            "proto_id": _protocol(fabric, wwn),
        },
    }
    for group, values in shown.items():
        for file, value in values.items():
            tree.fill(f"{lun}/statistics/{group}/{file}", f"{value}\n")


def hide_lun(sim: Simulation, lun: str) -> None:
    """Empty the statistics of a LUN that lost its storage object."""
    for group, names in _LUN_FILES.items():
        for name in names:
            sim.tree.fill(f"{lun}/statistics/{group}/{name}", "")


def _tag(tpg: str) -> str:
    return tpg.rpartition("tpgt_")[2]


def _instance(sim: Simulation, lun: str) -> int:
    """Return a TPG's instance: for iSCSI the number of the target, otherwise 1."""
    target = "/".join(lun.split("/")[:2])
    return int(sim.tree.state(target).get("index", 1))


def _protocol(fabric: str, wwn: str) -> int:
    """Return the SCSI protocol identifier (SPC-4, 7.6.1) that a TPG was registered with."""
    return _PROTOCOLS.get(fabric, _PROTOCOLS_OF_NAMES.get(f"{wwn.partition('.')[0]}.", _SAS))


# Mapped LUNs


def show_mapped_lun(sim: Simulation, folder: str, lun: str) -> None:
    """Fill the statistics of a mapped LUN that got its LUN."""
    tree = sim.tree
    acl = folder.rpartition("/")[0]
    place = {
        "inst": _instance(sim, lun),
        "dev": tree.value(f"{lun}/statistics/scsi_port/dev"),
        "port": _tag(lun.split("/")[2]),
    }
    index = tree.state(acl).get("index", 0)
    zeros = ("map_indx", "num_cmds", "read_mbytes", "write_mbytes", "hs_num_cmds")
    shown = {
        "scsi_auth_intr": {
            **place,
            "indx": index,
            "dev_or_port": 1,
            "intr_name": acl.rpartition("/")[2],
            "att_count": 1,
            "row_status": "Ready",
            **dict.fromkeys(zeros, 0),
            "creation_time": uptime().removesuffix("\n"),
        },
        "scsi_att_intr_port": {**place, "port_auth_indx": index},
    }
    for group, values in shown.items():
        for file, value in values.items():
            tree.fill(f"{folder}/statistics/{group}/{file}", f"{value}\n")


def hide_mapped_lun(sim: Simulation, folder: str) -> None:
    """Empty the statistics of a mapped LUN that lost its LUN; the session's stay."""
    for group, names in _MAPPED_FILES.items():
        for name in names:
            if name not in _SESSION_FILES or group != "scsi_att_intr_port":
                sim.tree.fill(f"{folder}/statistics/{group}/{name}", "")
