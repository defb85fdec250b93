# SPDX-License-Identifier: Apache-2.0
"""/ : the backstores and the fabrics; the commands of the whole configuration beside it.

Every line passes through here, and few are for the root itself: its own commands are loaded when
one is asked for (root_commands.py).
"""

from __future__ import annotations

from lioshell.errors import NotFoundError, SpecError
from lioshell.shell.common_commands import ShellNode
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from lioshell.shell.node import Node
    from lioshell.shell.nodes.root_commands import RootCommands
    from lioshell.specs import Parameter


class RootPlace(ShellNode):
    """The root of the tree, with what is below it."""

    def child_names(self) -> list[str]:
        """List backstores first, then the fabrics that this machine has something for."""
        from lioshell.lio.foreign import foreign_groups

        names = self.lio.specs.fabric_names()
        listed = [name for name in names if self._is_listed(name)]
        return ["backstores", *sorted([*listed, *foreign_groups(self.lio)])]

    def _is_listed(self, fabric: str) -> bool:
        try:
            return self.lio.fabric(fabric).is_listed
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
        from lioshell.lio.foreign import ForeignFolder, foreign_groups
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


class RootNode(RootPlace):
    """The root of a session: what every node can do is its own, the rest it has loaded."""

    _loaded: RootCommands | None = None

    @property
    def _in_full(self) -> RootCommands:
        if self._loaded is None:
            from lioshell.shell.nodes.root_commands import RootCommands

            self._loaded = RootCommands(self.name, None, self.session)
        return self._loaded

    def list_commands(self) -> tuple[str, ...]:
        """Return all commands of the root."""
        return self._in_full.list_commands()

    def has_command(self, command: str) -> bool:
        """Tell whether there is a command."""
        return self.has_method(command) or self._in_full.has_command(command)

    def get_command_method(self, command: str) -> Any:
        """Return the method of a command."""
        if self.has_method(command):
            return super().get_command_method(command)
        return self._in_full.get_command_method(command)

    def parameters_of(self, command: str) -> tuple[Parameter, ...]:
        """Return what is known of a command's parameters, in no particular order."""
        if self.has_method(command):
            return super().parameters_of(command)
        return self._in_full.parameters_of(command)
