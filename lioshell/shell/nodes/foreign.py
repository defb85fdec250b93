# SPDX-License-Identifier: Apache-2.0
"""/FABRIC of a fabric that no spec describes: its folders as configfs has them, to look at."""

from __future__ import annotations

from lioshell.errors import NotFoundError
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from lioshell.lio.foreign import ForeignFolder
    from lioshell.lio.groups import ParameterGroup
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


class ForeignNode(ShellNode):
    """One folder of such a fabric."""

    def __init__(self, name: str, parent: Node, session: Session, folder: ForeignFolder) -> None:
        super().__init__(name, parent, session)
        self.folder = folder

    def child_names(self) -> list[str]:
        """List the folders of objects."""
        return by_number(self.folder.names())

    def child(self, name: str) -> Node | None:
        """Return one of them."""
        from lioshell.lio.foreign import ForeignFolder

        if name not in self.folder.names():
            return None
        below = ForeignFolder(self.lio, f"{self.folder.path}/{name}")
        return ForeignNode(name, self, self.session, below)

    def summary(self) -> tuple[str, bool | None]:
        """Show what it links to; of the fabric itself, that there is no spec."""
        if self.parent is self.get_root():
            return (f"no spec, Targets: {len(self.folder.names())}", False)
        links = self.folder.links()
        return (", ".join(links), None) if links else super().summary()

    def group_names(self) -> list[str]:
        """Return the groups of attributes."""
        return self.folder.group_names()

    def group(self, name: str) -> ParameterGroup:
        """Return a group; raises NotFoundError."""
        if name not in self.group_names():
            raise NotFoundError(
                f"There is no group {name} at {self.path}",
                hint=f"See the groups with: {self.path} get",
            )
        return self.folder.group(name)

    def ui_command_info(self) -> None:
        """Show what the kernel says of this object, which no spec describes.

        Examples:
            info
        """
        fields: dict[str, Any] = {
            "configfs": f"{self.lio.configfs.location}/{self.folder.path}",
            "spec": "none; docs/specs.md tells how to write one",
        }
        self.out.fields({**fields, **self.folder.files()})
