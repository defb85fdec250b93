# SPDX-License-Identifier: Apache-2.0
"""WWNs of a fabric: how the tree and how configfs write one, and which this machine has.

The tree says naa.2100001b32a1b2c3 where tcm_qla2xxx wants 21:00:00:1b:32:a1:b2:c3 and ib_srpt
0x..., as a spec's `wwn_form` tells. A name that does not fit the form is the same in both.
"""

from __future__ import annotations

import re

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.ports import SystemPort
    from lioshell.specs import FabricSpec, WwnSource

_HEX = "[0-9a-f]"


def configfs_wwn(spec: FabricSpec, wwn: str) -> str:
    """Return the name in configfs of a WWN of the tree."""
    prefix = f"{spec.wwn_types[0]}."
    digits = wwn.removeprefix(prefix)
    if spec.wwn_form == "plain" or digits == wwn or not re.fullmatch(f"(?:{_HEX}{_HEX})+", digits):
        return wwn
    if spec.wwn_form == "colons":
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    return f"0x{digits}" if spec.wwn_form == "hex" else digits


def tree_wwn(spec: FabricSpec, name: str) -> str:
    """Return the WWN in the tree of a name in configfs."""
    if spec.wwn_form == "plain":
        return name
    shape = {
        "colons": f"{_HEX}{_HEX}(?::{_HEX}{_HEX})+",
        "hex": f"0x(?:{_HEX}{_HEX})+",
        "bare": f"(?:{_HEX}{_HEX})+",
    }[spec.wwn_form]
    if not re.fullmatch(shape, name):
        return name
    return f"{spec.wwn_types[0]}.{name.removeprefix('0x').replace(':', '')}"


def found_wwns(spec: FabricSpec, system: SystemPort) -> list[str]:
    """Return the WWNs of this machine's ports that the spec's sources find, in the tree's form."""
    found: dict[str, None] = {}
    for source in spec.wwn_sources:
        for path in system.find_files(source.files):
            if not _holds(source, path, system):
                continue
            match = re.search(source.pattern, system.file_text(path))
            if match is not None and match[1]:
                found[_with_type(spec, match[1])] = None
    return list(found)


def _holds(source: WwnSource, path: str, system: SystemPort) -> bool:
    """Tell whether a file meets every condition of its source."""
    folder = path.rpartition("/")[0]
    for kind, name, text in source.where:
        if kind == "link":
            there = system.linked_name(path, name)
        else:
            there = system.file_text(f"{folder}/{name}")
        if there != text:
            return False
    return True


def _with_type(spec: FabricSpec, text: str) -> str:
    kind = spec.wwn_types[0]
    if kind in ("naa", "eui", "ib"):
        digits = re.sub(r"[:\-]", "", text.lower().removeprefix(f"{kind}."))
        return f"{kind}.{digits}"
    return text


def is_listed(spec: FabricSpec, system: SystemPort) -> bool:
    """Tell whether this machine has what the fabric runs on; True where nothing is needed."""
    if spec.hardware:
        return bool(system.find_files(spec.hardware))
    return not spec.wwn_sources or bool(found_wwns(spec, system))
