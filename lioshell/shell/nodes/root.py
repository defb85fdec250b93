# SPDX-License-Identifier: Apache-2.0
"""/ : the backstores, the fabrics, and what concerns the whole configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lioshell.errors import NotFoundError, SpecError
from lioshell.lio.fabrics import Fabric
from lioshell.lio.foreign import ForeignFolder, foreign_groups
from lioshell.shell.nodes.apply_commands import ApplyCommands
from lioshell.shell.nodes.export_command import ExportCommands
from lioshell.shell.nodes.fabric_command import FabricCommand
from lioshell.shell.nodes.sessions_command import SessionsCommand
from lioshell.shell.nodes.specs_command import SpecsCommand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.lio.sessions import Login
    from lioshell.shell.node import Node


class RootNode(ApplyCommands, SpecsCommand, SessionsCommand, ExportCommands, FabricCommand):
    """The root of the tree."""

    def child_names(self) -> list[str]:
        """List backstores first, then the fabrics that this machine has something for."""
        names = self.lio.specs.fabric_names()
        listed = [name for name in names if self._is_listed(name)]
        return ["backstores", *sorted([*listed, *foreign_groups(self.lio)])]

    def _is_listed(self, fabric: str) -> bool:
        try:
            return Fabric(self.lio, self.lio.specs.fabric(fabric)).is_listed
        except SpecError:
            # Its node says what is wrong with it.
            return True

    def aliases(self) -> dict[str, str]:
        """Return the older names of fabrics, and those that are not listed."""
        return self.lio.specs.fabric_words()

    def child(self, name: str) -> Node | None:
        """Return backstores or a fabric."""
        if name == "backstores":
            from lioshell.shell.nodes.backstores import BackstoresNode

            return BackstoresNode(name, self, self.session)
        from lioshell.shell.nodes.fabric import FabricNode

        try:
            return FabricNode(self, self.session, self.lio.specs.fabric(name))
        except (NotFoundError, SpecError) as error:
            reason = error
        if name in foreign_groups(self.lio):
            from lioshell.shell.nodes.foreign import ForeignNode

            return ForeignNode(name, self, self.session, ForeignFolder(self.lio, name))
        if isinstance(reason, SpecError):
            raise reason
        return None

    def logins(self) -> Iterable[Login]:
        """Return the sessions of all targets."""
        from lioshell.lio.sessions import all_logins

        return all_logins(self.lio)

    def ui_command_version(self) -> None:
        """Show the version of lioshell and of the kernel's target.

        Examples:
            version
        """
        from lioshell import __version__

        configfs = self.lio.configfs
        kernel = configfs.read("version") if configfs.exists("version") else "not loaded"
        self.out.fields({"lioshell": __version__, "kernel": kernel})
