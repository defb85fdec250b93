# SPDX-License-Identifier: Apache-2.0
"""A session: the place in the tree, and what a line of text does there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lioshell.errors import NotFoundError, UsageError
from lioshell.shell import grammar, suggestions
from lioshell.shell.common_commands import EXIT
from lioshell.shell.nodes.root import RootNode
from lioshell.shell.preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lioshell.environment import Environment
    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg
    from lioshell.render.output import Output
    from lioshell.runner.handlers.base import Handler
    from lioshell.service.hosting import Hosting
    from lioshell.shell.node import Node

_READING = frozenset(("ls", "cd", "pwd", "help", "get", "info", "status", "exit", "version"))
"""Commands that change nothing and so need neither root nor the lock."""


class NullLog:
    """configshell's nodes log through their shell; we do not (its log holds secrets)."""

    def debug(self, message: str) -> None:
        """Drop a message."""


class Session:
    """What one run of the shell shares: the configuration, output, preferences, place, runner."""

    log = NullLog()

    def __init__(
        self,
        env: Environment,
        lio: Lio,
        out: Output,
        hosting: Hosting,
        *,
        saveconfig_path: str,
        lock: Any,
        assume_yes: bool = False,
    ) -> None:
        self.env = env
        self.lio = lio
        self.out = out
        self.hosting = hosting
        self.saveconfig_path = saveconfig_path
        self.assume_yes = assume_yes
        self.prefs = Preferences(env.state_dir)
        self.changed = False
        self._lock = lock
        self.root = RootNode("/", None, self)
        self.node: Node = self.root
        self._places = ["/"]
        self._place = 0

    # Lines

    def run_line(self, line: str) -> bool:
        """Run a line of text; returns False when it asked to leave."""
        words = grammar.split_words(line)
        return self.run_words(words, line) if words else True

    def run_arguments(self, arguments: Sequence[str]) -> bool:
        """Run a command whose words the calling shell has split and unquoted."""
        words = [grammar.Word.argument(text) for text in arguments]
        return self.run_words(words, " ".join(grammar.quote(text) for text in arguments))

    def run_words(self, words: list[grammar.Word], line: str) -> bool:
        """Run the words of a line; raises LioshellError."""
        node, command, rest = self.resolve(words)
        positional, named = grammar.arguments(rest, line)
        leaving = False
        if words and command == "cd" and not rest and grammar.looks_like_path(words[0]):
            self._go(node)
        else:
            self._check_names(node, command, named)
            with self._guard(command, positional):
                result = node.run(command, positional, named)
            if result is not None and result != EXIT:
                self._go(result)
            self._leave_what_is_gone()
            leaving = result == EXIT
        self.out.finish(line)
        return not leaving

    def resolve(self, words: list[grammar.Word]) -> tuple[Node, str, list[grammar.Word]]:
        """Return the node, the command and the remaining words of a line.

        A line of a path alone means cd; `/saveconfig` means `/ saveconfig`.
        """
        first, rest = words[0], words[1:]
        is_path = grammar.looks_like_path(first) or (
            first.text not in self.node.list_commands()
            and not grammar.named_value(first)
            and first.text != ""
            and self.node.child(first.text) is not None
        )
        if not is_path:
            return self.node, first.text, rest
        try:
            node = self.node_at(first.text, self.node)
        except NotFoundError:
            parent, _, name = first.text.rpartition("/")
            if not name or (not parent and not first.text.startswith("/")):
                raise
            above = self._node_or_none(parent or "/")
            if above is None or name not in above.list_commands():
                raise
            return above, name, rest
        if not rest:
            return node, "cd", []
        return node, rest[0].text, rest[1:]

    def _node_or_none(self, path: str) -> Node | None:
        try:
            return self.node_at(path, self.node)
        except NotFoundError:
            return None

    def _check_names(self, node: Node, command: str, named: dict[str, str]) -> None:
        if command not in node.list_commands():
            return
        parameters, _, free = node.get_command_signature(command)
        if not free:
            for name in named:
                if name not in parameters:
                    raise suggestions.no_such_parameter(node, command, name)

    def _guard(self, command: str, positional: list[str]) -> contextlib.AbstractContextManager[Any]:
        """Return the lock that a command which changes something holds while it runs."""
        reads = command in _READING or (command == "set" and positional[:1] == ["global"])
        if reads or self.lio.dry_run:
            return contextlib.nullcontext()
        if command == "saveconfig":
            self.lio.kernel.system.require_root()
            return self._lock(command)  # type: ignore[no-any-return]  # a context manager
        self.lio.kernel.system.require_root()
        self.changed = True
        return self._lock(command)  # type: ignore[no-any-return]  # a context manager

    # Places

    def node_at(self, path: str, here: Node) -> Node:
        """Return the node at a path; raises NotFoundError, UsageError."""
        if path.startswith("@"):
            raise UsageError(f"There is no bookmark {path}", hint="Give the path.")
        return here.get_node(path)

    def tpg_at(self, path: str) -> Tpg:
        """Return the TPG at a configfs path such as iscsi/IQN/tpgt_1."""
        from lioshell.lio.tpgs import Tpg

        group, wwn, name = path.split("/")
        for fabric in self.lio.specs.fabric_names():
            spec = self.lio.specs.fabric(fabric)
            if spec.group == group:
                return Tpg(self.lio, spec, wwn, int(name.removeprefix("tpgt_")))
        raise NotFoundError(
            f"{path} belongs to a fabric that no spec describes",
            hint="Add a spec for it in /etc/lioshell/specs.d",
        )

    def _go(self, node: Node) -> None:
        self.node = node
        if self._places[self._place] != node.path:
            self._places = [*self._places[: self._place + 1], node.path]
            self._place += 1

    def _leave_what_is_gone(self) -> None:
        """Go up from a place that this command, or another program, has deleted."""
        while self.node.parent is not None:
            if self._node_or_none(self.node.path) is not None:
                return
            self.node = self.node.parent

    def history_step(self, step: int) -> Node:
        """Return the place visited before (-1) or after (1) this one."""
        index = self._place + step
        if not 0 <= index < len(self._places):
            end = "beginning" if step < 0 else "end"
            raise NotFoundError(f"This is the {end} of the path history")
        node = self.node_at(self._places[index], self.root)
        self._place = index
        self.out.say(f"Taking you back to {node.path}.")
        return node

    def after_create(self, node: Node) -> Node | None:
        """Return a new node if the preference wants to go there."""
        if not self.prefs.flag("auto_cd_after_create"):
            return None
        self.out.say(f"Entering new node {node.path}.")
        return node

    # Suggestions

    no_such_path = staticmethod(suggestions.no_such_path)
    no_such_command = staticmethod(suggestions.no_such_command)

    # Devices of user space

    def handler_names(self) -> list[str]:
        """Return the subtypes that the embedded runner has handlers for."""
        from lioshell.runner.handlers import registry

        return list(registry.names())

    def handler(self, subtype: str) -> type[Handler]:
        """Return a handler class; raises NotFoundError."""
        from lioshell.runner.handlers import registry

        return registry.find(subtype)

    def devices_changed(self, created: Sequence[str]) -> list[str]:
        """Have new user: devices served."""
        return [] if self.lio.dry_run else self.hosting.devices_changed(created)

    def serve(self, path: str) -> str:
        """Have one user: device served; return what keeps it from being so, or ""."""
        self.hosting.devices_changed([path])
        return self.hosting.problem(path)

    def runner_problem(self, storage_object: StorageObject) -> str:
        """Return what keeps a user: object from being served, "" where it is served."""
        return self.hosting.problem(storage_object.path)

    def require_served(self, storage_object: StorageObject) -> None:
        """Raise UsageError where nobody would answer the commands of a new LUN."""
        problem = "" if self.lio.dry_run else self.runner_problem(storage_object)
        if problem:
            raise NotFoundError(
                f"Nobody serves {storage_object.tree_path} ({problem}): "
                "a LUN on it would hang whoever opens it",
                hint="Start the service: systemctl start lioshell, or: lioshell serve",
                path=storage_object.path,
            )
