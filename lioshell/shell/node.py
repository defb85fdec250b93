# SPDX-License-Identifier: Apache-2.0
"""A node of the tree: a name, a parent, children that are looked up only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lioshell.errors import NotFoundError, UsageError
from lioshell.model.names import sort_key
from lioshell.render.tree import TreeItem
from lioshell.shell.configshell_node import ConfigNode, ExecutionError

if TYPE_CHECKING:
    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.root import Lio
    from lioshell.render.output import Output
    from lioshell.shell.session import Session
    from lioshell.specs import Parameter


class Node(ConfigNode):
    """A node whose children exist as objects only while a command looks at them.

    Subclasses give `child_names`, `child` and `summary`, their commands as ui_command_* methods
    (configshell's model) and their attribute groups with `group`.
    """

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {}
    """What is known of a command's parameters beside its signature: type, default, help."""

    def __init__(self, name: str, parent: Node | None, session: Session) -> None:
        # configshell's own __init__ defines 14 parameters a node and scans all siblings.
        self._name = name
        self._parent = parent
        self._configuration_groups = {}
        self.session = session

    @property
    def shell(self) -> Session:
        """What configshell calls the shell."""
        return self.session

    @property
    def parent(self) -> Node | None:
        """The node above, None for the root."""
        parent: Node | None = self._parent
        return parent

    @property
    def lio(self) -> Lio:
        """The live configuration."""
        return self.session.lio

    @property
    def out(self) -> Output:
        """Where answers go."""
        return self.session.out

    # Children

    def child_names(self) -> list[str]:
        """Return the names of the children, sorted as they are shown."""
        return []

    def child(self, name: str) -> Node | None:  # noqa: ARG002  # for subclasses
        """Return one child without looking at the others; None where there is none."""
        return None

    @property
    def children(self) -> list[Node]:
        """All children, as configshell wants them."""
        found = (self.child(name) for name in self.child_names())
        return [node for node in found if node is not None]

    def get_child(self, name: str) -> Node:
        """Return a child by name; raises NotFoundError with what comes close."""
        node = self.child(name)
        if node is None:
            raise self.session.no_such_path(self, name)
        return node

    def get_node(self, path: str) -> Node:
        """Return the node at a path, relative to this one; raises NotFoundError."""
        node = self.get_root() if path.startswith("/") else self
        for name in path.split("/"):
            if name in ("", "."):
                continue
            node = (node.parent or node) if name == ".." else node.get_child(name)
        found: Node = node
        return found

    def summary(self) -> tuple[str, bool | None]:
        """Return what stands in brackets behind the name, and whether all is well."""
        return ("...", None)

    def tree_item(self, depth: int | None) -> TreeItem:
        """Return this node and what is below it, `depth` levels deep (None: all of it)."""
        summary, healthy = self.summary()
        children = []
        if depth is None or depth > 0:
            below = None if depth is None else depth - 1
            children = [child.tree_item(below) for child in self.children]
        return TreeItem(self.name, self.path, summary, healthy, children)

    # Commands

    def run(self, command: str, positional: list[str], named: dict[str, str]) -> Any:
        """Run a command of this node; raises UsageError where the parameters do not fit."""
        if command not in self.list_commands():
            raise self.session.no_such_command(self, command)
        method = self.get_command_method(command)
        try:
            self.assert_params(method, positional, named)
        except ExecutionError as error:
            syntax = self.get_command_syntax(command)[0].strip()
            raise UsageError(
                f"{command}: {_sentence(str(error))}", hint=f"The syntax is: {syntax}"
            ) from error
        return method(*positional, **named)

    def parameters_of(self, command: str) -> tuple[Parameter, ...]:
        """Return what is known of a command's parameters."""
        return self.command_parameters.get(command, ())

    # Groups

    def group_names(self) -> list[str]:
        """Return the names of the attribute groups, without `global`."""
        return []

    def group(self, name: str) -> ParameterGroup:
        """Return an attribute group; raises NotFoundError."""
        raise NotFoundError(
            f"There is no group {name} at {self.path}",
            hint=f"See the groups with: {self.path} get",
        )


def by_number(names: list[str]) -> list[str]:
    """Return names sorted as people count: lun2 before lun10."""
    return sorted(names, key=sort_key)


def _sentence(text: str) -> str:
    text = text.rstrip(".").replace("positionnal", "positional")
    return text[:1].lower() + text[1:]
