# SPDX-License-Identifier: Apache-2.0
"""A node of the tree: a name, a parent, children that are looked up only when asked for."""

from __future__ import annotations

from lioshell.errors import KernelError, LioshellError, NotFoundError, UsageError
from lioshell.model.names import sort_key
from lioshell.shell.configshell_node import ConfigNode, ExecutionError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.root import Lio
    from lioshell.render.output import Output
    from lioshell.render.tree import TreeItem
    from lioshell.shell.session import Session
    from lioshell.specs import Parameter


NO_SUMMARY = "..."
_METHOD = "ui_command_"
"""What the names of the methods begin with that are commands (configshell's convention)."""


class Node(ConfigNode):
    """A node whose children exist as objects only while a command looks at them.

    Subclasses give `child_names`, `child` and `summary`, their commands as ui_command_* methods
    (configshell's model) and their attribute groups with `group`.
    """

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {}
    """What is known of a command's parameters beside its signature: type, default, help."""

    state = ""
    """What `summary` found: a word of docs/output.md, "" where there is nothing to add."""

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

    def aliases(self) -> dict[str, str]:
        """Return further names that `child` takes, with the name of the child that each means."""
        return {}

    def child(self, name: str) -> Node | None:  # noqa: ARG002  # for subclasses
        """Return one child without looking at the others; None where there is none."""
        return None

    @property
    def children(self) -> list[Node]:
        """All children; one that cannot be looked at stands for itself and hides no other."""
        found = (self._child_or_reason(name) for name in self.child_names())
        return [node for node in found if node is not None]

    def _child_or_reason(self, name: str) -> Node | None:
        try:
            return self.child(name)
        except LioshellError as error:
            return UnreadableNode(name, self, self.session, error)

    def get_child(self, name: str) -> Node:
        """Return a child by name; raises NotFoundError with what comes close."""
        # A name is one component of a path: "..", "" or "a/b" would lead elsewhere in configfs.
        node = self.child(name) if is_component(name) else None
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
        return (NO_SUMMARY, None)

    def tree_item(self, depth: int | None) -> TreeItem:
        """Return this node and what is below it, `depth` levels deep (None: all of it)."""
        from lioshell.render.tree import TreeItem

        children = []
        try:
            summary, healthy = self.summary()
            if depth is None or depth > 0:
                below = None if depth is None else depth - 1
                children = [child.tree_item(below) for child in self.children]
        except KernelError as error:
            # Another program may delete what is being listed: the rest of the tree is shown.
            summary, healthy = f"unreadable: {error}", False
            self.state = "unreadable"
        return TreeItem(self.name, self.path, summary, healthy, children, self.state)

    # Commands

    def list_commands(self) -> tuple[str, ...]:
        """Return the names of this node's commands, sorted."""
        return _commands_of(type(self))

    def has_command(self, command: str) -> bool:
        """Tell whether there is a command."""
        return command in self.list_commands()

    def has_method(self, command: str) -> bool:
        """Tell whether this class itself has a command's method."""
        return command in _commands_of(type(self))

    def get_command_method(self, command: str) -> Any:
        """Return the method of a command that there is."""
        return getattr(self, f"{_METHOD}{command}")

    def check(self, command: str, positional: list[str], named: dict[str, str]) -> None:
        """Raise UsageError unless there is such a command and its parameters fit."""
        if not self.has_command(command):
            raise self.session.no_such_command(self, command)
        parameters, _, takes_any_name = self.get_command_signature(command)
        for name in named:
            if not takes_any_name and name not in parameters:
                raise self.session.no_such_parameter(self, command, name)
        try:
            self.assert_params(self.get_command_method(command), positional, named)
        except ExecutionError as error:
            syntax = self.get_command_syntax(command)[0].strip()
            raise UsageError(
                f"{command}: {_sentence(str(error))}", hint=f"The syntax is: {syntax}"
            ) from error

    def run(self, command: str, positional: list[str], named: dict[str, str]) -> Any:
        """Run a command of this node; raises UsageError where the parameters do not fit."""
        self.check(command, positional, named)
        return self.get_command_method(command)(*positional, **named)

    def parameters_of(self, command: str) -> tuple[Parameter, ...]:
        """Return what is known of a command's parameters, in no particular order."""
        for kind in type(self).__mro__:
            known: dict[str, tuple[Parameter, ...]] = vars(kind).get("command_parameters", {})
            if command in known:
                return known[command]
        return ()

    def more_examples(self, command: str) -> tuple[str, ...]:  # noqa: ARG002  # for subclasses
        """Return examples that only this node can have, beside those of the docstring."""
        return ()

    def example_words(self) -> dict[str, str]:
        """Return what words in capitals stand for in the examples of this node's docstrings."""
        return {}

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


class UnreadableNode(Node):
    """A child that cannot be looked at, with the reason."""

    state = "unreadable"

    def __init__(self, name: str, parent: Node, session: Session, error: LioshellError) -> None:
        super().__init__(name, parent, session)
        self._error = error

    def summary(self) -> tuple[str, bool | None]:
        """Return the reason."""
        return (f"unreadable: {self._error}", False)


_commands: dict[type[Node], tuple[str, ...]] = {}


def _commands_of(kind: type[Node]) -> tuple[str, ...]:
    # configshell's own asks each name of each node for its kind, several times a command.
    if kind not in _commands:
        names = (name for name in dir(kind) if name.startswith(_METHOD))
        _commands[kind] = tuple(
            name.removeprefix(_METHOD) for name in names if callable(getattr(kind, name))
        )
    return _commands[kind]


def is_component(name: str) -> bool:
    """Tell whether a text can be one component of a path."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def by_number(names: list[str]) -> list[str]:
    """Return names sorted as people count: lun2 before lun10."""
    return sorted(names, key=sort_key)


def _sentence(text: str) -> str:
    text = text.rstrip(".").replace("positionnal", "positional")
    return text[:1].lower() + text[1:]
