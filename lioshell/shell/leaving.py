# SPDX-License-Identifier: Apache-2.0
"""The end of an interactive session: save what changed, give away what it serves."""

from __future__ import annotations

from prompt_toolkit import PromptSession

from lioshell.errors import ExitCode, LioshellError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output as TerminalOutput

    from lioshell.shell.session import Session


def leave(
    session: Session,
    terminal_input: Input | None,
    terminal_output: TerminalOutput | None,
    *,
    asks: bool = True,
) -> int:
    """Save and hand over, as the preferences and the user want it; return the exit code.

    Where nobody is to be asked, all is handed over.
    """
    code = _attempt(session, lambda: _save(session))
    served = session.hosting.served_here()
    if not served:
        return code
    names = ", ".join(path.rpartition("/")[2] for path in served)
    session.out.say(f"This session serves {names}.")
    is_sure = session.assume_yes or not asks
    if not (is_sure or _wants_hand_over(terminal_input, terminal_output)):
        session.out.note(
            f"{names}: initiators wait until somebody serves them again, with: lioshell serve"
        )
        return code
    failure = _attempt(session, session.hosting.hand_over)
    if failure == ExitCode.OK:
        session.out.say(f"A service serves {names} now.")
    return failure or code


def _save(session: Session) -> None:
    if session.changed and session.prefs.flag("auto_save_on_exit"):
        session.run_line("/saveconfig")


def _wants_hand_over(terminal_input: Input | None, terminal_output: TerminalOutput | None) -> bool:
    """Ask; whoever just wants to get away (Ctrl-C, Ctrl-D) leaves the disks in service."""
    # A prompt of its own: the answer belongs in no history, and Tab completes nothing here.
    prompt: PromptSession[str] = PromptSession(input=terminal_input, output=terminal_output)
    try:
        answer = prompt.prompt("Hand over to a service that goes on in the background? [Y/n] ")
    except (EOFError, KeyboardInterrupt):
        return True
    return answer.strip().lower() not in ("n", "no")


def _attempt(session: Session, step: Callable[[], None]) -> int:
    """Take a step of leaving; one that fails is shown, and the others are taken all the same."""
    try:
        step()
    except LioshellError as error:
        session.out.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        session.out.note("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001
        # A defect of ours in one step must not keep the other from being taken.
        session.out.error(defect(error))
        return ExitCode.FAILED
    return ExitCode.OK


def defect(error: Exception) -> LioshellError:
    """Return what is shown of an exception that nobody expected."""
    return LioshellError(
        f"lioshell itself failed: {type(error).__name__}: {error}",
        hint="Start it with -v, do the same again, and report what it prints.",
    )
