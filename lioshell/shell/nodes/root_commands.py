# SPDX-License-Identifier: Apache-2.0
"""The commands that only / has: of the saved configuration, and of the whole machine."""

from __future__ import annotations

from lioshell.shell.nodes.apply_commands import ApplyCommands
from lioshell.shell.nodes.export_command import ExportCommands
from lioshell.shell.nodes.fabric_command import FabricCommand
from lioshell.shell.nodes.root import RootPlace
from lioshell.shell.nodes.sessions_command import SessionsCommand
from lioshell.shell.nodes.specs_command import SpecsCommand
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.lio.sessions import Login


class RootCommands(
    RootPlace, ApplyCommands, SpecsCommand, SessionsCommand, ExportCommands, FabricCommand
):
    """The root with everything that it can do."""

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
