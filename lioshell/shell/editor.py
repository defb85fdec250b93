# SPDX-License-Identifier: Apache-2.0
"""The line editor: prompt, completion menu, colours while typing, suggestions, keys, toolbar."""

from __future__ import annotations

import contextlib
import functools

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggest, Suggestion
from prompt_toolkit.completion import get_common_complete_suffix
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition, has_completions, has_focus, has_selection
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import DynamicStyle, Style

from lioshell.shell.completion import ShellCompleter
from lioshell.shell.destructive import is_destructive
from lioshell.shell.highlighting import LineColors
from lioshell.shell.history import SafeHistory
from lioshell.shell.newest_only import NewestOnly
from lioshell.shell.toolbar import Toolbar
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import AnyFormattedText, StyleAndTextTuples
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPressEvent
    from prompt_toolkit.output import Output as TerminalOutput
    from prompt_toolkit.styles import BaseStyle

    from lioshell.shell.preferences import Preferences
    from lioshell.shell.session import Session

_MENU_LINES = 8
_TAB_PATIENCE_S = 0.25
_COLORED = {
    "line.quoted": "ansiyellow",
    "line.comment": "italic",
    # Red alone is hard to tell from magenta, and for some people from anything.
    "line.unknown": "ansired underline",
    # Both colours of a pair are given: legible on a dark and on a light terminal.
    "completion-menu.completion": "bg:#303030 #d7d7d7",
    "completion-menu.completion.current": "noreverse bg:#005f87 #ffffff bold",
    "completion-menu.meta.completion": "bg:#262626 #a8a8a8",
    "completion-menu.meta.completion.current": "noreverse bg:#005f87 #d7ffff",
    "scrollbar.background": "bg:#444444",
    "scrollbar.button": "bg:#8a8a8a",
    "bottom-toolbar": "noreverse bg:#303030 #bcbcbc",
    "toolbar.host": "bold #ffffff",
    "toolbar.simulated": "#87d7d7",
    "toolbar.attention": "#ffd75f",
    "toolbar.alarm": "bold #ff8787",
    "toolbar.between": "#767676",
    "toolbar.hint": "#949494",
    "auto-suggestion": "#808080",
    "tree.current": "bg:#005f87 #ffffff bold",
    "tree.guide": "#808080",
    "tree.healthy": "ansigreen",
    "tree.unhealthy": "bold ansired",
    "tree.warning": "ansiyellow",
    "tree.title": "bold",
}
_PLAIN = {
    "line.unknown": "underline",
    "completion-menu.completion": "",
    "completion-menu.completion.current": "reverse",
    "completion-menu.meta.completion": "",
    "completion-menu.meta.completion.current": "reverse",
    "bottom-toolbar": "reverse",
    "tree.current": "reverse",
}


_PLAIN_STYLE = Style.from_dict(_PLAIN)

_CHOSEN = {
    "color_path": "line.path",
    "color_command": "line.command",
    "color_keyword": "line.name",
    "color_parameter": "line.value",
    "color_default": "",
}
"""Preference -> the part of a line that it colours; "" is what no other names."""


def chosen(prefs: Preferences) -> dict[str, str]:
    """Return the styles that the preferences color_* give to the parts of a line."""
    styles = {}
    for name, part in _CHOSEN.items():
        color = prefs.word(name)
        color = "" if color == "none" else f"ansi{color}"
        weight = "bold" if part == "line.command" else ""
        styles[part] = f"{color} {weight}".strip()
    return styles


class HarmlessSuggestions(AutoSuggest):
    """Suggests the newest line of the history that goes on from what is typed.

    Never one that takes something away, and never several lines at once.
    """

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        """Return how a line goes on that begins like this one."""
        typed = document.text
        if not typed.strip() or "\n" in typed:
            return None
        for line in reversed(buffer.history.get_strings()):
            if line.startswith(typed) and "\n" not in line and not is_destructive(line):
                return Suggestion(line[len(typed) :])
        return None


class Editor:
    """Reads lines at the prompt."""

    def __init__(
        self,
        session: Session,
        terminal_input: Input | None = None,
        terminal_output: TerminalOutput | None = None,
    ) -> None:
        self._session = session
        self._colors = LineColors(session, self._redraw)
        self._toolbar = Toolbar(session, self._redraw)
        completer = ShellCompleter(session)
        self._prompt: PromptSession[str] = PromptSession(
            completer=completer,
            complete_style=CompleteStyle.COLUMN,
            complete_while_typing=Condition(lambda: session.prefs.flag("complete_while_typing")),
            complete_in_thread=True,
            # Up and Down look for lines that begin like this one; a menu that comes by itself
            # needs these keys.
            enable_history_search=Condition(
                lambda: not session.prefs.flag("complete_while_typing")
            ),
            history=SafeHistory(session.env.state_dir),
            style=DynamicStyle(lambda: self.style),
            include_default_pygments_style=False,
            bottom_toolbar=self._bottom,
            key_bindings=_keys(completer),
            reserve_space_for_menu=_MENU_LINES,
            input=terminal_input,
            output=terminal_output,
        )
        self._paint_with_colors()

    def _paint_with_colors(self) -> None:
        """Give the lexer to the line itself.

        As PromptSession passes one on, it is asked again only where another object takes its place
        (prompt_toolkit, DynamicLexer): colours that come late would wait for the next key.
        """
        for control in self._prompt.layout.find_all_controls():
            if isinstance(control, BufferControl) and control.buffer is self._prompt.default_buffer:
                control.lexer = self._colors

    @property
    def style(self) -> BaseStyle:
        """The colours, as preferences want them now."""
        if not self._session.out.color:
            return _PLAIN_STYLE
        return _colored_style(tuple(chosen(self._session.prefs).items()))

    @property
    def color_depth(self) -> ColorDepth | None:
        """Black and white where there are to be no colours; None for what the terminal can."""
        return None if self._session.out.color else ColorDepth.DEPTH_1_BIT

    def read(self) -> str:
        """Return what was typed or pasted; raises KeyboardInterrupt, EOFError."""
        self._colors.new_line()
        self._toolbar.look()
        # Without colours nobody could tell a suggestion from what is typed.
        self._prompt.auto_suggest = HarmlessSuggestions() if self._session.out.color else None
        self._prompt.color_depth = self.color_depth
        is_vi = self._session.prefs.word("editing_mode") == "vi"
        self._prompt.editing_mode = EditingMode.VI if is_vi else EditingMode.EMACS
        return self._prompt.prompt(prompt_text(self._session))

    def close(self) -> None:
        """End what looks at the machine."""
        self._toolbar.close()

    def _redraw(self) -> None:
        """Paint again; from any thread."""
        # RuntimeError: the line has been read at this very moment; the next prompt is painted anew.
        with contextlib.suppress(RuntimeError):
            self._prompt.app.invalidate()

    def _bottom(self) -> AnyFormattedText:
        app = get_app()
        fragments = self._toolbar.fragments(app.output.get_size().columns)
        if app.editing_mode == EditingMode.VI and app.vi_state.input_mode != InputMode.INSERT:
            mode: StyleAndTextTuples = [("class:toolbar.attention", " vi")]
            return [*mode, *fragments]
        return fragments


@functools.cache
def _colored_style(styles: tuple[tuple[str, str], ...]) -> BaseStyle:
    """Return the style with the colours that were chosen; made once for each choice."""
    return Style.from_dict({**_COLORED, **dict(styles)})


def prompt_text(session: Session) -> AnyFormattedText:
    """Return the prompt: the path, cut in its middle where it is longer than preferred."""
    path = session.node.path
    longest = session.prefs.number("prompt_length")
    if longest and len(path) > longest:
        half = max((longest - 3) // 2, 1)
        path = f"{path[:half]}...{path[-half:]}"
    return [("class:line.path", path), ("", "> ")]


def _keys(completer: ShellCompleter) -> KeyBindings:
    keys = KeyBindings()
    completing = NewestOnly(completer.all_completions, lambda: None)

    @Condition
    def is_chosen() -> bool:
        state = get_app().current_buffer.complete_state
        return state is not None and state.current_completion is not None

    @keys.add("tab", filter=has_focus(DEFAULT_BUFFER) & ~has_selection)
    def complete(event: KeyPressEvent) -> None:
        """Complete at once where that is quick, so that keys behind Tab find it done.

        Else in a thread, which a further key ends.
        """
        buffer = event.current_buffer
        if buffer.complete_state is not None:
            buffer.complete_next()
            return
        completing.forget()
        found = completing.ask(buffer.document, _TAB_PATIENCE_S)
        if found is not None and len(found) == 1:
            buffer.apply_completion(found[0])
            return
        if found:
            buffer.insert_text(get_common_complete_suffix(buffer.document, found))
        if found is None or found:
            buffer.start_completion(insert_common_part=found is None)

    @keys.add("enter", filter=is_chosen)
    def accept_completion(event: KeyPressEvent) -> None:
        """Take what is chosen in the menu; another Enter runs the line."""
        event.current_buffer.complete_state = None

    @keys.add("escape", filter=has_completions, eager=True)
    def leave_menu(event: KeyPressEvent) -> None:
        """Close the menu, with the line as it was before."""
        event.current_buffer.cancel_completion()

    return keys
