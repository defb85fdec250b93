# SPDX-License-Identifier: Apache-2.0
"""The terminal of an interactive session: pager, tree picker, watch."""

from __future__ import annotations

import contextlib
import io
import os
import select
import time
from typing import Protocol

from lioshell.environment import is_terminal
from lioshell.errors import LioshellError, NotFoundError
from lioshell.shell.pager import paged
from lioshell.shell.screen import Screen
from lioshell.shell.terminal_modes import key_by_key, screen_size
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_toolkit.input import Input
    from prompt_toolkit.output import ColorDepth
    from prompt_toolkit.output import Output as TerminalOutput
    from prompt_toolkit.styles import BaseStyle

    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

_OTHER_SCREEN, _OWN_SCREEN = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
"""The second screen without a cursor and without folded lines, and back (xterm's DEC modes)."""

_HOME, _CLEAR_LINE, _BELOW = "\x1b[H", "\x1b[2K", "\x1b[J"
_ESCAPE, _ENDS_A_WATCH = b"\x1b", b"q\x04"


class Frame(io.StringIO):
    """What one run of a watched command shows; it has the terminal's width."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the terminal's descriptor, for its size."""
        return self._descriptor

    def isatty(self) -> bool:
        """Tell that a terminal shows it."""
        return True


class Looks(Protocol):
    """The colours of the session, as they are now."""

    @property
    def style(self) -> BaseStyle:
        """What each class of text looks like."""

    @property
    def color_depth(self) -> ColorDepth | None:
        """How many colours there are; None for what the terminal can."""


class TerminalScreen(Screen):
    """A terminal that a person looks at; a dumb one is only written to, line by line."""

    def __init__(
        self,
        session: Session,
        looks: Looks,
        *,
        terminal_input: Input | None,
        terminal_output: TerminalOutput | None,
    ) -> None:
        self._session = session
        self._looks = looks
        self._input = terminal_input
        self._output = terminal_output

    @property
    def _is_dumb(self) -> bool:
        return self._session.env.environ.get("TERM", "") in ("", "dumb", "unknown")

    @contextlib.contextmanager
    def paged(self) -> Iterator[None]:
        """Show what is printed inside in a pager, where it is longer than the screen."""
        session = self._session
        is_wanted = session.prefs.flag("pager") and not self._is_dumb
        if is_wanted and is_terminal(session.env.stdout):
            with paged(session.env):
                yield
        else:
            yield

    def pick(self, root: Node, here: Node) -> Node | None:
        """Let a place of the tree be picked; None: none was."""
        if self._is_dumb:
            return root
        from lioshell.shell.tree_picker import TreePicker

        picker = TreePicker(
            root,
            here.path,
            style=self._looks.style,
            color_depth=self._looks.color_depth,
            terminal_input=self._input,
            terminal_output=self._output,
        )
        path = picker.pick()
        if path is None:
            return None
        try:
            return root.get_node(path)
        except NotFoundError:
            self._session.out.note(f"{path} has gone meanwhile")
            return None

    def watch(self, interval_s: float, title: str, show: Callable[[], None]) -> None:
        """Call `show` every `interval_s` seconds, until Ctrl-C, Ctrl-D, Esc or q."""
        env = self._session.env
        if not is_terminal(env.stdout):
            super().watch(interval_s, title, show)
        terminal = env.stdout
        keys = env.stdin.fileno()
        with key_by_key(env.stdin):
            try:
                if not self._is_dumb:
                    terminal.write(_OTHER_SCREEN)
                while True:
                    begin = time.monotonic()
                    text = self._frame(show)
                    stamp = time.strftime("%H:%M:%S", time.localtime(env.clock()))
                    self._paint(f"{title}  {stamp}  (Ctrl-C ends)", text)
                    rest_s = max(interval_s - (time.monotonic() - begin), 0.05)
                    if _ended(keys, rest_s):
                        return
            except KeyboardInterrupt:
                # That is how it ends.
                return
            finally:
                if not self._is_dumb:
                    terminal.write(_OWN_SCREEN)
                terminal.flush()

    def _frame(self, show: Callable[[], None]) -> str:
        """Return what one run shows; its error, where it fails: the next one may not."""
        session = self._session
        env, before = session.env, (session.env.stdout, session.env.stderr)
        frame = Frame(env.stdout.fileno())
        env.stdout = env.stderr = frame
        try:
            show()
        except LioshellError as error:
            session.out.error(error)
        finally:
            env.stdout, env.stderr = before
        return frame.getvalue()

    def _paint(self, title: str, text: str) -> None:
        """Show a title and as much of a text as there is room for."""
        terminal = self._session.env.stdout
        if self._is_dumb:
            terminal.write(f"{title}\n{text}\n")
            terminal.flush()
            return
        size = screen_size(terminal)
        lines = text.splitlines()
        room = max(size.lines - 3, 1)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"... {len(lines) - room + 1} more lines"]
        shown = [title[: size.columns - 1], "", *lines][: max(size.lines - 1, 1)]
        # Cleared before it is written: behind a full line the cursor stands on its last column.
        body = "\r\n".join(_CLEAR_LINE + line for line in shown)
        terminal.write(f"{_HOME}{body}\r\n{_BELOW}")
        terminal.flush()


def _ended(descriptor: int, wait_s: float) -> bool:
    """Wait, and tell whether a key was pressed meanwhile that ends a watch."""
    deadline = time.monotonic() + wait_s
    while True:
        ready = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))[0]
        if not ready:
            return False
        pressed = os.read(descriptor, 64)
        # An arrow key is more than the escape that it begins with.
        if pressed in (b"", _ESCAPE) or any(key in _ENDS_A_WATCH for key in pressed):
            return True
