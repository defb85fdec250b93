# SPDX-License-Identifier: Apache-2.0
"""The interactive session: a prompt, edited with prompt_toolkit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory, Suggestion
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.shortcuts import CompleteStyle

from lioshell.errors import ExitCode, LioshellError
from lioshell.shell.completion import ShellCompleter
from lioshell.shell.history import SafeHistory
from lioshell.shell.nodes.root import RootNode

if TYPE_CHECKING:
    from prompt_toolkit.auto_suggest import AutoSuggest
    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import AnyFormattedText
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output as TerminalOutput

    from lioshell.shell.session import Session

_DESTRUCTIVE = ("delete", "clearconfig", "restoreconfig", "disable")


class _HarmlessSuggestions(AutoSuggestFromHistory):
    """Suggests lines of the history, but none that takes something away."""

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        suggestion = super().get_suggestion(buffer, document)
        if suggestion is None:
            return None
        words = (document.text + suggestion.text).split()
        return None if any(word in _DESTRUCTIVE for word in words) else suggestion


def run(
    session: Session,
    *,
    terminal_input: Input | None = None,
    terminal_output: TerminalOutput | None = None,
) -> int:
    """Read and run lines until exit or Ctrl-D; a failed line does not end the session."""
    suggestions: AutoSuggest = _HarmlessSuggestions()
    prompt: PromptSession[str] = PromptSession(
        completer=ShellCompleter(session),
        complete_style=CompleteStyle.COLUMN,
        complete_while_typing=False,
        complete_in_thread=True,
        history=SafeHistory(session.env.state_dir),
        auto_suggest=suggestions,
        enable_history_search=True,
        bottom_toolbar=lambda: _toolbar(session),
        input=terminal_input,
        output=terminal_output,
    )
    _greet(session)
    leaving = False
    while not leaving:
        try:
            with patch_stdout():
                line = prompt.prompt(lambda: _prompt(session))
        except KeyboardInterrupt:
            # Ctrl-C drops the line that was being typed.
            continue
        except EOFError:
            break
        leaving = not run_line(session, line)
    return _leave(session, prompt)


def run_line(session: Session, line: str) -> bool:
    """Run one line and show its error; returns False when it asked to leave."""
    try:
        return session.run_line(line)
    except LioshellError as error:
        session.out.error(error)
    except KeyboardInterrupt:
        session.out.note("interrupted")
    return True


def _greet(session: Session) -> None:
    from lioshell import __version__

    session.out.say(f"lioshell {__version__}. Type help for the commands, Tab to complete.")
    if session.lio.kernel.simulated:
        session.out.say("This is the simulated kernel: nothing on this machine is changed.")


def _prompt(session: Session) -> AnyFormattedText:
    path = session.node.path
    longest = session.prefs.number("prompt_length")
    if longest and len(path) > longest:
        half = (longest - 3) // 2
        path = f"{path[:half]}...{path[-half:]}"
    return [("ansicyan", path), ("", "> ")]


def _toolbar(session: Session) -> AnyFormattedText:
    kernel = "simulated kernel" if session.lio.kernel.simulated else "kernel"
    changed = "unsaved changes" if session.changed else "no changes"
    served = len(session.hosting.served_here())
    serving = f" | this session serves {served}" if served else ""
    return HTML(" {} | {}{} | <b>Tab</b> completes").format(kernel, changed, serving)


def _leave(session: Session, prompt: PromptSession[str]) -> int:
    """Save, and give away what this session serves."""
    code = ExitCode.OK
    if session.changed and session.prefs.flag("auto_save_on_exit"):
        assert isinstance(session.root, RootNode)
        try:
            session.run_line("/ saveconfig")
        except LioshellError as error:
            session.out.error(error)
            code = error.exit_code
    served = session.hosting.served_here()
    if not served:
        return code
    names = ", ".join(path.rpartition("/")[2] for path in served)
    session.out.say(f"This session serves {names}.")
    try:
        answer = prompt.prompt("Hand over to a service that goes on in the background? [Y/n] ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip().lower() in ("n", "no"):
        session.out.note(
            f"{names}: initiators wait until somebody serves them again, with: lioshell serve"
        )
        return code
    try:
        session.hosting.hand_over()
    except LioshellError as error:
        session.out.error(error)
        return error.exit_code
    session.out.say(f"A service serves {names} now.")
    return code
