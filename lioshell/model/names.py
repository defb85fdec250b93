# SPDX-License-Identifier: Apache-2.0
"""Names: world wide names (iqn, naa, eui, ib), node names of the tree, names of objects.

RFC 7143, 4.2.7 (iqn, eui, naa), RFC 3980 (naa); a WWN in the tree is normalised: "naa." or
"eui." in front, lower case, no separators.
"""

from __future__ import annotations

import os
import re

from lioshell.errors import UsageError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WWN_PATTERNS = {
    "iqn": r"iqn\.[0-9]{4}-[0-1][0-9]\.[^\s_/.]+\.[^\s_/]*",
    "naa": r"naa\.([125c][0-9a-f]{15}|6[0-9a-f]{31})",
    "eui": r"eui\.[0-9a-f]{16}",
    "ib": r"ib\.[0-9a-f]{32}",
}
_HEX_TYPES = ("naa", "eui", "ib")
_WWN_EXAMPLES = {
    "iqn": "iqn.2003-01.com.example:disk1",
    "naa": "naa.5001405a1b2c3d4e",
    "eui": "eui.0010180a1b2c3d4e",
    "ib": "ib." + "0" * 31 + "1",
}
_MAX_ISCSI_NAME_BYTES = 223
"""RFC 7143, 4.2.7.1."""

_MAX_OBJECT_NAME_BYTES = 255


def normalise_wwn(text: str, types: tuple[str, ...]) -> str:
    """Return a WWN of one of `types` in the tree's form, or raise UsageError with an example."""
    if "free" in types:
        return _check_free_name(text.strip())
    wwn = text.strip().lower()
    kind, _, rest = wwn.partition(".")
    digits = re.sub(r"[:\-]", "", rest if kind in _HEX_TYPES else wwn.removeprefix("0x"))
    if kind in _HEX_TYPES:
        wwn = f"{kind}.{digits}"
    else:
        # As labels of adapters and sysfs have it: 21:00:00:24:ff:31:4c:48 or 0x21000024ff314c48.
        fitting = (k for k in types if k in _HEX_TYPES)
        full = (k for k in fitting if re.fullmatch(_WWN_PATTERNS[k], f"{k}.{digits}"))
        kind = next(full, kind)
        wwn = f"{kind}.{digits}" if kind in _HEX_TYPES else wwn
    if kind in types and kind in _WWN_PATTERNS and re.fullmatch(_WWN_PATTERNS[kind], wwn):
        if len(wwn.encode()) <= _MAX_ISCSI_NAME_BYTES:
            return wwn
        raise UsageError(
            f"The name {text[:40]!r}... is longer than {_MAX_ISCSI_NAME_BYTES} bytes",
            hint="Give a shorter name.",
        )
    examples = " or ".join(_WWN_EXAMPLES[kind] for kind in types if kind in _WWN_EXAMPLES)
    raise UsageError(
        f"{text!r} is no WWN of type {', '.join(types)}",
        hint=f"Give a name such as {examples}, or none to have one made.",
    )


def _check_free_name(name: str) -> str:
    """Return a name that a fabric takes as it is, if it can be one folder of configfs."""
    bad = not name or name in (".", "..") or "/" in name or len(name.encode()) > 255
    if bad or any(c.isspace() or not c.isprintable() for c in name):
        raise UsageError(
            f"{name[:40]!r} cannot be the name of a target",
            hint="Give one word without blanks and slashes.",
        )
    return name


def generate_wwn(kind: str, hostname: str, machine: str) -> str:
    """Return a new WWN of a type: iqn, naa (LIO's OUI 001405), eui or ib."""
    if kind == "iqn":
        host = re.sub(r"[^a-z0-9-]", "", hostname.split(".", maxsplit=1)[0].lower()) or "localhost"
        arch = re.sub(r"[^a-z0-9]", "", machine.lower())
        return f"iqn.2003-01.org.linux-iscsi.{host}.{arch}:sn.{os.urandom(6).hex()}"
    if kind == "naa":
        return "naa.5001405" + os.urandom(5).hex()[:9]
    if kind == "eui":
        return "eui.001405" + os.urandom(5).hex()
    if kind == "ib":
        return "ib." + os.urandom(16).hex()
    raise UsageError(f"No WWN of type {kind!r} can be made up", hint="Give the WWN.")


def check_folder_name(name: object) -> str:
    """Return a name if it can be one folder of configfs, and is no way out of its own."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise UsageError(f"{name!r} is no name", hint="Give a name without a slash.")
    return name


def check_object_name(name: str) -> str:
    """Return a storage object's name if configfs and the kernel's tools can hold it."""
    if not name or name in (".", ".."):
        raise UsageError("A storage object needs a name", hint="Give a name such as disk1.")
    bad = next((c for c in name if c == "/" or c.isspace() or not c.isprintable()), None)
    if bad is not None:
        raise UsageError(
            f"The name {name!r} holds {bad!r}",
            hint="Use letters, digits and . _ - + @ only.",
        )
    if len(name.encode()) > _MAX_OBJECT_NAME_BYTES:
        raise UsageError("The name is longer than 255 bytes", hint="Give a shorter name.")
    return name


_DIGITS = frozenset("0123456789")


def sort_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts lun2 before lun10, and no two names as the same."""
    parts = (
        (0, int(part), "") if part[0] in _DIGITS else (1, 0, part)
        for part in re.split(r"([0-9]+)", name)
        if part
    )
    # "lun2" and "lun02" are told apart last; what ends comes before what goes on.
    return (*parts, (-1, 0, name))


def numbered(name: str, *prefixes: str) -> int | None:
    """Return N of a node name such as lun5, tpg1 or tpgt1 for one of `prefixes`, else None."""
    for prefix in prefixes:
        rest = name[len(prefix) :]
        if name.startswith(prefix) and rest.isascii() and rest.isdigit():
            return int(rest)
    return None


def lowest_free(used: Iterable[int], first: int = 0) -> int:
    """Return the lowest number from `first` on that is not in use."""
    taken = set(used)
    return next(n for n in range(first, first + len(taken) + 1) if n not in taken)
