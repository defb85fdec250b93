# SPDX-License-Identifier: Apache-2.0
"""The attributes that the kernel would give to an object which does not exist yet.

A dry run has no kernel to ask: the specs say which attributes an object has, and with which values.
"""

from __future__ import annotations

from lioshell.errors import SpecError
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.specs import FabricSpec, Specs

_GROUPS = {"attrib": "attribute", "param": "parameter", "auth": "auth"}
"""The folder of a group -> its name in a spec, behind "tpg_" or "acl_"."""

_ENABLE = Parameter("enable", "bool", "", "0")
_WRITE_PROTECT = Parameter("write_protect", "bool", "", "0")
_NEXUS = Parameter("nexus", "string", "", "")


def is_group(path: str) -> bool:
    """Tell whether a folder is one of those that come with an object and hold its attributes."""
    return path.rpartition("/")[2] in (*_GROUPS, "discovery_auth")


def attributes(specs: Specs, folder: str) -> dict[str, Parameter]:
    """Return the attributes in a folder, by name; none where no spec tells.

    `folder` is relative to configfs' target folder, as in "iscsi/IQN/tpgt_1/attrib".
    """
    parts = folder.split("/")
    found: Iterable[Parameter] = ()
    try:
        if parts[0] == "core":
            found = _of_storage_object(specs, parts)
        else:
            for name in specs.fabric_names():
                if specs.fabric(name).group == parts[0]:
                    found = _of_fabric(specs.fabric(name), parts[1:])
    except SpecError:
        # Whoever works with what this spec describes is told; here it only brings no attributes.
        return {}
    return {parameter.name: parameter for parameter in found}


def _of_storage_object(specs: Specs, parts: list[str]) -> Iterable[Parameter]:
    if len(parts) == 3:
        return (_ENABLE,)
    if len(parts) == 4 and parts[3] == "attrib":
        prefix = parts[1].rpartition("_")[0]
        for name in specs.backstore_names():
            if specs.backstore(name).hba_prefix == prefix:
                return specs.backstore(name).attributes
    return ()


def _of_fabric(spec: FabricSpec, parts: list[str]) -> Iterable[Parameter]:
    """Return the attributes of a folder given by its path below the fabric's."""
    match parts:
        case ["discovery_auth"]:
            return spec.attributes.get("discovery_auth", ())
        case [_, _]:
            return [p for p in (_ENABLE, _NEXUS) if spec.has(p.name)]
        case [_, _, folder] if folder in _GROUPS:
            return spec.attributes.get(f"tpg_{_GROUPS[folder]}", ())
        case [_, _, "acls", _, folder] if folder in _GROUPS:
            return spec.attributes.get(f"acl_{_GROUPS[folder]}", ())
        case [_, _, "acls", _, folder] if folder.startswith("lun_"):
            return (_WRITE_PROTECT,)
        case _:
            return ()
