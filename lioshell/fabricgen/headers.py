# SPDX-License-Identifier: Apache-2.0
"""What a kernel's headers ask of a fabric module: read from them, never guessed from a version.

The members of struct target_core_fabric_ops came and went over the years. A skeleton is made for
those that include/target/target_core_fabric.h of the headers at hand declares.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lioshell.errors import HostError

HEADER = "include/target/target_core_fabric.h"
_STRUCT = "target_core_fabric_ops"
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_FUNCTION = re.compile(r"^(?P<returns>.+?)\(\s*\*\s*(?P<name>\w+)\s*\)\s*\((?P<parameters>.*)\)$")
_INCLUDE = re.compile(r"^include\s+(/\S+)/Makefile$", re.MULTILINE)
_MEMBER = re.compile(r"^(?P<type>.+[\s*])(?P<name>\w+)$")
_INSTALL = "Install them (apt install linux-headers-$(uname -r)), or name them: headers=DIR"


@dataclass(frozen=True, slots=True)
class Callback:
    """A function pointer of the structure: what it returns and the types of its parameters."""

    name: str
    returns: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FabricOps:
    """struct target_core_fabric_ops: its callbacks in their order, and its other members' types."""

    path: str
    callbacks: tuple[Callback, ...]
    members: dict[str, str]


def find_headers(folder: str = "") -> Path:
    """Return the file that declares what a fabric module has to have.

    `folder` is a kernel's source tree, its headers, or a build folder below /lib/modules; without
    it the headers of the running kernel are looked for. Raises HostError where there are none.
    """
    root = Path(folder or f"/lib/modules/{os.uname().release}/build")
    for place in (root, *_sources(root)):
        if (place / HEADER).is_file():
            return place / HEADER
    raise HostError(
        f"There are no kernel headers in {root}: {HEADER} is missing",
        hint=_INSTALL,
        path=str(root),
    )


def _sources(build: Path) -> list[Path]:
    """Return the trees that a build folder is of.

    A build folder of Debian has a Makefile that names the common headers, others have a link.
    """
    found = [build / "source", build.parent / "source"]
    try:
        text = (build / "Makefile").read_text(encoding="utf-8")
    except OSError:
        return found
    return [*found, *map(Path, _INCLUDE.findall(text))]


def read_fabric_ops(header: Path) -> FabricOps:
    """Return what a header declares; raises HostError for one that has not the structure."""
    try:
        text = header.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise HostError(
            f"The header {header} cannot be read: {reason}", hint=_INSTALL, path=str(header)
        ) from error
    text = _COMMENT.sub(" ", text)
    body = re.search(rf"struct\s+{_STRUCT}\s*\{{(.*?)\n\}}", text, re.DOTALL)
    if body is None or "target_register_template" not in text:
        raise HostError(
            f"{header} declares no struct {_STRUCT} that target_register_template() takes",
            hint="Fabric modules are made for kernels from 4.1 on.",
            path=str(header),
        )
    callbacks, members = [], {}
    for declaration in body[1].split(";"):
        line = " ".join(declaration.split())
        if not line:
            continue
        function = _FUNCTION.match(line)
        if function is not None:
            parameters = tuple(_type_only(p) for p in function["parameters"].split(","))
            callbacks.append(Callback(function["name"], function["returns"].strip(), parameters))
            continue
        member = _MEMBER.match(line)
        if member is None:
            raise HostError(
                f"{header} declares something that is not understood: {line}",
                hint="Report it, with the kernel's version.",
                path=str(header),
            )
        members[member["name"]] = member["type"].strip()
    return FabricOps(str(header), tuple(callbacks), members)


def _type_only(parameter: str) -> str:
    """Return a parameter's type without its name, as in "struct se_wwn *"."""
    words = " ".join(parameter.split())
    kind, star, _ = words.rpartition("*")
    if star:
        return f"{kind.strip()} *"
    return words if " " not in words else words.rpartition(" ")[0]
