# SPDX-License-Identifier: Apache-2.0
"""A session: the place in the tree, and what a line of text does there."""

from __future__ import annotations

import contextlib

from lioshell.errors import (
    ConflictError,
    DeclinedError,
    HostError,
    LioshellError,
    NotFoundError,
    UsageError,
)
from lioshell.shell import grammar, many, paths
from lioshell.shell.bookmarks import Bookmarks
from lioshell.shell.command_log import CommandLog
from lioshell.shell.common_commands import EXIT, GLOBAL
from lioshell.shell.configshell_node import NullLog
from lioshell.shell.consent import Consent, Unanswered
from lioshell.shell.node import is_component
from lioshell.shell.nodes.root import RootNode
from lioshell.shell.preferences import Preferences
from lioshell.shell.redaction import redacted, without_secrets
from lioshell.shell.screen import Screen
from lioshell.shell.user_devices import UserDevices
from lioshell.shell.visited import Visited
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from lioshell.environment import Environment
    from lioshell.lio.impact import Impact
    from lioshell.lio.root import Lio
    from lioshell.render.output import Output
    from lioshell.service.hosting import Hosting
    from lioshell.shell.node import Node

_READING = frozenset(
    (
        *("ls", "cd", "pwd", "help", "get", "info", "status", "exit", "version", "watch"),
        *("refresh", "bookmarks", "sessions", "fabric", "plan", "specs"),
    )
)
"""Commands that change nothing and so need neither root nor the lock."""

_SAVING = "saveconfig"
_OF_A_LINE = frozenset(("watch",))
"""Commands whose last parameter is all the rest of the line, as it was typed."""

_NOT_PAGED = frozenset(("cd", "watch"))
_ANYWHERE = frozenset(("cd", "pwd", "help", "exit", ".."))
"""Commands that do not depend on the place where they are typed."""

_BEFORE_THE_FIRST_CHANGE = (
    UsageError,
    NotFoundError,
    ConflictError,
    HostError,
    DeclinedError,
    Unanswered,
)
"""Errors of what is checked before anything is changed."""


class Session(UserDevices):
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
        lio.have_served = self.have_served
        self.saveconfig_path = saveconfig_path
        self.consent = Consent(assume_yes=assume_yes)
        self.prefs = Preferences(env.state_dir, out.note)
        self.prefs.apply(out)
        self.bookmarks = Bookmarks(self.prefs)
        self.command_log = CommandLog(self.prefs, env.clock, out.note)
        self.screen = Screen()
        self.changed = False
        self._lock = lock
        self.root = RootNode("/", None, self)
        self.node: Node = self.root
        self._visited = Visited("/")

    # Lines

    def run_line(self, line: str) -> bool:
        """Run a line of text; returns False when it asked to leave."""
        with _no_secret_shown(line):
            words = grammar.split_words(line)
        return self.run_words(words, line) if words else True

    def run_arguments(self, arguments: Sequence[str]) -> bool:
        """Run a command whose words the calling shell has split and unquoted."""
        words, line = grammar.words_of(arguments)
        return self.run_words(words, line)

    def run_words(self, words: list[grammar.Word], line: str) -> bool:
        """Run the words of a line; raises LioshellError."""
        with self.command_log.noting(line):
            try:
                return self._run_words(words, line)
            except LioshellError as error:
                error.message = without_secrets(error.message, line)
                error.hint = without_secrets(error.hint, line)
                error.path = without_secrets(error.path, line)
                raise

    def _run_words(self, words: list[grammar.Word], line: str) -> bool:
        self.hosting.refresh()
        self.out.form = self.out.default_form
        self._look_around(words)
        nodes, command, rest = self.resolve_all(words)
        if command in _READING and command not in _OF_A_LINE:
            rest, form = grammar.output_form(rest)
            self.out.form = form or self.out.default_form
        leaving = False
        if not command and len(nodes) == 1:
            self._go(nodes[0])
        else:
            # As in targetcli, * alone lists.
            command = command or "ls"
            rest, is_meant = (rest, False) if command in _READING else grammar.yes(rest)
            positional, named = _arguments(command, rest, line)
            with self.consent.given(is_meant):
                result = self._run(nodes, command, positional, named)
            if result is not None and result != EXIT:
                self._go(result)
            self._leave_what_is_gone()
            leaving = result == EXIT
        if self.out.form != "text":
            with self.screen.paged():
                self.out.finish(redacted(line))
        return not leaving

    def _run(
        self, nodes: list[Node], command: str, positional: list[str], named: dict[str, str]
    ) -> Any:
        try:
            return self._run_locked(nodes, command, positional, named)
        except LioshellError as error:
            # No error leaves its reader alone.
            error.hint = error.hint or f"See how it is used with: {nodes[0].path} help {command}"
            raise

    def _run_locked(
        self, nodes: list[Node], command: str, positional: list[str], named: dict[str, str]
    ) -> Any:
        reads = _only_reads(command, positional, named)
        self.command_log.is_change = not reads
        if reads or self.lio.dry_run:
            paged = contextlib.nullcontext() if command in _NOT_PAGED else self.screen.paged()
            with paged:
                return many.run(self, nodes, command, positional, named, changes=not reads)
        for node in nodes:
            # A mistyped command is told as such to who is not root, and waits for nobody.
            node.check(command, positional, named)
        self.lio.kernel.system.require_root()
        return self.consent.run(lambda: self._change(nodes, command, positional, named))

    def _change(
        self, nodes: list[Node], command: str, positional: list[str], named: dict[str, str]
    ) -> Any:
        with self._lock(command):
            try:
                with self.out.once_done():
                    result = many.run(self, nodes, command, positional, named, changes=True)
            except _BEFORE_THE_FIRST_CHANGE:
                raise
            except BaseException:
                # Whether it had begun to change something is not known: it may have.
                self.changed = self.changed or command != _SAVING
                raise
            self.changed = self.changed or command != _SAVING
            return result

    def resolve(self, words: list[grammar.Word]) -> tuple[Node, str, list[grammar.Word]]:
        """Return the node, or the first of several, the command and the words behind it."""
        nodes, command, rest = self.resolve_all(words)
        return nodes[0], command, rest

    def resolve_all(self, words: list[grammar.Word]) -> tuple[list[Node], str, list[grammar.Word]]:
        """Return the nodes, the command and the remaining words of a line.

        The command is empty for a line of a path alone, which goes there; `/saveconfig` means
        `/ saveconfig`. A path with anything behind it that is no command is never a mere `cd`.
        """
        first, rest = words[0], words[1:]
        is_path = grammar.looks_like_path(first) or (
            not self.node.has_command(first.text)
            and grammar.named_value(first) is None
            and is_component(first.text)
            and (bool(first.stars) or self.node.child(first.text) is not None)
        )
        if not is_path:
            if not first.text:
                raise UsageError("The command is empty", hint="Give a path or a command.")
            return [self.node], first.text, rest
        try:
            nodes = self.nodes_at(first.value, self.node)
        except NotFoundError:
            parent, _, name = first.text.rpartition("/")
            above = self._node_or_none(parent or "/") if name else None
            if above is None or not above.has_command(name):
                raise
            return [above], name, rest
        if not rest:
            return nodes, "", []
        if not rest[0].text:
            raise UsageError("The command is empty", hint=f"See them with: {first.text} help")
        return nodes, rest[0].text, rest[1:]

    def _node_or_none(self, path: str) -> Node | None:
        try:
            return self.node_at(path, self.node)
        except NotFoundError:
            return None

    def only_reads(self, command: str, rest: list[grammar.Word]) -> bool:
        """Tell whether a command with the words behind it changes nothing of the target."""
        positional, named = _arguments(command, rest, "")
        return _only_reads(command, positional, named)

    # Places

    @contextlib.contextmanager
    def standing_at(self, node: Node) -> Iterator[None]:
        """Be at another place inside, without a visit to it."""
        before, self.node = self.node, node
        try:
            yield
        finally:
            self.node = before

    def show_again(self, words: list[grammar.Word], line: str) -> None:
        """Run a line that changes nothing, with the devices' state as it is now."""
        self.hosting.refresh()
        nodes, command, rest = self.resolve_all(words)
        many.run(self, nodes, command, *_arguments(command, rest, line), changes=False)

    def node_at(self, path: str, here: Node) -> Node:
        """Return the node at a path; raises NotFoundError, UsageError."""
        found = self.nodes_at(path, here)
        if len(found) > 1:
            raise UsageError(
                f"{path} means {len(found)} places: {found[0].path}, {found[1].path}, ...",
                hint="Name one of them.",
            )
        return found[0]

    def nodes_at(self, path: str, here: Node) -> list[Node]:
        """Return the nodes at a path, several for a *; raises NotFoundError, UsageError."""
        return paths.nodes_at(path, here, self.bookmarks)

    def before_removal(self, impact: Impact) -> None:
        """Let a destructive command go on, or leave it before its first step."""
        self.consent.require(impact)

    def _go(self, node: Node) -> None:
        self.node = node
        self._visited.add(node.path)

    def _look_around(self, words: list[grammar.Word]) -> None:
        """See this place as it is now; raises NotFoundError where another program deleted it.

        A command meant for an object that has gone must not run on the one above it.
        """
        place = self.node.path
        here = self._node_or_none(place)
        if here is not None:
            self.node = here
            return
        self._leave_what_is_gone()
        if words[0].text.startswith("/") or words[0].text in _ANYWHERE:
            return
        raise NotFoundError(
            f"{place} does not exist any more; you are at {self.node.path} now",
            hint="See what there is with: ls",
            path=place,
        )

    def _leave_what_is_gone(self) -> None:
        """Go up from a place that this command, or another program, has deleted."""
        while self.node.parent is not None:
            if self._node_or_none(self.node.path) is not None:
                return
            self.node = self.node.parent

    def history_step(self, step: int) -> Node:
        """Return the place visited before (-1) or after (1) this one that still exists."""
        for path in self._visited.step(step):
            node = self._node_or_none(path)
            if node is not None and node.path != self.node.path:
                self.out.say(f"Taking you back to {node.path}.")
                return node
        end, other = ("beginning", ">") if step < 0 else ("end", "<")
        raise NotFoundError(
            f"This is the {end} of the path history", hint=f"Go to a path, or: cd {other}"
        )

    def after_create(self, node: Node) -> Node | None:
        """Remember a new node as @last, and return it if the preference wants to go there."""
        self.bookmarks.created(node.path)
        if not self.prefs.flag("auto_cd_after_create"):
            return None
        self.out.say(f"Entering new node {node.path}.")
        return node

    @property
    def assume_yes(self) -> bool:
        """Whether every question is answered with yes (-y)."""
        return self.consent.assume_yes

    # Suggestions

    def no_such_path(self, node: Node, name: str) -> NotFoundError:
        """Return the error for a child that does not exist."""
        from lioshell.shell import suggestions

        return suggestions.no_such_path(node, name)

    def no_such_command(self, node: Node, name: str) -> LioshellError:
        """Return the error for a command that a node does not have."""
        from lioshell.shell import suggestions

        return suggestions.no_such_command(node, name)

    def no_such_parameter(self, node: Node, command: str, name: str) -> UsageError:
        """Return the error for a parameter that a command does not have."""
        from lioshell.shell import suggestions

        return suggestions.no_such_parameter(node, command, name)


@contextlib.contextmanager
def _no_secret_shown(line: str) -> Iterator[None]:
    """Let an error of the grammar show the line without its passwords, and without the caret."""
    try:
        yield
    except grammar.GrammarError as error:
        if redacted(line) != line:
            error.excerpt = (redacted(line),)
        raise


def _arguments(
    command: str, rest: list[grammar.Word], line: str
) -> tuple[list[str], dict[str, str]]:
    """Return the positional and the named arguments of a command; raises GrammarError."""
    if command in _OF_A_LINE and len(rest) > 1:
        return [rest[0].text, line[rest[1].start : rest[-1].end]], {}
    with _no_secret_shown(line):
        return grammar.arguments(rest, line)


def _only_reads(command: str, positional: Sequence[str], named: Mapping[str, str]) -> bool:
    """Tell whether a command changes nothing of the target: it needs neither root nor the lock."""
    if command == "unrestored":
        return "forget" not in (*positional[:1], named.get("action"))
    return command in _READING or (command == "set" and (not named or GLOBAL in positional[:1]))
