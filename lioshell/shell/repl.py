# SPDX-License-Identifier: Apache-2.0
"""The interactive session: a prompt, edited with prompt_toolkit.

Whatever a line does, the next prompt comes: an error, a defect of ours and Ctrl-C end the command
and not the session. Only exit, Ctrl-D and a terminal that has gone end it.
"""

from __future__ import annotations

import contextlib
import sys

from prompt_toolkit.patch_stdout import patch_stdout

from lioshell.errors import LioshellError
from lioshell.shell import leaving
from lioshell.shell.editor import Editor
from lioshell.shell.endings import listening
from lioshell.shell.questions import Questions
from lioshell.shell.redaction import redacted
from lioshell.shell.terminal_modes import without_echo
from lioshell.shell.terminal_screen import TerminalScreen
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output as TerminalOutput

    from lioshell.environment import Environment
    from lioshell.shell.session import Session


def run(
    session: Session,
    *,
    terminal_input: Input | None = None,
    terminal_output: TerminalOutput | None = None,
) -> int:
    """Read and run lines until exit or Ctrl-D, and return the exit code."""
    editor = Editor(session, terminal_input, terminal_output)
    questions = Questions(session, terminal_input, terminal_output)
    session.consent.confirm = questions.confirm
    session.screen = TerminalScreen(
        session,
        editor,
        terminal_input=terminal_input,
        terminal_output=terminal_output,
    )
    with listening(session.env) as ending, without_echo(session.env.stdin):
        _greet(session)
        goes_on = True
        while goes_on and not ending.is_asked:
            try:
                with _messages_above_the_prompt(session.env):
                    text = editor.read()
                goes_on = run_lines(session, questions, text)
            except KeyboardInterrupt:
                # Ctrl-C drops the line that was being typed; or the session is asked to end.
                continue
            except EOFError:
                # Ctrl-D, or a terminal that has gone.
                break
        editor.close()
        return leaving.leave(session, terminal_input, terminal_output, asks=not ending.is_asked)


def run_lines(session: Session, questions: Questions, text: str) -> bool:
    """Run what was typed or pasted, up to the first line that fails; False: it asked to leave.

    Of several lines each is shown as it runs, and those that take something away are asked about
    before the first one runs.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    with questions.about_lines(lines) as agreed:
        if not agreed:
            session.out.note("no line was run")
            return True
        for number, line in enumerate(lines, 1):
            if len(lines) > 1:
                session.out.note(f"[{number}/{len(lines)}] {redacted(line.strip())}", "hint")
            goes_on = run_line(session, line)
            if goes_on is None:
                left = len(lines) - number
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
