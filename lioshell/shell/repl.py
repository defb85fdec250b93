# SPDX-License-Identifier: Apache-2.0
"""The interactive session: a prompt, edited with prompt_toolkit.

Whatever a line does, the next prompt comes: an error, a defect of ours and Ctrl-C end the command
and not the session. Only exit, Ctrl-D and a terminal that has gone end it.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory, Suggestion
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.shortcuts import CompleteStyle

from lioshell.errors import LioshellError
from lioshell.shell import leaving
from lioshell.shell.completion import ShellCompleter
from lioshell.shell.history import SafeHistory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import AnyFormattedText
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output as TerminalOutput

    from lioshell.environment import Environment
    from lioshell.shell.session import Session

_DESTRUCTIVE = frozenset(("delete", "clearconfig", "restoreconfig", "disable"))


class HarmlessSuggestions(AutoSuggestFromHistory):
    """Suggests lines of the history, but none that takes something away."""

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        """Return what a line of the history that begins like this one goes on with."""
        suggestion = super().get_suggestion(buffer, document)
        if suggestion is None or is_destructive(document.text + suggestion.text):
            return None
        return suggestion


def is_destructive(line: str) -> bool:
    """Tell whether a line may take something away; `PATH/delete` is a command too."""
    words = (word.strip("\"'\\").rpartition("/")[2] for word in line.split())
    return not _DESTRUCTIVE.isdisjoint(words)


def run(
    session: Session,
    *,
    terminal_input: Input | None = None,
    terminal_output: TerminalOutput | None = None,
) -> int:
    """Read and run lines until exit or Ctrl-D, and return the exit code."""
    prompt: PromptSession[str] = PromptSession(
        completer=ShellCompleter(session),
        complete_style=CompleteStyle.COLUMN,
        complete_while_typing=False,
        complete_in_thread=True,
        history=SafeHistory(session.env.state_dir),
        auto_suggest=HarmlessSuggestions(),
        enable_history_search=True,
        bottom_toolbar=lambda: _toolbar(session),
        color_depth=None if session.out.color else ColorDepth.DEPTH_1_BIT,
        input=terminal_input,
        output=terminal_output,
    )
    _greet(session)
    goes_on = True
    while goes_on:
        try:
            with _messages_above_the_prompt(session.env):
                text = prompt.prompt(_prompt(session))
            goes_on = run_lines(session, text)
        except KeyboardInterrupt:
            # Ctrl-C drops the line that was being typed.
            continue
        except EOFError:
            # Ctrl-D, or a terminal that has gone.
            break
    return leaving.leave(session, terminal_input, terminal_output)


def run_lines(session: Session, text: str) -> bool:
    """Run what was typed or pasted, up to the first line that fails; False: it asked to leave."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        goes_on = run_line(session, line)
        if goes_on is None:
            left = sum(bool(rest.strip()) for rest in lines[number:])
            if left:
                session.out.note(f"{left} more pasted line{'s' * (left > 1)} not run")
            return True
        if not goes_on:
            return False
    return True


def run_line(session: Session, line: str) -> bool | None:
    """Run one line and show its error; False: it asked to leave, None: it failed."""
    try:
        return session.run_line(line)
    except LioshellError as error:
        _show_traceback(session)
        session.out.error(error)
    except KeyboardInterrupt as interrupt:
        for note in getattr(interrupt, "__notes__", ()):
            # What a command could not undo.
            session.out.note(note, "error")
        session.out.note("interrupted")
    except Exception as error:  # noqa: BLE001
        # A defect of ours: whoever is logged in to the target must not pay for it.
        _show_traceback(session)
        session.out.error(leaving.defect(error))
    return None


def _show_traceback(session: Session) -> None:
    if session.out.verbose:
        import traceback

        traceback.print_exc(file=session.env.stderr)


@contextlib.contextmanager
def _messages_above_the_prompt(env: Environment) -> Iterator[None]:
    """Let what other threads tell while somebody types stand above the line, not in it.

    prompt_toolkit's stand-in for sys.stdout does that. It takes the place of the environment's
    streams where these are that terminal; a stderr that goes to a file stays there.
    """
    before = env.stdout, env.stderr
    on_terminal = [stream in (sys.stdout, sys.stderr) and stream.isatty() for stream in before]
    with patch_stdout(raw=True):
        env.stdout = sys.stdout if on_terminal[0] else before[0]
        env.stderr = sys.stdout if on_terminal[1] else before[1]
        try:
            yield
        finally:
            env.stdout, env.stderr = before


def _greet(session: Session) -> None:
    from lioshell import __version__

    session.out.say(f"lioshell {__version__}. Type help for the commands, Tab to complete.")
    if session.lio.kernel.simulated:
        session.out.say("This is a simulated kernel: the target of this machine is not touched.")


def _prompt(session: Session) -> AnyFormattedText:
    path = session.node.path
    longest = session.prefs.number("prompt_length")
    if longest and len(path) > longest:
        half = max((longest - 3) // 2, 1)
        path = f"{path[:half]}...{path[-half:]}"
    return [("ansicyan", path), ("", "> ")]


def _toolbar(session: Session) -> AnyFormattedText:
    kernel = "simulated kernel" if session.lio.kernel.simulated else "kernel"
    changed = "unsaved changes" if session.changed else "no changes"
    served = len(session.hosting.served_here())
    disks = "disk" if served == 1 else "disks"
    serving = f" | this session serves {served} {disks}" if served else ""
    return HTML(" {} | {}{} | <b>Tab</b> completes, <b>Ctrl-D</b> leaves").format(
        kernel, changed, serving
    )
