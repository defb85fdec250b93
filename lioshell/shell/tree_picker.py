# SPDX-License-Identifier: Apache-2.0
"""`cd` without a path: pick a place of the tree with the arrow keys, or type a part of its path."""

from __future__ import annotations

import contextlib

from prompt_toolkit.application import Application
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import FormattedTextControl, HSplit, Layout, Window

from lioshell.render.tree import style_of
from lioshell.shell.tree_walk import MAX_ROWS, Row, TreeWalk
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPressEvent
    from prompt_toolkit.output import ColorDepth
    from prompt_toolkit.output import Output as TerminalOutput
    from prompt_toolkit.styles import BaseStyle

    from lioshell.shell.node import Node

_HELP = " Arrows move, Enter goes there, letters filter, Esc leaves"
_OTHER_LINES = 2


class TreePicker:
    """A list of the tree's places on the whole screen; `picked` is a path in the end, or None."""

    def __init__(
        self,
        root: Node,
        here: str,
        *,
        style: BaseStyle,
        color_depth: ColorDepth | None,
        terminal_input: Input | None,
        terminal_output: TerminalOutput | None,
    ) -> None:
        self._wanted: str | None = here
        """The place to stand at once it is found, unless keys were used before."""
        self._filter = ""
        self._cursor = 0
        self._top = 0
        self._count = 0
        self._app: Application[str | None] = Application(
            layout=Layout(
                HSplit(
                    [
                        Window(FormattedTextControl(self._head), height=1),
                        Window(FormattedTextControl(self._body), wrap_lines=False),
                        Window(
                            FormattedTextControl(self._foot), height=1, style="class:bottom-toolbar"
                        ),
                    ]
                )
            ),
            key_bindings=self._keys(),
            full_screen=True,
            style=style,
            color_depth=color_depth,
            input=terminal_input,
            output=terminal_output,
        )
        # Esc alone leaves: a key's escape sequence comes without such a pause.
        self._app.ttimeoutlen = 0.1
        self._walk = TreeWalk(root, self._redraw)

    def pick(self) -> str | None:
        """Show the tree and return the path that was picked, None where none was."""
        self._walk.start()
        try:
            return self._app.run()
        finally:
            self._walk.stop()

    def _redraw(self) -> None:
        """Paint again; from the walk's thread."""
        # RuntimeError: a place has been picked at this very moment.
        with contextlib.suppress(RuntimeError):
            self._app.invalidate()

    # What is shown

    def _rows(self) -> list[Row]:
        """Return the rows that the filter leaves: all of the tree, or matching paths."""
        rows = self._walk.rows
        words = self._filter.casefold().split()
        if words:
            rows = [row for row in rows if all(word in row.path.casefold() for word in words)]
        return rows

    def _height(self) -> int:
        return max(self._app.output.get_size().rows - _OTHER_LINES, 1)

    def _body(self) -> StyleAndTextTuples:
        rows = self._rows()
        self._count = len(rows)
        if self._wanted is not None:
            found = next((n for n, row in enumerate(rows) if row.path == self._wanted), None)
            self._cursor = self._cursor if found is None else found
        self._cursor = max(min(self._cursor, len(rows) - 1), 0)
        height = self._height()
        self._top = min(max(self._top, self._cursor - height + 1), self._cursor)
        width = self._app.output.get_size().columns
        fragments: StyleAndTextTuples = []
        for number, row in enumerate(rows[self._top : self._top + height], self._top):
            fragments += self._line(row, width, is_current=number == self._cursor)
        return fragments

    def _line(self, row: Row, width: int, *, is_current: bool) -> StyleAndTextTuples:
        guides = "" if self._filter else f"{row.guides}o- "
        name = row.path if self._filter else row.name
        if self._filter and len(name) >= width:
            # The end of a long path tells more than its beginning.
            name = f"...{name[len(name) - width + 4 :]}"
        room = width - len(guides) - len(name) - 4
        state = f"[{row.summary}]" if len(row.summary) <= room else ""
        if is_current:
            line = f"{guides}{name} {state}".ljust(width - 1)
            return [("class:tree.current", line), ("", "\n")]
        return [
            ("class:tree.guide", guides),
            ("class:line.path", name),
            (f"class:tree.{style_of(row.healthy, row.state)}", f" {state}"),
            ("", "\n"),
        ]

    def _head(self) -> StyleAndTextTuples:
        if not self._filter:
            return [("class:tree.title", " Go to"), ("class:tree.guide", "  (type to filter)")]
        return [("class:tree.title", " Go to: "), ("", self._filter), ("reverse", " ")]

    def _foot(self) -> StyleAndTextTuples:
        count = f"{self._count:,} places"
        if self._walk.is_full:
            count += ", and more that are not listed"
        elif not self._walk.is_over:
            count += " so far"
        return [("", f"{_HELP} | {count}")]

    # Keys

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        for key, step in (("up", -1), ("down", 1), ("c-p", -1), ("c-n", 1)):
            keys.add(key)(lambda _, step=step: self._move(step))
        keys.add("pageup")(lambda _: self._move(-self._height()))
        keys.add("pagedown")(lambda _: self._move(self._height()))
        keys.add("home")(lambda _: self._move(-MAX_ROWS))
        keys.add("end")(lambda _: self._move(MAX_ROWS))
        keys.add("left")(lambda _: self._go_up())
        keys.add("right")(lambda _: self._move(1))
        keys.add("backspace")(lambda _: self._set_filter(self._filter[:-1]))
        keys.add("c-u")(lambda _: self._set_filter(""))
        keys.add(Keys.Any)(self._typed)
        keys.add(Keys.BracketedPaste)(self._typed)
        keys.add("enter")(lambda event: event.app.exit(result=self._current()))
        for key in ("escape", "c-c", "c-d", "c-g"):
            keys.add(key)(lambda event: event.app.exit(result=None))
        return keys

    def _current(self) -> str | None:
        # Several keys may come before the screen is painted again.
        rows = self._rows()
        return rows[min(self._cursor, len(rows) - 1)].path if rows else None

    def _move(self, step: int) -> None:
        self._wanted = None
        self._cursor = max(min(self._cursor + step, len(self._rows()) - 1), 0)

    def _go_up(self) -> None:
        """Go to the place above the current one."""
        path = self._current()
        if path is not None:
            self._wanted = path.rpartition("/")[0] or "/"

    def _typed(self, event: KeyPressEvent) -> None:
        text = "".join(char for char in event.data if char.isprintable())
        if text:
            self._set_filter(self._filter + text)

    def _set_filter(self, text: str) -> None:
        self._wanted = None if text else self._current()
        self._filter, self._cursor, self._top = text, 0, 0
