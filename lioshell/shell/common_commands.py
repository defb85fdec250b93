# SPDX-License-Identifier: Apache-2.0
"""The commands that every node has: ls, cd, pwd, help, get, set, status, exit."""

from __future__ import annotations

import os

from lioshell.errors import KernelError, NotFoundError, UsageError
from lioshell.shell.node import Node
from lioshell.shell.values import number
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

    from lioshell.lio.groups import ParameterGroup

GLOBAL = "global"
"""The group of the preferences, which every node has."""

REVEAL = "--reveal"
"""The word of `get` that asks for passwords."""

EXIT = "EXIT"
"""What ui_command_exit returns (configshell's convention)."""


class ShellNode(Node):
    """A node with the commands that work everywhere."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "ls": (
            Parameter("path", "string", "Where to begin; here, when not given"),
            Parameter("depth", "int", "Levels to show, 0 for all; the preference tree_max_depth"),
        ),
        "cd": (Parameter("path", "string", "Where to go, or < for back and > for forward"),),
        "watch": (
            Parameter("interval_s", "seconds", "Time from one run to the next", required=True),
            Parameter("command", "line", "The rest of the line", required=True),
        ),
        "bookmarks": (
            Parameter("action", "enum", "What to do", "show", values=("show", "add", "del", "go")),
            Parameter("bookmark", "string", "The bookmark's name"),
        ),
        "help": (Parameter("topic", "string", "A command of this node"),),
    }

    def ui_command_ls(self, path: str | None = None, depth: str | None = None) -> None:
        """List the tree from here or from PATH, DEPTH levels deep.

        Examples:
            ls
            ls /backstores 1
        """
        from lioshell.render.tree import TreeLook
        from lioshell.shell import not_restored

        nodes = [self] if path is None else self.session.nodes_at(path, self)
        levels = (
            self.session.prefs.number("tree_max_depth") if depth is None else number(depth, "depth")
        )
        prefs = self.session.prefs
        look = TreeLook(
            *map(prefs.flag, ("tree_round_nodes", "tree_status_mode", "tree_show_root"))
        )
        failures = not_restored.failures(self.session)
        for node in nodes:
            item = node.tree_item(levels or None)
            self.out.tree(not_restored.with_not_restored(item, failures, levels or None), look)
            if len(nodes) > 1:
                self.out.one_of_many(node.path)

    def ui_command_cd(self, path: str | None = None) -> Node:
        """Go to PATH; `cd <` goes back, `cd >` forward.

        `cd` alone lets one pick a place of the tree at a terminal, and goes to the root elsewhere.

        Examples:
            cd /backstores/fileio
            cd ..
            cd <
        """
        if path is None:
            return self.session.screen.pick(self.session.root, self) or self.session.node
        if path in ("<", ">"):
            return self.session.history_step(-1 if path == "<" else 1)
        return self.session.node_at(path, self)

    def ui_command_bookmarks(
        self, action: str = "show", bookmark: str | None = None
    ) -> Node | None:
        """Keep places of the tree by a name: ACTION is show, add, del or go.

        `@NAME` stands for the path wherever one is typed; @last is the object created last.

        Examples:
            bookmarks
            bookmarks add here
        """
        marks = self.session.bookmarks
        if action == "show" and bookmark is None:
            self.out.fields({f"@{name}": path for name, path in marks.all().items()})
            return None
        if action not in ("add", "del", "go", "show") or bookmark is None:
            raise UsageError(
                f"bookmarks: {action!r} {'needs a name' if bookmark is None else 'is unknown'}",
                hint="As in: bookmarks add NAME, bookmarks go NAME, bookmarks del NAME",
            )
        name = bookmark.removeprefix("@")
        if action == "add":
            marks.add(name, self.path)
            self.out.say(f"Bookmarked {self.path} as @{name}.")
        elif action == "del":
            marks.delete(name)
            self.out.say(f"Deleted bookmark @{name}.")
        elif action == "show":
            self.out.fields({f"@{name}": marks.path_of(name)})
        else:
            return self.session.node_at(f"@{name}", self)
        return None

    def ui_command_refresh(self) -> None:
        """Look at the kernel again; every command does that by itself.

        Examples:
            refresh
        """
        self.out.say(f"{self.path} is always shown as the kernel has it.")

    def ui_command_pwd(self) -> None:
        """Show the path of this node.

        Examples:
            pwd
        """
        self.out.text(self.path)

    def ui_command_status(self) -> None:
        """Show this node's summary.

        Examples:
            status
        """
        summary, healthy = self.summary()
        fields = {"path": self.path, "status": summary, "healthy": healthy}
        self.out.fields({**fields, "state": self.state} if self.state else fields)

    def ui_command_watch(self, interval_s: str, command: str) -> None:
        """Repeat COMMAND every INTERVAL_S seconds on a cleared screen, until Ctrl-C.

        It is for commands that show something; in a script there is no watch.

        Examples:
            watch 2 ls
            watch 0.5 get global prompt_length
        """
        from lioshell.shell import watching

        watching.watch(self.session, self, interval_s, command)

    def ui_command_exit(self) -> str:
        """Leave the shell.

        Examples:
            exit
        """
        return EXIT

    def ui_command_help(self, topic: str | None = None) -> None:
        """Show the commands of this node, or what TOPIC, a command, does.

        Examples:
            help
            help ls
        """
        from lioshell.shell import command_help

        if topic is not None:
            if not self.has_command(topic):
                raise self.session.no_such_command(self, topic)
            self.out.page(command_help.page(self, topic))
            return
        rows = [[name, command_help.of(self, name).summary] for name in self.list_commands()]
        self.out.table(["COMMAND", "WHAT IT DOES"], sorted(rows))
        if self.out.form == "text":
            from lioshell.render.layout import Block

            self.out.page(
                [
                    Block(text=""),
                    Block(
                        text=f"You are at {self.session.node.path}. A path alone goes there, "
                        "PATH COMMAND does it there; help COMMAND explains a command."
                    ),
                ]
            )

    def ui_command_get(self, group: str | None = None, *parameter: str) -> None:
        """Show the groups of parameters, the parameters of GROUP, or some of them.

        Passwords show as ***; --reveal shows them.

        Examples:
            get
            get global
            get global auto_save_on_exit
        """
        names = [name for name in parameter if name != REVEAL]
        show_secrets = len(names) != len(parameter)
        if group is None:
            self.out.fields({"groups": " ".join([GLOBAL, *self.group_names()])})
            return
        if group == GLOBAL:
            rows: list[tuple[str, str | None, str, bool]] = [*self.session.prefs.rows(names)]
        else:
            found = self._group(group)
            rows = [
                _row(found, name, reveal=show_secrets, listed=not names)
                for name in names or found.names()
            ]
        # A value that was asked for by name needs no title above it.
        self.out.parameters(rows, title="" if names else f"{group.upper()} CONFIG GROUP")

    def ui_command_set(self, group: str | None = None, **parameter: str) -> None:
        """Change parameters of GROUP, all of those given or none.

        Examples:
            set global auto_cd_after_create=false
            set global prompt_length=40 tree_max_depth=0
        """
        if group is None or not parameter:
            self.ui_command_get(group)
            return
        if group == GLOBAL:
            self.session.prefs.set_all(parameter, keep=not self.lio.dry_run)
            self.session.prefs.apply(self.out)
            for name in parameter:
                value = self.session.prefs.shown([name])[name]
                self.out.say(f"Parameter {name} is now '{value}'.")
            return
        found = self._group(group)
        found.set_all(parameter)
        for name in parameter:
            self.out.say(f"Parameter {name} is now '{found.get(name)}'.")

    def _group(self, name: str) -> ParameterGroup:
        names = self.group_names()
        if name not in names:
            from lioshell.shell import suggestions

            close = suggestions.close_to(name, [GLOBAL, *names])
            hint = f"Did you mean {close}?" if close else f"There is: {' '.join([GLOBAL, *names])}"
            raise NotFoundError(f"There is no group {name} at {self.path}", hint=hint)
        return self.group(name)


def _row(
    group: ParameterGroup, name: str, *, reveal: bool, listed: bool
) -> tuple[str, str | None, str, bool]:
    """Return name, value, help and "can be set"; what cannot be read has no value in a list."""
    try:
        value = group.get(name, reveal=reveal)
    except KernelError as error:
        if not listed:
            raise
        return name, None, f"[{os.strerror(error.errno)}] {group.help_of(name)}", True
    return name, value, group.help_of(name), group.is_writable(name)
