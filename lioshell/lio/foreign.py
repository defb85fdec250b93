# SPDX-License-Identifier: Apache-2.0
"""Fabrics that run and that no spec describes: shown as configfs has them, never changed.

Each fabric has the same folders below its own, whatever its module is
(drivers/target/target_core_fabric_configfs.c).
"""

from __future__ import annotations

from lioshell.errors import KernelError, SpecError, UsageError
from lioshell.lio.groups import ParameterGroup
from lioshell.model.secret import MASK, SECRET_PARAMETERS
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lioshell.lio.root import Lio

_CORE = "core"
_GROUPS = {"attribute": "attrib", "parameter": "param", "auth": "auth"}
_NOT_OBJECTS = frozenset((*_GROUPS.values(), "discovery_auth", "statistics", "fabric_statistics"))


def foreign_groups(lio: Lio) -> list[str]:
    """Return the folders of fabrics that no spec describes, sorted."""
    described = {_CORE}
    for name in lio.specs.fabric_names():
        try:
            described.add(lio.specs.fabric(name).group)
        except SpecError:
            # A broken spec describes nothing: what runs is shown as configfs has it.
            continue
    return sorted(set(lio.configfs.folders("")) - described)


class ForeignFolder:
    """One folder of such a fabric: itself, a target, a TPG, a LUN, an ACL, a portal."""

    def __init__(self, lio: Lio, path: str) -> None:
        self.lio = lio
        self.path = path

    def names(self) -> list[str]:
        """Return the names of the objects in it, unsorted."""
        names = self.lio.configfs.folders(self.path)
        return [name for name in names if name not in _NOT_OBJECTS]

    def links(self) -> list[str]:
        """Return what the links in it point to, as configfs paths."""
        configfs = self.lio.configfs
        return [configfs.readlink(f"{self.path}/{name}") for name in configfs.links(self.path)]

    def files(self) -> dict[str, str]:
        """Return the attributes of the object itself; passwords as ***."""
        configfs = self.lio.configfs
        others = {*configfs.folders(self.path), *configfs.links(self.path)}
        found = {}
        for name in sorted(set(configfs.listdir(self.path)) - others):
            try:
                value = configfs.read(f"{self.path}/{name}")
            except KernelError:
                # Some cannot be read, as a nexus that is not set (ENODEV).
                continue
            found[name] = MASK if value and name in SECRET_PARAMETERS else value
        return found

    def group_names(self) -> list[str]:
        """Return which groups of attributes it has."""
        is_dir = self.lio.configfs.is_dir
        return [name for name, folder in _GROUPS.items() if is_dir(f"{self.path}/{folder}")]

    def group(self, name: str) -> ParameterGroup:
        """Return a group of attributes, which can only be read."""
        return _ReadOnlyGroup(self.lio, name, f"{self.path}/{_GROUPS[name]}")


class _ReadOnlyGroup(ParameterGroup):
    """A group whose meaning nobody has described."""

    def is_writable(self, name: str) -> bool:  # noqa: ARG002  # none is
        """Return False."""
        return False

    def set_all(self, values: Mapping[str, str]) -> None:  # noqa: ARG002  # none is set
        """Raise UsageError."""
        raise UsageError(
            f"No spec describes the fabric of {self.folder}: it is only shown",
            hint="Describe it in a file in /etc/lioshell/specs.d; docs/specs.md tells how.",
            path=self.folder,
        )
