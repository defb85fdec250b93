# SPDX-License-Identifier: Apache-2.0
"""Questions at the prompt: what a destructive command would take away, and whether to go on."""

from __future__ import annotations

import contextlib

from prompt_toolkit import PromptSession

from lioshell.shell.destructive import is_destructive
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output as TerminalOutput

    from lioshell.lio.impact import Impact
    from lioshell.shell.session import Session

_MAX_SHOWN = 8
"""LUNs, sessions or lines that are named; the others are counted."""


class Questions:
    """Asks the person at the terminal; anything but y or yes is a no."""

    def __init__(
        self,
        session: Session,
        terminal_input: Input | None = None,
        terminal_output: TerminalOutput | None = None,
    ) -> None:
        self._session = session
        self._input = terminal_input
        self._output = terminal_output
        self._agreed_to_lines = False

    def yes(self, question: str) -> bool:
        """Ask; Ctrl-C and Ctrl-D are a no."""
        # A prompt of its own: the answer belongs in no history, and Tab completes nothing here.
        prompt: PromptSession[str] = PromptSession(input=self._input, output=self._output)
        try:
            answer = prompt.prompt(f"{question} [y/N] ")
        except (EOFError, KeyboardInterrupt):
            return False
        return answer.strip().lower() in ("y", "yes")

    def confirm(self, impact: Impact | str) -> bool:
        """Show what would vanish, and ask; what is slight and concerns nobody is done at once.

        A sentence is only asked about.
        """
        session = self._session
        is_asked = session.prefs.flag("confirm_destructive") and not session.lio.dry_run
        if isinstance(impact, str):
            return not is_asked or self._agreed_to_lines or self.yes(f"{impact}: go on?")
        if not is_asked or (impact.is_slight and not impact.logins):
            return True
        self._show(impact)
        if self._agreed_to_lines and not impact.logins:
            return True
        return self.yes("Go on?")

    def _show(self, impact: Impact) -> None:
        out = self._session.out
        if not impact.luns and not impact.logins:
            out.note(f"{impact.deed}: no LUN and no session depends on it")
            return
        out.note(f"{impact.deed} takes away:")
        if impact.luns:
            self._list("LUN", list(impact.lun_lines()), "warning")
        if impact.logins:
            self._list("session", [f"{login} at {login.tpg}" for login in impact.logins], "error")
        else:
            out.note("  Nobody is logged in there.")

    def _list(self, what: str, lines: Sequence[str], style: str) -> None:
        out = self._session.out
        out.note(f"  {len(lines)} {what}{'s' * (len(lines) != 1)}:", style)
        for line in lines[:_MAX_SHOWN]:
            out.note(f"    {line}", style)
        if len(lines) > _MAX_SHOWN:
            out.note(f"    and {len(lines) - _MAX_SHOWN} more", style)

    @contextlib.contextmanager
    def about_lines(self, lines: Sequence[str]) -> Iterator[bool]:
        """Ask once about pasted lines, where some of them take something away.

        Inside, each of these shows its impact, and asks only where somebody is logged in.
        """
        found = [line.strip() for line in lines if is_destructive(line)]
        asks = self._session.prefs.flag("confirm_destructive") and not self._session.assume_yes
        if len(lines) < 2 or not found or not asks or self._session.lio.dry_run:
            yield True
            return
        out = self._session.out
        out.note(f"{len(found)} of {len(lines)} pasted lines may take something away:")
        for line in found[:_MAX_SHOWN]:
            out.note(f"    {line}")
        if len(found) > _MAX_SHOWN:
            out.note(f"    and {len(found) - _MAX_SHOWN} more")
        self._agreed_to_lines = self.yes("Run them all?")
        try:
            yield self._agreed_to_lines
        finally:
            self._agreed_to_lines = False
