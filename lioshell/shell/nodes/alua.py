# SPDX-License-Identifier: Apache-2.0
"""/backstores/KIND/NAME/alua: the target port groups of a storage object."""

from __future__ import annotations

from lioshell.lio import alua
from lioshell.lio.impact import Impact
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number
from lioshell.shell.values import number
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.groups import ParameterGroup
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


class AluaGroupsNode(ShellNode):
    """The target port groups of one storage object."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (
            Parameter("name", "string", "The group's name"),
            Parameter("tag", "int", "Its number, 1 to 65535", minimum=1, maximum=65535),
        ),
        "delete": (Parameter("name", "string", "The group's name"),),
    }

    def __init__(self, parent: Node, session: Session, storage_object: StorageObject) -> None:
        super().__init__("alua", parent, session)
        self.storage_object = storage_object

    def child_names(self) -> list[str]:
        """List the groups."""
        return by_number(alua.group_names(self.lio, self.storage_object.path))

    @property
    def children(self) -> list[Node]:
        """All groups, out of one listing."""
        path = self.storage_object.path
        return [AluaGroupNode(self, alua.AluaGroup(self.lio, path, n)) for n in self.child_names()]

    def child(self, name: str) -> Node | None:
        """Return a group."""
        group = alua.AluaGroup(self.lio, self.storage_object.path, name)
        return AluaGroupNode(self, group) if self.lio.configfs.is_dir(group.folder) else None

    def summary(self) -> tuple[str, bool | None]:
        """Count the groups."""
        return (f"ALUA Groups: {len(self.child_names())}", None)

    def ui_command_create(self, name: str, tag: str) -> Node | None:
        """Create a target port group: paths that share a state, as active or standby.

        A LUN joins it with `set alua alua_tg_pt_gp_name=NAME`.

        Examples:
            create ao 10
            create name=standby tag=20
        """
        made = alua.create_group(self.storage_object, name, number(tag, "tag"))
        self.out.say(f"Created ALUA group {name}.", "good")
        return self.session.after_create(AluaGroupNode(self, made))

    def ui_command_delete(self, name: str) -> None:
        """Delete a target port group; its LUNs join the default one.

        Examples:
            delete ao
        """
        group = self.get_child(name)
        self.session.before_removal(Impact(f"delete {group.path}"))
        alua.delete_group(self.storage_object, name)
        self.out.say(f"Deleted ALUA group {name}.")


class AluaGroupNode(ShellNode):
    """One target port group."""

    def __init__(self, parent: Node, group: alua.AluaGroup) -> None:
        super().__init__(group.group_name, parent, parent.session)
        self.alua_group = group

    def summary(self) -> tuple[str, bool | None]:
        """Return the access state."""
        return (f"ALUA state: {self.alua_group.state}", None)

    def group_names(self) -> list[str]:
        """Return the group of its parameters."""
        return ["alua"]

    def group(self, name: str) -> ParameterGroup:
        """Return its parameters."""
        del name
        return self.alua_group

    def more_examples(self, command: str) -> tuple[str, ...]:
        """Return examples of its parameters."""
        examples = {"get": "get alua preferred", "set": "set alua preferred=1"}
        return (examples[command],) if command in examples else ()

    def ui_command_info(self) -> None:
        """Show what this group is, and which LUNs are in it.

        Examples:
            info
        """
        group = self.alua_group
        self.out.fields(
            {
                "name": group.group_name,
                "tag": group.get("tg_pt_gp_id"),
                "state": group.state,
                "members": group.get("members"),
                "configfs": f"{self.lio.configfs.location}/{group.folder}",
            }
        )
