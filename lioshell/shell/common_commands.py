# SPDX-License-Identifier: Apache-2.0
"""The commands that every node has: ls, cd, pwd, help, get, set, status, exit."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING

from lioshell.errors import NotFoundError, UsageError
from lioshell.shell.node import Node

if TYPE_CHECKING:
    from lioshell.lio.groups import ParameterGroup

EXIT = "EXIT"
"""What ui_command_exit returns (configshell's convention)."""


class ShellNode(Node):
    """A node with the commands that work everywhere."""

    def ui_command_ls(self, path: str | None = None, depth: str | None = None) -> None:
        """List the tree from here or from PATH, DEPTH levels deep.

        Examples: ls
                  ls /backstores 1
        """
        node = self if path is None else self.session.node_at(path, self)
        levels = None
        if depth is not None:
            if not depth.isdigit():
                raise UsageError(f"{depth!r} is no depth", hint="Give a number; 0 means all.")
            levels = int(depth) or None
        self.out.tree(node.tree_item(levels))

    def ui_command_cd(self, path: str | None = None) -> Node:
        """Go to PATH; `cd <` goes back, `cd >` forward, `cd` alone to the root.

        Examples: cd /backstores/fileio
                  cd <
        """
        if path is None:
            return self.get_root()  # type: ignore[no-any-return]  # configshell is untyped
        if path in ("<", ">"):
            return self.session.history_step(-1 if path == "<" else 1)
        return self.session.node_at(path, self)

    def ui_command_pwd(self) -> None:
        """Show the path of this node.

        Examples: pwd
        """
        self.out.text(self.path)

    def ui_command_status(self) -> None:
        """Show this node's summary.

        Examples: status
        """
        summary, healthy = self.summary()
        self.out.fields({"path": self.path, "status": summary, "healthy": healthy})

    def ui_command_exit(self) -> str:
        """Leave the shell.

        Examples: exit
        """
        return EXIT

    def ui_command_help(self, topic: str | None = None) -> None:
        """Show the commands of this node, or what TOPIC, a command, does.

        Examples: help
                  help create
        """
        if topic is None:
            self.out.table(
                ["COMMAND", "WHAT IT DOES"],
                [[name, self._first_line(name)] for name in sorted(self.list_commands())],
            )
            if self.out.form == "text":
                self.out.text(f"\nA command in full: help COMMAND. You are at {self.path}.")
            return
        if topic not in self.list_commands():
            raise self.session.no_such_command(self, topic)
        syntax, _, defaults = self.get_command_syntax(topic)
        lines = [syntax.strip()]
        if defaults:
            lines.append(f"  defaults: {defaults.strip()}")
        lines += ["", cleandoc(self.get_command_method(topic).__doc__ or "")]
        known = self.parameters_of(topic)
        if known:
            lines += ["", "Parameters:"]
            width = max(len(p.name) for p in known)
            for parameter in known:
                default = "" if parameter.default is None else f" (default {parameter.default})"
                name = parameter.name.ljust(width)
                lines.append(f"  {name}  {parameter.type}: {parameter.help}{default}")
        self.out.text("\n".join(lines))

    def _first_line(self, command: str) -> str:
        doc = self.get_command_method(command).__doc__ or ""
        first: str = doc.strip().splitlines()[0] if doc.strip() else ""
        return first

    def ui_command_get(self, group: str | None = None, *parameter: str) -> None:
        """Show the groups, the parameters of GROUP, or some of them.

        Passwords show as ***; `--reveal` shows them.

        Examples: get
                  get global
        """
        names = [name for name in parameter if name != "--reveal"]
        show_secrets = len(names) != len(parameter)
        if group is None:
            self.out.fields({"groups": " ".join(["global", *self.group_names()])})
            return
        if group == "global":
            self.out.parameters(self.session.prefs.rows(names), title="GLOBAL CONFIG GROUP")
            return
        found = self._group(group)
        rows = []
        for name in names or found.names():
            value = found.get(name, reveal=show_secrets)
            rows.append((name, value, found.help_of(name), found.is_writable(name)))
        self.out.parameters(rows, title=f"{group.upper()} CONFIG GROUP")

    def ui_command_set(self, group: str | None = None, **parameter: str) -> None:
        """Change parameters of GROUP, all of those given or none.

        Examples: set global auto_cd_after_create=false
                  /iscsi set discovery_auth enable=0
        """
        if group is None or not parameter:
            self.ui_command_get(group)
            return
        if group == "global":
            self.session.prefs.set_all(parameter)
            for name in parameter:
                value = self.session.prefs.shown([name])[name]
                self.out.say(f"Parameter {name} is now '{value}'.")
            return
        found = self._group(group)
        found.set_all(parameter)
        for name in parameter:
            self.out.say(f"Parameter {name} is now '{found.get(name)}'.")

    def _group(self, name: str) -> ParameterGroup:
        if name not in self.group_names():
            raise NotFoundError(
                f"There is no group {name} at {self.path}",
                hint=f"There is: {' '.join(['global', *self.group_names()])}",
            )
        return self.group(name)
