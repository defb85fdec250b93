# SPDX-License-Identifier: Apache-2.0
"""Ports of the simulated machine: the sysfs files of adapters that a fabric's targets live on.

A new machine has none. A test, or somebody who wants to try a fabric, plugs one in with `add_port`;
the fabric's spec finds it there as it does in a real /sys.
"""

from __future__ import annotations

import os
import re

from lioshell.errors import UsageError
from lioshell.kernel.machine_files import MachineFiles
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.specs import FabricSpec, WwnSource

_FC_DRIVERS = {"qla2xxx": "qla2xxx", "efct": "efct", "fc": "fcoe"}


def has_port(sim_root: str, spec: FabricSpec, name: str) -> bool:
    """Tell whether the simulated machine has the port that a target is named after."""
    files = MachineFiles(f"{sim_root}/sys", f"{sim_root}/proc")
    for source in spec.wwn_sources:
        for path in files.find(source.files):
            match = re.search(source.pattern, files.text(path))
            if match and _written(spec, match[1]) == name and _holds(files, source, path):
                return True
    return False


def _written(spec: FabricSpec, text: str) -> str:
    """Return a port's name as the fabric's module takes it."""
    if spec.wwn_form == "plain":
        return text
    digits = re.sub("^0x|[:-]", "", text.lower())
    if spec.wwn_form == "colons":
        return _colons(digits)
    return f"0x{digits}" if spec.wwn_form == "hex" else digits


def _colons(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _holds(files: MachineFiles, source: WwnSource, path: str) -> bool:
    folder = path.rpartition("/")[0]
    for kind, name, text in source.where:
        there = files.linked_name(path, name) if kind == "link" else files.text(f"{folder}/{name}")
        if there != text:
            return False
    return True


def add_port(sim_root: str, group: str, wwn: str) -> str:
    """Plug an adapter with one port in and return the name that its target has in configfs.

    `wwn` is hexadecimal, 16 digits (32 for srpt), and for ibmvscsis a unit address. Raises
    UsageError for a fabric whose targets are no ports.
    """
    sys = f"{sim_root}/sys"
    if group in _FC_DRIVERS:
        _fc_host(sys, _FC_DRIVERS[group], wwn)
        return _colons(wwn)
    if group == "sbp":
        folder = f"{sys}/bus/firewire/devices/fw{len(_listed(f'{sys}/bus/firewire/devices'))}"
        _write(f"{folder}/guid", f"0x{wwn}")
        _write(f"{folder}/is_local", "1")
        return wwn
    if group == "srpt":
        card = f"{sys}/class/infiniband/mlx5_{len(_listed(f'{sys}/class/infiniband'))}"
        gid = ":".join(wwn[at : at + 4] for at in range(0, len(wwn), 4))
        _write(f"{card}/ports/1/gids/0", gid)
        return f"0x{wwn}"
    if group == "ibmvscsis":
        devices = f"{sys}/module/ibmvscsis/drivers/vio:ibmvscsis"
        _write(f"{devices}/{wwn}/devspec", f"/vdevice/v-scsi-host@{wwn}")
        return wwn
    raise UsageError(
        f"The targets of {group} are no ports of the machine",
        hint=f"Ports are those of: {', '.join(sorted((*_FC_DRIVERS, 'ibmvscsis', 'sbp', 'srpt')))}",
    )


def _fc_host(sys: str, driver: str, wwpn: str) -> None:
    """Make /sys/class/fc_host/hostN, a link to a device below its adapter, as the kernel does."""
    hosts = f"{sys}/class/fc_host"
    number = len(_listed(hosts))
    adapter = f"{sys}/devices/{driver}{number}"
    real = f"{adapter}/host{number}/fc_host/host{number}"
    _write(f"{real}/port_name", f"0x{wwpn}")
    os.makedirs(f"{sys}/bus/{driver}", exist_ok=True)
    for link in ("driver", "subsystem"):
        os.symlink(f"../../bus/{driver}", f"{adapter}/{link}")
    os.makedirs(hosts, exist_ok=True)
    os.symlink(os.path.relpath(real, hosts), f"{hosts}/host{number}")


def _listed(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{text}\n")
